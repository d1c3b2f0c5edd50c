/** Bytes that wait to be read. */

/** A byte queue in blocks: a server may send bytes one by one. */
export class Backlog {
  static readonly #BLOCK = 4096;
  #blocks: Uint8Array[] = [];
  /** Offset of the first unread byte in the first block. */
  #start = 0;
  /** Offset of the first free byte in the last block. */
  #end = 0;
  size = 0;

  push(bytes: Uint8Array): void {
    this.size += bytes.length;
    while (bytes.length > 0) {
      let block = this.#blocks.at(-1);
      if (block === undefined || this.#end === block.length) {
        this.#blocks.push(block = new Uint8Array(Math.max(Backlog.#BLOCK, bytes.length)));
        this.#end = 0;
      }
      const part = bytes.subarray(0, block.length - this.#end);
      block.set(part, this.#end);
      this.#end += part.length;
      bytes = bytes.subarray(part.length);
    }
  }

  /** Moves bytes into `into`; returns how many. */
  take(into: Uint8Array): number {
    let taken = 0;
    while (taken < into.length && this.size > 0) {
      const block = this.#blocks[0]!;
      const end = this.#blocks.length === 1 ? this.#end : block.length;
      const part = block.subarray(this.#start, Math.min(end, this.#start + into.length - taken));
      into.set(part, taken);
      taken += part.length;
      this.#start += part.length;
      this.size -= part.length;
      if (this.#start < end) continue;
      this.#blocks.shift();
      this.#start = 0;
    }
    return taken;
  }

  /** Removes and returns all bytes. */
  takeAll(): Uint8Array<ArrayBuffer> {
    const all = new Uint8Array(this.size);
    this.take(all);
    return all;
  }
}
