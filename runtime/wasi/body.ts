/** Bodies of HTTP messages as streams of a plugin: read as they come, written with back-pressure. */

import { type ByteSink, type ByteSource, type MaybePromise, StreamClosed } from "./streams.ts";

/** The body of a response. One chunk is held at a time; closing it closes the connection. */
export class BodySource implements ByteSource {
  #reader: ReadableStreamDefaultReader<Uint8Array> | undefined;
  #chunk: Uint8Array = new Uint8Array();
  #ended: boolean;
  #error: unknown;
  #pending: Promise<void> | undefined;
  #patience: number | undefined;

  /** @param patience the longest to wait for the next bytes, in milliseconds */
  constructor(body: ReadableStream<Uint8Array> | null, patience?: number) {
    this.#reader = body?.getReader();
    this.#ended = body === null;
    this.#patience = patience;
  }

  ready(): boolean {
    return this.#chunk.length > 0 || this.#ended || this.#error !== undefined;
  }

  wait(): Promise<void> {
    if (this.ready()) return Promise.resolve();
    return this.#pending ??= this.#next();
  }

  async #next(): Promise<void> {
    const timer = this.#patience === undefined ? undefined : setTimeout(() => {
      this.#error = new DOMException("nothing came in time", "TimeoutError");
      this.#reader!.cancel().catch(() => {});
    }, this.#patience);
    try {
      // An empty chunk is nothing that came.
      while (!this.ready()) {
        const { done, value } = await this.#reader!.read();
        if (done) this.#ended = true;
        else this.#chunk = value;
      }
    } catch (error) {
      this.#error ??= error;
    } finally {
      clearTimeout(timer);
    }
    this.#pending = undefined;
  }

  readAvailable(into: Uint8Array): number {
    if (this.#chunk.length > 0) {
      const count = Math.min(into.length, this.#chunk.length);
      into.set(this.#chunk.subarray(0, count));
      this.#chunk = this.#chunk.subarray(count);
      return count;
    }
    if (this.#error !== undefined) throw this.#error;
    if (this.#ended) return -1;
    this.wait();
    return 0;
  }

  read(into: Uint8Array): MaybePromise<number> {
    if (into.length === 0) return 0;
    if (this.ready()) return Math.max(this.readAvailable(into), 0);
    return this.wait().then(() => Math.max(this.readAvailable(into), 0));
  }

  close(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#chunk = new Uint8Array();
    this.#reader?.cancel().catch(() => {});
  }
}

/** How much of a request's body may wait for the network, in bytes. */
const HIGH_WATER = 65536;

/** The body of a request: what is written to the sink comes out of the stream. */
export class BodySink implements ByteSink {
  readonly stream: ReadableStream<Uint8Array<ArrayBuffer>>;
  #controller!: ReadableStreamDefaultController<Uint8Array<ArrayBuffer>>;
  #room: { promise: Promise<void>; resolve: () => void } | undefined;
  #cancelled = false;
  #closed = false;
  #drains: boolean;
  #drained: { promise: Promise<void>; resolve: () => void } | undefined;
  /** Bytes so far. */
  written = 0n;

  /** @param drains whether a flush waits for who takes the bytes: the request is under way */
  constructor(drains = false) {
    this.#drains = drains;
    this.stream = new ReadableStream<Uint8Array<ArrayBuffer>>({
      start: (controller) => {
        this.#controller = controller;
      },
      pull: () => this.#wake(),
      cancel: () => {
        this.#cancelled = true;
        this.#wake();
      },
    }, { highWaterMark: HIGH_WATER, size: (chunk) => chunk.length });
  }

  #wake(): void {
    this.#room?.resolve();
    this.#room = undefined;
    if (!this.#isDrained()) return;
    this.#drained?.resolve();
    this.#drained = undefined;
  }

  #isDrained(): boolean {
    return this.#cancelled || this.#closed || this.#controller.desiredSize === HIGH_WATER;
  }

  ready(): boolean {
    return this.#cancelled || this.#closed || (this.#controller.desiredSize ?? 0) > 0;
  }

  wait(): Promise<void> {
    if (this.ready()) return Promise.resolve();
    return (this.#room ??= Promise.withResolvers<void>()).promise;
  }

  capacity(): number {
    if (this.#cancelled || this.#closed) throw new StreamClosed("the body is closed");
    return Math.max(0, this.#controller.desiredSize ?? 0);
  }

  write(bytes: Uint8Array): MaybePromise<number> {
    const room = this.capacity();
    if (room === 0) return this.wait().then(() => this.write(bytes));
    const part = bytes.slice(0, room); // the plugin's memory goes on to change
    this.#controller.enqueue(part);
    this.written += BigInt(part.length);
    return part.length;
  }

  /** Resolves when the client has taken all that was written, which it does as the server does. */
  flush(): MaybePromise<void> {
    if (!this.#drains || this.#isDrained()) return;
    return (this.#drained ??= Promise.withResolvers<void>()).promise;
  }

  /** A stream handle is dropped; the body ends with {@linkcode finish} or {@linkcode fail}. */
  close(): void {}

  /** The body is whole. */
  finish(): void {
    if (this.#closed) return;
    this.#closed = true;
    if (!this.#cancelled) this.#controller.close();
    this.#wake();
  }

  /** The body was given up: the request fails. */
  fail(): void {
    if (this.#closed) return;
    this.#closed = true;
    if (!this.#cancelled) this.#controller.error(new Error("the plugin gave the request's body up"));
    this.#wake();
  }
}

/** The length that headers give a body; undefined where they give none. */
export function contentLength(
  headers: readonly (readonly [name: string, value: string])[],
): bigint | undefined {
  const [, length] = headers.find(([name]) => name.toLowerCase() === "content-length") ?? [];
  return length !== undefined && /^\d{1,18}$/.test(length) ? BigInt(length) : undefined;
}
