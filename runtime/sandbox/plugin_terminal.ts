/** The terminal that a plugin reads from. */

import type { TerminalControl } from "../wasi/terminal/raw_terminal.ts";
import type { Streams, Terminals } from "./types.ts";

/**
 * Which of the standard streams are terminals.
 *
 * @param shown whether the plugin may know of the terminal
 */
export function terminalsOf(shown: boolean): Terminals {
  return {
    stdin: shown && Deno.stdin.isTerminal(),
    stdout: shown && Deno.stdout.isTerminal(),
    stderr: shown && Deno.stderr.isTerminal(),
  };
}

/** The terminal behind stdin, opened on first use. Must be closed, which restores its mode. */
export class PluginTerminal {
  #isTerminal: boolean;
  #streams: Streams;
  #control: TerminalControl | undefined;

  constructor(isTerminal: boolean, streams: Streams) {
    this.#isTerminal = isTerminal;
    this.#streams = streams;
  }

  async open(): Promise<TerminalControl> {
    const { ownTerminal, TerminalControl } = await import("../wasi/terminal/raw_terminal.ts");
    return this.#control ??= await TerminalControl.open(
      this.#isTerminal ? ownTerminal : undefined,
      this.#streams.stdin,
    );
  }

  close(): void {
    this.#control?.close();
  }
}
