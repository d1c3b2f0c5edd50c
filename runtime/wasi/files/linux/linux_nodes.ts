/** Open files, directories and listings on Linux. linux_tree.ts decides what may be opened. */

import type { Mount } from "../../../sandbox/types.ts";
import { isAbsence, WasiError } from "../../errno.ts";
import { HostMemory, type Kept } from "../../host_memory.ts";
import { HostNode } from "../host_node.ts";
import type { AnyFile, DirectoryNode, Entry, Listing, NodeType, Stat } from "../file_tree.ts";
import { type Glance, type Kernel, RawEntries } from "./file_calls.ts";

/** How many bytes of directory entries to read at once. */
const ENTRIES = 65536;

/** A granted tree. */
export interface Root {
  readonly mount: Mount;
  readonly fd: number;
  readonly identity: string;
  readonly only: readonly string[] | undefined;
  /** Whether it contains something protected, or is inside of it; found out before the first change. */
  entangled: boolean | undefined;
  /** Whether it contains mount points; found out at the same time. */
  hasMounts: boolean;
}

/**
 * An open directory: the root of a granted tree, which stays open with the tree, or a directory that the plugin
 * opened.
 */
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

/** An open file. All checks of the file were made when it was opened. */
export class OpenFile extends HostNode implements AnyFile {
  readonly kind = "file";
  #kernel: Kernel;
  #closed = false;
  /** False for a pipe or terminal, which has no positions: a read returns the next bytes. */
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

  /** Whether a transfer failed because the file has no positions. Remembers that. */
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
      // Some file systems can't allocate. The file still gets the length, as POSIX requires.
      if (!(error instanceof WasiError && error.errno === "unsupported")) throw error;
      if (offset + length > this.size()) this.setSize(offset + length);
    }
  }

  advise(offset: bigint, length: bigint, advice: number): void {
    // preview1 swaps the numbers of `sequential` and `random` in POSIX_FADV_….
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
 * Entries of an open directory, read on demand and kept in the kernel's format. If all of a plugin's listings
 * together take too much memory, a long listing forgets its first entries.
 */
export class DirectoryListing implements Listing {
  #kernel: Kernel;
  #fd: number;
  #hides: ((name: Uint8Array, identity: string) => boolean) | undefined;
  #memory: HostMemory;
  #kept: Kept;
  #open = true;
  #ended = false;
  /** The entries read so far, each block with the number of its first entry. */
  #blocks: { readonly first: number; readonly entries: RawEntries }[] = [];
  #count = 0;
  /** The position after the last answer. */
  #block = 0;
  #index = 0;
  #offset = 0;
  #last: { readonly index: number; readonly entry: Entry } | undefined;

  /**
   * @param memory shared by all listings of a plugin
   * @param hides files that the plugin must not see
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
    if (this.#last?.index === index) return this.#last.entry; // asked again for an entry that did not fit
    while (index >= this.#count) if (!this.#more()) return undefined;
    if (index < this.#index || index >= this.#end(this.#block)) {
      const block = this.#blocks.findLastIndex(({ first }) => first <= index);
      if (block < 0) throw new WasiError("invalid"); // already forgotten
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
    // Some file systems do not tell the type.
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
    // Without `.` and `..`, which preview1 and WASI 0.2 each add themselves.
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

  /** Reserves memory for more bytes. @throws WasiError insufficient-memory */
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
      if (isAbsence(error)) return false; // deleted meanwhile
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

/** A file's identity, whatever its name. */
export function identityOf({ dev, ino }: Glance): string {
  return `${dev}:${ino}`;
}
