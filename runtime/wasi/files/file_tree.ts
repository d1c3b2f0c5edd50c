/**
 * The files that a plugin sees: its sandbox's mounts, with POSIX semantics, and nothing else of the host. preview1
 * and WASI 0.2 both use these interfaces. There are two implementations:
 *
 * - linux/ asks Linux itself, relative to open directories. The kernel ensures that no path leaves a granted
 * tree (openat2).
 * - named/ is for other systems. It resolves names link by link through Deno, which has no `openat`, and
 * checks that it opened the intended file.
 */

import { AppError, messageOf } from "../../base/errors.ts";
import type { Mount } from "../../sandbox/types.ts";
import { printable } from "../../base/text.ts";
import { WasiError } from "../errno.ts";
import type { MaybePromise } from "../streams/streams.ts";

/** How many descriptors a plugin may have open at once, if the system's limit allows. */
export const MAX_OPEN = 16384;

/** The type of a file. */
export type NodeType =
  | "unknown"
  | "block-device"
  | "character-device"
  | "directory"
  | "fifo"
  | "symbolic-link"
  | "regular-file"
  | "socket";

/** A file's attributes. Times in nanoseconds since 1970. */
export interface Stat {
  readonly type: NodeType;
  readonly dev: bigint;
  readonly ino: bigint;
  readonly links: bigint;
  readonly size: bigint;
  readonly accessed: bigint;
  readonly modified: bigint;
  readonly changed: bigint;
}

/** How a file is opened. */
export interface OpenOptions {
  /** Follow a link at the end of the path. */
  readonly follow: boolean;
  readonly create: boolean;
  readonly exclusive: boolean;
  readonly truncate: boolean;
  /** It must be a directory. */
  readonly directory: boolean;
  readonly read: boolean;
  readonly write: boolean;
}

/** A time to set: nanoseconds since 1970, now, or unchanged. */
export type NewTime = bigint | "now" | undefined;

/** A path or name from the plugin: text, or bytes that need not be UTF-8. */
export type GuestPath = string | Uint8Array;

/** An entry of a directory. */
export interface Entry {
  /** The operating system's bytes. */
  readonly name: Uint8Array;
  readonly type: NodeType;
  /** The inode number; 0 if it would cost too much to find out. */
  readonly ino: bigint;
}

/** A directory's entries at the first read, without `.` and `..`. */
export interface Listing {
  /** The entry at a position, from 0; undefined after the last. @throws WasiError */
  at(index: number): Entry | undefined;
  close(): void;
}

/** An open directory. */
export interface DirectoryNode {
  readonly kind: "directory";
  /** Whether the plugin may change anything below it. */
  readonly writable: boolean;
  close(): void;
}

/** An open file. The caller passes the position of reads and writes, so that two callers can share the file. */
export interface AnyFile {
  readonly kind: "file";
  readonly type: NodeType;
  readonly readable: boolean;
  readonly writable: boolean;
  /** Fills the front of `into` from `offset`; returns 0 at the end. @throws WasiError */
  readAt(into: Uint8Array, offset: bigint): number;
  /** Writes the front of `bytes` at `offset`; returns how many bytes. @throws WasiError */
  writeAt(bytes: Uint8Array, offset: bigint): number;
  /** Appends the front of `bytes` at the current end; returns how many bytes. @throws WasiError */
  append(bytes: Uint8Array): number;
  /** The current size in bytes. */
  size(): bigint;
  stat(): Stat;
  /** @throws WasiError invalid, file-too-large, insufficient-space */
  setSize(size: bigint): void;
  /** Allocates space, and extends the file to at least `offset + length`. @throws WasiError */
  allocate(offset: bigint, length: bigint): void;
  /** Announces the access pattern of a range: preview1's `advice`. */
  advise(offset: bigint, length: bigint, advice: number): void;
  sync(dataOnly: boolean): void;
  close(): void;
}

/** The result of a look at a host path. */
export interface Probed {
  readonly type: NodeType;
  /** The path with all links resolved. */
  readonly real: string;
}

/** The tree of all mounts. Every operation throws WasiError. */
export interface FileTree extends Disposable {
  /** The roots in the order of the mounts. They stay open as long as the tree; closing one does nothing. */
  readonly roots: readonly { readonly guest: string; readonly node: DirectoryNode }[];
  /** How many files and directories a plugin may have open at once. */
  readonly maxOpen: number;
  /** Descriptors of the mounts' directories, in order, if the system has descriptors. */
  readonly descriptors: readonly number[] | undefined;
  /** Reads ahead what later checks need, before the process gives up reading (runtime/sandbox/kernel/restrict.ts). */
  lookAhead(): void;
  /** Deno permissions that it needs while a plugin runs. */
  readonly needs: readonly ("read" | "write")[];
  /** Adds a mount. @throws AppError GRANT_INVALID */
  mount(mount: Mount): DirectoryNode;
  /** Looks at a host path for the host's own decisions and follows links; undefined if nothing is there. */
  probe(host: string): Probed | undefined;
  /** Opens the file at `path`. Returns a promise if the host must first generate the content. */
  openAt(from: DirectoryNode, path: GuestPath, options: OpenOptions): MaybePromise<DirectoryNode | AnyFile>;
  stat(node: DirectoryNode | AnyFile): Stat;
  statAt(from: DirectoryNode, path: GuestPath, follow: boolean): MaybePromise<Stat>;
  setTimes(node: DirectoryNode | AnyFile, accessed: NewTime, modified: NewTime): void;
  setTimesAt(
    from: DirectoryNode,
    path: GuestPath,
    follow: boolean,
    accessed: NewTime,
    modified: NewTime,
  ): void;
  createDirectoryAt(from: DirectoryNode, path: GuestPath): void;
  readDirectory(node: DirectoryNode): Listing;
  removeDirectoryAt(from: DirectoryNode, path: GuestPath): void;
  unlinkFileAt(from: DirectoryNode, path: GuestPath): void;
  renameAt(from: DirectoryNode, path: GuestPath, to: DirectoryNode, newPath: GuestPath): void;
  /** Makes a hard link. Both ends must be writable, because the link adds a file of one grant to another. */
  linkAt(from: DirectoryNode, path: GuestPath, follow: boolean, to: DirectoryNode, newPath: GuestPath): void;
  symlinkAt(target: GuestPath, to: DirectoryNode, newPath: GuestPath): void;
  /** @throws WasiError invalid if it is no link */
  readLinkAt(from: DirectoryNode, path: GuestPath): Uint8Array;
}

/** The error for a mount whose path changed: somebody added or removed a link on the way. */
export function notMounted({ host }: Mount, cause: unknown): AppError {
  const why = cause instanceof WasiError && (cause.errno === "loop" || cause.errno === "not-directory")
    ? "a link has taken the place of a directory on the way"
    : messageOf(cause);
  return new AppError("GRANT_INVALID", `Cannot open "${printable(host)}" for the plugin: ${why}`, { cause });
}
