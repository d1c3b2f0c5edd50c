/** Shared by the TypeScript examples: printing, failing, reading a response. */

import { exitWithCode } from "wasi:cli/exit@0.2.12";
import { getStderr } from "wasi:cli/stderr@0.2.12";
import { getStdout } from "wasi:cli/stdout@0.2.12";
import type { Response } from "krew-wasm:kubernetes/cluster@0.1.2";
import type { OutputStream } from "wasi:io/streams@0.2.12";

/** A failure that ends the plugin with this exit code. */
class Failure extends Error {
  constructor(message: string, readonly code: number) {
    super(message);
  }
}

/**
 * Writes whole lines by console.log or console.error, and only the rest by a stream. jco's components free the arguments of
 * host functions only when `run` returns, so a plugin that prints to a stream for days would run out of memory. Both ways
 * write at once, so the order stays.
 */
function write(text: string, log: (line: string) => void, open: () => OutputStream): void {
  const end = text.lastIndexOf("\n") + 1;
  const lines = text.slice(0, end);
  if (lines.includes("\0")) return writeStream(open(), text); // console.log stops at a NUL
  if (lines !== "") log(lines.slice(0, -1));
  if (end < text.length) writeStream(open(), text.slice(end));
}

function writeStream(stream: OutputStream, text: string): void {
  const bytes = new TextEncoder().encode(text);
  // The limit of one blocking write (wasi:io/streams).
  for (let at = 0; at < bytes.length; at += 4096) stream.blockingWriteAndFlush(bytes.subarray(at, at + 4096));
  stream[Symbol.dispose]();
}

/** Writes to stdout. */
export function print(text: string): void {
  write(text, console.log, getStdout);
}

/** Writes to stderr. */
export function printError(text: string): void {
  write(text, console.error, getStderr);
}

/** Ends the plugin with a message on stderr. */
export function fail(message: string, code = 1): never {
  throw new Failure(message, code);
}

/** Prints an error and exits. Handles failures of the plugin, errors of the interface, and defects. */
export function exit(error: unknown): never {
  const { payload } = error as { payload?: { val?: string | { toDebugString(): string } } };
  const told = payload?.val; // a stream's error is a resource
  const message = error instanceof Failure
    ? error.message
    : typeof told === "object"
    ? told.toDebugString()
    : told ?? (error instanceof Error ? error.message : String(error));
  printError(`error: ${message.trimEnd()}\n`);
  exitWithCode(error instanceof Failure ? error.code : 1);
  throw error;
}

/** Reads a response's body as JSON. Fails with the server's message if it is an error. */
export function readAll(response: Response): unknown {
  const stream = response.body();
  const decoder = new TextDecoder();
  let text = "";
  for (;;) {
    try {
      text += decoder.decode(stream.blockingRead(65536n), { stream: true });
    } catch (error) {
      if ((error as { payload?: { tag?: string } }).payload?.tag === "closed") break;
      throw error;
    }
  }
  return parseAnswer(response.status(), text);
}

/** Parses a response's JSON. @throws a failure with the message of the server's Status */
export function parseAnswer(status: number, text: string): unknown {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    fail(`the API server answered ${status}: ${text.slice(0, 200)}`);
  }
  if (status >= 300) {
    fail(
      `the API server answered ${status}: ${(json as { message?: string }).message ?? text.slice(0, 200)}`,
    );
  }
  return json;
}

/** Makes text from the cluster safe to print: escapes control characters except newline and tab. */
export function printable(text: string): string {
  return text.replace(
    /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}
