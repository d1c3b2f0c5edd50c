/**
 * Linux system calls for a plugin's files. Unlike Deno's own functions they work relative to open directories and take
 * names as bytes.
 */

import { WasiError } from "../../errno.ts";
import type { GuestPath, NewTime } from "../file_tree.ts";
import { AttributeCalls } from "./attribute_calls.ts";
import { AT_FDCWD, NUMBERS, O_CLOEXEC, O_CREAT, O_PATH, OPENAT2 } from "./call_numbers.ts";
import { big, HOW, LIMITS, loadLibc, PINNED, TARGET, TIMES } from "./libc_calls.ts";

const O_APPEND = 0o2000n;
const AT_REMOVEDIR = 0x200n;
const AT_EMPTY_PATH = 0x1000n;
const RESOLVE_NO_MAGICLINKS = 0x02;
const RESOLVE_NO_SYMLINKS = 0x04;
const RESOLVE_BENEATH = 0x08;
const F_SETFL = 4n;
const RLIMIT_NOFILE = 7n;
const UTIME_NOW = (1n << 30n) - 1n;
const UTIME_OMIT = (1n << 30n) - 2n;
const BILLION = 1_000_000_000n;
const EAGAIN = 11;
const EINTR = 4;
const EXDEV = 18;
/** The maximum of bytes in one call. Linux's own limit is one page less than 2 GiB. */
const MAX_TRANSFER = 1 << 30;

/** System calls. Descriptors are numbers, and the caller closes what it opened. Every function throws WasiError. */
export class Kernel extends AttributeCalls {
  readonly O_DIRECTORY = this.numbers.O_DIRECTORY;
  readonly O_NOFOLLOW = this.numbers.O_NOFOLLOW;

  /** The system calls; undefined without openat2 or without the right to call it. Needs the permission `ffi`. */
  static load(): Kernel | undefined {
    if (Deno.build.os !== "linux" || !(Deno.build.arch in NUMBERS)) return undefined;
    try {
      const kernel = new Kernel(loadLibc());
      kernel.close(kernel.open(AT_FDCWD, "/", O_PATH, false));
      return kernel;
    } catch {
      return undefined;
    }
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
    const pointer = this.putFirst(path);
    const view = this.view;
    // Three 64-bit numbers, whose upper halves stay 0.
    view.setUint32(HOW, flags | O_CLOEXEC, true);
    view.setUint32(HOW + 8, (flags & O_CREAT) === 0 ? 0 : 0o666, true);
    view.setUint32(HOW + 16, resolve, true);
    const from = big(directory);
    for (let attempts = 0;; attempts++) {
      const fd = this.call(OPENAT2, from, pointer, this.at.how, 24n, 0n);
      if (fd >= 0) return fd;
      const errno = this.errno[0];
      // Something was renamed during the resolution of a `..`; the kernel asks to try again.
      if ((errno === EAGAIN || errno === EINTR) && attempts < 1000) continue;
      throw errno === EXDEV && resolve !== 0 ? new WasiError("not-permitted") : this.error();
    }
  }

  close(fd: number): void {
    this.call(this.numbers.close, big(fd), 0n, 0n, 0n, 0n);
  }

  /** Reads from `offset`; undefined: from the descriptor's position. */
  read(fd: number, into: Uint8Array, offset: bigint | undefined): number {
    const { pread64, read } = this.numbers;
    return this.#transfer(offset === undefined ? read : pread64, fd, into, offset);
  }

  /** Writes at `offset`; undefined: at the descriptor's position, or at the end if it appends. */
  write(fd: number, bytes: Uint8Array, offset: bigint | undefined): number {
    const { pwrite64, write } = this.numbers;
    return this.#transfer(offset === undefined ? write : pwrite64, fd, bytes, offset);
  }

  #transfer(number: bigint, fd: number, bytes: Uint8Array, offset = 0n): number {
    if (bytes.length === 0) return 0;
    const length = BigInt(Math.min(bytes.length, MAX_TRANSFER));
    for (;;) {
      const buffer = bytes as Uint8Array<ArrayBuffer>;
      const count = this.callWith(number, big(fd), buffer, length, offset);
      if (count >= 0) return count;
      if (this.errno[0] !== EINTR) throw this.error();
    }
  }

  /** Whether writes go to the end (`O_APPEND`). */
  setAppend(fd: number, append: boolean): void {
    const flags = append ? O_APPEND : 0n;
    this.check(this.call(this.numbers.fcntl, big(fd), F_SETFL, flags, 0n, 0n));
  }

  setSize(fd: number, size: bigint): void {
    this.check(this.call(this.numbers.ftruncate, big(fd), size, 0n, 0n, 0n));
  }

  allocate(fd: number, offset: bigint, length: bigint): void {
    this.check(this.call(this.numbers.fallocate, big(fd), 0n, offset, length, 0n));
  }

  /** `advice` in Linux's numbering. */
  advise(fd: number, offset: bigint, length: bigint, advice: number): void {
    this.call(this.numbers.fadvise64, big(fd), offset, length, BigInt(advice), 0n);
  }

  sync(fd: number, dataOnly: boolean): void {
    const { fdatasync, fsync } = this.numbers;
    this.check(this.call(dataOnly ? fdatasync : fsync, big(fd), 0n, 0n, 0n, 0n));
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
      this.view.setBigInt64(at, seconds, true);
      this.view.setBigInt64(at + 8, nanoseconds, true);
    });
    this.check(
      this.call(this.numbers.utimensat, big(fd), this.at.empty, this.at.times, AT_EMPTY_PATH, 0n),
    );
  }

  makeDirectory(directory: number, name: GuestPath): void {
    const pointer = this.putFirst(name);
    this.check(this.call(this.numbers.mkdirat, big(directory), pointer, 0o777n, 0n, 0n));
  }

  /** `tree`: removes an empty directory; otherwise anything but a directory. */
  remove(directory: number, name: GuestPath, tree: boolean): void {
    const pointer = this.putFirst(name);
    const flags = tree ? AT_REMOVEDIR : 0n;
    this.check(this.call(this.numbers.unlinkat, big(directory), pointer, flags, 0n, 0n));
  }

  rename(from: number, name: GuestPath, to: number, newName: GuestPath): void {
    const [old, target] = [this.putFirst(name), this.putSecond(newName)];
    this.check(this.call(this.numbers.renameat2, BigInt(from), old, BigInt(to), target, 0n));
  }

  /** Makes a hard link. Does not follow a link. */
  link(from: number, name: GuestPath, to: number, newName: GuestPath): void {
    const [old, target] = [this.putFirst(name), this.putSecond(newName)];
    this.check(this.call(this.numbers.linkat, BigInt(from), old, BigInt(to), target, 0n));
  }

  symlink(target: GuestPath, directory: number, name: GuestPath): void {
    const [text, pointer] = [this.putFirst(target), this.putSecond(name)];
    this.check(this.call(this.numbers.symlinkat, text, big(directory), pointer, 0n, 0n));
  }

  /** The target of a link in a directory; with an empty name, of an open link. @throws WasiError invalid: no link */
  readLink(directory: number, name: GuestPath): Uint8Array {
    const pointer = this.putFirst(name);
    const length = this.check(
      this.call(
        this.numbers.readlinkat,
        big(directory),
        pointer,
        this.at.target,
        BigInt(PINNED - TARGET),
        0n,
      ),
    );
    return this.scratch.slice(TARGET, TARGET + length);
  }

  /** Fills a buffer with entries of an open directory; returns the byte count, 0 at the end. */
  readEntries(fd: number, into: Uint8Array<ArrayBuffer>): number {
    const { getdents64 } = this.numbers;
    return this.check(this.callWith(getdents64, big(fd), into, BigInt(into.length), 0n));
  }

  /**
   * Raises the process's limit of open files up to `wanted` and returns the new limit. Programs that it starts (a
   * credential helper) inherit the limit, as after `ulimit -n`.
   */
  raiseFileLimit(wanted: number): number {
    const view = this.view;
    const { prlimit64 } = this.numbers;
    this.check(this.call(prlimit64, 0n, RLIMIT_NOFILE, 0n, this.at.limits, 0n));
    const soft = view.getBigUint64(LIMITS, true);
    const hard = view.getBigUint64(LIMITS + 8, true);
    if (soft >= BigInt(wanted)) return wanted;
    const raised = hard < BigInt(wanted) ? hard : BigInt(wanted);
    view.setBigUint64(LIMITS, raised, true);
    const done = this.call(prlimit64, 0n, RLIMIT_NOFILE, this.at.limits, 0n, 0n) === 0;
    return Number(done ? raised : soft);
  }
}
