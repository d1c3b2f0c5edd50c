/** Bodies of HTTP messages as streams of a plugin: read as they come, written with back-pressure. */

import { BufferedSource } from "./buffered_source.ts";
import { type ByteSink, type MaybePromise, StreamClosed } from "./streams.ts";

/** The body of a response. One chunk is held at a time; closing it closes the connection. */
export class BodySource extends BufferedSource {
  #reader: ReadableStreamDefaultReader<Uint8Array> | undefined;
  #patience: number | undefined;
  #failed: (error: unknown) => void;

  /**
   * @param failed told why the body broke off
   * @param patience the longest to wait for the next bytes, in milliseconds
   */
  constructor(
    body: ReadableStream<Uint8Array> | null,
    failed: (error: unknown) => void = () => {},
    patience?: number,
  ) {
    super();
    this.#failed = failed;
    this.#reader = body?.getReader();
    if (body === null) this.end();
    this.#patience = patience;
  }

  protected async next(): Promise<void> {
    const timer = this.#patience === undefined ? undefined : setTimeout(() => {
      this.fail(new DOMException("nothing came in time", "TimeoutError"));
      this.#reader!.cancel().catch(() => {});
    }, this.#patience);
    try {
      // An empty chunk is nothing that came.
      while (!this.ready()) {
        const { done, value } = await this.#reader!.read();
        if (done) this.end();
        else this.take(value);
      }
    } catch (error) {
      this.fail(error);
      this.#failed(error);
    } finally {
      clearTimeout(timer);
    }
  }

  close(): void {
    if (this.ended) return;
    this.end();
    this.#reader?.cancel().catch(() => {});
  }
}

/** How much of a request's body may wait for the network, in bytes. */
export const HIGH_WATER = 65536;

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
