/**
 * OCI references: `[HOST[:PORT]/]REPOSITORY[:TAG][@DIGEST]`, by the grammar of distribution/reference. Pure.
 *
 * This file makes the canonical form. All comparisons of references, repositories or hosts use it. The first segment is a
 * host if it contains a dot or a colon, or is `localhost`. Otherwise the registry is docker.io, and a repository of one
 * segment is below `library/`, as in docker. Without tag and digest the tag is `latest`.
 */

import { AppError } from "./errors.ts";
import { printable } from "./text.ts";

/** A parsed reference, canonical. */
export interface Reference {
  /** Canonical ({@linkcode canonicalHost}): `ghcr.io`, `127.0.0.1:5000`, `[::1]:5000`, `docker.io`. */
  readonly registry: string;
  readonly repository: string;
  readonly tag: string | undefined;
  /** `sha256:<hex>`; it takes precedence over the tag. */
  readonly digest: string | undefined;
}

/** The host of a plugin from a bundle that names no registry. It cannot exist (RFC 6761, 6.4). */
export const NO_REGISTRY = "bundle.invalid";

/** The only form of digest that krew-wasm accepts. */
export const DIGEST = /^sha256:[0-9a-f]{64}$/;

const HOST =
  /^((?:[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?)*)\.?|\[[0-9A-Fa-f:.]+\])(?::0*([0-9]{1,5}))?$/;
const COMPONENT = "[a-z0-9]+(?:(?:\\.|_|__|-+)[a-z0-9]+)*";
/** One part of a repository's name. */
export const REPOSITORY_PART = new RegExp(`^${COMPONENT}$`);
const REPOSITORY = new RegExp(`^${COMPONENT}(?:/${COMPONENT})*$`);
const TAG = /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$/;
const MAX_LENGTH = 255;

/** The names of Docker Hub's registry. References use docker.io. */
export const DOCKER_HUB_NAMES = [
  "docker.io",
  "index.docker.io",
  "registry-1.docker.io",
  "registry.hub.docker.com",
] as const;

/**
 * The canonical form of a registry's host: lower-case, without a trailing dot, addresses as URLs write them (IPv4 in IPv6
 * as IPv4), no leading zeros in the port, no default port (80 on this machine, 443 elsewhere). Docker Hub's names become
 * docker.io. A name without a dot keeps its port, because a reference recognizes a host by a dot or a colon.
 *
 * @returns undefined if the text is not a host
 */
export function canonicalHost(text: string): string | undefined {
  const [, spelled, digits] = HOST.exec(text) ?? [];
  const port = digits === undefined ? undefined : Number(digits);
  if (spelled === undefined || port === 0 || port !== undefined && port > 65535) return undefined;
  const name = canonicalName(spelled.toLowerCase().replace(/\.$/, ""));
  if (name === undefined) return undefined;
  const standard = isLoopback(name) ? 80 : 443;
  if (port === undefined || port === standard) {
    if ((DOCKER_HUB_NAMES as readonly string[]).includes(name)) return "docker.io";
    return /[.[]/.test(name) || name === "localhost" ? name : `${name}:${standard}`;
  }
  return `${name}:${port}`;
}

/** All spellings of a canonical host that tools write, its own first. */
export function hostSpellings(host: string): string[] {
  const names = host === "docker.io" ? DOCKER_HUB_NAMES : [host];
  return names.flatMap((name) => {
    if (/^[^.[]+:443$/.test(name)) return [name, name.slice(0, -":443".length)];
    return /:\d+$/.test(name) ? [name] : [name, `${name}:${isLoopback(name) ? 80 : 443}`];
  });
}

/** A host's name without its port, as a URL writes it. */
function canonicalName(name: string): string | undefined {
  // All parsers agree on most names, but not on addresses and internationalized names.
  if (!/^\[|xn--|(?:^|\.)(?:\d+|0x[0-9a-f]*)$/.test(name)) return name;
  const host = URL.parse(`http://${name}/`)?.hostname;
  const mapped = host && /^\[::ffff:([0-9a-f]+):([0-9a-f]+)\]$/.exec(host);
  if (!mapped) return host || undefined;
  const [high, low] = [parseInt(mapped[1]!, 16), parseInt(mapped[2]!, 16)];
  return [high >> 8, high & 255, low >> 8, low & 255].join(".");
}

/** Whether a registry's host, port or not, is this machine: `localhost`, 127.0.0.0/8, `[::1]`. */
export function isLoopback(host: string): boolean {
  const name = host.replace(/:\d+$/, "");
  return name === "localhost" || name.endsWith(".localhost") || /^127(\.\d{1,3}){3}$/.test(name) ||
    name === "[::1]";
}

/** @throws AppError REFERENCE_INVALID */
export function parseReference(text: string): Reference {
  const invalid = (what: string, hint = "a reference looks like ghcr.io/acme/plugins/decoder:v1"): never => {
    throw new AppError("REFERENCE_INVALID", `"${printable(text, 300)}" is not a reference: ${what}`, {
      hint,
    });
  };
  if (/^[a-z][a-z0-9+.-]*:\/\//i.test(text)) {
    invalid("it is a URL", `leave out "${printable(text.slice(0, text.indexOf("//") + 2), 20)}"`);
  }
  let rest = text;
  let digest: string | undefined;
  const at = rest.indexOf("@");
  if (at >= 0) {
    digest = rest.slice(at + 1);
    rest = rest.slice(0, at);
    if (!DIGEST.test(digest)) invalid(`its digest is not sha256: and 64 lower-case hexadecimal digits`);
  }
  let tag: string | undefined;
  const colon = rest.lastIndexOf(":");
  if (colon > rest.lastIndexOf("/") && !(rest.startsWith("[") && !rest.includes("/"))) {
    tag = rest.slice(colon + 1);
    rest = rest.slice(0, colon);
    if (tag === "") invalid("its tag is empty");
    if (!TAG.test(tag)) invalid(`"${printable(tag, 150)}" is not a tag`);
  }
  const slash = rest.indexOf("/");
  const first = slash < 0 ? "" : rest.slice(0, slash);
  const hasHost = isHost(first);
  const registry = hasHost ? canonicalHost(first) : "docker.io";
  if (registry === undefined) return invalid(`"${printable(first, 150)}" is not a registry's host`);
  let repository = hasHost ? rest.slice(slash + 1) : rest;
  if (registry === "docker.io" && !repository.includes("/") && repository !== "") {
    repository = `library/${repository}`;
  }
  if (repository === "") invalid("it names no repository");
  if (repository.length > MAX_LENGTH) invalid(`its repository is longer than ${MAX_LENGTH} characters`);
  if (!REPOSITORY.test(repository)) {
    invalid(`"${printable(repository, 150)}" is not a repository (lower-case letters, digits, . _ - and /)`);
  }
  if (tag === undefined && digest === undefined) tag = "latest";
  return { registry, repository, tag, digest };
}

/** Whether the first segment of a reference is a host, by docker's rule. */
export function isHost(segment: string): boolean {
  return segment === "localhost" || /[.:\[]/.test(segment) || segment !== segment.toLowerCase();
}

/** Parses a registry's host, with or without a port. @throws AppError REFERENCE_INVALID */
export function parseRegistry(text: string): string {
  const registry = canonicalHost(text);
  if (registry !== undefined) return registry;
  throw new AppError("REFERENCE_INVALID", `"${printable(text, 150)}" is not a registry's host`, {
    hint: "a registry looks like ghcr.io or registry.acme.example:5000",
  });
}

/** A repository: a reference without tag and digest. @throws AppError REFERENCE_INVALID */
export function parseRepository(text: string): Reference {
  const reference = parseReference(text);
  const { registry, repository } = reference;
  if (/[@]/.test(text) || reference.tag !== "latest" || text.endsWith(":latest")) {
    throw new AppError("REFERENCE_INVALID", `"${printable(text, 300)}" is more than a repository`, {
      hint: `leave out its tag and digest: ${registry}/${repository}`,
    });
  }
  return { registry, repository, tag: undefined, digest: undefined };
}

/** The whole reference as text, without defaults. */
export function formatReference({ registry, repository, tag, digest }: Reference): string {
  return `${registry}/${repository}${tag === undefined ? "" : `:${tag}`}${
    digest === undefined ? "" : `@${digest}`
  }`;
}

/** The repository of a reference, registry included. Two plugins of one repository have the same publisher. */
export function repositoryName({ registry, repository }: Pick<Reference, "registry" | "repository">): string {
  return `${registry}/${repository}`;
}
