/**
 * Questions at the terminal itself, /dev/tty, whatever the plugin's streams are. Everything here is synchronous: a plugin
 * stands still, and writes nothing, from the first character of the question to the last of the answer.
 */

import type { Answer, Ask, Question } from "./desk.ts";
import { printable } from "./text.ts";

/** Ctrl-C at a question: the run ends as by the signal. */
export class Interrupted extends Error {}

/** A terminal of one's own. */
export interface Terminal {
  /** Key by key, without echo; and back to what it was. */
  setRaw(raw: boolean): void;
  write(text: string): void;
  /** Waits for input. undefined at its end. */
  read(): string | undefined;
  /** Throws away what was typed before and is not read yet. */
  flush(): void;
  /**
   * Waits for its turn: plugins that are piped into one another ask one after the other, and don't write to the terminal
   * meanwhile. False where the process is in the background, and nobody is asked.
   */
  claim(): boolean;
  release(): void;
  /** As Ctrl-Z does: stops the processes of this job, and returns when they go on, with a turn of its own again. */
  suspend(): void;
  /** Writes of the plugin's to the same terminal wait for the end of what others ask there. */
  quietly<T>(write: () => T): T;
  close(): void;
}

/** What a question may hold at most of what a plugin names, in UTF-16 units: it has to fit on a screen, with its head. */
const LONGEST = 600;

/**
 * Ends whatever a plugin left its terminal in, so that nothing of it changes how the question looks: an unfinished escape
 * sequence or string (CAN, ST), colours, hidden cursor, scroll region and character set (DECSTR, DEC STD 070).
 */
const RESET = "\x18\x1b\\\x1b[!p\x1b[0m\x1b[?25h\x1b(B\x0f\r\n";

/** The question as it is shown. What comes from a plugin is escaped. Pure. */
export function formatQuestion({ plugin, what, why }: Question, canStay: boolean): string {
  const stay = canStay ? ", [a]lways" : "";
  return `krew-wasm: the plugin "${inLine(plugin, 100)}" asks to\r\n` +
    `  ${inLine(what, LONGEST)}\r\n` +
    `but ${inLine(why, LONGEST)}\r\n` +
    `Allow it [o]nce, for this [r]un${stay}, or [N]ot? `;
}

/** As {@linkcode printable}, and without gaps, which would put what follows at the beginning of a line of the screen. */
function inLine(text: string, limit: number): string {
  return printable(text, limit).replace(/(?<= ) |[\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000]/g, (space) => {
    const code = space.codePointAt(0)!;
    return code < 0x100 ? `\\x${code.toString(16)}` : `\\u{${code.toString(16)}}`;
  });
}

/** What a line means; undefined for what is no answer. Pure. */
export function parseAnswer(line: string, canStay: boolean): Answer | undefined {
  const word = line.trim().toLowerCase();
  if (word === "" || word === "n" || word === "no" || word === "not") return "no";
  if (word === "o" || word === "once") return "once";
  if (word === "r" || word === "run") return "run";
  return canStay && (word === "a" || word === "always") ? "always" : undefined;
}

/**
 * Asks until there is an answer. What was typed before is thrown away, as is what a terminal itself answers to the escape
 * sequences of a plugin.
 *
 * @param canStay whether "always" is offered
 * @returns undefined where nobody can be asked, in the background
 * @throws Interrupted
 */
export function askAt(terminal: Terminal, question: Question, canStay: boolean): Answer | undefined {
  if (!terminal.claim()) return undefined;
  terminal.setRaw(true);
  const show = () => {
    terminal.write(RESET);
    pause(50); // for a terminal's own answers to what a plugin wrote
    terminal.flush();
    terminal.write(formatQuestion(question, canStay));
  };
  try {
    show();
    for (let tries = 0; tries < 5; tries++) {
      const line = readLine(terminal, show);
      if (line === undefined) return "no";
      const answer = parseAnswer(line, canStay);
      if (answer !== undefined) return answer;
      terminal.write(`Please answer o, r,${canStay ? " a" : ""} or n: `);
    }
    return "no";
  } finally {
    terminal.setRaw(false);
    terminal.release();
  }
}

/**
 * A line, edited by backspace. undefined at the end of input (Ctrl-D).
 *
 * @param show shows again what is asked, after a stop (Ctrl-Z)
 * @throws Interrupted
 */
export function readLine(terminal: Terminal, show: () => void = () => {}): string | undefined {
  let line = "";
  for (;;) {
    const text = terminal.read();
    if (text === undefined) return undefined;
    for (const key of text) {
      if (key === "\r" || key === "\n") {
        terminal.write("\r\n");
        return line;
      }
      if (key === "\x03") {
        terminal.write("^C\r\n");
        throw new Interrupted("Interrupted at a question");
      }
      if (key === "\x04") {
        terminal.write("\r\n");
        return undefined;
      }
      if (key === "\x1a") {
        terminal.write("^Z\r\n");
        terminal.setRaw(false);
        terminal.suspend();
        terminal.setRaw(true);
        show();
        line = "";
        break;
      }
      if (key === "\x7f" || key === "\b") {
        if (line !== "") terminal.write("\b \b");
        line = line.slice(0, -1);
      } else if (key < " " || key > "~") {
        // An arrow key, or a terminal's report: no part of an answer, nor is anything that came with it.
        terminal.flush();
        terminal.write("\b \b".repeat(line.length));
        line = "";
        break;
      } else if (line.length < 20) {
        terminal.write(key);
        line += key;
      }
    }
  }
}

/** Sleeps the thread. Milliseconds. */
function pause(milliseconds: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, milliseconds);
}

const TERMINAL = "/dev/tty";

/**
 * Numbers of the two C libraries: <fcntl.h>, <termios.h>. `outputFlags` is where c_oflag begins in a `struct termios`, in bytes,
 * `lineEnds` are OPOST and ONLCR, in its first byte on both.
 */
const SYSTEMS = {
  linux: {
    library: "libc.so.6",
    cloexec: 0x80000,
    noctty: 0x100,
    flushInput: 0,
    tstp: 20,
    ttin: 21,
    outputFlags: 4,
    lineEnds: 0o1 | 0o4,
  },
  darwin: {
    library: "/usr/lib/libSystem.B.dylib",
    cloexec: 0x1000000,
    noctty: 0x20000,
    flushInput: 1,
    tstp: 18,
    ttin: 21,
    outputFlags: 8,
    lineEnds: 0x1 | 0x2,
  },
} as const;
// <sys/file.h>
const LOCK_SH = 1;
const LOCK_EX = 2;
const LOCK_UN = 8;
const O_RDWR = 2;
const TCSAFLUSH = 2;
/** No system's `struct termios` is larger. Bytes. */
const TERMIOS = 256;

/**
 * The process's controlling terminal; undefined where it has none. Through the C library, since Deno opens devices only for
 * who may do everything, which a run may not; to be called before the permission `ffi` is given up.
 */
export function openTerminal(): Terminal | undefined {
  const system = SYSTEMS[Deno.build.os as keyof typeof SYSTEMS];
  if (!system) return undefined;
  const path = new TextEncoder().encode(`${TERMINAL}\0`);
  let libc: ReturnType<typeof loadLibrary>;
  try {
    libc = loadLibrary(system.library);
  } catch {
    return undefined; // another C library
  }
  const fd = libc.open(path, O_RDWR | system.cloexec | system.noctty);
  if (fd < 0) return undefined;
  const before = new Uint8Array(TERMIOS);
  const buffer = new Uint8Array(256);
  const turns = openByName(libc, O_RDWR | system.cloexec | system.noctty);
  const inForeground = () => {
    const group = libc.tcgetpgrp(fd);
    return group <= 0 || group === libc.getpgrp(); // 0: of processes that are not to be seen from this container
  };
  const claim = () => {
    // As a read from the background would be: stopped, until it is brought to the front.
    if (!inForeground()) libc.kill(0, system.ttin);
    if (!inForeground()) return false;
    libc.flock(turns, LOCK_EX);
    return true;
  };
  const release = () => void libc.flock(turns, LOCK_UN);
  return {
    claim,
    release,
    suspend() {
      release();
      libc.kill(0, system.tstp);
      libc.flock(turns, LOCK_EX);
    },
    quietly(write) {
      libc.flock(turns, LOCK_SH);
      try {
        return write();
      } finally {
        release();
      }
    },
    setRaw(raw) {
      if (!raw) {
        libc.tcsetattr(fd, TCSAFLUSH, before);
        return;
      }
      libc.tcgetattr(fd, before);
      const changed = before.slice();
      libc.cfmakeraw(changed);
      // What others write meanwhile, as the end of a pipe may, keeps its line ends, and the question begins where lines begin.
      changed[system.outputFlags]! |= system.lineEnds;
      libc.tcsetattr(fd, TCSAFLUSH, changed);
    },
    write(text) {
      const bytes = new TextEncoder().encode(text.replaceAll("\r\n", "\n")); // the terminal makes the one of the other
      for (let sent = 0; sent < bytes.length;) {
        const count = Number(libc.write(fd, bytes.subarray(sent), BigInt(bytes.length - sent)));
        if (count <= 0) return;
        sent += count;
      }
    },
    read() {
      const count = Number(libc.read(fd, buffer, BigInt(buffer.length)));
      return count > 0 ? new TextDecoder().decode(buffer.subarray(0, count)) : undefined;
    },
    flush: () => void libc.tcflush(fd, system.flushInput),
    close() {
      libc.close(fd);
      libc.close(turns);
    },
  };
}

/**
 * The terminal under the name that it has for nobody else: /dev/tty is one file for all, on which anybody could hold a lock.
 * -1 where it has none.
 */
function openByName(libc: ReturnType<typeof loadLibrary>, flags: number): number {
  const name = new Uint8Array(256);
  for (const stream of [0, 1, 2]) {
    if (libc.ttyname_r(stream, name, BigInt(name.length)) === 0) return libc.open(name, flags);
  }
  return -1;
}

function loadLibrary(name: string) {
  return Deno.dlopen(
    name,
    {
      open: { parameters: ["buffer", "i32"], result: "i32" },
      close: { parameters: ["i32"], result: "i32" },
      read: { parameters: ["i32", "buffer", "usize"], result: "isize" },
      write: { parameters: ["i32", "buffer", "usize"], result: "isize" },
      tcgetattr: { parameters: ["i32", "buffer"], result: "i32" },
      tcsetattr: { parameters: ["i32", "i32", "buffer"], result: "i32" },
      tcflush: { parameters: ["i32", "i32"], result: "i32" },
      flock: { parameters: ["i32", "i32"], result: "i32" },
      getpgrp: { parameters: [], result: "i32" },
      kill: { parameters: ["i32", "i32"], result: "i32" },
      tcgetpgrp: { parameters: ["i32"], result: "i32" },
      ttyname_r: { parameters: ["i32", "buffer", "usize"], result: "i32" },
      cfmakeraw: { parameters: ["buffer"], result: "void" },
    } as const,
  ).symbols;
}

/**
 * Asks at the process's terminal; undefined where it has none. Opened now, used when there is something to ask.
 *
 * @param canStay whether "always" is offered
 */
export function terminalAsk(canStay: boolean): Ask | undefined {
  const terminal = openTerminal();
  if (!terminal) return undefined;
  const ask = (question: Question) => askAt(terminal, question, canStay);
  return Object.assign(ask, { quietly: terminal.quietly });
}

/** Whether questions are welcome: somebody is at a terminal, and has not said otherwise. */
export function mayPrompt(env: (name: string) => string | undefined): boolean {
  const no = env("KREW_WASM_NO_PROMPT");
  if (no !== undefined && no !== "" && no !== "0") return false;
  return Deno.build.os !== "windows" &&
    (Deno.stdin.isTerminal() || Deno.stdout.isTerminal() || Deno.stderr.isTerminal());
}
