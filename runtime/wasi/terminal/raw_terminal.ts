/**
 * The terminal that stdin is: line by line, line by line without echo, key by key; and its size. `krew-wasm:terminal`
 * (wit/deps/terminal.wit) and, for preview1 modules, `krew_wasm_terminal` are its faces.
 *
 * Whatever becomes of the plugin, the terminal is left as it was. Nobody listens to signals here, as a listener would keep
 * Ctrl-C from ending a plugin that computes, or that reads (docs/architecture.md): a guard, a shell of a few lines, waits
 * for this process's end and then puts back what it found.
 */

import { LineEditor } from "./line_editor.ts";
import type { StdinSource } from "../streams/stdio.ts";
import type { Readiness } from "../streams/streams.ts";

/** What the terminal does with what is typed. */
export type TerminalMode = "line" | "hidden" | "raw";

/** Characters that fit on the screen. */
export interface TerminalSize {
  readonly columns: number;
  readonly rows: number;
}

/** A terminal, as Deno has it. */
export interface TerminalDevice {
  setRaw(raw: boolean, options?: { cbreak: boolean }): void;
  /** @throws where it has none */
  size(): TerminalSize;
  /** Calls back whenever the size changes; returns what stops that. */
  onResize(listener: () => void): () => void;
  /** Starts what restores the terminal should this process be killed; returns what ends it. */
  guard(): Promise<TerminalRestorer | undefined>;
}

/** What waits for the end of this process. */
export interface TerminalRestorer {
  /** The terminal is about to be put into another mode than it was in, was put into one, or is as it was. */
  tell(state: "changing" | "changed" | "restored"): void;
  /** It is not needed any more. */
  close(): void;
}

/** stdin is no terminal, or is not to be one for the plugin. */
export class NotATerminal extends Error {
  override readonly name = "NotATerminal";
}

/** The terminal of one run. */
export class TerminalControl {
  #device: TerminalDevice | undefined;
  #stdin: StdinSource;
  #guard: TerminalRestorer | undefined;
  #mode: TerminalMode = "line";
  #resized = false;
  #wake = Promise.withResolvers<void>();
  #stopResize: (() => void) | undefined;
  /** One for all who ask, so that one wait serves them. */
  #resizes: Readiness = {
    ready: () => this.#resized,
    wait: () => this.#resized ? Promise.resolve() : this.#wake.promise,
  };

  private constructor(
    device: TerminalDevice | undefined,
    stdin: StdinSource,
    guard: TerminalRestorer | undefined,
  ) {
    this.#device = device;
    this.#stdin = stdin;
    this.#guard = guard;
  }

  /** @param device undefined where stdin is no terminal */
  static async open(device: TerminalDevice | undefined, stdin: StdinSource): Promise<TerminalControl> {
    return new TerminalControl(device, stdin, await device?.guard());
  }

  #terminal(): TerminalDevice {
    if (!this.#device) throw new NotATerminal("stdin is no terminal");
    return this.#device;
  }

  /** @throws NotATerminal */
  setMode(mode: TerminalMode): void {
    const device = this.#terminal();
    if (mode === this.#mode) return;
    if (mode !== "line") this.#guard?.tell("changing");
    try {
      device.setRaw(mode !== "line", mode === "hidden" ? { cbreak: true } : undefined);
    } catch (error) {
      throw new NotATerminal(String(error));
    }
    this.#stdin.edit(mode === "hidden" ? new LineEditor() : undefined);
    this.#mode = mode;
    this.#guard?.tell(mode === "line" ? "restored" : "changed");
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

  /** Ready when the size has changed since it was last asked for. */
  get resized(): Readiness {
    const device = this.#device;
    this.#stopResize ??= device?.onResize(() => {
      this.#resized = true;
      this.#wake.resolve();
      this.#wake = Promise.withResolvers<void>();
    });
    return this.#resizes;
  }

  /** Leaves the terminal as it was. */
  close(): void {
    this.#stopResize?.();
    try {
      if (this.#mode !== "line") this.setMode("line");
    } catch { /* the terminal is gone */ }
    this.#guard?.close();
    this.#guard = undefined;
  }
}

/** The process's own terminal. */
export const ownTerminal: TerminalDevice = {
  setRaw: (raw, options) => Deno.stdin.setRaw(raw, options),
  size: () => Deno.consoleSize(),
  onResize(listener) {
    if (Deno.build.os === "windows") return () => {};
    Deno.addSignalListener("SIGWINCH", listener);
    // A listener does not keep the process: a plugin that waits for nothing else would be taken for stalled.
    const keep = setInterval(() => {}, 2 ** 31 - 1);
    return () => {
      clearInterval(keep);
      Deno.removeSignalListener("SIGWINCH", listener);
    };
  },
  guard: startRestorer,
};

/**
 * The guard. It knows what the terminal was, is told by a line that it is about to be changed (`1`), was changed (`2`) or
 * put back (`0`), and when nobody is left to tell it more puts it back itself, unless somebody else has set it since: a
 * shell does for its prompt.
 *
 * It is told over a named pipe, which this process can write to without waiting; by the time the plugin starts, the pipe
 * has no name any more. Signals for the terminal's foreground go to the guard as well, and are ignored.
 */
const GUARD = `trap '' INT TERM HUP QUIT TSTP TTOU TTIN PIPE
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

/** How long the guard may take to start, in milliseconds; without it a kill leaves the terminal as it is. */
const PATIENCE = 10_000;

async function startRestorer(): Promise<TerminalRestorer | undefined> {
  if (Deno.build.os === "windows") return undefined; // consoles keep no modes of a process that ended
  const path = `${Deno.makeTempDirSync({ prefix: "krew-wasm-terminal-" })}/guard`;
  const directory = path.slice(0, path.lastIndexOf("/"));
  try {
    const child = new Deno.Command("/bin/sh", {
      args: ["-c", GUARD, "krew_wasm_terminal", path],
      stdin: "null",
      stdout: "piped",
      stderr: "null",
    }).spawn();
    child.unref();
    const reader = child.stdout.getReader();
    const timer = setTimeout(() => reader.cancel(), PATIENCE);
    const { value } = await reader.read();
    if (value === undefined) return undefined;
    // For reading too: opening does not wait then, and there is no moment without a writer.
    const pipe = Deno.openSync(path, { read: true, write: true });
    await reader.read(); // its end: the guard has opened the pipe
    // Until here it is all that keeps the process: a child that does not count, nor do its streams.
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
    return undefined; // no shell, no /dev/tty: the terminal is still put back when the plugin ends by itself
  } finally {
    Deno.removeSync(directory, { recursive: true });
  }
}
