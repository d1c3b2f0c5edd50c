/** What comes in on a connection, as far as it has been read and not taken. */

import type { Duplex } from "../../wasi/streams/connection_streams.ts";

/** How much room there is at first, in bytes. */
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

  /** A view of what is there, until the next call of {@linkcode more}. */
  get bytes(): Uint8Array<ArrayBuffer> {
    return this.#buffer.subarray(this.#from, this.#to);
  }

  /** Whether it is being read. */
  get waiting(): boolean {
    return this.#reading !== undefined;
  }

  /**
   * Waits until there is more; false at the end. One that is called while another waits waits for the same.
   *
   * @throws what the operating system or TLS has against it
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

  /** Takes from the front; a copy. */
  take(count: number): Uint8Array<ArrayBuffer> {
    const taken = this.#buffer.slice(this.#from, Math.min(this.#to, this.#from + count));
    this.#from += taken.length;
    // What a large head left behind is given back.
    if (this.#from === this.#to && this.#buffer.length > ROOM && !this.waiting) {
      this.#buffer = new Uint8Array(ROOM);
      this.#from = this.#to = 0;
    }
    return taken;
  }
}
