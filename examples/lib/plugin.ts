/** What the TypeScript examples share: printing, failing, reading a response. */

import { exitWithCode } from "wasi:cli/exit@0.2.12";
import { getStderr } from "wasi:cli/stderr@0.2.12";
import { getStdout } from "wasi:cli/stdout@0.2.12";
import type { Response } from "krew-wasm:kubernetes/cluster@0.1.0";
import type { OutputStream } from "wasi:io/streams@0.2.12";

/** A failure that ends the plugin with this exit code. */
class Failure extends Error {
  constructor(message: string, readonly code: number) {
    super(message);
  }
}

function write(stream: OutputStream, text: string): void {
  const bytes = new TextEncoder().encode(text);
  // The most that one blocking write takes (wasi:io/streams).
  for (let at = 0; at < bytes.length; at += 4096) stream.blockingWriteAndFlush(bytes.subarray(at, at + 4096));
}

/** Writes to stdout. */
export function print(text: string): void {
  write(getStdout(), text);
}

/** Ends the plugin with a message on stderr. */
export function fail(message: string, code = 1): never {
  throw new Failure(message, code);
}

/** Tells what was thrown and exits: our own failures, the interface's errors, defects. */
export function exit(error: unknown): never {
  const { payload } = error as { payload?: { val?: string } };
  const message = error instanceof Failure
    ? error.message
    : payload?.val ?? (error instanceof Error ? error.message : String(error));
  write(getStderr(), `error: ${message.trimEnd()}\n`);
  exitWithCode(error instanceof Failure ? error.code : 1);
  throw error;
}

/** A response's body as text. */
export function readAll(response: Response): string {
  const stream = response.body();
  const decoder = new TextDecoder();
  let text = "";
  for (;;) {
    try {
      text += decoder.decode(stream.blockingRead(65536n), { stream: true });
    } catch (error) {
      if ((error as { payload?: { tag?: string } }).payload?.tag === "closed") return text + decoder.decode();
      throw error;
    }
  }
}
