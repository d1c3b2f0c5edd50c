/** The entries of an open directory on Linux. */

import { isAbsence, WasiError } from "../../errno.ts";
import { HostMemory, type Kept } from "../../host_memory.ts";
import type { Entry, Listing } from "../file_tree.ts";
import type { Kernel } from "./file_calls.ts";
import { RawEntries } from "./raw_entries.ts";
import { identityOf } from "./linux_nodes.ts";

/** How many bytes of directory entries to read at once. */
const ENTRIES = 65536;

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
