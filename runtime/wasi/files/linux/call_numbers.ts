/** Linux's numbers for the file calls: of calls, of flags, of errors. Pure. */

import type { ErrnoName } from "../../errno.ts";

/** Numbers that differ between architectures. */
export interface Numbers {
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
export const NUMBERS: Readonly<Record<typeof Deno.build.arch, Numbers>> = {
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
export const OPENAT2 = 437n;

// include/uapi/asm-generic/errno-base.h and errno.h, the same on both architectures.
export const ERRNOS: Readonly<Record<number, ErrnoName>> = {
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

/** Flags of Kernel.open in file_calls.ts. */
export const O_RDONLY = 0;
export const O_WRONLY = 1;
export const O_RDWR = 2;
export const O_CREAT = 0o100;
export const O_EXCL = 0o200;
export const O_NOCTTY = 0o400;
export const O_NONBLOCK = 0o4000;
export const O_PATH = 0o10000000;
export const O_CLOEXEC = 0o2000000;

/** Stands for the current directory in place of a directory's descriptor, for host paths. */
export const AT_FDCWD = -100;
