/**
 * Logging in to and out of registries: credentials are written as docker and podman do, to the helper that their file
 * names, or else into the file itself.
 */

import { AppError, messageOf } from "../runtime/errors.ts";
import { printable } from "../runtime/text.ts";
import { RegistryAccess } from "./access.ts";
import type { RegistryClient } from "./client.ts";
import {
  type AuthFile,
  authNames,
  credentialFiles,
  type CredentialHost,
  helperFor,
  processHost,
  readAuthFile,
  serverName,
} from "./credentials.ts";
import { eraseFromHelper, storeInHelper } from "./credential_helper.ts";

/** A user's name and password, or token in its place. */
export interface Login {
  readonly username: string;
  readonly password: string;
}

/** What is needed of the outside. */
export interface LoginHost extends CredentialHost {
  /** Writes a file for the user alone, whole or not at all. */
  readonly writeFile: (path: string, text: string) => void;
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
      const answer = await access.request(task, endpoint, "/v2/", { expect: [200], scopes: [] });
      await answer.discard();
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
  const file = readAuthFile(path, host) ?? {};
  const helper = helperFor(file, registry);
  if (helper !== undefined) {
    await storeInHelper(helper, serverName(registry), login, host.runHelper);
    return { kind: "helper", program: `docker-credential-${helper}` };
  }
  const { username, password } = login;
  const auth = new TextEncoder().encode(`${username}:${password}`).toBase64();
  const kept = withoutRegistry(file, registry);
  write(host, path, { ...kept, auths: { ...kept.auths, [serverName(registry)]: { auth } } });
  return { kind: "file", path };
}

/**
 * Forgets a registry's credentials in every file and helper that has them.
 *
 * @returns where they were; empty: nowhere
 * @throws AppError REGISTRY_CREDENTIALS
 */
export async function removeLogin(registry: string, host: LoginHost = processLoginHost()): Promise<Stored[]> {
  const removed: Stored[] = [];
  for (const path of credentialFiles(host.env)) {
    const file = readAuthFile(path, host);
    if (!file) continue;
    const helper = helperFor(file, registry);
    if (helper !== undefined && await eraseFromHelper(helper, serverName(registry), host.runHelper)) {
      removed.push({ kind: "helper", program: `docker-credential-${helper}` });
    }
    const kept = withoutRegistry(file, registry);
    if (Object.keys(kept.auths ?? {}).length === Object.keys(file.auths ?? {}).length) continue;
    write(host, path, kept);
    removed.push({ kind: "file", path });
  }
  return removed;
}

/** The file that the environment names, else docker's, which docker, podman, skopeo and oras all read. */
function fileToWrite(host: LoginHost): string {
  const [path] = credentialFiles(host.env);
  if (path !== undefined) return path;
  throw new AppError("NO_HOME", "The environment variable HOME is not set", {
    hint: "set HOME, or DOCKER_CONFIG to the directory of docker's config.json",
  });
}

function withoutRegistry(file: AuthFile, registry: string): AuthFile {
  if (!file.auths) return file;
  const names = authNames(registry);
  return {
    ...file,
    auths: Object.fromEntries(Object.entries(file.auths).filter(([name]) => !names.includes(name))),
  };
}

function write(host: LoginHost, path: string, file: AuthFile): void {
  try {
    host.writeFile(path, `${JSON.stringify(file, null, "\t")}\n`);
  } catch (error) {
    throw new AppError(
      "REGISTRY_CREDENTIALS",
      `Cannot write "${printable(path)}": ${printable(messageOf(error), 200)}`,
      { cause: error },
    );
  }
}

/** The process's own surroundings. */
export function processLoginHost(): LoginHost {
  return {
    ...processHost(),
    writeFile: (path, text) => {
      let target = path;
      try {
        target = Deno.realPathSync(path); // a link is kept, what it points to is replaced
      } catch { /* it is not there yet */ }
      Deno.mkdirSync(target.replace(/[\\/][^\\/]*$/, ""), { recursive: true, mode: 0o700 });
      const staged = `${target}.krew-wasm-${crypto.randomUUID()}`;
      try {
        Deno.writeTextFileSync(staged, text, { mode: 0o600, createNew: true });
        Deno.renameSync(staged, target);
      } catch (error) {
        try {
          Deno.removeSync(staged);
        } catch { /* it was not made, or is in place */ }
        throw error;
      }
    },
  };
}
