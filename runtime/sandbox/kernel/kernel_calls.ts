/**
 * The Linux system calls by which a process restricts itself, through one symbol of the C library. Load it before the
 * process gives up `ffi`; later calls need no permission.
 */

import { concatBytes } from "../../base/bytes.ts";

interface Numbers {
  readonly close: number;
  readonly dup3: number;
  readonly fcntl: number;
  readonly flock: number;
  readonly getdents64: number;
  readonly lseek: number;
  readonly memfdCreate: number;
  readonly mmap: number;
  readonly mprotect: number;
  readonly munmap: number;
  readonly openat: number;
  readonly prctl: number;
  readonly pread64: number;
  readonly recvmsg: number;
  readonly rtSigaction: number;
  readonly rtTgsigqueueinfo: number;
  readonly schedYield: number;
  readonly seccomp: number;
  readonly sendmsg: number;
  readonly socketpair: number;
  readonly write: number;
}

// arch/x86/entry/syscalls/syscall_64.tbl; include/uapi/asm-generic/unistd.h.
const NUMBERS: Readonly<Record<typeof Deno.build.arch, Numbers>> = {
  "x86_64": {
    close: 3,
    dup3: 292,
    fcntl: 72,
    flock: 73,
    getdents64: 217,
    lseek: 8,
    memfdCreate: 319,
    mmap: 9,
    mprotect: 10,
    munmap: 11,
    openat: 257,
    prctl: 157,
    pread64: 17,
    recvmsg: 47,
    rtSigaction: 13,
    rtTgsigqueueinfo: 297,
    schedYield: 24,
    seccomp: 317,
    sendmsg: 46,
    socketpair: 53,
    write: 1,
  },
  aarch64: {
    close: 57,
    dup3: 24,
    fcntl: 25,
    flock: 32,
    getdents64: 61,
    lseek: 62,
    memfdCreate: 279,
    mmap: 222,
    mprotect: 226,
    munmap: 215,
    openat: 56,
    prctl: 167,
    pread64: 67,
    recvmsg: 212,
    rtSigaction: 134,
    rtTgsigqueueinfo: 240,
    schedYield: 124,
    seccomp: 277,
    sendmsg: 211,
    socketpair: 199,
    write: 64,
  },
};

/** These numbers are the same on all architectures. */
const EVERYWHERE = {
  openat2: 437,
  landlockCreateRuleset: 444,
  landlockAddRule: 445,
  landlockRestrictSelf: 446,
} as const;

const AT_FDCWD = -100;
const SEEK_SET = 0;
// <sys/mman.h>, <fcntl.h>
const MFD_CLOEXEC = 1;
const MFD_ALLOW_SEALING = 2;
/** Since Linux 6.3; some systems accept only such files (vm.memfd_noexec). */
const MFD_NOEXEC_SEAL = 8;
const F_ADD_SEALS = 1033;
/** Forbids more seals, shrinking, growing and writing. */
const SEALS = 1 | 2 | 4 | 8;
/** The file's name in /proc. */
const NAME = new TextEncoder().encode("krew-wasm\0");
const O_CLOEXEC = 0o2000000;
/** <linux/openat2.h> */
const RESOLVE_NO_SYMLINKS = 4n;
/** Opens a path for use in a rule, without access. */
export const O_PATH = 0o10000000;
/** Does not follow a link. */
export const O_NOFOLLOW = Deno.build.arch === "aarch64" ? 0o100000 : 0o400000;
/** Size of {@linkcode Syscalls.scratch} in bytes. */
const SCRATCH = 16384;
/** Offset of a path and of openat2's structure. */
const PATH_AT = 8192;
const PATH_MAX = 4096;
const HOW_AT = PATH_AT + PATH_MAX + 8;

/** An argument of a call. */
type Word = number | bigint;

type Syscall = (
  number: bigint,
  a: bigint,
  b: bigint,
  c: bigint,
  d: bigint,
  e: bigint,
  f: bigint,
) => bigint;

const encoder = new TextEncoder();

/** Makes system calls. Returns what the C library returns: a negative number means failure. */
export class Syscalls {
  readonly numbers: Numbers & typeof EVERYWHERE;
  /** Memory with a fixed address. The first half is for the caller. */
  readonly scratch = new Uint8Array(SCRATCH);
  readonly view = new DataView(this.scratch.buffer);
  /** Its address. */
  readonly address: bigint;
  #syscall: Syscall;

  private constructor(syscall: Syscall) {
    this.#syscall = syscall;
    this.numbers = { ...NUMBERS[Deno.build.arch], ...EVERYWHERE };
    this.address = BigInt(Deno.UnsafePointer.value(Deno.UnsafePointer.of(this.scratch)));
  }

  /** undefined on other systems, with another C library, or without the permission `ffi`. */
  static load(): Syscalls | undefined {
    if (Deno.build.os !== "linux" || !(Deno.build.arch in NUMBERS)) return undefined;
    try {
      const { symbols } = Deno.dlopen("libc.so.6", {
        syscall: { parameters: ["i64", "i64", "i64", "i64", "i64", "i64", "i64"], result: "i64" },
      });
      return new Syscalls(symbols.syscall as Syscall);
    } catch {
      return undefined;
    }
  }

  /** Makes any call with up to six arguments. */
  call(
    number: number,
    a: Word = 0n,
    b: Word = 0n,
    c: Word = 0n,
    d: Word = 0n,
    e: Word = 0n,
    f: Word = 0n,
  ): bigint {
    return this.#syscall(BigInt(number), BigInt(a), BigInt(b), BigInt(c), BigInt(d), BigInt(e), BigInt(f));
  }

  /** Copies bytes to memory and returns their address. The next call overwrites them. */
  put(bytes: Uint8Array): bigint {
    this.scratch.set(bytes);
    return this.address;
  }

  /**
   * Opens a path and follows links. Returns a negative number on failure.
   *
   * @param from the open directory where a relative path begins
   */
  open(path: string, flags: number, from = AT_FDCWD): number {
    const at = this.#putPath(path);
    // Not openat2: containers that refuse it need the restriction just as much.
    return at === undefined ? -1 : Number(this.call(this.numbers.openat, from, at, flags | O_CLOEXEC, 0));
  }

  /** Opens a path without links. Returns a negative number if there is a link, or on failure. */
  openPlain(path: string, flags: number): number {
    const at = this.#putPath(path);
    if (at === undefined) return -1;
    this.view.setBigUint64(HOW_AT, BigInt(flags | O_CLOEXEC), true);
    this.view.setBigUint64(HOW_AT + 8, 0n, true);
    this.view.setBigUint64(HOW_AT + 16, RESOLVE_NO_SYMLINKS, true);
    const fd = Number(this.call(this.numbers.openat2, AT_FDCWD, at, this.address + BigInt(HOW_AT), 24));
    return fd >= 0 ? fd : this.#openAndCompare(path, flags);
  }

  /** The same without openat2: the opened file must have exactly this path. */
  #openAndCompare(path: string, flags: number): number {
    const fd = this.open(path, flags);
    if (fd < 0) return fd;
    try {
      if (Deno.readLinkSync(`/proc/self/fd/${fd}`) === path) return fd;
    } catch { /* without /proc, or not to be read */ }
    this.close(fd);
    return -1;
  }

  /** Copies a path to memory and returns its address; undefined if it does not fit. */
  #putPath(path: string): bigint | undefined {
    const { read, written } = encoder.encodeInto(path, this.scratch.subarray(PATH_AT, PATH_AT + PATH_MAX));
    if (read < path.length || path.includes("\0")) return undefined;
    this.scratch[PATH_AT + written] = 0;
    return this.address + BigInt(PATH_AT);
  }

  close(fd: number): void {
    this.call(this.numbers.close, fd);
  }

  /** Makes an unnamed file in memory with this content, sealed against changes; undefined on failure. */
  temporaryFile(content: Uint8Array): number | undefined {
    this.scratch.set(NAME);
    const make = (flags: number) => Number(this.call(this.numbers.memfdCreate, this.address, flags));
    let fd = make(MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_NOEXEC_SEAL);
    if (fd < 0) fd = make(MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd < 0) return undefined;
    for (let sent = 0; sent < content.length;) {
      const part = content.subarray(sent, sent + SCRATCH);
      const count = Number(this.call(this.numbers.write, fd, this.put(part), part.length));
      if (count <= 0) {
        this.close(fd);
        return undefined;
      }
      sent += count;
    }
    this.call(this.numbers.fcntl, fd, F_ADD_SEALS, SEALS);
    return fd;
  }

  /** Reads a whole open file. @throws RangeError if it is larger than `most` bytes */
  readAll(fd: number, most: number): Uint8Array {
    const chunks: Uint8Array<ArrayBuffer>[] = [];
    for (let at = 0;;) {
      const count = Number(this.call(this.numbers.pread64, fd, this.address, SCRATCH, at));
      if (count <= 0) break;
      chunks.push(this.scratch.slice(0, count));
      at += count;
      if (at > most) throw new RangeError("a file that is too large");
    }
    return concatBytes(chunks);
  }

  /** The names in an open directory; undefined if it cannot be read. */
  names(directory: number): string[] | undefined {
    const names: string[] = [];
    const { scratch, view, address } = this;
    if (this.call(this.numbers.lseek, directory, 0, SEEK_SET) !== 0n) return undefined;
    for (;;) {
      const length = Number(this.call(this.numbers.getdents64, directory, address, PATH_AT));
      if (length < 0) return undefined;
      if (length === 0) return names;
      // struct linux_dirent64
      for (let at = 0; at < length; at += view.getUint16(at + 16, true)) {
        const name = at + 19;
        names.push(String.fromCharCode(...scratch.subarray(name, scratch.indexOf(0, name))));
      }
    }
  }
}
