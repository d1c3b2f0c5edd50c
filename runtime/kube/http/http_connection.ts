/** One HTTP/1.1 connection: one request and its response at a time. */

import { concatBytes, fromLatin1 } from "../../base/bytes.ts";
import type { Duplex } from "../../wasi/streams/connection_streams.ts";
import { bodyReader, framingOf, keepsAlive, sendChunks, writeAll } from "./http_body.ts";
import { type Head, NoAnswer, readHead } from "./http_head.ts";
import { Input } from "./http_input.ts";

/** A request as it is sent. */
export interface HttpRequest {
  readonly method: string;
  /** A path with its query, or the whole URL for a proxy. */
  readonly target: string;
  /** Sent as they are, plus the headers that frame the body. In values each character is one byte. */
  readonly headers: Iterable<readonly [name: string, value: string]>;
  /** A stream is sent in chunks, as it arrives. */
  readonly body?: Uint8Array<ArrayBuffer> | ReadableStream<Uint8Array<ArrayBuffer>> | undefined;
  /** Aborts the request and the response's body. */
  readonly signal?: AbortSignal | undefined;
}

/** A response whose body streams. */
export interface HttpAnswer {
  readonly status: number;
  /** Names in lower case. In values each character is one byte. */
  readonly headers: readonly [name: string, value: string][];
  /** null without a body. Cancelling it closes the connection. */
  readonly body: ReadableStream<Uint8Array<ArrayBuffer>> | null;
}

/** A body up to this many bytes is sent together with its head. */
const TOGETHER = 65536;

/** A connection, used by one request at a time. */
export class HttpConnection {
  #connection: Duplex;
  #input: Input;
  /** Identifies the current idle period; undefined while a request is open. */
  #idle: object | undefined;
  #since = 0;
  #closed = false;

  constructor(connection: Duplex) {
    this.#connection = connection;
    this.#input = new Input(connection);
  }

  /**
   * Sends a request.
   *
   * @param over called once the connection is free again; never called if it closed
   * @throws the signal's reason; the error of the body's stream; NoAnswer if the server may not have seen the
   * request; HttpError; the error of the operating system or TLS
   */
  async exchange(request: HttpRequest, over: () => void): Promise<HttpAnswer> {
    const { method, signal } = request;
    signal?.throwIfAborted();
    this.#idle = undefined;
    const abort = () => this.close();
    signal?.addEventListener("abort", abort, { once: true });
    let ended = false;
    const end = (reusable: boolean) => {
      if (ended) return;
      ended = true;
      signal?.removeEventListener("abort", abort);
      if (!reusable || this.#closed || this.#input.bytes.length > 0) return this.close();
      this.#rest();
      over();
    };
    const upload = new Upload(this.#connection, request);
    try {
      const head = await this.#answer(upload);
      const framing = framingOf(method, head);
      const reusable = () =>
        upload.done && keepsAlive(head) && framing !== "connection" && head.status !== 101;
      if (framing === "none") {
        const again = reusable();
        upload.stop();
        end(again);
      }
      return {
        status: head.status,
        headers: head.headers,
        body: framing === "none"
          ? null
          : this.#body(bodyReader(this.#input, framing), end, reusable, signal, upload),
      };
    } catch (error) {
      upload.stop();
      end(false);
      if (signal?.aborted) throw signal.reason;
      throw error;
    }
  }

  /**
   * The response's head, which may arrive before the request is sent. A server that stops reading may still have
   * answered.
   */
  async #answer(upload: Upload): Promise<Head> {
    const unsent = upload.start();
    const head = readHead(this.#input);
    head.catch(() => {}); // awaited below
    const failed = await Promise.race([unsent, head.then(() => undefined, () => undefined)]);
    if (failed?.byStream) throw failed.error;
    // Close the connection so that the server does not take a truncated body for a whole one.
    unsent.then(({ byStream }) => byStream && this.close());
    try {
      return await head;
    } catch (error) {
      // If the server closed the connection, the write error says more than the missing response.
      if (error instanceof NoAnswer && failed) throw failed.error;
      throw error;
    }
  }

  #body(
    read: () => Promise<Uint8Array<ArrayBuffer> | undefined>,
    end: (reusable: boolean) => void,
    reusable: () => boolean,
    signal: AbortSignal | undefined,
    upload: Upload,
  ): ReadableStream<Uint8Array<ArrayBuffer>> {
    const over = (whole: boolean) => {
      upload.stop();
      end(whole);
    };
    return new ReadableStream({
      async pull(controller) {
        try {
          const piece = await read();
          if (piece) return controller.enqueue(piece);
          over(reusable());
          controller.close();
        } catch (error) {
          over(false);
          controller.error(signal?.aborted ? signal.reason : error);
        }
      },
      cancel: () => over(false),
    }, { highWaterMark: 0 });
  }

  /** No request is open: anything that arrives now, the end included, makes the connection useless. */
  #rest(): void {
    const idle = this.#idle = {};
    this.#since = performance.now();
    const over = () => {
      if (this.#idle === idle) this.close();
    };
    this.#input.more().then(over, over);
  }

  /** Whether the connection is still idle, for at most `milliseconds`. */
  isFresh(milliseconds: number): boolean {
    return !this.#closed && performance.now() - this.#since < milliseconds;
  }

  /** Idempotent. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    try {
      this.#connection.close();
    } catch { /* it is closed */ }
  }
}

/** Why a request could not be sent completely. */
interface Unsent {
  readonly error: unknown;
  /** The body's stream failed, not the connection. */
  readonly byStream: boolean;
}

/** A request that is being sent. */
class Upload {
  #connection: Duplex;
  #request: HttpRequest;
  #reader: ReadableStreamDefaultReader<Uint8Array<ArrayBuffer>> | undefined;
  #stopped = false;
  /** Whether the whole request has been sent. */
  done = false;

  constructor(connection: Duplex, request: HttpRequest) {
    this.#connection = connection;
    this.#request = request;
  }

  /** Sends the request. Resolves only if sending fails. */
  start(): Promise<Unsent> {
    const { promise, resolve } = Promise.withResolvers<Unsent>();
    this.#send().then(() => this.done = true, (error) => {
      this.#reader?.cancel().catch(() => {}); // the body's producer must not wait
      if (!this.#stopped) resolve({ error, byStream: error instanceof StreamFailed });
    });
    return promise.then((unsent) =>
      unsent.error instanceof StreamFailed ? { ...unsent, error: unsent.error.cause } : unsent
    );
  }

  async #send(): Promise<void> {
    const { method, target, headers, body } = this.#request;
    const lines = [`${method} ${target} HTTP/1.1`];
    for (const [name, value] of headers) lines.push(`${name}: ${value}`);
    const bytes = body instanceof Uint8Array ? body : undefined;
    if (body instanceof ReadableStream) lines.push("transfer-encoding: chunked");
    // A server may wait for a body if the method allows one (RFC 9110 8.6).
    else if (bytes || method === "POST" || method === "PUT" || method === "PATCH") {
      lines.push(`content-length: ${bytes?.length ?? 0}`);
    }
    const head = fromLatin1(`${lines.join("\r\n")}\r\n\r\n`);
    if (bytes && bytes.length <= TOGETHER) {
      return await writeAll(this.#connection, concatBytes([head, bytes]));
    }
    await writeAll(this.#connection, head);
    if (bytes) await writeAll(this.#connection, bytes);
    if (!(body instanceof ReadableStream)) return;
    const reader = this.#reader = body.getReader();
    await sendChunks(this.#connection, {
      read: () =>
        reader.read().catch((cause) => {
          throw new StreamFailed("the request's body failed", { cause });
        }),
    });
  }

  /** Stops sending the rest. */
  stop(): void {
    this.#stopped = true;
    if (!this.done) this.#reader?.cancel().catch(() => {});
  }
}

class StreamFailed extends Error {}
