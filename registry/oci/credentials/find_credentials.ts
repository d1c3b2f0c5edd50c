/**
 * Finds the user's credentials for a registry as docker, podman and oras do. A broken file or helper causes a warning
 * and the next source is tried: a public plugin needs no credentials.
 */

import { AppError } from "../../../runtime/base/errors.ts";
import { dockerAuthFile, registryAuthFiles } from "../../../runtime/base/user_files.ts";
import { type AuthFile, authKeys, helperFor, nameOfKey, parseAuthFile, readEntry } from "./auth_file.ts";
import { askHelper, type RunHelper, runHelper } from "./credential_helper.ts";
import { readOptionalFile } from "../optional_file.ts";
import type { RegistryCredentials } from "./registry_credentials.ts";

/** The functions that finding credentials needs from the system. */
export interface CredentialHost {
  readonly env: (name: string) => string | undefined;
  /** undefined if the file does not exist. */
  readonly readFile: (path: string) => string | undefined;
  readonly runHelper: RunHelper;
  /** The user's number, on Linux. */
  readonly uid?: number | undefined;
  /** Called with each problem of a file or a helper. */
  readonly warn?: (problem: AppError) => void;
}

/** The file that `login` writes: the one that the environment names, else docker's, which all tools read. */
export function loginFile(env: CredentialHost["env"]): string | undefined {
  const runtime = env("XDG_RUNTIME_DIR");
  return env("REGISTRY_AUTH_FILE") || dockerAuthFile(env) || (runtime && `${runtime}/containers/auth.json`) ||
    undefined;
}

/** The credentials for `registry` (host and port); undefined if there are none. */
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

/** docker's variable with the text of a config file. */
const HELD = "DOCKER_AUTH_CONFIG";

/**
 * Whether docker's variable has credentials for a registry or one of its repositories. `logout` cannot remove those.
 */
export function isHeld(registry: string, { env }: Pick<CredentialHost, "env">): boolean {
  const held = env(HELD);
  try {
    const file = held ? parseAuthFile(held, `$${HELD}`) : undefined;
    return Object.keys(file?.auths ?? {}).some((key) => nameOfKey(key)?.split("/", 1)[0] === registry);
  } catch {
    return false; // reported when the credentials are used
  }
}

/** The sources of credentials: docker's variable, and the files. */
function sourcesOf(
  host: CredentialHost,
): { readonly name: string; readonly read: () => AuthFile | undefined }[] {
  const files = registryAuthFiles(host.env, host.uid).map((path) => ({
    name: path,
    read: () => readAuthFile(path, host),
  }));
  const held = host.env(HELD);
  if (!held) return files;
  const name = `$${HELD}`;
  const variable = { name, read: () => ({ auths: parseAuthFile(held, name)?.auths ?? {} }) };
  // GitLab's runners pass the same variable to jobs, for the jobs' own images.
  return host.env("GITLAB_CI") ? [...files, variable] : [variable, ...files];
}

/** Reads a credential file; undefined if it does not exist. @throws AppError REGISTRY_CREDENTIALS */
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

/** The functions for the real process. */
export function processHost(): CredentialHost {
  return {
    env: (name) => Deno.env.get(name),
    readFile: (path) => readOptionalFile(path, "REGISTRY_CREDENTIALS"),
    runHelper,
    uid: Deno.build.os === "linux" ? Deno.uid() ?? undefined : undefined,
  };
}
