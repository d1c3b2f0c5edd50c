/**
 * Logs in to registries and out of them. Writes credentials as docker and podman do: to the helper that the config file
 * names, or else into the file.
 */

import { AppError } from "../../../runtime/base/errors.ts";
import { systemWords } from "../../../runtime/base/file_error.ts";
import { printable } from "../../../runtime/base/text.ts";
import { registryAuthFiles } from "../../../runtime/base/user_files.ts";
import { isSuccess, RegistryAccess } from "../authorized_requests.ts";
import type { RegistryClient } from "../registry_client.ts";
import { type AuthFile, helperFor, serverName, withoutRegistry } from "./auth_file.ts";
import { type CredentialHost, isHeld, loginFile, processHost, readAuthFile } from "./find_credentials.ts";
import { eraseFromHelper, storeInHelper } from "./credential_helper.ts";
import type { Layout } from "../../../runtime/store/layout.ts";
import { openForWriting } from "../../store/open.ts";
import { replaceProtectedFile } from "../../store/replace_file.ts";

/** A user name with a password or a token. */
export interface Login {
  readonly username: string;
  readonly password: string;
}

/** The functions that logging in needs from the system. */
export interface LoginHost extends CredentialHost {
  /**
   * Changes a file, with the user's permissions only, while no other krew-wasm writes it. `change` reads
   * the file and returns its new text; undefined keeps the file.
   */
  readonly changeFile: (path: string, change: () => string | undefined) => Promise<void>;
}

/** The place where credentials were stored. */
export type Stored =
  | { readonly kind: "helper"; readonly program: string }
  | { readonly kind: "file"; readonly path: string };

/** Asks a registry whether it accepts these credentials. @throws AppError REGISTRY_… */
export async function checkLogin(client: RegistryClient, registry: string, login: Login): Promise<void> {
  const task = { failed: `Cannot log in to ${printable(registry, 200)}`, registry };
  const endpoint = await client.own({ registry, repository: "", tag: undefined, digest: undefined });
  const access = new RegistryAccess(client.transport, () => Promise.resolve({ kind: "basic", ...login }));
  try {
    await client.retry(task, async () => {
      const answer = await access.request(task, endpoint, "/v2/", { expect: isSuccess, scopes: [] });
      await answer.discard();
      if (!/^text\/html\b/i.test(answer.header("content-type") ?? "")) return;
      throw new AppError(
        "REGISTRY_PROTOCOL",
        `${task.failed}: it answers with a web page`,
        { hint: "check the registry's name; it may be a login page or a proxy that answers" },
      );
    });
  } catch (error) {
    if (!(error instanceof AppError) || error.code !== "REGISTRY_UNAUTHORIZED") throw error;
    throw new AppError(
      "REGISTRY_UNAUTHORIZED",
      `${task.failed}: it does not accept this user name and password`,
    );
  }
}

/** Stores credentials for a registry. @throws AppError REGISTRY_CREDENTIALS */
export async function storeLogin(
  registry: string,
  login: Login,
  host: LoginHost = processLoginHost(),
): Promise<Stored> {
  const path = fileToWrite(host);
  const named = helperFor(readAuthFile(path, host) ?? {}, registry);
  if (named !== undefined) {
    await storeInHelper(named.helper, named.server, login, host.runHelper);
    return { kind: "helper", program: `docker-credential-${named.helper}` };
  }
  const { username, password } = login;
  const auth = new TextEncoder().encode(`${username}:${password}`).toBase64();
  await rewrite(host, path, (file = {}) => {
    const kept = withoutRegistry(file, registry);
    return { ...kept, auths: { ...kept.auths, [serverName(registry)]: { auth } } };
  });
  return { kind: "file", path };
}

/**
 * Removes a registry's credentials from every file and helper. A failure of one does not stop the others.
 *
 * @returns where they were, and which places may still have them; whether DOCKER_AUTH_CONFIG has some, which stay
 */
export async function removeLogin(
  registry: string,
  host: LoginHost = processLoginHost(),
): Promise<{ readonly removed: Stored[]; readonly failures: AppError[]; readonly held: boolean }> {
  const removed: Stored[] = [];
  const failures: AppError[] = [];
  const attempt = async (operation: () => Promise<Stored | undefined>) => {
    try {
      const done = await operation();
      if (done) removed.push(done);
    } catch (error) {
      if (!(error instanceof AppError)) throw error;
      failures.push(error);
    }
  };
  for (const path of registryAuthFiles(host.env, host.uid)) {
    let file: AuthFile | undefined;
    await attempt(async () => {
      file = readAuthFile(path, host);
      const named = file && helperFor(file, registry);
      if (!named || !await eraseFromHelper(named.helper, named.server, host.runHelper)) return;
      return { kind: "helper", program: `docker-credential-${named.helper}` };
    });
    if (!file) continue;
    await attempt(async () => {
      let changed = false;
      await rewrite(host, path, (file) => {
        const kept = file && withoutRegistry(file, registry);
        changed = Object.keys(kept?.auths ?? {}).length < Object.keys(file?.auths ?? {}).length;
        return changed ? kept : undefined;
      });
      return changed ? { kind: "file", path } : undefined;
    });
  }
  return { removed, failures, held: isHeld(registry, host) };
}

/** @throws AppError NO_HOME */
function fileToWrite({ env }: LoginHost): string {
  const path = loginFile(env);
  if (path !== undefined) return path;
  throw new AppError("NO_HOME", "The environment variable HOME is not set", {
    hint: "set HOME, or DOCKER_CONFIG to the directory of docker's config.json",
  });
}

async function rewrite(
  host: LoginHost,
  path: string,
  change: (file: AuthFile | undefined) => AuthFile | undefined,
): Promise<void> {
  try {
    await host.changeFile(path, () => {
      const file = change(readAuthFile(path, host));
      return file && `${JSON.stringify(file, null, "\t")}\n`;
    });
  } catch (error) {
    if (error instanceof AppError) throw error;
    throw new AppError(
      "REGISTRY_CREDENTIALS",
      `Cannot write "${printable(path)}": ${systemWords(error)}`,
      { cause: error },
    );
  }
}

/**
 * The functions for the real process.
 *
 * @param layout the store, in which no plugin reaches a staged file; without it, files are written in place
 */
export function processLoginHost(layout?: Layout): LoginHost {
  return { ...processHost(), changeFile: (path, change) => changeFile(path, change, layout) };
}

/** Changes a file, for the user alone. Takes a lock, because each writer writes the whole file. */
async function changeFile(path: string, change: () => string | undefined, layout?: Layout): Promise<void> {
  Deno.mkdirSync(path.replace(/[\\/][^\\/]*$/, ""), { recursive: true, mode: 0o700 });
  using store = layout && await lockOf(layout);
  await replaceProtectedFile(path, { mode: 0o600, stage: store && layout?.stage }, () => {
    const text = change();
    return text === undefined ? undefined : new TextEncoder().encode(text);
  });
}

/** Takes the store's lock, so that no other process empties stage/. undefined if the store cannot be used. */
async function lockOf(layout: Layout): Promise<Disposable | undefined> {
  try {
    return await openForWriting(layout, { task: "change registry credentials" });
  } catch {
    return undefined;
  }
}
