/**
 * Asks questions at the terminal itself, /dev/tty, independent of the plugin's streams. Everything here is synchronous: the
 * plugin is stopped and writes nothing until the answer is complete.
 */

import type { Ask, Question, Reply } from "./permission_request_types.ts";
import { KeyReader, ODD } from "./terminal_keys.ts";
import { againLine, answersLine, type Choices, linesThatFit, parseAnswer, type Size } from "./question.ts";
import { AFTER_QUESTION, FRESH_LINES, inColours, PASTE_MARKS, type Screen, screenOf } from "./screen.ts";

/** Ctrl-C at a question. The run ends as by the signal. */
export class Interrupted extends Error {}

/** The controlling terminal. */
export interface Terminal {
  /** Reads key by key, without echo. `false` restores the terminal and discards unread input. */
  setRaw(raw: boolean): void;
  write(text: string): void;
  /** Waits for input, at most `patience` milliseconds; empty if none came. undefined at the end of the input. */
  read(patience?: number): Uint8Array | undefined;
  /** undefined if unknown. */
  size(): Size | undefined;
  /** undefined if the terminal knows no escape sequences. */
  readonly screen: Screen | undefined;
  /**
   * Waits for its turn. Plugins that are piped into one another ask one after the other, and do not write to the terminal
   * meanwhile. False if the process is in the background: then nobody is asked.
   */
  claim(): boolean;
  release(): void;
  /** Stops the processes of this job, as Ctrl-Z does. Returns after they continue, again with the turn. */
  suspend(): void;
  /** Writes for the plugin, after other processes have finished their questions. */
  quietly<T>(write: () => T): T;
  close(): void;
}

/** After this much silence, the terminal has answered everything that a plugin wrote. Milliseconds. */
const QUIET = 100;
/** Keys count after this much silence: a person who types when the question appears has not read it. Milliseconds. */
const SHOWN = 500;
/** Limit on waiting for silence. Inputs. */
const MOST_INPUTS = 300;
/** While waiting for keys, how often to check whether the answer is still needed. Milliseconds. */
const GLANCE = 500;
/** A question is repeated this often without a valid answer. */
const TRIES = 5;

/** A typed line; `odd` if it contained other input than plain keys, `end` at the end of the input. */
export type Line = { readonly text: string } | "odd" | "end";

/** A dialog with a person, in visible lines, on a terminal that was reset. Must be closed. */
export class Dialog implements Disposable {
  #terminal: Terminal;
  #keys = new KeyReader();
  #said: string[] = [];

  private constructor(terminal: Terminal) {
    this.#terminal = terminal;
    terminal.setRaw(true);
    this.#begin();
  }

  /** undefined if nobody can be asked: in the background. */
  static open(terminal: Terminal): Dialog | undefined {
    return terminal.claim() ? new Dialog(terminal) : undefined;
  }

  /** Shows lines, and shows them again after a stop (Ctrl-Z). */
  say(lines: readonly string[]): void {
    this.#said.push(...lines);
    this.#draw(lines);
  }

  /**
   * Asks for a line, with backspace for editing. Ignores earlier input, and the terminal's
   * own answers to a plugin's escape sequences.
   *
   * @throws Interrupted
   */
  ask(prompt: string): Line {
    this.#settle(SHOWN);
    this.#write(prompt);
    let text = "";
    let odd = false;
    for (;;) {
      const bytes = this.#terminal.read();
      if (bytes === undefined) return "end";
      for (const key of this.#keys.read(bytes)) {
        if (key === "\r" || key === "\n") {
          this.#newLine("");
          return odd ? "odd" : { text };
        }
        if (key === "\x03") {
          this.#newLine("^C");
          throw new Interrupted("Interrupted at a question");
        }
        if (key === "\x04") {
          this.#newLine("");
          return "end";
        }
        if (key === "\x1a") {
          this.#stop();
          this.#write(prompt);
          text = "";
          odd = false;
        } else if (key === "\x7f" || key === "\b") {
          if (text !== "") this.#terminal.write("\b \b");
          text = text.slice(0, -1);
        } else if (key === ODD || key < " " || text.length >= 20) odd = true;
        else {
          this.#terminal.write(key);
          text += key;
        }
      }
    }
  }

  get size(): Size | undefined {
    return this.#terminal.size();
  }

  [Symbol.dispose](): void {
    if (this.#terminal.screen) this.#terminal.write(AFTER_QUESTION);
    this.#terminal.setRaw(false);
    this.#terminal.release();
  }

  #begin(): void {
    const { screen } = this.#terminal;
    this.#terminal.write(screen ? screen.reset + PASTE_MARKS + FRESH_LINES : "\r\n");
    this.#settle(QUIET);
  }

  /** Discards input until there is silence. Waits for the end of an incomplete escape sequence. */
  #settle(silence: number): void {
    let silent = 0;
    for (let inputs = 0; silent < silence && inputs < MOST_INPUTS; inputs++) {
      const bytes = this.#terminal.read(QUIET);
      if (bytes === undefined) return;
      silent = bytes.length === 0 ? silent + QUIET : 0;
      if (this.#keys.read(bytes).includes("\x03")) {
        this.#newLine("^C");
        throw new Interrupted("Interrupted at a question");
      }
    }
  }

  #draw(lines: readonly string[]): void {
    for (const line of lines) {
      this.#write(line);
      this.#newLine("");
    }
  }

  #write(text: string): void {
    const { screen } = this.#terminal;
    this.#terminal.write(screen ? inColours(screen, text) : text);
  }

  #newLine(text: string): void {
    this.#terminal.write(this.#terminal.screen ? `${text}\x1b[0m\r\n` : `${text}\r\n`);
  }

  #stop(): void {
    this.#newLine("^Z");
    if (this.#terminal.screen) this.#terminal.write(AFTER_QUESTION);
    this.#terminal.setRaw(false);
    this.#terminal.suspend();
    this.#terminal.setRaw(true);
    this.#begin();
    this.#draw(this.#said);
    this.#settle(SHOWN);
  }
}

/**
 * Asks until there is a valid answer.
 *
 * @param stays whether to offer "always"
 * @returns undefined if nobody can be asked: in the background, or if the whole question does not fit
 * @throws Interrupted
 */
export function askAt(terminal: Terminal, question: Question, stays: boolean): Reply | undefined {
  using dialog = Dialog.open(terminal);
  if (!dialog) return undefined;
  const fitting = linesThatFit(question, dialog.size);
  if (!fitting) {
    dialog.say(["krew-wasm: a plugin asks for what has no room on this terminal, and is refused"]);
    return undefined;
  }
  const { lines, wider } = fitting;
  dialog.say(lines);
  let choices: Choices = { stays, wider: wider ? "offered" : "none" };
  let prompt = answersLine(choices);
  for (let tries = 0; tries < TRIES; tries++) {
    // Waits for silence before every try: the rest of a paste or of a terminal's report may follow an invalid line.
    const line = dialog.ask(prompt);
    if (line === "end") break;
    const answer = line === "odd" ? undefined : parseAnswer(line.text, choices);
    if (answer === undefined) prompt = againLine(choices);
    else if (answer !== "wider") return { answer, wider: answer !== "no" && choices.wider === "chosen" };
    else {
      choices = { stays, wider: "chosen" };
      prompt = answersLine(choices);
      dialog.say(wider!);
    }
  }
  return { answer: "no", wider: false };
}

/** The user's environment. */
type Env = (name: string) => string | undefined;

const TERMINAL = "/dev/tty";

/**
 * Constants of the two C libraries: <fcntl.h>, <termios.h>. `outputFlags` is the offset of c_oflag in a `struct termios`,
 * in bytes. `lineEnds` are OPOST and ONLCR, in its first byte on both.
 */
const SYSTEMS = {
  linux: {
    library: "libc.so.6",
    cloexec: 0x80000,
    noctty: 0x100,
    tstp: 20,
    ttin: 21,
    outputFlags: 4,
    lineEnds: 0o1 | 0o4,
  },
  darwin: {
    library: "/usr/lib/libSystem.B.dylib",
    cloexec: 0x1000000,
    noctty: 0x20000,
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
const TCSADRAIN = 1;
const TCSAFLUSH = 2;
/** The largest `struct termios` of these systems. Bytes. */
const TERMIOS = 256;

/**
 * Opens the process's controlling terminal; undefined if there is none. Uses the C library, because Deno opens devices only
 * with all permissions. Call this before the process gives up `ffi`.
 */
export function openTerminal(env: Env): Terminal | undefined {
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
    return group <= 0 || group === libc.getpgrp(); // 0: the foreground processes are outside of this container
  };
  const claim = () => {
    // Stop like a read from the background: until the job comes to the foreground.
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
      // Other processes may write meanwhile: keep their line ends, so that the question begins at the start of a line.
      changed[system.outputFlags]! |= system.lineEnds;
      // Read and ignore earlier input. Discarding it here could cut an escape sequence in half.
      libc.tcsetattr(fd, TCSADRAIN, changed);
    },
    write(text) {
      const bytes = new TextEncoder().encode(text.replaceAll("\r\n", "\n")); // the terminal adds the carriage return
      for (let sent = 0; sent < bytes.length;) {
        const count = Number(libc.write(fd, bytes.subarray(sent), BigInt(bytes.length - sent)));
        if (count <= 0) return;
        sent += count;
      }
    },
    read(patience) {
      // -1, an interrupt by a signal, is no input either.
      if (patience !== undefined && libc.select(fd + 1, onlyOf(fd), null, null, timeval(patience)) <= 0) {
        return new Uint8Array();
      }
      const count = Number(libc.read(fd, buffer, BigInt(buffer.length)));
      return count > 0 ? buffer.slice(0, count) : undefined;
    },
    size() {
      try {
        return Deno.consoleSize();
      } catch {
        return undefined; // no standard stream is a terminal
      }
    },
    screen: screenOf(env),
    close() {
      libc.close(fd);
      libc.close(turns);
    },
  };
}

/** An `fd_set` of one descriptor (<sys/select.h>). */
function onlyOf(fd: number): Uint8Array<ArrayBuffer> {
  const set = new Uint8Array(Math.max(128, (fd >> 3) + 8));
  set[fd >> 3] = 1 << (fd & 7);
  return set;
}

/** A `struct timeval`: seconds, then microseconds at byte 8, little-endian as all supported machines. */
function timeval(milliseconds: number): Uint8Array<ArrayBuffer> {
  const bytes = new DataView(new ArrayBuffer(16));
  bytes.setUint32(0, Math.floor(milliseconds / 1000), true);
  bytes.setUint32(8, milliseconds % 1000 * 1000, true);
  return new Uint8Array(bytes.buffer);
}

/**
 * Opens the terminal by its own name. /dev/tty is one file for all terminals, so a lock on it would affect others. -1 if
 * the process has no terminal.
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
      select: { parameters: ["i32", "buffer", "pointer", "pointer", "buffer"], result: "i32" },
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
 * Asks at the process's terminal; undefined if it has none. Opens the terminal now, for later questions.
 *
 * @param canStay whether to offer "always"
 * @param isOver whether nobody waits for the answer any more. A question then ends within a second
 */
export function terminalAsk(canStay: boolean, env: Env, isOver?: () => boolean): Ask | undefined {
  const terminal = openTerminal(env);
  if (!terminal) return undefined;
  const asked = isOver ? endingWith(terminal, isOver) : terminal;
  const ask = (question: Question) => askAt(asked, question, canStay);
  return Object.assign(ask, { quietly: terminal.quietly });
}

/** A terminal whose input ends when `isOver` says so. */
function endingWith(terminal: Terminal, isOver: () => boolean): Terminal {
  return {
    ...terminal,
    read(patience) {
      if (patience !== undefined) return terminal.read(patience);
      while (!isOver()) {
        const bytes = terminal.read(GLANCE);
        if (bytes === undefined || bytes.length > 0) return bytes;
      }
      return undefined;
    },
  };
}

/** Whether krew-wasm may ask: a person is at a terminal and has not disabled questions. */
export function mayPrompt(env: Env): boolean {
  const no = env("KREW_WASM_NO_PROMPT");
  if (no !== undefined && no !== "" && no !== "0") return false;
  return Deno.build.os !== "windows" &&
    (Deno.stdin.isTerminal() || Deno.stdout.isTerminal() || Deno.stderr.isTerminal());
}
