/** System calls that ask for a file's attributes (statx, fstatfs). */

import type { GuestPath, NodeType, Stat } from "../file_tree.ts";
import type { KernelFiles } from "../special_files.ts";
import { AT_FDCWD } from "./call_numbers.ts";
import { big, LibcCalls, STATFS, STATX } from "./libc_calls.ts";
import { typeOfMode } from "./raw_entries.ts";

const HERE = BigInt(AT_FDCWD);
const AT_SYMLINK_NOFOLLOW = 0x100n;
const AT_EMPTY_PATH = 0x1000n;
const STATX_BASIC_STATS = 0x7ffn;
const STATX_MNT_ID = 0x1000n;
const STATX_ATTR_MOUNT_ROOT = 0x2000;
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

const BILLION = 1_000_000_000n;

/** The attributes that every open needs. */
export type Glance = Pick<Stat, "type" | "dev" | "ino" | "links">;

/** Questions about files. Every function throws WasiError. */
export class AttributeCalls extends LibcCalls {
  #lastDevice = 0;
  #lastDeviceBig = 0n;

  /** Attributes of an open file. */
  stat(fd: number): Stat {
    this.#statx(fd, this.at.empty, AT_EMPTY_PATH);
    return this.#stat();
  }

  /** Whether an open character device is one of HARMLESS_DEVICES (special_files.ts). It may be open as a path only. */
  isHarmlessDevice(fd: number): boolean {
    this.#statx(fd, this.at.empty, AT_EMPTY_PATH);
    const view = this.view;
    return HARMLESS.has(`${view.getUint32(STATX + 128, true)}:${view.getUint32(STATX + 132, true)}`);
  }

  /** The type of the file at a path; undefined if nothing is there. The path may leave the directory. */
  typeAt(directory: number, path: GuestPath, follow: boolean): NodeType | undefined {
    const flags = follow ? 0n : AT_SYMLINK_NOFOLLOW;
    const pointer = this.putFirst(path);
    const { statx } = this.numbers;
    if (this.call(statx, big(directory), pointer, flags, STATX_BASIC_STATS, this.at.statx) < 0) {
      return this.unlessAbsent();
    }
    return typeOfMode(this.view.getUint16(STATX + 28, true));
  }

  /** A few attributes of an open file, in a third of the time. */
  glance(fd: number): Glance {
    this.#statx(fd, this.at.empty, AT_EMPTY_PATH);
    return this.#glance();
  }

  /** The same for a directory, and whether it is a mount point (Linux 5.8). */
  glanceDirectory(fd: number): Glance & { readonly isMountRoot: boolean } {
    this.#statx(fd, this.at.empty, AT_EMPTY_PATH);
    const isMountRoot = (this.view.getUint32(STATX + 8, true) & STATX_ATTR_MOUNT_ROOT) !== 0;
    return { ...this.#glance(), isMountRoot };
  }

  /** Whether a name in a directory is a mount point (Linux 5.8). */
  isMountRootAt(directory: number, name: GuestPath): boolean {
    this.#statx(directory, this.putFirst(name), AT_SYMLINK_NOFOLLOW);
    return (this.view.getUint32(STATX + 8, true) & STATX_ATTR_MOUNT_ROOT) !== 0;
  }

  /** The mount ID of an open file, as in /proc/self/mountinfo. */
  mountId(fd: number): bigint {
    this.#statx(fd, this.at.empty, AT_EMPTY_PATH, STATX_BASIC_STATS | STATX_MNT_ID);
    return this.view.getBigUint64(STATX + 144, true);
  }

  /** Attributes of a name in a directory. Does not follow a link. */
  statAt(directory: number, name: GuestPath): Stat {
    this.#statx(directory, this.putFirst(name), AT_SYMLINK_NOFOLLOW);
    return this.#stat();
  }

  /** Attributes of a host path; `follow`: of a link's target. Returns undefined if nothing is there (`isAbsence`). */
  glanceHost(path: string, follow = true): Glance | undefined {
    const pointer = this.pin(path);
    const flags = follow ? 0n : AT_SYMLINK_NOFOLLOW;
    const result = this.call(this.numbers.statx, HERE, pointer, flags, STATX_BASIC_STATS, this.at.statx);
    return result < 0 ? this.unlessAbsent() : this.#glance();
  }

  /** The ctime of the file that was looked at last, in milliseconds since 1970, with fractions. */
  changed(): number {
    const view = this.view;
    return Number(view.getBigInt64(STATX + 96, true)) * 1000 + view.getUint32(STATX + 104, true) / 1e6;
  }

  #statx(fd: number, path: bigint, flags: bigint, mask = STATX_BASIC_STATS): void {
    this.check(this.call(this.numbers.statx, big(fd), path, flags, mask, this.at.statx));
  }

  #glance(): Glance {
    const view = this.view;
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
    const view = this.view;
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
    this.check(this.call(this.numbers.fstatfs, big(fd), this.at.statfs, 0n, 0n, 0n));
    return KERNEL_FILES.get(BigInt.asUintN(32, this.view.getBigInt64(STATFS, true)));
  }
}
