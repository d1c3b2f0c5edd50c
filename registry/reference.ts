/**
 * OCI references: `[HOST[:PORT]/]REPOSITORY[:TAG][@DIGEST]`, by the grammar of distribution/reference. Pure.
 *
 * The first segment is a host when it holds a dot or a colon or is `localhost`. Otherwise the registry is docker.io,
 * and a repository of one segment is below `library/`, as for docker. Without tag and digest the tag is `latest`.
 */

import { AppError } from "../runtime/errors.ts";
import { DIGEST } from "../runtime/store/receipt.ts";
import { printable } from "../runtime/text.ts";

/** A parsed reference. */
export interface Reference {
  /** Host, and port where it was given: `ghcr.io`, `127.0.0.1:5000`, `[::1]:5000`. */
  readonly registry: string;
  readonly repository: string;
  readonly tag: string | undefined;
  /** `sha256:<hex>`; it wins over the tag. */
  readonly digest: string | undefined;
}

const HOST =
  /^(?:[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?)*|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?$/;
const REPOSITORY = /^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:\/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*$/;
const TAG = /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$/;
const MAX_LENGTH = 255;

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
  const isHost = first === "localhost" || /[.:\[]/.test(first) || first !== first.toLowerCase();
  let registry = isHost ? first : "docker.io";
  let repository = isHost ? rest.slice(slash + 1) : rest;
  if (registry === "index.docker.io") registry = "docker.io";
  if (registry === "docker.io" && !repository.includes("/") && repository !== "") {
    repository = `library/${repository}`;
  }
  if (!HOST.test(registry) || Number(/:(\d+)$/.exec(registry)?.[1] ?? 0) > 65535) {
    invalid(`"${printable(registry, 150)}" is not a registry's host`);
  }
  if (repository === "") invalid("it names no repository");
  if (repository.length > MAX_LENGTH) invalid(`its repository is longer than ${MAX_LENGTH} characters`);
  if (!REPOSITORY.test(repository)) {
    invalid(`"${printable(repository, 150)}" is not a repository (lower-case letters, digits, . _ - and /)`);
  }
  if (tag === undefined && digest === undefined) tag = "latest";
  return { registry: registry.toLowerCase(), repository, tag, digest };
}

/** A registry's host, with its port where it has one. @throws AppError REFERENCE_INVALID */
export function parseRegistry(text: string): string {
  if (!HOST.test(text) || Number(/:(\d+)$/.exec(text)?.[1] ?? 0) > 65535) {
    throw new AppError("REFERENCE_INVALID", `"${printable(text, 150)}" is not a registry's host`, {
      hint: "a registry looks like ghcr.io or registry.acme.example:5000",
    });
  }
  const registry = text.toLowerCase();
  return registry === "index.docker.io" || registry === "registry-1.docker.io" ? "docker.io" : registry;
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

/** The whole reference as text; nothing is left to defaults. */
export function formatReference({ registry, repository, tag, digest }: Reference): string {
  return `${registry}/${repository}${tag === undefined ? "" : `:${tag}`}${
    digest === undefined ? "" : `@${digest}`
  }`;
}

/** Whether a registry's host, port or not, is this machine: `localhost`, 127.0.0.0/8, `[::1]`. */
export function isLoopback(host: string): boolean {
  const name = host.replace(/:\d+$/, "");
  return name === "localhost" || name.endsWith(".localhost") || /^127(\.\d{1,3}){3}$/.test(name) ||
    name === "[::1]";
}

/**
 * Whether a host, port or not, is this machine or one of the link-local and metadata addresses that only this machine
 * reaches: what no registry elsewhere may point to.
 */
export function isLocalAddress(host: string): boolean {
  const name = host.replace(/:\d+$/, "").toLowerCase().replace(/\.$/, "");
  if (isLoopback(name) || name === "metadata.google.internal" || name === "metadata") return true;
  if (/^(127|0)\.|^169\.254\.|^100\.100\.100\.200$/.test(name)) return true;
  if (!name.startsWith("[")) return false;
  const address = name.slice(1, -1);
  // Unspecified, loopback, link-local, the metadata service of EC2; IPv4 in IPv6 may be any of the above.
  return /^(::1?$|fe[89ab]|fd00:ec2:|::ffff:|64:ff9b:|::[0-9a-f]+:[0-9a-f]+$)/.test(address);
}

/** The origin of a registry's API. Plain HTTP for this machine, and where it is asked for. */
export function registryOrigin(registry: string, plainHttp: boolean): string {
  const host = registry === "docker.io" ? "registry-1.docker.io" : registry;
  return `${plainHttp || isLoopback(registry) ? "http" : "https"}://${host}`;
}
