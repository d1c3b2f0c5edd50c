/** Buffers a connection's input. */

import type { Duplex } from "../../wasi/streams/connection_streams.ts";

/** The initial size of the buffer, in bytes. */
const ROOM = 65536;

/** One reader of a connection. */
export class Input {
  #connection: Duplex;
  #buffer = new Uint8Array(ROOM);
  #from = 0;
  #to = 0;
  #reading: Promise<boolean> | undefined;

  constructor(connection: Duplex) {
    this.#connection = connection;
  }

  /** A view of the buffered bytes, valid until the next call of {@linkcode more}. */
  get bytes(): Uint8Array<ArrayBuffer> {
    return this.#buffer.subarray(this.#from, this.#to);
  }

  /** Whether a read is pending. */
  get waiting(): boolean {
    return this.#reading !== undefined;
  }

  /**
   * Waits for more bytes; false at the end. Concurrent calls share one read.
   *
   * @throws the error of the operating system or TLS
   */
  more(): Promise<boolean> {
    return this.#reading ??= this.#read().finally(() => this.#reading = undefined);
  }

  async #read(): Promise<boolean> {
    if (this.#from > 0) {
      this.#buffer.copyWithin(0, this.#from, this.#to);
      this.#to -= this.#from;
      this.#from = 0;
    }
    if (this.#to === this.#buffer.length) {
      const larger = new Uint8Array(2 * this.#buffer.length);
      larger.set(this.#buffer);
      this.#buffer = larger;
    }
    const count = await this.#connection.read(this.#buffer.subarray(this.#to));
    this.#to += count ?? 0;
    return count !== null;
  }

  /** Removes bytes from the front and returns a copy. */
  take(count: number): Uint8Array<ArrayBuffer> {
    const taken = this.#buffer.slice(this.#from, Math.min(this.#to, this.#from + count));
    this.#from += taken.length;
    // Release the memory of a large head.
    if (this.#from === this.#to && this.#buffer.length > ROOM && !this.waiting) {
      this.#buffer = new Uint8Array(ROOM);
      this.#from = this.#to = 0;
    }
    return taken;
  }
}
