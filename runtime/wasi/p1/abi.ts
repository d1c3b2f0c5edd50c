/** Numbers and layouts of WASI preview1 (legacy/preview1/docs.md), and of snapshot 0 before it. */

import type { NodeType } from "../files/file_tree.ts";

// rights
export const FD_DATASYNC = 1n << 0n;
export const FD_READ = 1n << 1n;
export const FD_SEEK = 1n << 2n;
export const FD_FDSTAT_SET_FLAGS = 1n << 3n;
export const FD_SYNC = 1n << 4n;
export const FD_TELL = 1n << 5n;
export const FD_WRITE = 1n << 6n;
export const FD_ADVISE = 1n << 7n;
export const FD_ALLOCATE = 1n << 8n;
export const PATH_CREATE_DIRECTORY = 1n << 9n;
export const PATH_CREATE_FILE = 1n << 10n;
export const PATH_LINK_SOURCE = 1n << 11n;
export const PATH_LINK_TARGET = 1n << 12n;
export const PATH_OPEN = 1n << 13n;
export const FD_READDIR = 1n << 14n;
export const PATH_READLINK = 1n << 15n;
export const PATH_RENAME_SOURCE = 1n << 16n;
export const PATH_RENAME_TARGET = 1n << 17n;
export const PATH_FILESTAT_GET = 1n << 18n;
export const PATH_FILESTAT_SET_SIZE = 1n << 19n;
export const PATH_FILESTAT_SET_TIMES = 1n << 20n;
export const FD_FILESTAT_GET = 1n << 21n;
export const FD_FILESTAT_SET_SIZE = 1n << 22n;
export const FD_FILESTAT_SET_TIMES = 1n << 23n;
export const PATH_SYMLINK = 1n << 24n;
export const PATH_REMOVE_DIRECTORY = 1n << 25n;
export const PATH_UNLINK_FILE = 1n << 26n;
const POLL_FD_READWRITE = 1n << 27n;

// As in POSIX, the owner sets times and syncs through any descriptor.
export const FILE_READ_RIGHTS = FD_READ | FD_SEEK | FD_TELL | FD_ADVISE | FD_FILESTAT_GET |
  POLL_FD_READWRITE | FD_FDSTAT_SET_FLAGS | FD_DATASYNC | FD_SYNC | FD_FILESTAT_SET_TIMES;
export const FILE_WRITE_RIGHTS = FD_WRITE | FD_ALLOCATE | FD_FILESTAT_SET_SIZE;
export const FILE_RIGHTS = FILE_READ_RIGHTS | FILE_WRITE_RIGHTS;
export const DIRECTORY_READ_RIGHTS = PATH_OPEN | FD_READDIR | PATH_READLINK | PATH_FILESTAT_GET |
  FD_FILESTAT_GET |
  FD_FDSTAT_SET_FLAGS;
export const DIRECTORY_WRITE_RIGHTS = PATH_CREATE_DIRECTORY | PATH_CREATE_FILE | PATH_LINK_SOURCE |
  PATH_LINK_TARGET |
  PATH_RENAME_SOURCE | PATH_RENAME_TARGET | PATH_FILESTAT_SET_SIZE | PATH_FILESTAT_SET_TIMES | PATH_SYMLINK |
  PATH_REMOVE_DIRECTORY | PATH_UNLINK_FILE | FD_SYNC | FD_DATASYNC | FD_FILESTAT_SET_TIMES;
export const DIRECTORY_RIGHTS = DIRECTORY_READ_RIGHTS | DIRECTORY_WRITE_RIGHTS;
// A terminal or pipe has no positions. Programs take a descriptor without them for a terminal (isatty in wasi-libc).
export const STREAM_RIGHTS = FD_READ | FD_WRITE | FD_FDSTAT_SET_FLAGS | FD_FILESTAT_GET | POLL_FD_READWRITE;

// fdflags
export const APPEND = 1;
export const DSYNC = 2;
export const NONBLOCK = 4;
export const RSYNC = 8;
export const SYNC = 16;

// oflags
export const O_CREAT = 1;
export const O_DIRECTORY = 2;
export const O_EXCL = 4;
export const O_TRUNC = 8;

// filetype
export const FILETYPE: Readonly<Record<NodeType, number>> = {
  "unknown": 0,
  "block-device": 1,
  "character-device": 2,
  "directory": 3,
  "regular-file": 4,
  "socket": 6,
  "symbolic-link": 7,
  "fifo": 0,
};

/** The differences between the two versions of the interface. */
export interface Version {
  readonly whence: readonly ["set" | "current" | "end", "set" | "current" | "end", "set" | "current" | "end"];
  readonly subscription: {
    readonly size: number;
    readonly clock: number;
    readonly timeout: number;
    readonly flags: number;
  };
  readonly shortFilestat: boolean;
}

export const VERSIONS: Readonly<Record<string, Version>> = {
  "wasi_snapshot_preview1": {
    whence: ["set", "current", "end"],
    subscription: { size: 48, clock: 16, timeout: 24, flags: 40 },
    shortFilestat: false,
  },
  "wasi_unstable": {
    whence: ["current", "end", "set"],
    subscription: { size: 56, clock: 24, timeout: 32, flags: 48 },
    shortFilestat: true,
  },
};
