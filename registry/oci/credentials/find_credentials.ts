/**
 * The user's credentials for a registry, as docker, podman and oras find them. What is wrong with a file or a helper is
 * told, and the next is asked: a public plugin needs none of them.
 */

import { AppError } from "../../../runtime/base/errors.ts";
import { type AuthFile, authKeys, helperFor, nameOfKey, parseAuthFile, readEntry } from "./auth_file.ts";
import { askHelper, type RunHelper, runHelper } from "./credential_helper.ts";
import { readOptionalFile } from "../optional_file.ts";
import type { RegistryCredentials } from "./registry_credentials.ts";

/** What is needed of the outside. */
export interface CredentialHost {
  readonly env: (name: string) => string | undefined;
  /** undefined where there is no such file. */
  readonly readFile: (path: string) => string | undefined;
  readonly runHelper: RunHelper;
  /** The number of the user, on Linux. */
  readonly uid?: number | undefined;
  /** Told what is wrong with a file or a helper. */
  readonly warn?: (problem: AppError) => void;
}

/** docker's file; undefined where there is no place for it. */
function dockerFile(env: CredentialHost["env"]): string | undefined {
  const home = env("HOME") || env("USERPROFILE");
  const directory = env("DOCKER_CONFIG") || (home ? `${home}/.docker` : undefined);
  return directory && `${directory}/config.json`;
}

/** The files that may hold credentials, in the order they are asked. */
export function credentialFiles({ env, uid }: Pick<CredentialHost, "env" | "uid">): string[] {
  const docker = dockerFile(env);
  // A file that the environment names outright is meant; podman then reads no other of its own.
  const named = env("REGISTRY_AUTH_FILE");
  const home = env("HOME") || env("USERPROFILE");
  const runtime = env("XDG_RUNTIME_DIR") || (uid === undefined ? undefined : `/run/containers/${uid}`);
  const config = env("XDG_CONFIG_HOME") || (home ? `${home}/.config` : undefined);
  const podman = [
    runtime && (env("XDG_RUNTIME_DIR") ? `${runtime}/containers/auth.json` : `${runtime}/auth.json`),
    config && `${config}/containers/auth.json`,
  ];
  return (named ? [named, docker] : [docker, ...podman]).filter((file) => file !== undefined);
}

/** The file that credentials are written to: the one that the environment names, else docker's, which all tools read. */
export function loginFile(env: CredentialHost["env"]): string | undefined {
  const runtime = env("XDG_RUNTIME_DIR");
  return env("REGISTRY_AUTH_FILE") || dockerFile(env) || (runtime && `${runtime}/containers/auth.json`) ||
    undefined;
}

/** The credentials for `registry` (host and port); undefined for none. */
export async function findCredentials(
  registry: string,
  repository: string,
  host: CredentialHost = processHost(),
): Promise<RegistryCredentials | undefined> {
  for (const { name, read } of sourcesOf(host)) {
    const file = orWarn(host, read);
    const found = file && await findIn(file, registry, repository, host, name);
    if (found) return found;
  }
  return undefined;
}

/** docker's variable that holds the text of a file. */
const HELD = "DOCKER_AUTH_CONFIG";

/** Whether what docker's variable holds is for a registry, or a repository there: no logout changes that. */
export function isHeld(registry: string, { env }: Pick<CredentialHost, "env">): boolean {
  const held = env(HELD);
  try {
    const file = held ? parseAuthFile(held, `$${HELD}`) : undefined;
    return Object.keys(file?.auths ?? {}).some((key) => nameOfKey(key)?.split("/", 1)[0] === registry);
  } catch {
    return false; // told where it is used
  }
}

/** Where credentials may be: what docker's variable holds, and the files. */
function sourcesOf(
  host: CredentialHost,
): { readonly name: string; readonly read: () => AuthFile | undefined }[] {
  const files = credentialFiles(host).map((path) => ({ name: path, read: () => readAuthFile(path, host) }));
  const held = host.env(HELD);
  if (!held) return files;
  const name = `$${HELD}`;
  const variable = { name, read: () => ({ auths: parseAuthFile(held, name)?.auths ?? {} }) };
  // GitLab's runners hand the same variable to jobs, for the images that they run in.
  return host.env("GITLAB_CI") ? [...files, variable] : [variable, ...files];
}

/** A file of credentials; undefined where there is none. @throws AppError REGISTRY_CREDENTIALS */
export function readAuthFile(
  path: string,
  { readFile }: Pick<CredentialHost, "readFile">,
): AuthFile | undefined {
  const text = readFile(path);
  return text === undefined ? undefined : parseAuthFile(text, path);
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
    try {
      const found = await askHelper(named.helper, named.server, host.runHelper);
      if (found) return found;
    } catch (error) {
      warnOf(host, error);
    }
  }
  for (const key of authKeys(file, registry, repository)) {
    const found = orWarn(host, () => readEntry(file, key, path));
    if (found) return found;
  }
  return undefined;
}

function orWarn<T>(host: CredentialHost, operation: () => T): T | undefined {
  try {
    return operation();
  } catch (error) {
    warnOf(host, error);
    return undefined;
  }
}

function warnOf({ warn }: CredentialHost, error: unknown): void {
  if (!(error instanceof AppError)) throw error;
  warn?.(error);
}

/** The process's own surroundings. */
export function processHost(): CredentialHost {
  return {
    env: (name) => Deno.env.get(name),
    readFile: (path) => readOptionalFile(path, "REGISTRY_CREDENTIALS"),
    runHelper,
    uid: Deno.build.os === "linux" ? Deno.uid() ?? undefined : undefined,
  };
}
