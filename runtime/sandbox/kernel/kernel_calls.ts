/**
 * System calls of Linux by which a process restricts itself, through one symbol of the C library. It is loaded before the
 * permission `ffi` is given up; what is called later needs none.
 */

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

/** The same numbers everywhere. */
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
/** From Linux 6.3 on; some systems make no others (vm.memfd_noexec). */
const MFD_NOEXEC_SEAL = 8;
const F_ADD_SEALS = 1033;
/** No more seals, nothing shorter, longer or other. */
const SEALS = 1 | 2 | 4 | 8;
/** `krew-wasm`, as /proc shows it. */
const NAME = new TextEncoder().encode("krew-wasm\0");
const O_CLOEXEC = 0o2000000;
/** <linux/openat2.h> */
const RESOLVE_NO_SYMLINKS = 4n;
/** A path alone, which leads to a rule's file or directory. */
export const O_PATH = 0o10000000;
/** Not what a link leads to. */
export const O_NOFOLLOW = Deno.build.arch === "aarch64" ? 0o100000 : 0o400000;
/** Bytes of {@linkcode Syscalls.scratch}. */
const SCRATCH = 16384;
/** Where a path is put, and the structure of openat2. */
const PATH_AT = 8192;
const PATH_MAX = 4096;
const HOW_AT = PATH_AT + PATH_MAX + 8;

/** An argument. */
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

/** The calls. They answer as the C library does: a negative number is a failure. */
export class Syscalls {
  readonly numbers: Numbers & typeof EVERYWHERE;
  /** Memory that stays where it is; the first half is the caller's. */
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

  /** undefined elsewhere than on Linux, with another C library, and without the permission `ffi`. */
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

  /** Any call, of up to six arguments. */
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

  /** Puts bytes where an argument can lead to, and returns their address; the next ones take their place. */
  put(bytes: Uint8Array): bigint {
    this.scratch.set(bytes);
    return this.address;
  }

  /**
   * Opens a path, links followed; a negative number where that can't be.
   *
   * @param from an open directory that a relative path begins in
   */
  open(path: string, flags: number, from = AT_FDCWD): number {
    const at = this.#putPath(path);
    // Not openat2: sandboxes that refuse it are where this wall is needed as much.
    return at === undefined ? -1 : Number(this.call(this.numbers.openat, from, at, flags | O_CLOEXEC, 0));
  }

  /** Opens a path that has to be free of links; a negative number where it is not, or can't be opened. */
  openPlain(path: string, flags: number): number {
    const at = this.#putPath(path);
    if (at === undefined) return -1;
    this.view.setBigUint64(HOW_AT, BigInt(flags | O_CLOEXEC), true);
    this.view.setBigUint64(HOW_AT + 8, 0n, true);
    this.view.setBigUint64(HOW_AT + 16, RESOLVE_NO_SYMLINKS, true);
    const fd = Number(this.call(this.numbers.openat2, AT_FDCWD, at, this.address + BigInt(HOW_AT), 24));
    return fd >= 0 ? fd : this.#openAndCompare(path, flags);
  }

  /** The same where a sandbox refuses openat2: what was opened has to have just this path. */
  #openAndCompare(path: string, flags: number): number {
    const fd = this.open(path, flags);
    if (fd < 0) return fd;
    try {
      if (Deno.readLinkSync(`/proc/self/fd/${fd}`) === path) return fd;
    } catch { /* without /proc, or not to be read */ }
    this.close(fd);
    return -1;
  }

  /** The address of a path in memory; undefined for none. */
  #putPath(path: string): bigint | undefined {
    const { read, written } = encoder.encodeInto(path, this.scratch.subarray(PATH_AT, PATH_AT + PATH_MAX));
    if (read < path.length || path.includes("\0")) return undefined;
    this.scratch[PATH_AT + written] = 0;
    return this.address + BigInt(PATH_AT);
  }

  close(fd: number): void {
    this.call(this.numbers.close, fd);
  }

  /**
   * A file in memory that has no name, with this content, which nobody can change any more; undefined where there is none to
   * be had.
   */
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

  /** All of an open file. @throws RangeError where it is larger than so many bytes */
  readAll(fd: number, most: number): Uint8Array {
    const chunks: Uint8Array<ArrayBuffer>[] = [];
    for (let at = 0;;) {
      const count = Number(this.call(this.numbers.pread64, fd, this.address, SCRATCH, at));
      if (count <= 0) break;
      chunks.push(this.scratch.slice(0, count));
      at += count;
      if (at > most) throw new RangeError("a file that is too large");
    }
    const all = new Uint8Array(chunks.reduce((sum, { length }) => sum + length, 0));
    let at = 0;
    for (const chunk of chunks) {
      all.set(chunk, at);
      at += chunk.length;
    }
    return all;
  }

  /** Names in an open directory; undefined where that can't be told. */
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
