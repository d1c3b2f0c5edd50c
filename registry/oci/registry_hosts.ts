/**
 * Reads how to reach registries: mirrors, private CAs, client certificates, plain HTTP. The sources are
 * `registries.yaml` in the store and the files of container tools: registries.conf with its drop-ins, and certs.d.
 * Parsing is pure.
 */

import { AppError, firstLineOf, messageOf } from "../../runtime/base/errors.ts";
import { whyChangeable } from "../../runtime/policy/owned_file.ts";
import { printable } from "../../runtime/base/text.ts";
import { layoutAt } from "../../runtime/store/layout.ts";
import type { Endpoint } from "./authorized_requests.ts";
import type { Hosts } from "./registry_client.ts";
import { readOptionalFile } from "./optional_file.ts";
import { canonicalHost, hostSpellings } from "../../runtime/base/reference.ts";
import { isLoopback, parseRegistry, type Reference, registryOrigin } from "./mirrored_reference.ts";
import type { HostTls } from "./registry_transport.ts";

/** A mirror. */
export interface Mirror {
  /** `HOST[:PORT][/PATH]`, which replaces the registry's prefix. */
  readonly location: string;
  /** Use it for digests or tags only; a mirror's tags may be old. */
  readonly only: "digest" | "tag" | undefined;
  /** Use plain HTTP if the mirror does not speak HTTPS. */
  readonly insecure: boolean;
}

/** The configuration of all repositories below a prefix. */
export interface RegistryRule {
  /** `HOST[:PORT][/PATH]` with a canonical host, or `*.DOMAIN`. */
  readonly prefix: string;
  /** Their real location. Default: the prefix. */
  readonly location: string | undefined;
  readonly mirrors: readonly Mirror[];
  readonly blocked: boolean;
  readonly insecure: boolean;
  /** Whether to ask the registry itself if no mirror has the content. */
  readonly fallback: boolean;
  /** Whether the rule is from the user's own file, or from a file that others than the administrator may change. */
  readonly isUsers: boolean;
}

/** Paths of a host's certificate files. */
export interface HostFiles {
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
}

/** The whole configuration. */
export interface RegistriesConfig {
  readonly rules: readonly RegistryRule[];
  readonly tls: ReadonlyMap<string, HostFiles>;
}

const DOMAIN = /^\*(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?)+\.?$/;
const PATH = /^[a-z0-9._/-]+$/;

/** `HOST[:PORT][/PATH]` in its canonical form, as in references; undefined if it is invalid. Pure. */
function canonicalLocation(text: string): string | undefined {
  const [host = "", ...path] = text.replace(/\/+$/, "").split("/");
  const registry = canonicalHost(host);
  if (registry === undefined || path.length > 0 && !PATH.test(path.join("/"))) return undefined;
  return [registry, ...path].join("/");
}

/** Like {@linkcode canonicalLocation}, but also accepts `*.DOMAIN`. Pure. */
function canonicalPrefix(text: string): string | undefined {
  return DOMAIN.test(text) ? text.toLowerCase().replace(/\.$/, "") : canonicalLocation(text);
}

/**
 * Reads the parsed `registries.yaml` of the store.
 *
 * @param directory base of relative paths
 * @throws AppError REGISTRIES_INVALID with the field's path
 */
export function parseRegistriesYaml(value: unknown, path: string, directory: string): RegistriesConfig {
  const fail = (what: string): never => {
    throw invalid(path, what, "docs/registries.md shows one");
  };
  const object = (item: unknown, where: string, fields?: readonly string[]): Record<string, unknown> => {
    if (typeof item !== "object" || item === null || Array.isArray(item)) {
      return fail(`${where} is no mapping`);
    }
    for (const field of Object.keys(item)) {
      if (fields && !fields.includes(field)) {
        fail(`${where === "it" ? "" : `${where}.`}${field} is not known`);
      }
    }
    return item as Record<string, unknown>;
  };
  const flag = (item: unknown, where: string, standard: boolean): boolean =>
    item === undefined
      ? standard
      : typeof item === "boolean"
      ? item
      : fail(`${where} is neither true nor false`);
  const location = (item: unknown, where: string): string => {
    const canonical = typeof item === "string" ? canonicalLocation(item) : undefined;
    return canonical ?? fail(`${where} is not HOST[:PORT][/PATH]`);
  };
  const file = (item: unknown, where: string): string | undefined => {
    if (item === undefined) return undefined;
    if (typeof item !== "string" || item === "") return fail(`${where} is not a path`);
    return /^(\/|[A-Za-z]:[\\/])/.test(item) ? item : `${directory}/${item}`;
  };
  const whole = value === null || value === undefined ? {} : object(value, "it", ["registries"]);
  const rules: RegistryRule[] = [];
  const tls = new Map<string, HostFiles>();
  const spelled = new Map<string, string>();
  for (const [written, item] of Object.entries(object(whole.registries ?? {}, "registries"))) {
    const where = `registries["${printable(written, 100)}"]`;
    const prefix = canonicalPrefix(written) ?? fail(`${where} is not HOST[:PORT][/PATH] or *.DOMAIN`);
    const twin = spelled.get(prefix);
    if (twin !== undefined) fail(`${where} is the same as "${printable(twin, 100)}"`);
    spelled.set(prefix, written);
    const entry = object(item ?? {}, where, [
      "mirrors",
      "location",
      "blocked",
      "fallback",
      "plainHttp",
      "ca",
      "cert",
      "key",
    ]);
    const mirrors = entry.mirrors ?? [];
    if (!Array.isArray(mirrors)) return fail(`${where}.mirrors is no list`);
    rules.push({
      prefix,
      location: entry.location === undefined ? undefined : location(entry.location, `${where}.location`),
      mirrors: mirrors.map((one: unknown, index): Mirror => {
        const at = `${where}.mirrors[${index}]`;
        if (typeof one === "string") return { location: location(one, at), only: undefined, insecure: false };
        const mirror = object(one, at, ["location", "only", "plainHttp"]);
        const { only } = mirror;
        if (only !== undefined && only !== "digest" && only !== "tag") {
          fail(`${at}.only is neither digest nor tag`);
        }
        return {
          location: location(mirror.location, `${at}.location`),
          only: only as Mirror["only"],
          insecure: flag(mirror.plainHttp, `${at}.plainHttp`, false),
        };
      }),
      blocked: flag(entry.blocked, `${where}.blocked`, false),
      insecure: flag(entry.plainHttp, `${where}.plainHttp`, false),
      fallback: flag(entry.fallback, `${where}.fallback`, true),
      isUsers: true,
    });
    const [ca, cert, key] = (["ca", "cert", "key"] as const).map((name) =>
      file(entry[name], `${where}.${name}`)
    );
    if ((cert === undefined) !== (key === undefined)) fail(`${where} has only one of cert and key`);
    if (ca === undefined && cert === undefined) continue;
    if (prefix.includes("/") || prefix.startsWith("*")) {
      fail(`${where}: certificates belong to a host, without a path`);
    }
    tls.set(prefix, {
      ...(ca === undefined ? {} : { ca }),
      ...(cert === undefined ? {} : { cert, key: key! }),
    });
  }
  return { rules, tls };
}

/**
 * Reads a parsed registries.conf (containers-registries.conf(5)): the parts about the location of registries. Unknown
 * fields are ignored, because they belong to other tools.
 *
 * @param isUsers whether the file is the user's own
 * @throws AppError REGISTRIES_INVALID
 */
export function parseRegistriesConf(value: unknown, path: string, isUsers = true): RegistryRule[] {
  const fail = (what: string): never => {
    throw invalid(path, what, "man 5 containers-registries.conf");
  };
  const { registry = [], registries } = value as { registry?: unknown; registries?: unknown };
  if (!Array.isArray(registry)) return fail("registry is not an array of tables");
  const old = parseVersion1(registries, isUsers, fail);
  if (old.length > 0 && registry.length > 0) {
    return fail("registries and registry, of versions 1 and 2, are mixed");
  }
  if (old.length > 0) return old;
  const text = (item: unknown, where: string, canonical = canonicalLocation): string | undefined =>
    item === undefined || item === ""
      ? undefined
      : (typeof item === "string" ? canonical(item) : undefined) ??
        fail(`${where} is not HOST[:PORT][/PATH]`);
  return registry.map((item: Record<string, unknown>, index): RegistryRule => {
    const where = `registry[${index}]`;
    const location = text(item.location, `${where}.location`);
    const prefix = text(item.prefix, `${where}.prefix`, canonicalPrefix) ?? location ??
      fail(`${where} has neither prefix nor location`);
    const mirrors = item.mirror ?? [];
    if (!Array.isArray(mirrors)) return fail(`${where}.mirror is not an array of tables`);
    return {
      prefix,
      location,
      mirrors: mirrors.map((one: Record<string, unknown>, at): Mirror => {
        const from = one["pull-from-mirror"];
        return {
          location: text(one.location, `${where}.mirror[${at}].location`) ??
            fail(`${where}.mirror[${at}].location is missing`),
          only: from === "digest-only" || (from === undefined && item["mirror-by-digest-only"] === true)
            ? "digest"
            : from === "tag-only"
            ? "tag"
            : undefined,
          insecure: one.insecure === true,
        };
      }),
      blocked: item.blocked === true,
      insecure: item.insecure === true,
      fallback: true,
      isUsers,
    };
  });
}

/** Reads version 1 of that format: lists of insecure and of blocked registries. */
function parseVersion1(
  registries: unknown,
  isUsers: boolean,
  fail: (what: string) => never,
): RegistryRule[] {
  const list = (name: string): string[] => {
    const table = (registries as Record<string, { registries?: unknown } | undefined> | undefined)?.[name];
    const names = table?.registries ?? [];
    if (!Array.isArray(names)) return fail(`registries.${name}.registries is not an array`);
    return names.map((one, index) =>
      typeof one === "string" && canonicalLocation(one) ||
      fail(`registries.${name}.registries[${index}] is not HOST[:PORT][/PATH]`)
    );
  };
  const [insecure, blocked] = [list("insecure"), list("block")];
  return [...new Set([...insecure, ...blocked])].map((prefix) => ({
    prefix,
    location: undefined,
    mirrors: [],
    blocked: blocked.includes(prefix),
    insecure: insecure.includes(prefix),
    fallback: true,
    isUsers,
  }));
}

/**
 * Whether a registries.conf may configure a registry. As installed it has only comments and short names, and is not
 * worth loading a parser. A file with escaped keys is parsed, too.
 */
export function mayNameRegistries(text: string): boolean {
  return /^[ \t]*(\[[ \t]*){0,2}["']?registr(y|ies)\b/m.test(text) || text.includes("\\");
}

function invalid(path: string, what: string, hint: string): AppError {
  return new AppError(
    "REGISTRIES_INVALID",
    `"${printable(path, 300)}" can't be used: ${printable(what, 300)}`,
    {
      hint,
    },
  );
}

/** The rule for a repository: the longest matching prefix; of equal prefixes the first. Pure. */
export function ruleOf(
  rules: readonly RegistryRule[],
  { registry, repository }: Pick<Reference, "registry" | "repository">,
): RegistryRule | undefined {
  const name = `${registry}/${repository}`;
  let best: RegistryRule | undefined;
  for (const rule of rules) {
    const matches = rule.prefix.startsWith("*.")
      ? hostOf(registry).endsWith(rule.prefix.slice(1))
      : name === rule.prefix || name.startsWith(`${rule.prefix}/`);
    // A host name, even a short one, wins over a wildcard domain.
    if (matches && (!best || nearness(rule) > nearness(best))) best = rule;
  }
  return best;
}

function nearness({ prefix }: RegistryRule): number {
  return prefix.startsWith("*.") ? prefix.length : 1000 + prefix.length;
}

function hostOf(registry: string): string {
  return registry.replace(/:\d+$/, "");
}

/** A place that may have a repository. */
export interface Place {
  readonly registry: string;
  readonly repository: string;
  readonly insecure: boolean;
  /** The user's own configuration chose this place instead of the reference's. */
  readonly isUsers: boolean;
}

/**
 * The places of a repository, in the order to try. Pure.
 *
 * @throws AppError REGISTRY_FORBIDDEN if it is blocked
 */
export function placesOf(rule: RegistryRule | undefined, reference: Reference): Place[] {
  const { registry, repository, digest } = reference;
  if (!rule) return [{ registry, repository, insecure: false, isUsers: false }];
  if (rule.blocked) {
    throw new AppError(
      "REGISTRY_FORBIDDEN",
      `Pulling from ${printable(`${registry}/${repository}`, 300)} is blocked: ${rule.prefix}`,
      { hint: "registries.yaml, or containers' registries.conf, says so" },
    );
  }
  const rest = rule.prefix.startsWith("*.")
    ? `/${repository}`
    : `${registry}/${repository}`.slice(rule.prefix.length);
  const place = (location: string, insecure: boolean): Place => {
    const [host = "", ...path] = `${location}${rest}`.split("/");
    const there = { registry: parseRegistry(host), repository: path.join("/") };
    const same = there.registry === registry && there.repository === repository;
    return { ...there, insecure, isUsers: rule.isUsers && !same };
  };
  const asked = digest === undefined ? "tag" : "digest";
  const mirrors = rule.mirrors.filter(({ only }) => only === undefined || only === asked)
    .map(({ location, insecure }) => place(location, insecure));
  const own = rule.location === undefined || rule.prefix.startsWith("*.")
    ? { registry, repository, insecure: rule.insecure, isUsers: false }
    : place(rule.location, rule.insecure);
  return rule.fallback || mirrors.length === 0 ? [...mirrors, own] : mirrors;
}

/** The functions that reading the configuration needs from the system. */
export interface HostsHost {
  readonly env: (name: string) => string | undefined;
  /** undefined if the file does not exist. @throws AppError REGISTRIES_INVALID */
  readonly readFile: (path: string) => string | undefined;
  /** Names in a directory, in order; none if it does not exist. */
  readonly readDirectory: (path: string) => readonly string[];
  /** Whether only the administrator can change a file and every part of its resolved path. */
  readonly isAdministrators: (path: string) => boolean;
  /** Whether a host answers HTTPS. */
  readonly speaksHttps: (host: string) => Promise<boolean>;
}

/** The user's configuration of registries. Files are read at the first use. */
export function openHosts(root: string, host: HostsHost): Hosts {
  let config: Promise<RegistriesConfig> | undefined;
  const read = () => config ??= readConfig(root, host);
  const https = new Map<string, Promise<boolean>>();
  const tlsOf = async (name: string) => {
    const registry = canonicalHost(name) ?? name; // a URL has another name for Docker Hub
    return readTls(registry, (await read()).tls.get(registry), host);
  };
  const originOf = async (
    { registry, insecure }: Pick<Place, "registry" | "insecure">,
  ): Promise<string> => {
    // Registries on this machine use HTTP or HTTPS, so the port is asked. Configured certificates mean HTTPS.
    const local = isLoopback(registry);
    if (!local && !insecure) return registryOrigin(registry, false);
    if (local && !insecure && await tlsOf(registry)) return `https://${registry}`;
    if (local && !/:\d+$/.test(registry)) return registryOrigin(registry, true); // its port is 80
    const secure = local ? `https://${registry}` : registryOrigin(registry, false);
    let speaks = https.get(registry);
    if (!speaks) https.set(registry, speaks = host.speaksHttps(new URL(secure).host));
    return await speaks ? secure : registryOrigin(registry, true);
  };
  return {
    async endpoints(reference): Promise<readonly Endpoint[]> {
      const { rules } = await read();
      return await Promise.all(
        placesOf(ruleOf(rules, reference), reference).map(async (place) => ({
          registry: place.registry,
          repository: place.repository,
          origin: await originOf(place),
          ...(place.isUsers ? { isUsers: true } : {}),
        })),
      );
    },
    async origin(registry) {
      const { rules } = await read();
      const insecure = ruleOf(rules, { registry, repository: "" })?.insecure ?? false;
      return await originOf({ registry, insecure });
    },
    tls: tlsOf,
  };
}

/** The user's own file, in the store. */
export function registriesFile(root: string): string {
  return layoutAt(root).registries;
}

async function readConfig(root: string, host: HostsHost): Promise<RegistriesConfig> {
  const path = registriesFile(root);
  const text = host.readFile(path);
  let own: RegistriesConfig = { rules: [], tls: new Map() };
  if (text !== undefined) {
    let value: unknown;
    try {
      value = (await import("yaml")).parse(text, { maxAliasCount: 100 });
    } catch (error) {
      throw invalid(
        path,
        `it is not YAML: ${firstLineOf(error).replace("; please use YAML.parseAllDocuments()", "")}`,
        "docs/registries.md shows one",
      );
    }
    own = parseRegistriesYaml(value, path, root);
  }
  const containers = await readContainers(host);
  // The user's rule for a prefix replaces the container tools' rule.
  const said = new Set(own.rules.map(({ prefix }) => prefix));
  return { rules: [...own.rules, ...containers.filter(({ prefix }) => !said.has(prefix))], tls: own.tls };
}

/** A file of the container tools. */
interface ContainersFile {
  readonly path: string;
  /** The user's environment chose the path. */
  readonly isUsers: boolean;
}

/**
 * The container tools' files: the one that the environment names, else the user's, else the system's, plus drop-ins.
 */
async function readContainers(host: HostsHost): Promise<RegistryRule[]> {
  const home = host.env("HOME");
  const named = host.env("CONTAINERS_REGISTRIES_CONF");
  const config = host.env("XDG_CONFIG_HOME") || (home ? `${home}/.config` : undefined);
  const users = config ? `${config}/containers/registries.conf` : undefined;
  // The reason for reading a file decides whether it is the user's: its path may have several spellings.
  const ofUsers = (path: string | undefined): ContainersFile[] =>
    path === undefined ? [] : [{ path, isUsers: true }];
  const own = ofUsers(users);
  const system: ContainersFile[] = [{ path: "/etc/containers/registries.conf", isUsers: false }];
  const first = named ? ofUsers(named) : [...own, ...system];
  const main = first.find(({ path }) => host.readFile(path) !== undefined);
  const dropIns = named
    ? []
    : [...system, ...own].flatMap(({ path, isUsers }) =>
      host.readDirectory(`${path}.d`).filter((name) => name.endsWith(".conf")).map((name) => ({
        path: `${path}.d/${name}`,
        isUsers,
      }))
    );
  const files = [...(main === undefined ? [] : [main]), ...dropIns];
  if (files.length === 0) return [];
  const byPrefix = new Map<string, RegistryRule>();
  for (const file of files) {
    const { path } = file;
    const text = host.readFile(path) ?? "";
    if (!mayNameRegistries(text)) continue;
    const { parse } = await import("smol-toml");
    let value: unknown;
    try {
      value = parse(text);
    } catch (error) {
      throw invalid(
        path,
        `it is not TOML: ${messageOf(error).split("\n", 1)[0]}`,
        "man 5 containers-registries.conf",
      );
    }
    const isUsers = file.isUsers || !host.isAdministrators(path);
    for (const rule of parseRegistriesConf(value, path, isUsers)) byPrefix.set(rule.prefix, rule);
  }
  return [...byPrefix.values()];
}

/** The certificates of a host: from registries.yaml, else from certs.d of docker or the container tools. */
function readTls(name: string, own: HostFiles | undefined, host: HostsHost): HostTls | undefined {
  const pem = (path: string): string =>
    host.readFile(path) ?? ((): never => {
      throw new AppError(
        "REGISTRIES_INVALID",
        `There is no file "${printable(path, 300)}" for ${printable(name, 200)}`,
      );
    })();
  const authorities = (paths: readonly string[]): string[] => {
    const texts = paths.map(pem).filter((text) => text.includes("-----BEGIN CERTIFICATE-----"));
    if (texts.length > 0) return texts;
    throw new AppError(
      "REGISTRIES_INVALID",
      `"${printable(paths[0]!, 300)}" for ${printable(name, 200)} holds no certificate in PEM`,
      { hint: "openssl x509 -inform der -in FILE -out ca.pem makes one of DER" },
    );
  };
  if (own) {
    return {
      ...(own.ca === undefined ? {} : { ca: authorities([own.ca]) }),
      ...(own.cert === undefined ? {} : { client: { cert: pem(own.cert), key: pem(own.key!) } }),
    };
  }
  const home = host.env("HOME");
  const config = host.env("XDG_CONFIG_HOME") || (home ? `${home}/.config` : undefined);
  const directories = [
    ...(config ? [`${config}/containers/certs.d`, `${config}/docker/certs.d`] : []),
    "/etc/containers/certs.d",
    "/etc/docker/certs.d",
  ].flatMap((path) => hostSpellings(name).map((spelling) => `${path}/${spelling}`));
  for (const directory of directories) {
    const names = host.readDirectory(directory);
    const ca = names.filter((file) => file.endsWith(".crt"));
    const cert = names.find((file) => file.endsWith(".cert"));
    if (ca.length === 0 && cert === undefined) continue;
    const key = cert && `${cert.slice(0, -".cert".length)}.key`;
    if (cert !== undefined && !names.includes(key!)) {
      throw new AppError(
        "REGISTRIES_INVALID",
        `"${printable(`${directory}/${cert}`, 300)}" has no ${printable(key!)} beside it`,
      );
    }
    return {
      ...(ca.length === 0 ? {} : { ca: authorities(ca.map((file) => `${directory}/${file}`)) }),
      ...(cert === undefined
        ? {}
        : { client: { cert: pem(`${directory}/${cert}`), key: pem(`${directory}/${key}`) } }),
    };
  }
  return undefined;
}

/** The functions for the real process. */
export function processHosts(speaksHttps: HostsHost["speaksHttps"]): HostsHost {
  return {
    env: (name) => Deno.env.get(name),
    readFile: (path) => readOptionalFile(path, "REGISTRIES_INVALID"),
    readDirectory: (path) => {
      try {
        return [...Deno.readDirSync(path)].map(({ name }) => name).sort();
      } catch {
        return [];
      }
    },
    isAdministrators: (path) => whyChangeable(path) === undefined,
    speaksHttps,
  };
}
