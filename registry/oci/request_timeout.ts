/** Time limits of a request to a registry. */

import { Broken } from "./retry.ts";

/** The timer ticks this often in one `idleTimeout`. */
const PARTS = 10;
/** Time limit for an answer that is read as a whole, in multiples of `idleTimeout`: 2 minutes. */
const WHOLE = 4;
/** A body must bring 64 KiB in this many multiples of `idleTimeout`: 5 minutes. */
const SLOW = 10;
const SLOW_BYTES = 65536;

/**
 * Ends a request that is silent or too slow. It counts ticks of its own timer instead of reading a clock: if this
 * process stood still (a sleeping or busy machine), only one tick has passed.
 */
export class RequestTimeout {
  #controller = new AbortController();
  #timer: ReturnType<typeof setTimeout> | undefined;
  #silent = 0;
  /** Ticks since the answer began; undefined before. */
  #ticks: number | undefined;
  #whole = false;
  #bytes = 0;
  /** Bytes at the start of the current slowness interval. */
  #before = 0;

  /** @param from the server's name in messages */
  constructor(readonly idle: number, readonly from: string) {
    this.#wait();
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  #wait(): void {
    this.#timer = setTimeout(() => {
      const why = this.#silent++ < PARTS
        ? this.#slow()
        : new Broken(`nothing came from ${this.from} for ${this.idle / 1000} s`);
      if (why) this.#controller.abort(why);
      else this.#wait();
    }, this.idle / PARTS);
  }

  /** The error for a body that arrives too slowly; undefined if it is fast enough. */
  #slow(): Broken | undefined {
    if (this.#ticks === undefined) return undefined;
    this.#ticks++;
    const seconds = (ticks: number) => ticks * this.idle / PARTS / 1000;
    if (this.#whole && this.#ticks >= WHOLE * PARTS) {
      const came = `${this.#bytes} bytes of its answer came in ${seconds(this.#ticks)} s, and not its end`;
      return new Broken(came, "connection", false);
    }
    if (this.#ticks % (SLOW * PARTS) !== 0) return undefined;
    const came = this.#bytes - this.#before;
    this.#before = this.#bytes;
    if (came >= SLOW_BYTES) return undefined;
    return new Broken(`no more than ${came} bytes came in ${seconds(SLOW * PARTS)} s`, "connection", false);
  }

  /** Call when the answer begins. */
  receive(): void {
    this.alive();
    this.#ticks = 0;
  }

  /** Call when the answer is read as a whole. */
  hurry(): void {
    this.#whole = true;
  }

  /** Call for every chunk. */
  alive(bytes = 0): void {
    this.#silent = 0;
    this.#bytes += bytes;
  }

  end(): void {
    clearTimeout(this.#timer);
  }

  abort(): void {
    this.#controller.abort();
  }

  /** Counts each sent chunk as activity. */
  async *watching(body: AsyncIterable<Uint8Array<ArrayBuffer>>): AsyncGenerator<Uint8Array<ArrayBuffer>> {
    for await (const chunk of body) {
      this.alive();
      yield chunk;
    }
    this.alive();
  }
}
