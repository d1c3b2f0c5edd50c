/** What is open of a plugin's files on Linux, and what a directory lists. What may be opened is linux_tree.ts' to tell. */

import type { Mount } from "../../../sandbox/types.ts";
import { isAbsence, WasiError } from "../../errno.ts";
import { HostMemory, type Kept } from "../../host_memory.ts";
import { HostNode } from "../host_node.ts";
import type { AnyFile, DirectoryNode, Entry, Listing, NodeType, Stat } from "../file_tree.ts";
import { type Glance, type Kernel, RawEntries } from "./file_calls.ts";

/** Bytes of directory entries that are asked for at once. */
const ENTRIES = 65536;

/** A granted tree. */
export interface Root {
  readonly mount: Mount;
  readonly fd: number;
  readonly identity: string;
  readonly only: readonly string[] | undefined;
  /** Whether something protected is in it, or it is in something protected; found out before the first change. */
  entangled: boolean | undefined;
  /** Whether something is mounted in it; found out with that. */
  hasMounts: boolean;
}

/** An open directory: the root of a granted tree, which stays open with the tree, or one that the plugin opened. */
export class OpenDirectory extends HostNode implements DirectoryNode {
  readonly kind = "directory";
  #close: (() => void) | undefined;

  constructor(readonly root: Root, readonly fd: number, close?: () => void) {
    super();
    this.#close = close;
  }

  get writable(): boolean {
    return this.root.mount.write;
  }

  close(): void {
    this.#close?.();
    this.#close = undefined;
  }
}

/** An open file. It was looked at when it was opened: here nothing is checked but how. */
export class OpenFile extends HostNode implements AnyFile {
  readonly kind = "file";
  #kernel: Kernel;
  #closed = false;
  /** A pipe or terminal has no places: what is read is what comes next. */
  #places = true;
  #appends = false;

  constructor(
    kernel: Kernel,
    readonly root: Root,
    readonly fd: number,
    readonly type: NodeType,
    readonly readable: boolean,
    readonly writable: boolean,
  ) {
    super();
    this.#kernel = kernel;
  }

  readAt(into: Uint8Array, offset: bigint): number {
    if (!this.readable) throw new WasiError("bad-descriptor");
    if (!this.#places) return this.#kernel.read(this.fd, into, undefined);
    try {
      return this.#kernel.read(this.fd, into, offset);
    } catch (error) {
      if (!this.#hasNoPlaces(error)) throw error;
      return this.#kernel.read(this.fd, into, undefined);
    }
  }

  writeAt(bytes: Uint8Array, offset: bigint): number {
    this.#append(false);
    if (!this.#places) return this.#kernel.write(this.fd, bytes, undefined);
    try {
      return this.#kernel.write(this.fd, bytes, offset);
    } catch (error) {
      if (!this.#hasNoPlaces(error)) throw error;
      return this.#kernel.write(this.fd, bytes, undefined);
    }
  }

  append(bytes: Uint8Array): number {
    this.#append(true);
    return this.#kernel.write(this.fd, bytes, undefined);
  }

  #append(append: boolean): void {
    if (!this.writable) throw new WasiError("bad-descriptor");
    if (this.#appends !== append) this.#kernel.setAppend(this.fd, append);
    this.#appends = append;
  }

  /** Whether a transfer failed because of the place it was to be at. There is none from then on. */
  #hasNoPlaces(error: unknown): boolean {
    if (!(error instanceof WasiError && error.errno === "invalid-seek")) return false;
    this.#places = false;
    return true;
  }

  size(): bigint {
    return this.stat().size;
  }

  stat(): Stat {
    return this.#kernel.stat(this.fd);
  }

  setSize(size: bigint): void {
    if (!this.writable) throw new WasiError("invalid");
    if (size >= 1n << 63n) throw new WasiError("file-too-large");
    this.#kernel.setSize(this.fd, size);
  }

  allocate(offset: bigint, length: bigint): void {
    if (!this.writable) throw new WasiError("bad-descriptor");
    try {
      this.#kernel.allocate(this.fd, offset, length);
    } catch (error) {
      // Not every file system can; the file is as long as asked for, as POSIX wants.
      if (!(error instanceof WasiError && error.errno === "unsupported")) throw error;
      if (offset + length > this.size()) this.setSize(offset + length);
    }
  }

  advise(offset: bigint, length: bigint, advice: number): void {
    // preview1 numbers `sequential` and `random` the other way round than POSIX_FADV_….
    this.#kernel.advise(this.fd, offset, length, [0, 2, 1, 3, 4, 5][advice] ?? 0);
  }

  sync(dataOnly: boolean): void {
    this.#kernel.sync(this.fd, dataOnly);
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#kernel.close(this.fd);
  }
}

/**
 * Entries of an open directory, asked for as they are needed and kept as the kernel gave them. Where all of a plugin's listings
 * together take too much memory, the first entries of a long one are forgotten.
 */
export class DirectoryListing implements Listing {
  #kernel: Kernel;
  #fd: number;
  #hides: ((name: Uint8Array, identity: string) => boolean) | undefined;
  #memory: HostMemory;
  #kept: Kept;
  #open = true;
  #ended = false;
  /** What was read, each with the number of its first entry. */
  #blocks: { readonly first: number; readonly entries: RawEntries }[] = [];
  #count = 0;
  /** Where the entry after the last answer is. */
  #block = 0;
  #index = 0;
  #offset = 0;
  #last: { readonly index: number; readonly entry: Entry } | undefined;

  /**
   * @param memory of all listings of a plugin
   * @param hides files that are not there for the plugin
   */
  constructor(
    kernel: Kernel,
    fd: number,
    memory: HostMemory = new HostMemory(),
    hides?: (name: Uint8Array, identity: string) => boolean,
  ) {
    this.#kernel = kernel;
    this.#fd = fd;
    this.#memory = memory;
    this.#kept = memory.open();
    this.#hides = hides;
  }

  at(index: number): Entry | undefined {
    if (this.#last?.index === index) return this.#last.entry; // one that did not fit is asked for again
    while (index >= this.#count) if (!this.#more()) return undefined;
    if (index < this.#index || index >= this.#end(this.#block)) {
      const block = this.#blocks.findLastIndex(({ first }) => first <= index);
      if (block < 0) throw new WasiError("invalid"); // it is forgotten
      this.#block = block;
      this.#index = this.#blocks[this.#block]!.first;
      this.#offset = 0;
    }
    const { entries } = this.#blocks[this.#block]!;
    for (; this.#index < index; this.#index++) this.#offset = entries.end(this.#offset);
    const entry = {
      name: entries.name(this.#offset),
      type: entries.type(this.#offset),
      ino: entries.ino(this.#offset),
    };
    // Not every file system tells.
    if (entry.type === "unknown" && this.#open) entry.type = this.#kernel.statAt(this.#fd, entry.name).type;
    this.#offset = entries.end(this.#offset);
    this.#index++;
    this.#last = { index, entry };
    return entry;
  }

  /** The number after a block's last entry. */
  #end(block: number): number {
    return this.#blocks[block + 1]?.first ?? this.#count;
  }

  #more(): boolean {
    if (!this.#open || this.#ended) return false;
    const length = this.#kernel.readEntries(this.#fd, buffer ??= new Uint8Array(ENTRIES));
    if (length === 0) {
      this.#ended = true;
      return false;
    }
    const read = new RawEntries(buffer);
    // Without the two that every directory has, which each face makes for itself.
    const kept = new Uint8Array(length);
    let used = 0;
    let count = 0;
    for (let at = 0; at < length;) {
      const end = read.end(at);
      if (!read.isDots(at) && !this.#isHidden(read.name(at))) {
        kept.set(buffer.subarray(at, end), used);
        used += end - at;
        count++;
      }
      at = end;
    }
    if (count > 0) {
      this.#keep(used);
      this.#blocks.push({ first: this.#count, entries: new RawEntries(kept.slice(0, used)) });
    }
    this.#count += count;
    return true;
  }

  /** Makes room for so many bytes more. @throws WasiError insufficient-memory */
  #keep(bytes: number): void {
    if (!this.#memory.fits(bytes)) {
      this.#blocks = [];
      this.#kept.end();
      this.#kept = this.#memory.open();
      [this.#block, this.#index, this.#offset] = [0, this.#count, 0];
    }
    if (!this.#memory.fits(bytes)) throw new WasiError("insufficient-memory");
    this.#kept.grow(bytes);
  }

  #isHidden(name: Uint8Array): boolean {
    if (!this.#hides) return false;
    try {
      return this.#hides(name, identityOf(this.#kernel.statAt(this.#fd, name)));
    } catch (error) {
      if (isAbsence(error)) return false; // gone meanwhile
      throw error;
    }
  }

  close(): void {
    if (!this.#open) return;
    this.#open = false;
    this.#blocks = [];
    this.#kept.end();
    this.#kernel.close(this.#fd);
  }
}

let buffer: Uint8Array<ArrayBuffer> | undefined;

/** What a file is told by, under whatever name. */
export function identityOf({ dev, ino }: Glance): string {
  return `${dev}:${ino}`;
}
