/**
 * Runs credential helpers by docker's protocol (docker-credential-helpers): `docker-credential-NAME get|store|erase`,
 * with the server's name or JSON on stdin, and JSON on stdout. A helper may be missing, hang, or print anything. Its
 * output may contain a secret and is never shown.
 */

import { AppError, messageOf } from "../../../runtime/base/errors.ts";
import { startProgram } from "../../../runtime/base/program_path.ts";
import { printable } from "../../../runtime/base/text.ts";
import type { RegistryCredentials } from "./registry_credentials.ts";

/** The result of running a helper. */
export interface HelperResult {
  readonly success: boolean;
  readonly stdout: string;
}

/** Starts a helper; undefined if it is not installed. @throws AppError REGISTRY_CREDENTIALS */
export type RunHelper = (
  program: string,
  verb: "get" | "store" | "erase",
  input: string,
) => Promise<HelperResult | undefined>;

// The protocol's text for "no credentials"; it has no exit code for that.
const NONE = /credentials not found/i;
/** Milliseconds. A helper may ask the user to unlock a keychain. */
const TIMEOUT = 60_000;
const MAX_OUTPUT = 1 << 20;

/** A helper's credentials for a server; undefined if it has none. @throws AppError REGISTRY_CREDENTIALS */
export async function askHelper(
  name: string,
  server: string,
  run: RunHelper,
): Promise<RegistryCredentials | undefined> {
  const result = await call(name, "get", server, run);
  if (!result.success) {
    if (NONE.test(result.stdout)) return undefined;
    throw failure(name, result);
  }
  let answer: { Username?: unknown; Secret?: unknown } | undefined;
  try {
    answer = JSON.parse(result.stdout);
  } catch { /* the output may be a secret, so it is not shown */ }
  if (typeof answer?.Username !== "string" || typeof answer.Secret !== "string") {
    throw failed(name, "did not answer with credentials");
  }
  if (answer.Secret === "") return undefined;
  return answer.Username === "<token>"
    ? { kind: "identity", token: answer.Secret }
    : { kind: "basic", username: answer.Username, password: answer.Secret };
}

/** Stores credentials in a helper. @throws AppError REGISTRY_CREDENTIALS */
export async function storeInHelper(
  name: string,
  server: string,
  { username, password }: { readonly username: string; readonly password: string },
  run: RunHelper,
): Promise<void> {
  const input = JSON.stringify({ ServerURL: server, Username: username, Secret: password });
  const result = await call(name, "store", input, run);
  if (!result.success) throw failure(name, result);
}

/**
 * Erases a server's credentials from a helper. Returns whether the helper had some. @throws AppError
 * REGISTRY_CREDENTIALS
 */
export async function eraseFromHelper(name: string, server: string, run: RunHelper): Promise<boolean> {
  const known = await call(name, "get", server, run);
  if (!known.success && NONE.test(known.stdout)) return false;
  const result = await call(name, "erase", server, run);
  if (result.success) return true;
  if (NONE.test(result.stdout)) return false;
  throw failure(name, result);
}

async function call(
  name: string,
  verb: "get" | "store" | "erase",
  input: string,
  run: RunHelper,
): Promise<HelperResult> {
  if (!/^[\w.-]+$/.test(name)) throw failed(name, "has a name that no program has");
  const result = await run(`docker-credential-${name}`, verb, input);
  if (!result) throw failed(name, "is not installed");
  return result;
}

/** Helpers print errors to stdout. Shows the text unless it may contain credentials. */
function failure(name: string, { stdout }: HelperResult): AppError {
  const said = stdout.trim();
  return failed(
    name,
    said === "" || /^[{["]|secret/i.test(said) ? "failed" : `failed: ${printable(said, 200)}`,
  );
}

function failed(name: string, what: string): AppError {
  return new AppError(
    "REGISTRY_CREDENTIALS",
    `The credential helper "${printable(`docker-credential-${name}`, 100)}" ${what}`,
    { hint: "it is named by credsStore or credHelpers in docker's config.json" },
  );
}

/** Runs a helper. Kills it after `timeout` milliseconds, or if it prints too much. */
export async function runHelper(
  program: string,
  verb: "get" | "store" | "erase",
  input: string,
  timeout = TIMEOUT,
): Promise<HelperResult | undefined> {
  const broken = (what: string) =>
    new AppError("REGISTRY_CREDENTIALS", `The credential helper "${printable(program, 100)}" ${what}`);
  let child: Deno.ChildProcess;
  try {
    child = startProgram(program, {
      args: [verb],
      stdin: "piped",
      stdout: "piped",
      stderr: "inherit",
    });
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw broken(`can't be started: ${printable(messageOf(error), 200)}`);
  }
  const reader = child.stdout.getReader();
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(broken(`did not answer within ${timeout / 1000} s`)), timeout);
  });
  try {
    // A child process of the helper may hold its output open; the timeout covers that, too.
    return await Promise.race([late, converse(child, reader, input, () => broken("prints too much"))]);
  } catch (error) {
    try {
      child.kill("SIGKILL");
    } catch { /* it ended already */ }
    await reader.cancel().catch(() => {});
    await child.status;
    throw error;
  } finally {
    clearTimeout(timer);
  }
}

async function converse(
  child: Deno.ChildProcess,
  reader: ReadableStreamDefaultReader<Uint8Array>,
  input: string,
  tooMuch: () => Error,
): Promise<HelperResult> {
  const writer = child.stdin.getWriter();
  // A helper that does not read its input closes the pipe.
  await writer.write(new TextEncoder().encode(input)).then(() => writer.close()).catch(() => {});
  const decoder = new TextDecoder();
  let stdout = "";
  for (let part = await reader.read(); !part.done; part = await reader.read()) {
    stdout += decoder.decode(part.value, { stream: true });
    if (stdout.length > MAX_OUTPUT) throw tooMuch();
  }
  const { success } = await child.status;
  return { success, stdout };
}
