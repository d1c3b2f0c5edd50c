/** Prints failures, in the same format for the manager and for plugins. */

import { writeAllSync } from "../base/bytes.ts";
import { AppError, exitCodeOf, messageOf } from "../base/errors.ts";
import type { Invocation } from "./invocation.ts";
import { printableLines } from "../base/text.ts";

/** The exit code when krew-wasm itself could not run a plugin (docker's and env's convention). */
export const EXIT_HOST_FAILED = 125;
/** As a shell shows a program that wrote into a closed pipe (128 + SIGPIPE). */
export const EXIT_PIPE = 141;

/** Writes all of `text` to stderr. A failure is ignored, because nothing is left to report it. */
export function printError(text: string): void {
  const bytes = new TextEncoder().encode(text);
  try {
    writeAllSync(Deno.stderr, bytes);
  } catch { /* stderr is closed */ }
}

/**
 * Formats `error: …`, and `hint: …` if there is one. With `verbose` also the stack and the causes. Escapes invisible
 * characters. Pure.
 */
export function formatError(error: unknown, verbose: boolean): string {
  let text = `error: ${messageOf(error)}\n`;
  if (error instanceof AppError && error.hint) text += `hint: ${error.hint}\n`;
  if (verbose) {
    for (let cause: unknown = error; cause instanceof Error; cause = cause.cause) {
      text += `${cause.stack ?? cause}\n`;
    }
  } else if (!(error instanceof AppError)) {
    text += "hint: this is a defect of krew-wasm; KREW_WASM_VERBOSE=1 shows where, please report it\n";
  }
  return printableLines(text, Infinity);
}

/** Prints the error that ended the process, and returns its exit code. */
export function reportCrash(error: unknown, life: Invocation["life"], verbose = isVerbose()): number {
  printError(formatError(error, verbose));
  return life === "plugin" ? EXIT_HOST_FAILED : exitCodeOf(error);
}

/** Whether the environment asks for a trace on stderr (`KREW_WASM_VERBOSE=1`). */
export function isVerbose(env: (name: string) => string | undefined = environment): boolean {
  const value = env("KREW_WASM_VERBOSE");
  return value !== undefined && value !== "" && value !== "0";
}

/** Once a plugin runs, the process may no longer read its environment (process_permissions.ts). */
function environment(name: string): string | undefined {
  try {
    return Deno.env.get(name);
  } catch {
    return undefined;
  }
}
