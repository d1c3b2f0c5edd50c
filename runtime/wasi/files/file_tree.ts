/**
 * The files a plugin sees: the mounts of its sandbox, with POSIX meaning, and nothing else of the host. Both faces
 * of WASI work on the interfaces of this file, of which there are two implementations:
 *
 * - linux_tree.ts asks Linux itself, relative to open directories, and lets the kernel see to it that no path leaves
 *   a granted tree (openat2);
 * - named_tree.ts, wherever that is not there, resolves names link by link through Deno, which has no `openat`,
 *   and compares what was opened with what was meant.
 */

import { AppError, messageOf } from "../../base/errors.ts";
import type { Mount } from "../../sandbox/types.ts";
import { printable } from "../../base/text.ts";
import { WasiError } from "../errno.ts";
import type { MaybePromise } from "../streams/streams.ts";

/** What a file is. */
export type NodeType =
  | "unknown"
  | "block-device"
  | "character-device"
  | "directory"
  | "fifo"
  | "symbolic-link"
  | "regular-file"
  | "socket";

/** What is known of a file. Times in nanoseconds since 1970. */
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
  /** Follow a link in the last place. */
  readonly follow: boolean;
  readonly create: boolean;
  readonly exclusive: boolean;
  readonly truncate: boolean;
  /** It must be a directory. */
  readonly directory: boolean;
  readonly read: boolean;
  readonly write: boolean;
}

/** A time to set: nanoseconds since 1970, now, or as it is. */
export type NewTime = bigint | "now" | undefined;

/** A path or name as the plugin gives it: text, or bytes that need not be UTF-8. */
export type GuestPath = string | Uint8Array;

/** An entry of a directory. */
export interface Entry {
  /** As the operating system has it. */
  readonly name: Uint8Array;
  readonly type: NodeType;
  /** The number of its file; 0 where it would cost too much to find out. */
  readonly ino: bigint;
}

/** A directory's entries, without `.` and `..`, as they were when they were first asked for. */
export interface Listing {
  /** The entry at a place, from 0; undefined past the last. @throws WasiError */
  at(index: number): Entry | undefined;
  close(): void;
}

/** An open directory. */
export interface DirectoryNode {
  readonly kind: "directory";
  /** Whether anything below it may be changed. */
  readonly writable: boolean;
  close(): void;
}

/** An open file. Reads and writes are at a place the caller names, so that two can share it. */
export interface AnyFile {
  readonly kind: "file";
  readonly type: NodeType;
  readonly readable: boolean;
  readonly writable: boolean;
  /** Fills the front of `into` from `offset`; 0 at the end. @throws WasiError */
  readAt(into: Uint8Array, offset: bigint): number;
  /** Writes the front of `bytes` at `offset`; returns how many. @throws WasiError */
  writeAt(bytes: Uint8Array, offset: bigint): number;
  /** Writes the front of `bytes` at the end, wherever that is by then; returns how many. @throws WasiError */
  append(bytes: Uint8Array): number;
  /** Bytes in the file now. */
  size(): bigint;
  stat(): Stat;
  /** @throws WasiError invalid, file-too-large, insufficient-space */
  setSize(size: bigint): void;
  /** Makes room, and the file at least `offset + length` long. @throws WasiError */
  allocate(offset: bigint, length: bigint): void;
  /** What will be done with a part of it: preview1's `advice`. */
  advise(offset: bigint, length: bigint, advice: number): void;
  sync(dataOnly: boolean): void;
  close(): void;
}

/** What is at a path of the host's. */
export interface Probed {
  readonly type: NodeType;
  /** Where the path leads, free of links. */
  readonly real: string;
}

/** The tree of mounts. Every operation throws WasiError. */
export interface FileTree extends Disposable {
  /** The roots, in the order of the mounts. Closing them does nothing: they stay as long as the tree. */
  readonly roots: readonly { readonly guest: string; readonly node: DirectoryNode }[];
  /** The most files and directories that a plugin may have open at once. */
  readonly maxOpen: number;
  /** Open directories of the mounts, in their order, where the system knows files by such. */
  readonly descriptors: readonly number[] | undefined;
  /** Looks at what is asked for later, before the process gives up looking (runtime/sandbox/kernel/restrict.ts). */
  lookAhead(): void;
  /** Permissions of Deno's that it needs when a plugin runs. */
  readonly needs: readonly ("read" | "write")[];
  /** Opens one more tree. @throws AppError GRANT_INVALID */
  mount(mount: Mount): DirectoryNode;
  /** What is at a path of the host's, links followed, for the host's own decisions; undefined for nothing. */
  probe(host: string): Probed | undefined;
  /** Opens what `path` leads to. The promise is that of a file whose content the host has to make up first. */
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
  /** Makes a hard link. Both ends must be writable: it would make one grant's file another's. */
  linkAt(from: DirectoryNode, path: GuestPath, follow: boolean, to: DirectoryNode, newPath: GuestPath): void;
  symlinkAt(target: GuestPath, to: DirectoryNode, newPath: GuestPath): void;
  /** @throws WasiError invalid where there is no link */
  readLinkAt(from: DirectoryNode, path: GuestPath): Uint8Array;
}

/**
 * What is in the place of a file that was granted by itself stays a file of its own: anything else could lead a later run, or
 * another program, elsewhere.
 *
 * @param made what would be there: the type of what is moved there, a link, or a further name of another file
 * @throws WasiError not-permitted
 */
export function refuseInPlaceOfFile(
  { only, makesDirectory }: Mount,
  made: NodeType | "hard-link",
): void {
  if (!only || made === "regular-file" || made === "directory" && makesDirectory) return;
  throw new WasiError("not-permitted");
}

/** Why a mount is not opened: somebody put a link on the way since it was looked at, or took it away. */
export function notMounted({ host }: Mount, cause: unknown): AppError {
  const why = cause instanceof WasiError && (cause.errno === "loop" || cause.errno === "not-directory")
    ? "a link has taken the place of a directory on the way"
    : messageOf(cause);
  return new AppError("GRANT_INVALID", `Cannot open "${printable(host)}" for the plugin: ${why}`, { cause });
}
