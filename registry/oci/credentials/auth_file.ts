/** The credential files of docker and podman, config.json and auth.json. Their content is never shown. Pure. */

import { isObject } from "../../../runtime/base/strict_json.ts";
import { AppError } from "../../../runtime/base/errors.ts";
import { canonicalHost } from "../../../runtime/base/reference.ts";
import { printable } from "../../../runtime/base/text.ts";
import type { RegistryCredentials } from "./registry_credentials.ts";

/** An entry of `auths`. */
interface AuthEntry {
  readonly auth?: unknown;
  readonly username?: unknown;
  readonly password?: unknown;
  readonly identitytoken?: unknown;
  readonly registrytoken?: unknown;
}

/** The fields of a file that concern credentials. */
export interface AuthFile {
  readonly auths?: Record<string, AuthEntry | null | undefined>;
  readonly credsStore?: unknown;
  readonly credHelpers?: Record<string, unknown>;
}

/** Docker Hub's name in docker's config. */
const DOCKER_HUB = "https://index.docker.io/v1/";

/** The name of a registry in docker's files and for its helpers. */
export function serverName(registry: string): string {
  return registry === "docker.io" ? DOCKER_HUB : registry;
}

/** Parses a file; undefined for an empty one. @throws AppError REGISTRY_CREDENTIALS */
export function parseAuthFile(text: string, path: string): AuthFile | undefined {
  const bare = text.replace(/^\uFEFF/, "");
  if (bare.trim() === "") return undefined;
  let file: unknown;
  try {
    file = JSON.parse(bare);
  } catch { /* reported below, without the content */ }
  if (!isObject(file)) {
    throw new AppError("REGISTRY_CREDENTIALS", `"${printable(path)}" is not a JSON object`, {
      hint: "fix it, or move it away: krew-wasm login writes it anew",
    });
  }
  for (const field of ["auths", "credHelpers"]) {
    if (file[field] !== undefined && file[field] !== null && !isObject(file[field])) {
      throw new AppError("REGISTRY_CREDENTIALS", `${field} in "${printable(path)}" is not a JSON object`);
    }
  }
  return file;
}

/**
 * The registry that a key of `auths` or `credHelpers` stands for. podman's keys may also name a repository, or a prefix
 * of one. docker writes a registry as `HOST`, `https://HOST`, `https://HOST/v1/` or `https://HOST/path`. Undefined for
 * an invalid key.
 */
export function nameOfKey(key: string): string | undefined {
  const [scheme] = /^https?:\/\//i.exec(key) ?? [""];
  const [host = "", ...path] = key.slice(scheme.length).split("/");
  const registry = canonicalHost(host);
  if (registry === undefined) return undefined;
  const rest = path.join("/").replace(/\/$/, "");
  return scheme !== "" || /^(v[12])?$/.test(rest) ? registry : `${registry}/${rest}`;
}

/** The helper that a file names for a registry, and the server name to pass to it. */
export function helperFor(
  file: AuthFile,
  registry: string,
): { readonly helper: string; readonly server: string } | undefined {
  const [named] = keysFor(file.credHelpers, [registry], registry);
  const helper = named === undefined ? file.credsStore : file.credHelpers![named];
  if (typeof helper !== "string" || helper === "") return undefined;
  if (registry === "docker.io") return { helper, server: serverName(registry) };
  // docker leaves an entry without credentials, under the server name that it passed to the helper.
  const [told] = keysFor(file.auths, [registry], registry);
  return { helper, server: named ?? told ?? registry };
}

/**
 * The keys for a repository, in order of preference: podman's repository keys, longest first, then the registry's own
 * name, then its other spellings.
 */
export function authKeys(file: AuthFile, registry: string, repository: string): string[] {
  const segments = `${registry}/${repository}`.split("/");
  return keysFor(
    file.auths,
    segments.map((_, index) => segments.slice(0, segments.length - index).join("/")),
    registry,
  );
}

function keysFor(entries: object | null | undefined, names: readonly string[], registry: string): string[] {
  const plain = [registry, serverName(registry)];
  return Object.keys(entries ?? {})
    .map((key) => ({ key, rank: names.indexOf(nameOfKey(key) ?? ""), plain: plain.includes(key) }))
    .filter(({ rank }) => rank >= 0)
    .sort((a, b) => a.rank - b.rank || Number(b.plain) - Number(a.plain))
    .map(({ key }) => key);
}

/** The file without a registry's entries, in all spellings. podman's entries for its repositories stay. */
export function withoutRegistry(file: AuthFile, registry: string): AuthFile {
  if (!file.auths) return file;
  return {
    ...file,
    auths: Object.fromEntries(Object.entries(file.auths).filter(([key]) => nameOfKey(key) !== registry)),
  };
}

/** The credentials of an entry; undefined if it has none. @throws AppError REGISTRY_CREDENTIALS */
export function readEntry(file: AuthFile, key: string, path: string): RegistryCredentials | undefined {
  const { auth, username, password, identitytoken, registrytoken } = file.auths?.[key] ?? {};
  const isText = (value: unknown): value is string => typeof value === "string" && value !== "";
  if (isText(identitytoken)) return { kind: "identity", token: identitytoken };
  // The token goes into a header unchanged.
  if (isText(registrytoken) && /^[\x21-\x7e]+$/.test(registrytoken)) {
    return { kind: "registry", token: registrytoken };
  }
  if (isText(auth)) return decodeAuth(auth, `auths["${printable(key, 200)}"].auth in "${printable(path)}"`);
  return isText(username) && isText(password) ? { kind: "basic", username, password } : undefined;
}

/** Decodes `base64(username:password)`; the password may contain colons. @throws AppError REGISTRY_CREDENTIALS */
function decodeAuth(auth: string, where: string): RegistryCredentials {
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true }).decode(
      Uint8Array.from(atob(auth.trim()), (character) => character.charCodeAt(0)),
    );
  } catch {
    text = "";
  }
  const colon = text.indexOf(":");
  if (colon < 1) throw new AppError("REGISTRY_CREDENTIALS", `${where} is malformed`);
  return {
    kind: "basic",
    username: text.slice(0, colon),
    password: text.slice(colon + 1).replace(/\0+$/, ""),
  };
}
