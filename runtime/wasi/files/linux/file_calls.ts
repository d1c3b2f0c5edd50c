/**
 * Linux system calls for a plugin's files, through Deno's FFI. Unlike Deno's own functions they work relative to open
 * directories and take names as bytes. One symbol of libc, `syscall`, serves them all.
 *
 * The library is opened once, before the plugin runs. Later calls need no permission, so the process can give up
 * `ffi` in between. Pointers refer to one buffer that lives as long as the kernel object. The plugin's memory is
 * passed as a view, whose address the engine takes at each call, so the memory may grow.
 */

import { type ErrnoName, isAbsence, WasiError } from "../../errno.ts";
import type { GuestPath, NewTime, NodeType, Stat } from "../file_tree.ts";
import type { KernelFiles } from "../special_files.ts";

interface Numbers {
  readonly close: bigint;
  readonly fadvise64: bigint;
  readonly fallocate: bigint;
  readonly fcntl: bigint;
  readonly fdatasync: bigint;
  readonly fstatfs: bigint;
  readonly fsync: bigint;
  readonly ftruncate: bigint;
  readonly getdents64: bigint;
  readonly linkat: bigint;
  readonly lseek: bigint;
  readonly mkdirat: bigint;
  readonly pread64: bigint;
  readonly prlimit64: bigint;
  readonly pwrite64: bigint;
  readonly read: bigint;
  readonly readlinkat: bigint;
  readonly renameat2: bigint;
  readonly statx: bigint;
  readonly symlinkat: bigint;
  readonly unlinkat: bigint;
  readonly utimensat: bigint;
  readonly write: bigint;
  /** open() flags that differ between architectures. */
  readonly O_DIRECTORY: number;
  readonly O_NOFOLLOW: number;
}

// arch/x86/entry/syscalls/syscall_64.tbl; include/uapi/asm-generic/unistd.h and arch/arm64/include/uapi/asm/fcntl.h.
const NUMBERS: Readonly<Record<typeof Deno.build.arch, Numbers>> = {
  "x86_64": {
    close: 3n,
    fadvise64: 221n,
    fallocate: 285n,
    fcntl: 72n,
    fdatasync: 75n,
    fstatfs: 138n,
    fsync: 74n,
    ftruncate: 77n,
    getdents64: 217n,
    linkat: 265n,
    lseek: 8n,
    mkdirat: 258n,
    pread64: 17n,
    prlimit64: 302n,
    pwrite64: 18n,
    read: 0n,
    readlinkat: 267n,
    renameat2: 316n,
    statx: 332n,
    symlinkat: 266n,
    unlinkat: 263n,
    utimensat: 280n,
    write: 1n,
    O_DIRECTORY: 0o200000,
    O_NOFOLLOW: 0o400000,
  },
  aarch64: {
    close: 57n,
    fadvise64: 223n,
    fallocate: 47n,
    fcntl: 25n,
    fdatasync: 83n,
    fstatfs: 44n,
    fsync: 82n,
    ftruncate: 46n,
    getdents64: 61n,
    linkat: 37n,
    lseek: 62n,
    mkdirat: 34n,
    pread64: 67n,
    prlimit64: 261n,
    pwrite64: 68n,
    read: 63n,
    readlinkat: 78n,
    renameat2: 276n,
    statx: 291n,
    symlinkat: 36n,
    unlinkat: 35n,
    utimensat: 88n,
    write: 64n,
    O_DIRECTORY: 0o40000,
    O_NOFOLLOW: 0o100000,
  },
};

/** The same number on every architecture. */
const OPENAT2 = 437n;

/** Flags of {@linkcode Kernel.open}. */
export const O_RDONLY = 0;
export const O_WRONLY = 1;
export const O_RDWR = 2;
export const O_CREAT = 0o100;
export const O_EXCL = 0o200;
export const O_NOCTTY = 0o400;
export const O_NONBLOCK = 0o4000;
export const O_PATH = 0o10000000;
const O_CLOEXEC = 0o2000000;
const O_APPEND = 0o2000n;

/** Stands for the current directory in place of a directory's descriptor, for host paths. */
export const AT_FDCWD = -100;

const HERE = BigInt(AT_FDCWD);
const AT_SYMLINK_NOFOLLOW = 0x100n;
const AT_REMOVEDIR = 0x200n;
const AT_EMPTY_PATH = 0x1000n;
const RESOLVE_NO_MAGICLINKS = 0x02;
const RESOLVE_NO_SYMLINKS = 0x04;
const RESOLVE_BENEATH = 0x08;
const STATX_BASIC_STATS = 0x7ffn;
const STATX_MNT_ID = 0x1000n;
const STATX_ATTR_MOUNT_ROOT = 0x2000;
const F_SETFL = 4n;
const RLIMIT_NOFILE = 7n;
const UTIME_NOW = (1n << 30n) - 1n;
const UTIME_OMIT = (1n << 30n) - 2n;
/** Pseudo file systems of the kernel, by magic number (include/uapi/linux/magic.h). */
const KERNEL_FILES: ReadonlyMap<bigint, KernelFiles> = new Map([
  [0x9fa0n, "proc"],
  [0x62656572n, "state"], // sysfs
  [0x62656570n, "state"], // configfs
  [0x73636673n, "state"], // securityfs
  [0x63677270n, "state"], // cgroup2
  [0x27e0ebn, "state"], // cgroup
  [0xde5e81e4n, "state"], // efivarfs
  [0xf97cff8cn, "state"], // selinuxfs
  [0x42494e4dn, "state"], // binfmt_misc
  [0x65735543n, "state"], // fusectl
  [0x64626720n, "debug"], // debugfs
  [0x74726163n, "debug"], // tracefs
  [0xcafe4a11n, "debug"], // bpf
  [0x6165676cn, "debug"], // pstore
]);
/** Device numbers of null, zero, full, random, urandom and tty in /dev (Linux, Documentation/admin-guide/devices.txt). */
const HARMLESS: ReadonlySet<string> = new Set(["1:3", "1:5", "1:7", "1:8", "1:9", "5:0"]);

const PATH_MAX = 4096;
const BILLION = 1_000_000_000n;
const EAGAIN = 11;
const EINTR = 4;
const EXDEV = 18;
/** The maximum of bytes in one call. Linux's own limit is one page less than 2 GiB. */
const MAX_TRANSFER = 1 << 30;

// include/uapi/asm-generic/errno-base.h and errno.h, the same on both architectures.
const ERRNOS: Readonly<Record<number, ErrnoName>> = {
  1: "not-permitted",
  2: "no-entry",
  4: "interrupted",
  5: "io",
  6: "no-such-device",
  9: "bad-descriptor",
  11: "would-block",
  12: "insufficient-memory",
  13: "access",
  14: "fault",
  16: "busy",
  17: "exist",
  18: "cross-device",
  19: "no-device",
  20: "not-directory",
  21: "is-directory",
  22: "invalid",
  23: "too-many-open",
  24: "too-many-open",
  25: "no-tty",
  26: "text-file-busy",
  27: "file-too-large",
  28: "insufficient-space",
  29: "invalid-seek",
  30: "read-only",
  31: "too-many-links",
  32: "pipe",
  35: "deadlock",
  36: "name-too-long",
  37: "no-lock",
  38: "unsupported",
  39: "not-empty",
  40: "loop",
  75: "overflow",
  84: "illegal-byte-sequence",
  95: "unsupported",
  116: "no-entry", // ESTALE: a deleted file on a network file system
  122: "quota",
};

// The scratch buffer that pointers refer to: two paths, the structures of statx, openat2 and utimensat, an empty
// path, pinned paths.
const FIRST_PATH = 0;
const SECOND_PATH = 8192;
const STATX = 16384;
const HOW = 16640;
const TIMES = 16672;
const EMPTY = 16704;
const LIMITS = 16712;
const STATFS = 16744;
const TARGET = 16896;
const PINNED = 24576;
const SCRATCH = 57344;

/**
 * libc's `syscall` with five of its six arguments; -1 for a failure, with the reason in errno. All are bigints: a
 * single number among them makes the engine leave its fast path, and the call takes three times as long.
 */
type Syscall = (
  number: bigint,
  a: bigint,
  b: bigint,
  c: bigint,
  d: bigint,
  e: bigint,
) => number;
type BufferSyscall = (
  number: bigint,
  a: bigint,
  b: Uint8Array<ArrayBuffer>,
  c: bigint,
  d: bigint,
) => number;

const encoder = new TextEncoder();

/** The attributes that every open needs. */
export type Glance = Pick<Stat, "type" | "dev" | "ino" | "links">;

/** System calls. Descriptors are numbers, and the caller closes what it opened. Every function throws WasiError. */
export class Kernel {
  readonly O_DIRECTORY: number;
  readonly O_NOFOLLOW: number;
  #call: Syscall;
  #callWith: BufferSyscall;
  #errno: Int32Array;
  #numbers: Numbers;
  #scratch = new Uint8Array(SCRATCH);
  #view = new DataView(this.#scratch.buffer);
  /** Host paths that are used repeatedly, by their address in the scratch buffer. */
  #pinned = new Map<string, bigint>();
  #pinnedTo = PINNED;
  #base: bigint;
  #lastDevice = 0;
  #lastDeviceBig = 0n;
  /** Addresses of the scratch buffer's parts. */
  #first: bigint;
  #second: bigint;
  #statxAt: bigint;
  #how: bigint;
  #times: bigint;
  #empty: bigint;
  #limits: bigint;
  #statfs: bigint;
  #target: bigint;

  private constructor(call: Syscall, callWith: BufferSyscall, errno: Int32Array) {
    this.#call = call;
    this.#callWith = callWith;
    this.#errno = errno;
    this.#numbers = NUMBERS[Deno.build.arch];
    const base = BigInt(Deno.UnsafePointer.value(Deno.UnsafePointer.of(this.#scratch)));
    this.#base = base;
    const at = (offset: number) => base + BigInt(offset);
    [this.#first, this.#second, this.#statxAt] = [at(FIRST_PATH), at(SECOND_PATH), at(STATX)];
    [this.#how, this.#times, this.#empty] = [at(HOW), at(TIMES), at(EMPTY)];
    [this.#limits, this.#statfs, this.#target] = [at(LIMITS), at(STATFS), at(TARGET)];
    ({ O_DIRECTORY: this.O_DIRECTORY, O_NOFOLLOW: this.O_NOFOLLOW } = this.#numbers);
  }

  /** The system calls; undefined without openat2 or without the right to call it. Needs the permission `ffi`. */
  static load(): Kernel | undefined {
    if (Deno.build.os !== "linux" || !(Deno.build.arch in NUMBERS)) return undefined;
    try {
      const { symbols } = Deno.dlopen("libc.so.6", {
        syscall: { parameters: ["i64", "i64", "i64", "i64", "i64", "i64"], result: "i32" },
        // The third argument is a view: reads, writes and directory entries use that memory directly.
        transfer: {
          name: "syscall",
          parameters: ["i64", "i64", "buffer", "i64", "i64"],
          result: "i32",
        },
        __errno_location: { parameters: [], result: "pointer" },
      });
      // errno of this thread, which makes all calls. Reading it as memory needs no permission.
      const errno = new Int32Array(Deno.UnsafePointerView.getArrayBuffer(symbols.__errno_location()!, 4));
      const kernel = new Kernel(
        symbols.syscall as Syscall,
        symbols.transfer as unknown as BufferSyscall,
        errno,
      );
      kernel.close(kernel.open(AT_FDCWD, "/", O_PATH, false));
      return kernel;
    } catch {
      return undefined;
    }
  }

  /** The reason of the last failure. */
  #error(): WasiError {
    return new WasiError(ERRNOS[this.#errno[0]!] ?? "io");
  }

  /** Returns undefined if the last call failed because nothing is there. Otherwise throws the failure. */
  #unlessAbsent(): undefined {
    const error = this.#error();
    if (!isAbsence(error)) throw error;
  }

  #check(result: number): number {
    if (result < 0) throw this.#error();
    return result;
  }

  #putFirst(path: GuestPath): bigint {
    this.#put(path, FIRST_PATH);
    return this.#first;
  }

  #putSecond(path: GuestPath): bigint {
    this.#put(path, SECOND_PATH);
    return this.#second;
  }

  /** Stores a path permanently while the buffer has space. */
  #pin(path: string): bigint {
    const at = this.#pinnedTo;
    // No UTF-16 unit takes more than three bytes.
    if (at + path.length * 3 + 1 > SCRATCH) return this.#putFirst(path);
    this.#put(path, at);
    this.#pinnedTo = this.#scratch.indexOf(0, at) + 1;
    const pointer = this.#base + BigInt(at);
    this.#pinned.set(path, pointer);
    return pointer;
  }

  #put(path: GuestPath, at: number): void {
    const scratch = this.#scratch;
    let length: number;
    if (typeof path === "string") {
      const { read, written } = encoder.encodeInto(path, scratch.subarray(at, at + PATH_MAX));
      if (read < path.length) throw new WasiError("name-too-long");
      if (path.includes("\0")) throw new WasiError("invalid");
      length = written;
    } else {
      length = path.length;
      if (length > PATH_MAX) throw new WasiError("name-too-long");
      for (let index = 0; index < length; index++) {
        const byte = path[index]!;
        if (byte === 0) throw new WasiError("invalid");
        scratch[at + index] = byte;
      }
    }
    scratch[at + length] = 0;
  }

  /**
   * Opens a path from a directory. `beneath`: the path may not leave the directory, nor use the magic links of /proc
   * (`RESOLVE_BENEATH`, `RESOLVE_NO_MAGICLINKS`, openat2(2)); otherwise it fails with not-permitted.
   */
  open(directory: number, path: GuestPath, flags: number, beneath: boolean): number {
    return this.#open(directory, path, flags, beneath ? RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS : 0);
  }

  /**
   * Opens a path without links (`RESOLVE_NO_SYMLINKS`), beneath a directory or on the host.
   * @throws WasiError loop for a link
   */
  openPlain(directory: number, path: GuestPath, flags: number): number {
    const beneath = directory === AT_FDCWD ? 0 : RESOLVE_BENEATH;
    return this.#open(directory, path, flags, beneath | RESOLVE_NO_SYMLINKS);
  }

  #open(directory: number, path: GuestPath, flags: number, resolve: number): number {
    const pointer = this.#putFirst(path);
    const view = this.#view;
    // Three 64-bit numbers, whose upper halves stay 0.
    view.setUint32(HOW, flags | O_CLOEXEC, true);
    view.setUint32(HOW + 8, (flags & O_CREAT) === 0 ? 0 : 0o666, true);
    view.setUint32(HOW + 16, resolve, true);
    const from = big(directory);
    for (let attempts = 0;; attempts++) {
      const fd = this.#call(OPENAT2, from, pointer, this.#how, 24n, 0n);
      if (fd >= 0) return fd;
      const errno = this.#errno[0];
      // Something was renamed during the resolution of a `..`; the kernel asks to try again.
      if ((errno === EAGAIN || errno === EINTR) && attempts < 1000) continue;
      throw errno === EXDEV && resolve !== 0 ? new WasiError("not-permitted") : this.#error();
    }
  }

  close(fd: number): void {
    this.#call(this.#numbers.close, big(fd), 0n, 0n, 0n, 0n);
  }

  /** Attributes of an open file. */
  stat(fd: number): Stat {
    this.#statx(fd, this.#empty, AT_EMPTY_PATH);
    return this.#stat();
  }

  /** Whether an open character device is one of HARMLESS_DEVICES (special_files.ts). It may be open as a path only. */
  isHarmlessDevice(fd: number): boolean {
    this.#statx(fd, this.#empty, AT_EMPTY_PATH);
    const view = this.#view;
    return HARMLESS.has(`${view.getUint32(STATX + 128, true)}:${view.getUint32(STATX + 132, true)}`);
  }

  /** The type of the file at a path; undefined if nothing is there. The path may leave the directory. */
  typeAt(directory: number, path: GuestPath, follow: boolean): NodeType | undefined {
    const flags = follow ? 0n : AT_SYMLINK_NOFOLLOW;
    const pointer = this.#putFirst(path);
    const { statx } = this.#numbers;
    if (this.#call(statx, big(directory), pointer, flags, STATX_BASIC_STATS, this.#statxAt) < 0) {
      return this.#unlessAbsent();
    }
    return typeOfMode(this.#view.getUint16(STATX + 28, true));
  }

  /** A few attributes of an open file, in a third of the time. */
  glance(fd: number): Glance {
    this.#statx(fd, this.#empty, AT_EMPTY_PATH);
    return this.#glance();
  }

  /** The same for a directory, and whether it is a mount point (Linux 5.8). */
  glanceDirectory(fd: number): Glance & { readonly isMountRoot: boolean } {
    this.#statx(fd, this.#empty, AT_EMPTY_PATH);
    const isMountRoot = (this.#view.getUint32(STATX + 8, true) & STATX_ATTR_MOUNT_ROOT) !== 0;
    return { ...this.#glance(), isMountRoot };
  }

  /** Whether a name in a directory is a mount point (Linux 5.8). */
  isMountRootAt(directory: number, name: GuestPath): boolean {
    this.#statx(directory, this.#putFirst(name), AT_SYMLINK_NOFOLLOW);
    return (this.#view.getUint32(STATX + 8, true) & STATX_ATTR_MOUNT_ROOT) !== 0;
  }

  /** The mount ID of an open file, as in /proc/self/mountinfo. */
  mountId(fd: number): bigint {
    this.#check(
      this.#call(
        this.#numbers.statx,
        big(fd),
        this.#empty,
        AT_EMPTY_PATH,
        STATX_BASIC_STATS | STATX_MNT_ID,
        this.#statxAt,
      ),
    );
    return this.#view.getBigUint64(STATX + 144, true);
  }

  /** Attributes of a name in a directory. Does not follow a link. */
  statAt(directory: number, name: GuestPath): Stat {
    this.#statx(directory, this.#putFirst(name), AT_SYMLINK_NOFOLLOW);
    return this.#stat();
  }

  /** Attributes of a host path; `follow`: of a link's target. Returns undefined if nothing is there (`isAbsence`). */
  glanceHost(path: string, follow = true): Glance | undefined {
    const pointer = this.#pinned.get(path) ?? this.#pin(path);
    const flags = follow ? 0n : AT_SYMLINK_NOFOLLOW;
    const result = this.#call(this.#numbers.statx, HERE, pointer, flags, STATX_BASIC_STATS, this.#statxAt);
    return result < 0 ? this.#unlessAbsent() : this.#glance();
  }

  /** The ctime of the file that was looked at last, in milliseconds since 1970, with fractions. */
  changed(): number {
    const view = this.#view;
    return Number(view.getBigInt64(STATX + 96, true)) * 1000 + view.getUint32(STATX + 104, true) / 1e6;
  }

  #statx(fd: number, path: bigint, flags: bigint): void {
    this.#check(
      this.#call(this.#numbers.statx, big(fd), path, flags, STATX_BASIC_STATS, this.#statxAt),
    );
  }

  #glance(): Glance {
    const view = this.#view;
    return {
      type: typeOfMode(view.getUint16(STATX + 28, true)),
      dev: this.#device(view.getUint32(STATX + 136, true), view.getUint32(STATX + 140, true)),
      ino: view.getBigUint64(STATX + 32, true),
      links: big(view.getUint32(STATX + 16, true)),
    };
  }

  /** A device number from major and minor. Keeps the last one, because most files share it. */
  #device(major: number, minor: number): bigint {
    const number = major * 2 ** 20 + minor; // 12 and 20 bits (include/linux/kdev_t.h)
    if (number !== this.#lastDevice) {
      this.#lastDevice = number;
      this.#lastDeviceBig = BigInt(number);
    }
    return this.#lastDeviceBig;
  }

  #stat(): Stat {
    const view = this.#view;
    const time = (at: number) =>
      view.getBigInt64(STATX + at, true) * BILLION + BigInt(view.getUint32(STATX + at + 8, true));
    return {
      ...this.#glance(),
      size: view.getBigUint64(STATX + 40, true),
      accessed: time(64),
      changed: time(96),
      modified: time(112),
    };
  }

  /** The kernel's pseudo file system that an open file belongs to; undefined for a regular file system. */
  kernelFiles(fd: number): KernelFiles | undefined {
    this.#check(this.#call(this.#numbers.fstatfs, big(fd), this.#statfs, 0n, 0n, 0n));
    return KERNEL_FILES.get(BigInt.asUintN(32, this.#view.getBigInt64(STATFS, true)));
  }

  /** Reads from `offset`; undefined: from the descriptor's position. */
  read(fd: number, into: Uint8Array, offset: bigint | undefined): number {
    const { pread64, read } = this.#numbers;
    return this.#transfer(offset === undefined ? read : pread64, fd, into, offset);
  }

  /** Writes at `offset`; undefined: at the descriptor's position, or at the end if it appends. */
  write(fd: number, bytes: Uint8Array, offset: bigint | undefined): number {
    const { pwrite64, write } = this.#numbers;
    return this.#transfer(offset === undefined ? write : pwrite64, fd, bytes, offset);
  }

  #transfer(number: bigint, fd: number, bytes: Uint8Array, offset = 0n): number {
    if (bytes.length === 0) return 0;
    const length = BigInt(Math.min(bytes.length, MAX_TRANSFER));
    for (;;) {
      const buffer = bytes as Uint8Array<ArrayBuffer>;
      const count = this.#callWith(number, big(fd), buffer, length, offset);
      if (count >= 0) return count;
      if (this.#errno[0] !== EINTR) throw this.#error();
    }
  }

  /** Whether writes go to the end (`O_APPEND`). */
  setAppend(fd: number, append: boolean): void {
    const flags = append ? O_APPEND : 0n;
    this.#check(this.#call(this.#numbers.fcntl, big(fd), F_SETFL, flags, 0n, 0n));
  }

  setSize(fd: number, size: bigint): void {
    this.#check(this.#call(this.#numbers.ftruncate, big(fd), size, 0n, 0n, 0n));
  }

  allocate(fd: number, offset: bigint, length: bigint): void {
    this.#check(this.#call(this.#numbers.fallocate, big(fd), 0n, offset, length, 0n));
  }

  /** `advice` in Linux's numbering. */
  advise(fd: number, offset: bigint, length: bigint, advice: number): void {
    this.#call(this.#numbers.fadvise64, big(fd), offset, length, BigInt(advice), 0n);
  }

  sync(fd: number, dataOnly: boolean): void {
    const { fdatasync, fsync } = this.#numbers;
    this.#check(this.#call(dataOnly ? fdatasync : fsync, big(fd), 0n, 0n, 0n, 0n));
  }

  /** Sets the times of an open file, which may be open as a path only. */
  setTimes(fd: number, accessed: NewTime, modified: NewTime): void {
    [accessed, modified].forEach((time, index) => {
      const at = TIMES + index * 16;
      let seconds = 0n;
      let nanoseconds = time === undefined ? UTIME_OMIT : UTIME_NOW;
      if (typeof time === "bigint") {
        nanoseconds = (time % BILLION + BILLION) % BILLION;
        seconds = (time - nanoseconds) / BILLION;
      }
      this.#view.setBigInt64(at, seconds, true);
      this.#view.setBigInt64(at + 8, nanoseconds, true);
    });
    this.#check(
      this.#call(this.#numbers.utimensat, big(fd), this.#empty, this.#times, AT_EMPTY_PATH, 0n),
    );
  }

  makeDirectory(directory: number, name: GuestPath): void {
    const pointer = this.#putFirst(name);
    this.#check(this.#call(this.#numbers.mkdirat, big(directory), pointer, 0o777n, 0n, 0n));
  }

  /** `tree`: removes an empty directory; otherwise anything but a directory. */
  remove(directory: number, name: GuestPath, tree: boolean): void {
    const pointer = this.#putFirst(name);
    const flags = tree ? AT_REMOVEDIR : 0n;
    this.#check(this.#call(this.#numbers.unlinkat, big(directory), pointer, flags, 0n, 0n));
  }

  rename(from: number, name: GuestPath, to: number, newName: GuestPath): void {
    const [old, target] = [this.#putFirst(name), this.#putSecond(newName)];
    this.#check(this.#call(this.#numbers.renameat2, BigInt(from), old, BigInt(to), target, 0n));
  }

  /** Makes a hard link. Does not follow a link. */
  link(from: number, name: GuestPath, to: number, newName: GuestPath): void {
    const [old, target] = [this.#putFirst(name), this.#putSecond(newName)];
    this.#check(this.#call(this.#numbers.linkat, BigInt(from), old, BigInt(to), target, 0n));
  }

  symlink(target: GuestPath, directory: number, name: GuestPath): void {
    const [text, pointer] = [this.#putFirst(target), this.#putSecond(name)];
    this.#check(this.#call(this.#numbers.symlinkat, text, big(directory), pointer, 0n, 0n));
  }

  /** The target of a link in a directory; with an empty name, of an open link. @throws WasiError invalid: no link */
  readLink(directory: number, name: GuestPath): Uint8Array {
    const pointer = this.#putFirst(name);
    const length = this.#check(
      this.#call(
        this.#numbers.readlinkat,
        big(directory),
        pointer,
        this.#target,
        BigInt(PINNED - TARGET),
        0n,
      ),
    );
    return this.#scratch.slice(TARGET, TARGET + length);
  }

  /** Fills a buffer with entries of an open directory; returns the byte count, 0 at the end. */
  readEntries(fd: number, into: Uint8Array<ArrayBuffer>): number {
    const { getdents64 } = this.#numbers;
    return this.#check(this.#callWith(getdents64, big(fd), into, BigInt(into.length), 0n));
  }

  /**
   * Raises the process's limit of open files up to `wanted` and returns the new limit. Programs that it starts (a
   * credential helper) inherit the limit, as after `ulimit -n`.
   */
  raiseFileLimit(wanted: number): number {
    const view = this.#view;
    const { prlimit64 } = this.#numbers;
    this.#check(this.#call(prlimit64, 0n, RLIMIT_NOFILE, 0n, this.#limits, 0n));
    const soft = view.getBigUint64(LIMITS, true);
    const hard = view.getBigUint64(LIMITS + 8, true);
    if (soft >= BigInt(wanted)) return wanted;
    const raised = hard < BigInt(wanted) ? hard : BigInt(wanted);
    view.setBigUint64(LIMITS, raised, true);
    const done = this.#call(prlimit64, 0n, RLIMIT_NOFILE, this.#limits, 0n, 0n) === 0;
    return Number(done ? raised : soft);
  }
}

/** Entries from {@linkcode Kernel.readEntries} (struct linux_dirent64), each by its offset. */
export class RawEntries {
  #bytes: Uint8Array<ArrayBuffer>;
  #view: DataView<ArrayBuffer>;

  constructor(bytes: Uint8Array<ArrayBuffer>) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  ino(at: number): bigint {
    return this.#view.getBigUint64(at, true);
  }

  /** The offset of the next entry. */
  end(at: number): number {
    return at + this.#view.getUint16(at + 16, true);
  }

  type(at: number): NodeType {
    return ENTRY_TYPES[this.#bytes[at + 18]!] ?? "unknown";
  }

  name(at: number): Uint8Array {
    let end = at + 19;
    while (this.#bytes[end] !== 0) end++;
    return this.#bytes.subarray(at + 19, end);
  }

  /** Whether its name is `.` or `..`. */
  isDots(at: number): boolean {
    const [first, second, third] = [this.#bytes[at + 19], this.#bytes[at + 20], this.#bytes[at + 21]];
    return first === 0x2e && (second === 0 || second === 0x2e && third === 0);
  }
}

// DT_… of dirent.h.
const ENTRY_TYPES: Readonly<Record<number, NodeType>> = {
  1: "fifo",
  2: "character-device",
  4: "directory",
  6: "block-device",
  8: "regular-file",
  10: "symbolic-link",
  12: "socket",
};

/** Bigints of small numbers such as descriptors. Making one takes as long as a check. */
const SMALL = Array.from({ length: 64 }, (_, number) => BigInt(number));

function big(number: number): bigint {
  return SMALL[number] ?? BigInt(number);
}

// S_IFMT of sys/stat.h.
function typeOfMode(mode: number): NodeType {
  return ENTRY_TYPES[mode >> 12] ?? "unknown";
}
