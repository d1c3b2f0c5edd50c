/**
 * Logging in to and out of registries: credentials are written as docker and podman do, to the helper that their file
 * names, or else into the file itself.
 */

import { AppError } from "../../../runtime/base/errors.ts";
import { systemWords } from "../../../runtime/base/file_error.ts";
import { printable } from "../../../runtime/base/text.ts";
import { isSuccess, RegistryAccess } from "../authorized_requests.ts";
import type { RegistryClient } from "../registry_client.ts";
import { type AuthFile, helperFor, serverName, withoutRegistry } from "./auth_file.ts";
import {
  credentialFiles,
  type CredentialHost,
  isHeld,
  loginFile,
  processHost,
  readAuthFile,
} from "./find_credentials.ts";
import { eraseFromHelper, storeInHelper } from "./credential_helper.ts";
import { replaceFileAt } from "../../store/replace_file.ts";

/** A user's name and password, or token in its place. */
export interface Login {
  readonly username: string;
  readonly password: string;
}

/** What is needed of the outside. */
export interface LoginHost extends CredentialHost {
  /**
   * Changes a file, which is the user's alone, whole or not at all, while no other krew-wasm does. `change` reads it and
   * answers with its new text; undefined leaves it as it is.
   */
  readonly changeFile: (path: string, change: () => string | undefined) => Promise<void>;
}

/** Where credentials went. */
export type Stored =
  | { readonly kind: "helper"; readonly program: string }
  | { readonly kind: "file"; readonly path: string };

/** Asks a registry whether it takes these credentials. @throws AppError REGISTRY_… */
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

/** Keeps credentials for a registry. @throws AppError REGISTRY_CREDENTIALS */
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
 * Forgets a registry's credentials in every file and helper that has them. One that fails does not keep the others from it.
 *
 * @returns where they were, and what may have them still; whether DOCKER_AUTH_CONFIG has some, which stay
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
  for (const path of credentialFiles(host)) {
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

/** The process's own surroundings. */
export function processLoginHost(): LoginHost {
  return { ...processHost(), changeFile };
}

/** Changes a file in one step, for the user alone, one krew-wasm at a time: each writes all of it. */
async function changeFile(path: string, change: () => string | undefined): Promise<void> {
  Deno.mkdirSync(path.replace(/[\\/][^\\/]*$/, ""), { recursive: true, mode: 0o700 });
  await replaceFileAt(path, { mode: 0o600 }, (write) => {
    const text = change();
    if (text === undefined) return false;
    write(new TextEncoder().encode(text));
  });
}
