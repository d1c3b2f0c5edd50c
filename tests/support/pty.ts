/** Runs programs at a terminal of their own, by Python's pty module. */

import { fileURLToPath } from "node:url";
import { plainText } from "./plain_text.ts";
import { findProgram, missing } from "./programs.ts";

/** Whether to skip tests that need a terminal. */
export function ptyMissing(): boolean {
  const present = Deno.build.os !== "windows" && findProgram("python3") !== undefined;
  return missing("python3, for a terminal", present, "apt install python3");
}

/** A flag that is set in a terminal's mode. */
export type TerminalFlag = "echo" | "icanon" | "icrnl" | "isig";

/** A step at the terminal. Steps run in order. */
export type Step =
  | { readonly expect: string }
  | { readonly send: string }
  | { readonly signal: "CONT" | "HUP" | "INT" | "KILL" | "TERM" }
  /** Waits until the program is stopped. */
  | { readonly stopped: true }
  | { readonly resize: readonly [columns: number, rows: number] }
  /** Waits until exactly these flags are set. */
  | { readonly mode: readonly TerminalFlag[] };

/** The result of a program at a terminal. */
export interface TerminalOutcome {
  readonly output: string;
  /** The output without escape sequences. */
  readonly text: string;
  /** Its exit code, if it ended by itself. */
  readonly code: number | null;
  readonly signal: string | null;
  /** The terminal's flags before and after the run. */
  readonly before: readonly TerminalFlag[];
  readonly after: readonly TerminalFlag[];
  /** The step that did not happen. */
  readonly failed: unknown;
}

/** Runs a program at a terminal, in the foreground, as an interactive shell does. */
export async function atTerminal(
  command: readonly string[],
  steps: readonly Step[],
  options: { env?: Record<string, string>; cwd?: string; columns?: number; rows?: number } = {},
): Promise<TerminalOutcome> {
  const { stdout, stderr, success } = await new Deno.Command("python3", {
    args: [
      fileURLToPath(new URL("at_terminal.py", import.meta.url)),
      JSON.stringify({ command, steps, ...options }),
    ],
  }).output();
  if (!success) throw new Error(new TextDecoder().decode(stderr));
  const outcome = JSON.parse(new TextDecoder().decode(stdout));
  return { ...outcome, text: plainText(outcome.output) };
}
