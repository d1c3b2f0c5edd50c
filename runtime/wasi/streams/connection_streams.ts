/**
 * The two directions of a connection as a plugin's streams: input with one buffer of read-ahead, output with
 * back-pressure.
 */

import { BufferedSource } from "./buffered_source.ts";
import { type ByteSink, type MaybePromise, StreamClosed } from "./streams.ts";

/** The needed part of a connection; `Deno.Conn` has it. */
export interface Duplex {
  /** Fills the front of `into`; null at the end. */
  read(into: Uint8Array): Promise<number | null>;
  write(bytes: Uint8Array): Promise<number>;
  /** Sends the end of the output (TCP's FIN). */
  closeWrite(): Promise<void>;
  close(): void;
}

/** How many bytes to read ahead of the plugin. */
const READ_AHEAD = 65536;
/** How many bytes may wait for the network. */
const HIGH_WATER = 65536;

/** The input of a connection. */
export class ConnectionSource extends BufferedSource {
  #connection: Duplex;
  #buffer: Uint8Array<ArrayBuffer> | undefined;
  #closed = false;
  #left: (() => void) | undefined;

  /** @param left called when the plugin closes it */
  constructor(connection: Duplex, left?: () => void) {
    super();
    this.#connection = connection;
    this.#left = left;
  }

  protected async next(): Promise<void> {
    const buffer = this.#buffer ??= new Uint8Array(READ_AHEAD);
    try {
      const count = await this.#connection.read(buffer);
      if (count === null) this.end();
      else this.take(buffer.subarray(0, count));
    } catch (error) {
      this.fail(error);
    }
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.end();
    this.#left?.();
  }
}

/** The output of a connection. A write takes as much as fits, and the bytes are sent at the network's pace. */
export class ConnectionSink implements ByteSink {
  #connection: Duplex;
  #queue: Uint8Array<ArrayBuffer>[] = [];
  #queued = 0;
  #sending: Promise<void> | undefined;
  #room: PromiseWithResolvers<void> | undefined;
  #error: unknown;
  #ended = false;
  #closed = false;
  #left: (() => void) | undefined;

  /** @param left called when the plugin closes it */
  constructor(connection: Duplex, left?: () => void) {
    this.#connection = connection;
    this.#left = left;
  }

  ready(): boolean {
    return this.#ended || this.#error !== undefined || this.#queued < HIGH_WATER;
  }

  wait(): Promise<void> {
    return this.ready() ? Promise.resolve() : (this.#room ??= Promise.withResolvers<void>()).promise;
  }

  capacity(): number {
    if (this.#error !== undefined) throw this.#error;
    if (this.#ended) throw new StreamClosed("the connection is closed for writing");
    return Math.max(0, HIGH_WATER - this.#queued);
  }

  write(bytes: Uint8Array): MaybePromise<number> {
    const room = this.capacity();
    if (room === 0) return this.wait().then(() => this.write(bytes));
    const part = bytes.slice(0, room); // a copy, because the plugin's memory changes later
    this.enqueue(part);
    return part.length;
  }

  /** Takes all bytes, even if the buffer is full, and does not copy them. For indivisible data such as a frame. */
  enqueue(part: Uint8Array<ArrayBuffer>): void {
    if (this.#ended || this.#error !== undefined || part.length === 0) return;
    this.#queue.push(part);
    this.#queued += part.length;
    this.#sending ??= this.#send();
  }

  async #send(): Promise<void> {
    try {
      for (let part = this.#queue.shift(); part; part = this.#queue.shift()) {
        while (part.length > 0) {
          const count: number = await this.#connection.write(part);
          part = part.subarray(count);
          this.#queued -= count;
          this.#wake();
        }
      }
    } catch (error) {
      this.#error = error;
      this.#queue = [];
      this.#queued = 0;
    }
    this.#sending = undefined;
    this.#wake();
  }

  #wake(): void {
    if (!this.ready()) return;
    this.#room?.resolve();
    this.#room = undefined;
  }

  flush(): MaybePromise<void> {
    if (this.#error !== undefined) throw this.#error;
    return this.#sending?.then(() => {
      if (this.#error !== undefined) throw this.#error;
    });
  }

  /** Takes no more bytes, sends the buffered ones and then the end. Resolves when that is done. */
  async end(): Promise<void> {
    if (this.#ended) return await this.#sending;
    this.#ended = true;
    this.#wake();
    await this.#sending;
    if (this.#error === undefined) await this.#connection.closeWrite().catch(() => {});
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#left?.();
  }
}

/** How long to go on sending buffered bytes after a connection was given up, in milliseconds. */
const LINGER = 5000;

/**
 * Closes a connection after sending the buffered bytes, as POSIX's close does, but does not wait for a server that
 * does not read.
 */
export async function closeWhenSent(connection: Duplex, sink: ConnectionSink): Promise<void> {
  const close = () => {
    try {
      connection.close();
    } catch { /* it is closed, or was reset */ }
  };
  const timer = setTimeout(close, LINGER);
  await sink.end();
  clearTimeout(timer);
  close();
}
