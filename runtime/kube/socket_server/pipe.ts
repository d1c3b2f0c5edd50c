/** A connection inside of the process: bytes written at one end are read at the other, through a small buffer. */

import type { Duplex } from "../../wasi/streams/connection_streams.ts";

/** The size of the buffer of one direction, in bytes. */
const ROOM = 65536;

/** One direction. Bytes that were written stay readable after the end. */
class Direction {
  #buffer = new Uint8Array(ROOM);
  #from = 0;
  #to = 0;
  #ended = false;
  #failure: unknown;
  #unwanted = false;
  #changed = Promise.withResolvers<void>();

  #change(): void {
    this.#changed.resolve();
    this.#changed = Promise.withResolvers();
  }

  async read(into: Uint8Array): Promise<number | null> {
    if (into.length === 0) return 0;
    while (this.#from === this.#to) {
      if (this.#failure !== undefined) throw this.#failure;
      if (this.#ended || this.#unwanted) return null;
      await this.#changed.promise;
    }
    const part = this.#buffer.subarray(this.#from, Math.min(this.#to, this.#from + into.length));
    into.set(part);
    this.#from += part.length;
    if (this.#from === this.#to) this.#from = this.#to = 0;
    this.#change();
    return part.length;
  }

  async write(bytes: Uint8Array): Promise<number> {
    for (;;) {
      if (this.#failure !== undefined) throw this.#failure;
      if (this.#ended || this.#unwanted) throw new Deno.errors.BrokenPipe("the connection is closed");
      if (this.#to < ROOM || bytes.length === 0) break;
      await this.#changed.promise;
    }
    const part = bytes.subarray(0, ROOM - this.#to);
    this.#buffer.set(part, this.#to);
    this.#to += part.length;
    this.#change();
    return part.length;
  }

  /** No more bytes follow, or none but this error. */
  end(failure?: unknown): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#failure = failure;
    this.#change();
  }

  /** Nobody reads any more. */
  abandon(): void {
    this.#unwanted = true;
    this.#from = this.#to = 0;
    this.#change();
  }
}

/** One end of such a connection. */
export class PipeEnd implements Duplex {
  #incoming: Direction;
  #outgoing: Direction;
  #closed = Promise.withResolvers<void>();
  #other: PipeEnd | undefined;

  private constructor(incoming: Direction, outgoing: Direction) {
    this.#incoming = incoming;
    this.#outgoing = outgoing;
  }

  /** Makes both ends. */
  static pair(): [PipeEnd, PipeEnd] {
    const [one, two] = [new Direction(), new Direction()];
    const ends: [PipeEnd, PipeEnd] = [new PipeEnd(one, two), new PipeEnd(two, one)];
    ends[0].#other = ends[1];
    ends[1].#other = ends[0];
    return ends;
  }

  /** Resolves when the other end is closed altogether, not only for writing. */
  get closedByPeer(): Promise<void> {
    return this.#other!.#closed.promise;
  }

  /** @throws what the other end failed with */
  read(into: Uint8Array): Promise<number | null> {
    return this.#incoming.read(into);
  }

  /** @throws Deno.errors.BrokenPipe when the other end is closed; what it failed with */
  write(bytes: Uint8Array): Promise<number> {
    return this.#outgoing.write(bytes);
  }

  closeWrite(): Promise<void> {
    this.#outgoing.end();
    return Promise.resolve();
  }

  /** Closes this end. The other end can still read earlier bytes. Idempotent. */
  close(): void {
    this.#outgoing.end();
    this.#incoming.abandon();
    this.#closed.resolve();
  }

  /** Closes this end with an error: the other end's reads and writes fail with it. */
  fail(error: unknown): void {
    this.#outgoing.end(error);
    this.#incoming.end(error);
    this.#closed.resolve();
  }
}
