/** HTTP bodies as a plugin's streams: read as they arrive, written with back-pressure. */

import { BufferedSource } from "./buffered_source.ts";
import { type ByteSink, type MaybePromise, StreamClosed } from "./streams.ts";

/** The body of a response. It holds one chunk at a time; closing it closes the connection. */
export class BodySource extends BufferedSource {
  #reader: ReadableStreamDefaultReader<Uint8Array> | undefined;
  #patience: number | undefined;
  #failed: (error: unknown) => void;

  /**
   * @param failed gets the error that broke off the body
   * @param patience the longest wait for the next bytes, in milliseconds
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
      // Skip empty chunks.
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

/** How many bytes of a request's body may wait for the network. */
export const HIGH_WATER = 65536;

/** The body of a request: the stream returns the bytes that the plugin writes to the sink. */
export class BodySink implements ByteSink {
  readonly stream: ReadableStream<Uint8Array<ArrayBuffer>>;
  #controller!: ReadableStreamDefaultController<Uint8Array<ArrayBuffer>>;
  #room: { promise: Promise<void>; resolve: () => void } | undefined;
  #cancelled = false;
  #closed = false;
  #drains: boolean;
  #drained: { promise: Promise<void>; resolve: () => void } | undefined;
  /** Bytes written so far. */
  written = 0n;

  /** @param drains whether a flush waits for the reader: true while the request is open */
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
    const part = bytes.slice(0, room); // a copy, because the plugin's memory changes later
    this.#controller.enqueue(part);
    this.written += BigInt(part.length);
    return part.length;
  }

  /** Resolves when the HTTP client has taken all written bytes, at the server's pace. */
  flush(): MaybePromise<void> {
    if (!this.#drains || this.#isDrained()) return;
    return (this.#drained ??= Promise.withResolvers<void>()).promise;
  }

  /** Does nothing: dropping the stream handle is not the end of the body. {@linkcode finish} and {@linkcode fail} are. */
  close(): void {}

  /** Ends the body. */
  finish(): void {
    if (this.#closed) return;
    this.#closed = true;
    if (!this.#cancelled) this.#controller.close();
    this.#wake();
  }

  /** Breaks off the body: the request fails. */
  fail(): void {
    if (this.#closed) return;
    this.#closed = true;
    if (!this.#cancelled) this.#controller.error(new Error("the plugin gave the request's body up"));
    this.#wake();
  }
}

/** The Content-Length of headers; undefined without one. */
export function contentLength(
  headers: readonly (readonly [name: string, value: string])[],
): bigint | undefined {
  const [, length] = headers.find(([name]) => name.toLowerCase() === "content-length") ?? [];
  return length !== undefined && /^\d{1,18}$/.test(length) ? BigInt(length) : undefined;
}
