/** The container tools' registries.conf (containers-registries.conf(5)), with its drop-ins. */

import { messageOf } from "../../../runtime/base/errors.ts";
import { canonicalLocation, canonicalPrefix, type Mirror, type RegistryRule } from "./registry_rules.ts";
import { type HostsHost, registriesInvalid } from "./settings_host.ts";

/** A file of the container tools. */
interface ContainersFile {
  readonly path: string;
  /** The user's environment chose the path. */
  readonly isUsers: boolean;
}

/**
 * The container tools' files: the one that the environment names, else the user's, else the system's, plus drop-ins.
 */
export async function readContainers(host: HostsHost): Promise<RegistryRule[]> {
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
      throw registriesInvalid(
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

/**
 * Reads a parsed registries.conf (containers-registries.conf(5)): the parts about the location of registries. Unknown
 * fields are ignored, because they belong to other tools.
 *
 * @param isUsers whether the file is the user's own
 * @throws AppError REGISTRIES_INVALID
 */
export function parseRegistriesConf(value: unknown, path: string, isUsers = true): RegistryRule[] {
  const fail = (what: string): never => {
    throw registriesInvalid(path, what, "man 5 containers-registries.conf");
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
