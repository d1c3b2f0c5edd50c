/** The descriptors of a preview1 module: its standard streams, what the sandbox gives, and what it opened. */

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

/** Descriptors that a plugin without files may have: its streams, and room to renumber them. */
const MAX_STREAMS = 64;

/** A descriptor. */
export interface Descriptor {
  readonly node:
    | { readonly kind: "source"; readonly source: ByteSource; readonly terminal: boolean }
    | { readonly kind: "sink"; readonly sink: ByteSink; readonly terminal: boolean }
    | DirectoryNode
    | AnyFile;
  /** What may be done with it: all that the host can, until fd_fdstat_set_rights takes some away. */
  base: bigint;
  /** The same, for what is opened below it. */
  inheriting: bigint;
  flags: number;
  /** Of a file: where the next read or write is. */
  offset: bigint;
  /** Of a directory the sandbox gives. */
  readonly preopen?: string;
  /** Of a directory: what fd_readdir walks; made anew at its start. */
  listing?: Listing | undefined;
}

/** The table of them, by number. */
export class Descriptors {
  #table: (Descriptor | undefined)[] = [];
  #max: number;
  /** No number below it is free. */
  #free = 0;

  /** `tree` is undefined for a module that has no use for files. */
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

  /** There may be so many of them at least. */
  allow(count: number): void {
    this.#max = Math.max(this.#max, count);
  }

  /** What a number stands for, if anything. */
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
      // Not opened for it, or given up. POSIX has EINVAL for the size of a file that is open for reading.
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

  /** For what does more than open something. @throws WasiError too-many-open */
  checkRoom(): void {
    if (this.#nextFree() >= this.#max) throw new WasiError("too-many-open");
  }

  /** Gives a descriptor the least free number. @throws WasiError too-many-open, what it stands for being closed */
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

  /** Makes `to`, which is closed, what `from` was. @throws WasiError bad-descriptor */
  renumber(from: number, to: number): void {
    const descriptor = this.get(from);
    const replaced = this.get(to);
    if (from === to) return;
    this.#table[to] = descriptor;
    this.#remove(from);
    closeNode(replaced);
  }
}

/** What the host can do with something: as it was opened, and granted. */
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
