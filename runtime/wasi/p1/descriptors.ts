/** The descriptors of a preview1 module: standard streams, preopens, and files that it opened. */

import type { Sandbox } from "../../sandbox/types.ts";
import { WasiError } from "../errno.ts";
import type { AnyFile, DirectoryNode, FileTree, Listing } from "../files/file_tree.ts";
import type { ByteSink, ByteSource } from "../streams/streams.ts";
import {
  DIRECTORY_READ_RIGHTS,
  DIRECTORY_RIGHTS,
  DIRECTORY_WRITE_RIGHTS,
  FD_FILESTAT_SET_SIZE,
  FD_READ,
  FILE_READ_RIGHTS,
  FILE_RIGHTS,
  FILE_WRITE_RIGHTS,
  STREAM_RIGHTS,
} from "./abi.ts";

/** How many descriptors a plugin without files may have: its streams, and spare numbers for fd_renumber. */
const MAX_STREAMS = 64;

/** A socket, which is read and written. */
export interface SocketNode {
  readonly kind: "socket";
  readonly source: ByteSource;
  readonly sink: ByteSink;
  readonly terminal: false;
  /** For people: why it failed, or why the API server did not answer a request. */
  readonly failure: string;
  close(): void;
}

/** A descriptor. */
export interface Descriptor {
  readonly node:
    | { readonly kind: "source"; readonly source: ByteSource; readonly terminal: boolean }
    | { readonly kind: "sink"; readonly sink: ByteSink; readonly terminal: boolean }
    | SocketNode
    | DirectoryNode
    | AnyFile;
  /** The rights of the descriptor: everything that the host can do, until fd_fdstat_set_rights removes some. */
  base: bigint;
  /** The rights of files that are opened below it. */
  inheriting: bigint;
  flags: number;
  /** Of a file: the position of the next read or write. */
  offset: bigint;
  /** The path of a preopened directory. */
  readonly preopen?: string;
  /** Of a directory: the listing for fd_readdir, renewed at its start. */
  listing?: Listing | undefined;
}

/** The descriptors by number. */
export class Descriptors {
  #table: (Descriptor | undefined)[] = [];
  #max: number;
  /** All numbers below it are used. */
  #free = 0;

  /** `tree` is undefined for a module without file functions. */
  constructor({ stdin, stdout, stderr, terminals }: Sandbox, tree: FileTree | undefined) {
    const stream = (node: Descriptor["node"]): Descriptor => ({
      node,
      base: STREAM_RIGHTS,
      inheriting: 0n,
      flags: 0,
      offset: 0n,
    });
    this.#table.push(
      stream({ kind: "source", source: stdin, terminal: terminals.stdin }),
      stream({ kind: "sink", sink: stdout, terminal: terminals.stdout }),
      stream({ kind: "sink", sink: stderr, terminal: terminals.stderr }),
    );
    this.#max = tree?.maxOpen ?? MAX_STREAMS;
    for (const { guest: preopen, node } of tree?.roots ?? []) {
      this.#table.push({
        node,
        base: rightsOf(node),
        inheriting: node.writable ? DIRECTORY_RIGHTS | FILE_RIGHTS : DIRECTORY_READ_RIGHTS | FILE_READ_RIGHTS,
        flags: 0,
        offset: 0n,
        preopen,
      });
    }
  }

  /** Raises the number of allowed descriptors to at least `count`. */
  allow(count: number): void {
    this.#max = Math.max(this.#max, count);
  }

  /** The descriptor with a number, if any. */
  find(fd: number): Descriptor | undefined {
    return this.#table[fd];
  }

  /** @throws WasiError bad-descriptor */
  get(fd: number): Descriptor {
    const descriptor = this.#table[fd];
    if (!descriptor) throw new WasiError("bad-descriptor");
    return descriptor;
  }

  /** A file with a right. @throws WasiError bad-descriptor, is-directory, invalid-seek, invalid, not-capable */
  file(fd: number, right: bigint): Descriptor & { node: AnyFile } {
    const descriptor = this.get(fd);
    const { node, base } = descriptor;
    if (node.kind === "directory") {
      throw new WasiError((base & right) === 0n ? "bad-descriptor" : "is-directory");
    }
    if (node.kind !== "file") throw new WasiError("invalid-seek");
    if ((base & right) === 0n) {
      // The right was not requested, or was given up. POSIX returns EINVAL for resizing a file that is open for
      // reading.
      const opened = (rightsOf(node) & right) !== 0n;
      throw new WasiError(
        opened ? "not-capable" : right === FD_FILESTAT_SET_SIZE ? "invalid" : "bad-descriptor",
      );
    }
    return descriptor as Descriptor & { node: AnyFile };
  }

  /** A directory with a right. @throws WasiError bad-descriptor, not-directory, read-only, not-capable */
  directory(fd: number, right: bigint): Descriptor & { node: DirectoryNode } {
    const descriptor = this.get(fd);
    if (descriptor.node.kind !== "directory") throw new WasiError("not-directory");
    if ((descriptor.base & right) === 0n) {
      throw new WasiError(
        !descriptor.node.writable && (right & DIRECTORY_WRITE_RIGHTS) !== 0n ? "read-only" : "not-capable",
      );
    }
    return descriptor as Descriptor & { node: DirectoryNode };
  }

  #nextFree(): number {
    while (this.#table[this.#free]) this.#free++;
    return this.#free;
  }

  /** Call it before an operation with side effects. @throws WasiError too-many-open */
  checkRoom(): void {
    if (this.#nextFree() >= this.#max) throw new WasiError("too-many-open");
  }

  /** Adds a descriptor under the lowest free number. @throws WasiError too-many-open, after closing the node */
  insert(descriptor: Descriptor): number {
    const fd = this.#nextFree();
    if (fd >= this.#max) {
      closeNode(descriptor);
      throw new WasiError("too-many-open");
    }
    this.#table[fd] = descriptor;
    this.#free = fd + 1;
    return fd;
  }

  /** @throws WasiError bad-descriptor */
  close(fd: number): void {
    const descriptor = this.get(fd);
    this.#remove(fd);
    closeNode(descriptor);
  }

  #remove(fd: number): void {
    this.#table[fd] = undefined;
    if (fd < this.#free) this.#free = fd;
  }

  /** Moves the descriptor `from` to `to`, and closes the old one. @throws WasiError bad-descriptor */
  renumber(from: number, to: number): void {
    const descriptor = this.get(from);
    const replaced = this.get(to);
    if (from === to) return;
    this.#table[to] = descriptor;
    this.#remove(from);
    closeNode(replaced);
  }
}

/** The rights that the host supports for a node, as it was opened and granted. */
export function rightsOf(node: DirectoryNode | AnyFile): bigint {
  if (node.kind === "directory") return node.writable ? DIRECTORY_RIGHTS : DIRECTORY_READ_RIGHTS;
  return (node.readable ? FILE_READ_RIGHTS : FILE_READ_RIGHTS & ~FD_READ) |
    (node.writable ? FILE_WRITE_RIGHTS : 0n);
}

function closeNode({ node, listing }: Descriptor): void {
  listing?.close();
  if (node.kind === "source") node.source.close();
  else if (node.kind === "sink") node.sink.close();
  else node.close();
}
