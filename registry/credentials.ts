/**
 * The user's credentials for a registry, as docker, podman and oras find them: `$DOCKER_CONFIG/config.json` or
 * `~/.docker/config.json` with its helpers, `$REGISTRY_AUTH_FILE`, `$XDG_RUNTIME_DIR/containers/auth.json`.
 */

import { AppError, messageOf } from "../runtime/errors.ts";
import { printable } from "../runtime/text.ts";

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
  /** Runs a credential helper with a registry's name on stdin; undefined where it is not installed. */
  readonly runHelper: (
    program: string,
    input: string,
  ) => Promise<{ success: boolean; stdout: string } | undefined>;
}

interface AuthFile {
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
    const text = host.readFile(path);
    if (text === undefined) continue;
    let file: AuthFile;
    try {
      file = JSON.parse(text);
      if (typeof file !== "object" || file === null) throw new Error();
    } catch {
      throw new AppError("REGISTRY_CREDENTIALS", `"${printable(path)}" is not JSON`, {
        hint: "docker login writes it anew",
      });
    }
    const found = await findIn(file, registry, repository, host, path);
    if (found) return found;
  }
  return undefined;
}

async function findIn(
  file: AuthFile,
  registry: string,
  repository: string,
  host: CredentialHost,
  path: string,
): Promise<RegistryCredentials | undefined> {
  const key = registry === "docker.io" ? DOCKER_HUB : registry;
  const helper = file.credHelpers?.[registry] ?? (file.credHelpers?.[key] ?? file.credsStore);
  if (typeof helper === "string" && helper !== "") {
    const found = await askHelper(helper, key, host);
    if (found) return found;
  }
  // podman's file may have entries for a repository or what is above it: the longest wins.
  const segments = `${registry}/${repository}`.split("/");
  const names = segments.map((_, index) => segments.slice(0, segments.length - index).join("/"));
  for (
    const name of [
      ...names,
      key,
      `https://${registry}`,
      `https://${registry}/`,
      `https://${registry}/v1/`,
      `https://${registry}/v2/`,
    ]
  ) {
    const entry = file.auths && Object.hasOwn(file.auths, name) ? file.auths[name] : undefined;
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

/** docker-credential-helpers: `docker-credential-NAME get`, the server's name on stdin, JSON on stdout. */
async function askHelper(
  name: string,
  server: string,
  host: CredentialHost,
): Promise<RegistryCredentials | undefined> {
  const program = `docker-credential-${name}`;
  const failed = (what: string): never => {
    throw new AppError("REGISTRY_CREDENTIALS", `The credential helper "${printable(program, 100)}" ${what}`, {
      hint: "it is named by credsStore or credHelpers in docker's config.json",
    });
  };
  if (!/^[\w.-]+$/.test(name)) failed("has a name that no program has");
  const result = await host.runHelper(program, server);
  if (!result) return failed("is not installed");
  if (!result.success) {
    // The protocol has this text for "none", and no exit code of its own.
    if (/credentials not found in native keychain|credentials not found/i.test(result.stdout)) {
      return undefined;
    }
    return failed(`failed: ${printable(result.stdout.trim(), 200)}`);
  }
  let answer: { Username?: unknown; Secret?: unknown } | undefined;
  try {
    answer = JSON.parse(result.stdout);
  } catch { /* it may be a secret: it is not shown */ }
  if (typeof answer?.Username !== "string" || typeof answer.Secret !== "string") {
    return failed("did not answer with credentials");
  }
  if (answer.Secret === "") return undefined;
  return answer.Username === "<token>"
    ? { kind: "identity", token: answer.Secret }
    : { kind: "basic", username: answer.Username, password: answer.Secret };
}

/** How long a helper may take, in milliseconds. It may ask the user to unlock a keychain. */
const HELPER_TIMEOUT = 60_000;

function processHost(): CredentialHost {
  return {
    env: (name) => Deno.env.get(name),
    readFile: (path) => {
      try {
        return Deno.readTextFileSync(path);
      } catch (error) {
        if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory) {
          return undefined;
        }
        throw new AppError(
          "REGISTRY_CREDENTIALS",
          `Cannot read "${printable(path)}": ${printable(messageOf(error), 200)}`,
        );
      }
    },
    runHelper: async (program, input) => {
      let child: Deno.ChildProcess;
      try {
        child = new Deno.Command(program, {
          args: ["get"],
          stdin: "piped",
          stdout: "piped",
          stderr: "inherit",
        }).spawn();
      } catch (error) {
        if (error instanceof Deno.errors.NotFound) return undefined;
        throw new AppError(
          "REGISTRY_CREDENTIALS",
          `Cannot start "${program}": ${printable(messageOf(error), 200)}`,
        );
      }
      const timer = setTimeout(() => child.kill("SIGKILL"), HELPER_TIMEOUT);
      try {
        const writer = child.stdin.getWriter();
        await writer.write(new TextEncoder().encode(input)).then(() => writer.close()).catch(() => {});
        const { success, stdout } = await child.output();
        return { success, stdout: new TextDecoder().decode(stdout.subarray(0, 1 << 20)) };
      } finally {
        clearTimeout(timer);
      }
    },
  };
}
