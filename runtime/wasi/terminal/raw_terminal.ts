/**
 * Controls the terminal on stdin: line mode, hidden mode (no echo), raw mode (single keys), and its size.
 * `krew-wasm:terminal` (wit/deps/terminal.wit) and, for preview1 modules, `krew_wasm_terminal` are its interfaces.
 *
 * The terminal is restored however the plugin ends. There is no signal listener, because it would keep Ctrl-C from
 * ending a plugin that computes or reads. Instead the restorer, a short shell script, waits for the end of this
 * process and restores the terminal.
 */

import { LineEditor } from "./line_editor.ts";
import { loadOutputMode, type SetOutputMode } from "./output_mode.ts";
import type { StdinSource } from "../streams/stdio.ts";
import type { Readiness } from "../streams/streams.ts";

/** How the terminal handles typed keys. `transparent` is raw mode that leaves the output as it is, too. */
export type TerminalMode = "line" | "hidden" | "raw" | "transparent";

/** The screen's size in characters. */
export interface TerminalSize {
  readonly columns: number;
  readonly rows: number;
}

/** A terminal, with Deno's functions. */
export interface TerminalDevice {
  setRaw(raw: boolean, options?: { cbreak: boolean }): void;
  /** Sets whether the terminal adds a carriage return before each line feed of the output. */
  setOutputMode?(on: boolean): void;
  /** @throws if it has no size */
  size(): TerminalSize;
  /** Calls `listener` when the size changes; returns a function that stops that. */
  onResize(listener: () => void): () => void;
  /** Starts a process that restores the terminal if this process is killed. */
  startRestorer(): Promise<TerminalRestorer | undefined>;
}

/** The process that restores the terminal when this process ends. */
export interface TerminalRestorer {
  /** Reports that the terminal's mode is about to change, has changed, or is restored. */
  tell(state: "changing" | "changed" | "restored"): void;
  /** Ends the restorer. */
  close(): void;
}

/** stdin is no terminal, or is hidden from the plugin. */
export class NotATerminal extends Error {
  override readonly name = "NotATerminal";
}

/** The terminal of one run. */
export class TerminalControl {
  #device: TerminalDevice | undefined;
  #stdin: StdinSource;
  #restorer: TerminalRestorer | undefined;
  #mode: TerminalMode = "line";
  #resized = false;
  #wake = Promise.withResolvers<void>();
  #stopResize: (() => void) | undefined;
  /** Shared by all waits, so that one listener serves them. */
  #resizes: Readiness = {
    ready: () => this.#resized,
    wait: () => this.#resized ? Promise.resolve() : this.#wake.promise,
  };

  private constructor(
    device: TerminalDevice | undefined,
    stdin: StdinSource,
    restorer: TerminalRestorer | undefined,
  ) {
    this.#device = device;
    this.#stdin = stdin;
    this.#restorer = restorer;
  }

  /** @param device undefined if stdin is no terminal */
  static async open(device: TerminalDevice | undefined, stdin: StdinSource): Promise<TerminalControl> {
    return new TerminalControl(device, stdin, await device?.startRestorer());
  }

  #terminal(): TerminalDevice {
    if (!this.#device) throw new NotATerminal("stdin is no terminal");
    return this.#device;
  }

  /** @throws NotATerminal */
  setMode(mode: TerminalMode): void {
    const device = this.#terminal();
    if (mode === this.#mode) return;
    if (mode !== "line") this.#restorer?.tell("changing");
    try {
      if (this.#mode === "transparent") device.setOutputMode?.(true);
      device.setRaw(mode !== "line", mode === "hidden" ? { cbreak: true } : undefined);
      if (mode === "transparent") device.setOutputMode?.(false);
    } catch (error) {
      throw new NotATerminal(String(error));
    }
    this.#stdin.edit(mode === "hidden" ? new LineEditor() : undefined);
    this.#mode = mode;
    this.#restorer?.tell(mode === "line" ? "restored" : "changed");
  }

  /** @throws NotATerminal */
  size(): TerminalSize {
    const device = this.#terminal();
    this.#resized = false;
    try {
      return device.size();
    } catch (error) {
      throw new NotATerminal(String(error));
    }
  }

  /** Ready when the size has changed since the last call of size(). */
  get resized(): Readiness {
    const device = this.#device;
    this.#stopResize ??= device?.onResize(() => {
      this.#resized = true;
      this.#wake.resolve();
      this.#wake = Promise.withResolvers<void>();
    });
    return this.#resizes;
  }

  /** Restores the terminal. */
  close(): void {
    this.#stopResize?.();
    try {
      if (this.#mode !== "line") this.setMode("line");
    } catch { /* the terminal is gone */ }
    this.#restorer?.close();
    this.#restorer = undefined;
  }
}

let outputMode: SetOutputMode | undefined;

/** The process's own terminal. */
export const ownTerminal: TerminalDevice = {
  setRaw: (raw, options) => Deno.stdin.setRaw(raw, options),
  setOutputMode: (on) => outputMode?.(on),
  size: () => Deno.consoleSize(),
  onResize(listener) {
    if (Deno.build.os === "windows") return () => {};
    Deno.addSignalListener("SIGWINCH", listener);
    // A listener does not keep the process alive: a plugin that waits only for it would seem stalled.
    const keep = setInterval(() => {}, 2 ** 31 - 1);
    return () => {
      clearInterval(keep);
      Deno.removeSignalListener("SIGWINCH", listener);
    };
  },
  startRestorer() {
    outputMode ??= loadOutputMode(); // later the process has no right to load it
    return startRestorer();
  },
};

/**
 * The restorer. It saves the terminal's settings at the start. This process writes a line before a change (`1`),
 * after a change (`2`) and after restoring them (`0`). When this process has ended, the script restores the settings,
 * unless another program has set them since, as a shell does for its prompt.
 *
 * The lines go through a named pipe, to which this process can write without waiting. The pipe's name is removed
 * before the plugin starts. The terminal's signals reach the script, too, which ignores them.
 */
const RESTORER = `trap '' INT TERM HUP QUIT TSTP TTOU TTIN PIPE
was=$(stty -g </dev/tty) && (umask 077 && mkfifo "$1") || exit
echo
exec <"$1" >/dev/null
rm -f "$1"
mode=0 is=
while read -r line; do
  mode=$line is=
  [ "$mode" = 2 ] && is=$(stty -g </dev/tty)
done
[ "$mode" = 0 ] || [ -n "$is" ] && [ "$(stty -g </dev/tty)" != "$is" ] || stty "$was" </dev/tty`;

/** How long the restorer may take to start, in milliseconds. Without it a killed plugin leaves the terminal changed. */
const PATIENCE = 10_000;

async function startRestorer(): Promise<TerminalRestorer | undefined> {
  if (Deno.build.os === "windows") return undefined; // a console keeps no modes of an ended process
  const path = `${Deno.makeTempDirSync({ prefix: "krew-wasm-terminal-" })}/restorer`;
  const directory = path.slice(0, path.lastIndexOf("/"));
  try {
    const child = new Deno.Command("/bin/sh", {
      args: ["-c", RESTORER, "krew_wasm_terminal", path],
      stdin: "null",
      stdout: "piped",
      stderr: "null",
    }).spawn();
    child.unref();
    const reader = child.stdout.getReader();
    const timer = setTimeout(() => reader.cancel(), PATIENCE);
    const { value } = await reader.read();
    if (value === undefined) return undefined;
    // Open for reading, too: then opening does not wait, and the pipe always has a writer.
    const pipe = Deno.openSync(path, { read: true, write: true });
    await reader.read(); // at its end the restorer has opened the pipe
    // Until here the timer alone keeps the process alive: neither an unreferenced child nor its streams do.
    clearTimeout(timer);
    const lines = { restored: "0\n", changing: "1\n", changed: "2\n" };
    return {
      tell(state) {
        try {
          pipe.writeSync(new TextEncoder().encode(lines[state]));
        } catch { /* it is gone */ }
      },
      close: () => pipe.close(),
    };
  } catch {
    return undefined; // no shell or no /dev/tty: the terminal is still restored when the plugin ends by itself
  } finally {
    Deno.removeSync(directory, { recursive: true });
  }
}
