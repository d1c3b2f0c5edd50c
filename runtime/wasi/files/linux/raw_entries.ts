/** Parses Linux's directory entries. */

import type { NodeType } from "../file_tree.ts";

/** Entries from {@linkcode Kernel.readEntries} (struct linux_dirent64), each by its offset. */
export class RawEntries {
  #bytes: Uint8Array<ArrayBuffer>;
  #view: DataView<ArrayBuffer>;

  constructor(bytes: Uint8Array<ArrayBuffer>) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  ino(at: number): bigint {
    return this.#view.getBigUint64(at, true);
  }

  /** The offset of the next entry. */
  end(at: number): number {
    return at + this.#view.getUint16(at + 16, true);
  }

  type(at: number): NodeType {
    return ENTRY_TYPES[this.#bytes[at + 18]!] ?? "unknown";
  }

  name(at: number): Uint8Array {
    let end = at + 19;
    while (this.#bytes[end] !== 0) end++;
    return this.#bytes.subarray(at + 19, end);
  }

  /** Whether its name is `.` or `..`. */
  isDots(at: number): boolean {
    const [first, second, third] = [this.#bytes[at + 19], this.#bytes[at + 20], this.#bytes[at + 21]];
    return first === 0x2e && (second === 0 || second === 0x2e && third === 0);
  }
}

// DT_… of dirent.h.
const ENTRY_TYPES: Readonly<Record<number, NodeType>> = {
  1: "fifo",
  2: "character-device",
  4: "directory",
  6: "block-device",
  8: "regular-file",
  10: "symbolic-link",
  12: "socket",
};

/** The type in a mode: S_IFMT of sys/stat.h. */
export function typeOfMode(mode: number): NodeType {
  return ENTRY_TYPES[mode >> 12] ?? "unknown";
}
