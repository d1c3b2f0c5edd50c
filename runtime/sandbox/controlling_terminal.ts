/**
 * The process's controlling terminal, /dev/tty, independent of the plugin's streams. Uses the C library, because Deno opens
 * devices only with all permissions. All calls are synchronous.
 */

import type { Size } from "./question.ts";
import { type Screen, screenOf } from "./screen.ts";

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

/** The user's environment. */
type Env = (name: string) => string | undefined;

type Libc = ReturnType<typeof loadLibrary>;
type System = typeof SYSTEMS[keyof typeof SYSTEMS];

/**
 * Opens the process's controlling terminal; undefined if there is none. Call this before the process gives up `ffi`.
 */
export function openTerminal(env: Env): Terminal | undefined {
  const system = SYSTEMS[Deno.build.os as keyof typeof SYSTEMS];
  if (!system) return undefined;
  let libc: Libc;
  try {
    libc = loadLibrary(system.library);
  } catch {
    return undefined; // another C library
  }
  const flags = O_RDWR | system.cloexec | system.noctty;
  const fd = libc.open(new TextEncoder().encode(`${TERMINAL}\0`), flags);
  if (fd < 0) return undefined;
  const turns = openByName(libc, flags);
  return {
    ...turnsOf(libc, system, fd, turns),
    ...modesOf(libc, system, fd),
    ...bytesOf(libc, fd),
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

/** Whose turn it is: the foreground job, and in it the holder of a lock on `turns`. */
function turnsOf(
  libc: Libc,
  system: System,
  fd: number,
  turns: number,
): Pick<Terminal, "claim" | "release" | "suspend" | "quietly"> {
  const inForeground = () => {
    const group = libc.tcgetpgrp(fd);
    return group <= 0 || group === libc.getpgrp(); // 0: the foreground processes are outside of this container
  };
  const release = () => void libc.flock(turns, LOCK_UN);
  return {
    claim() {
      // Stop like a read from the background: until the job comes to the foreground.
      if (!inForeground()) libc.kill(0, system.ttin);
      if (!inForeground()) return false;
      libc.flock(turns, LOCK_EX);
      return true;
    },
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
  };
}

function modesOf(libc: Libc, system: System, fd: number): Pick<Terminal, "setRaw"> {
  const before = new Uint8Array(TERMIOS);
  return {
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
  };
}

function bytesOf(libc: Libc, fd: number): Pick<Terminal, "write" | "read"> {
  const buffer = new Uint8Array(256);
  return {
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
function openByName(libc: Libc, flags: number): number {
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
