/**
 * The user's credentials for a registry, as docker, podman and oras find them: `$DOCKER_CONFIG/config.json` or
 * `~/.docker/config.json` with its helpers, `$REGISTRY_AUTH_FILE`, `$XDG_RUNTIME_DIR/containers/auth.json`.
 */

import { AppError } from "../runtime/errors.ts";
import { canonicalHost } from "../runtime/reference.ts";
import { printable } from "../runtime/text.ts";
import { readOptionalFile } from "./optional_file.ts";
import { askHelper, type RunHelper, runHelper } from "./credential_helper.ts";

/** Credentials for one registry. */
export type RegistryCredentials =
  | { readonly kind: "basic"; readonly username: string; readonly password: string }
  /** A refresh token, for the token endpoint alone. */
  | { readonly kind: "identity"; readonly token: string };

/** What is needed of the outside. */
export interface CredentialHost {
  readonly env: (name: string) => string | undefined;
  /** undefined where there is no such file. */
  readonly readFile: (path: string) => string | undefined;
  readonly runHelper: RunHelper;
}

/** docker's config.json and podman's auth.json, as much as is of credentials. */
export interface AuthFile {
  readonly auths?: Record<string, { auth?: unknown; identitytoken?: unknown } | undefined>;
  readonly credsStore?: unknown;
  readonly credHelpers?: Record<string, unknown>;
}

/** How docker's own registry is called in its config. */
const DOCKER_HUB = "https://index.docker.io/v1/";

/** The files that may hold credentials, in the order they are asked. */
export function credentialFiles(env: CredentialHost["env"]): string[] {
  const home = env("HOME") || env("USERPROFILE");
  const docker = env("DOCKER_CONFIG")
    ? `${env("DOCKER_CONFIG")}/config.json`
    : home
    ? `${home}/.docker/config.json`
    : undefined;
  const runtime = env("XDG_RUNTIME_DIR");
  const podman = env("REGISTRY_AUTH_FILE") || (runtime ? `${runtime}/containers/auth.json` : undefined);
  // A file that the environment names outright is meant.
  const files = env("REGISTRY_AUTH_FILE") ? [podman, docker] : [docker, podman];
  return files.filter((file) => file !== undefined);
}

/** The credentials for `registry` (host and port); undefined for none. @throws AppError REGISTRY_CREDENTIALS */
export async function findCredentials(
  registry: string,
  repository: string,
  host: CredentialHost = processHost(),
): Promise<RegistryCredentials | undefined> {
  for (const path of credentialFiles(host.env)) {
    const file = readAuthFile(path, host);
    const found = file && await findIn(file, registry, repository, host, path);
    if (found) return found;
  }
  return undefined;
}

/** A file of credentials; undefined where there is none. @throws AppError REGISTRY_CREDENTIALS */
export function readAuthFile(path: string, host: CredentialHost): AuthFile | undefined {
  const text = host.readFile(path);
  if (text === undefined || text.trim() === "") return undefined;
  let file: unknown;
  try {
    file = JSON.parse(text);
  } catch { /* told below, without what it holds */ }
  if (typeof file !== "object" || file === null || Array.isArray(file)) {
    throw new AppError("REGISTRY_CREDENTIALS", `"${printable(path)}" is not a JSON object`, {
      hint: "mend it, or move it away: krew-wasm login writes it anew",
    });
  }
  return file;
}

/** How docker and its helpers call a registry. */
export function serverName(registry: string): string {
  return registry === "docker.io" ? DOCKER_HUB : registry;
}

/** The helper that a file names for a registry, and what the helper calls it. */
export function helperFor(
  file: AuthFile,
  registry: string,
): { readonly helper: string; readonly server: string } | undefined {
  const named = Object.keys(file.credHelpers ?? {}).find((key) => locationOf(key) === registry);
  const helper = named === undefined ? file.credsStore : file.credHelpers![named];
  if (typeof helper !== "string" || helper === "") return undefined;
  if (registry === "docker.io") return { helper, server: serverName(registry) };
  // docker leaves an entry without credentials under the name that it told the helper.
  const told = Object.keys(file.auths ?? {}).find((key) => locationOf(key) === registry);
  return { helper, server: named ?? told ?? registry };
}

/**
 * What a file's key names: `HOST[:PORT][/PATH]`, its host in the spelling that references have; docker writes URLs, too.
 * undefined for what is none.
 */
export function locationOf(key: string): string | undefined {
  const text = key.replace(/^https?:\/\//i, "").replace(/\/(?:v[12]\/?)?$/, "");
  const [host = "", ...path] = text.split("/");
  const registry = canonicalHost(host);
  return registry && [registry, ...path].join("/");
}

async function findIn(
  file: AuthFile,
  registry: string,
  repository: string,
  host: CredentialHost,
  path: string,
): Promise<RegistryCredentials | undefined> {
  const named = helperFor(file, registry);
  if (named !== undefined) {
    const found = await askHelper(named.helper, named.server, host.runHelper);
    if (found) return found;
  }
  // podman's file may have entries for a repository or what is above it: the longest wins.
  const segments = `${registry}/${repository}`.split("/");
  const wanted = segments.map((_, index) => segments.slice(0, segments.length - index).join("/"));
  const keys = Object.keys(file.auths ?? {});
  // Of several spellings of one name the plainest holds.
  const names = wanted.flatMap((name) => [
    ...keys.filter((key) => key === name),
    ...keys.filter((key) => key !== name && locationOf(key) === name),
  ]);
  for (const name of names) {
    const entry = file.auths![name];
    if (!entry) continue;
    if (typeof entry.identitytoken === "string" && entry.identitytoken !== "") {
      return { kind: "identity", token: entry.identitytoken };
    }
    if (typeof entry.auth === "string" && entry.auth !== "") return decodeAuth(entry.auth, name, path);
  }
  return undefined;
}

/** `base64(username:password)`; the password may hold colons. @throws AppError REGISTRY_CREDENTIALS */
function decodeAuth(auth: string, name: string, path: string): RegistryCredentials {
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true }).decode(
      Uint8Array.from(atob(auth.trim()), (character) => character.charCodeAt(0)),
    );
  } catch {
    text = "";
  }
  const colon = text.indexOf(":");
  if (colon < 1) {
    throw new AppError(
      "REGISTRY_CREDENTIALS",
      `auths["${printable(name, 200)}"].auth in "${printable(path)}" is malformed`,
    );
  }
  return {
    kind: "basic",
    username: text.slice(0, colon),
    password: text.slice(colon + 1).replace(/\0+$/, ""),
  };
}

/** The process's own surroundings. */
export function processHost(): CredentialHost {
  return {
    env: (name) => Deno.env.get(name),
    readFile: (path) => readOptionalFile(path, "REGISTRY_CREDENTIALS"),
    runHelper,
  };
}
