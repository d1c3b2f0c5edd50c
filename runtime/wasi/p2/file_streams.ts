/** Streams over files and directories of wasi:filesystem. */

import type { AnyFile, Listing, NodeType } from "../files/file_tree.ts";
import { toText } from "../files/guest_paths.ts";
import type { ByteSink, ByteSource } from "../streams/streams.ts";
import { attempt } from "./filesystem_values.ts";

/** A file from a position on. */
export function fileSource(file: AnyFile, offset: bigint): ByteSource {
  let at = offset;
  const read = (into: Uint8Array): number => {
    const count = file.readAt(into, at);
    at += BigInt(count);
    return count;
  };
  return {
    ready: () => true,
    wait: () => Promise.resolve(),
    read,
    readAvailable: (into) => read(into) || -1,
    close: () => {},
  };
}

/** A file to write from a position on; undefined: at its end. `written` is called after each write. */
export function fileSink(file: AnyFile, offset: bigint | undefined, written: () => void): ByteSink {
  let at = offset;
  return {
    ready: () => true,
    wait: () => Promise.resolve(),
    capacity: () => 1 << 20,
    write: (bytes) => {
      const count = at === undefined ? file.append(bytes) : file.writeAt(bytes, at);
      if (at !== undefined) at += BigInt(count);
      written();
      return count;
    },
    flush: () => {},
    close: () => {},
  };
}

/** wasi:filesystem/types.directory-entry-stream */
export class DirectoryEntryStream {
  #listing: Listing;
  #ended: () => void;
  #next = 0;

  constructor(listing: Listing, ended: () => void) {
    this.#listing = listing;
    this.#ended = ended;
  }

  /** The next entry. If its name is not text, `illegal-byte-sequence`; later calls return the following entries. */
  readDirectoryEntry(): { type: NodeType; name: string } | undefined {
    return attempt(() => {
      const entry = this.#listing.at(this.#next);
      if (!entry) return undefined;
      this.#next++;
      return { type: entry.type, name: toText(entry.name) };
    }) as { type: NodeType; name: string } | undefined;
  }

  [Symbol.dispose](): void {
    this.#listing.close();
    this.#ended();
    this.#ended = () => {};
  }
}
