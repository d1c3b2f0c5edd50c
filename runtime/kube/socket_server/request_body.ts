/** The body of a request that comes in on a plugin's socket. */

import { bodyReader } from "../http/http_body.ts";
import type { Input } from "../http/http_input.ts";
import type { RequestHead } from "./request_head.ts";

/** A body up to this many bytes is sent in one piece, which can be sent again with new credentials. Bytes. */
const IN_ONE_PIECE = 65536;
/** The most of a body that is read past once its request is answered, in bytes, as net/http's server does. */
const READ_PAST = 262_144;

/** The body of one request, read on demand. */
export class RequestBody {
  #next: () => Promise<Uint8Array<ArrayBuffer> | undefined>;
  #framing: RequestHead["framing"];
  #last: Promise<unknown> = Promise.resolve();
  #begun = false;
  #done: boolean;
  #failed = false;
  #proceed: (() => Promise<void>) | undefined;
  #proceeding: Promise<void> | undefined;

  /**
   * @param proceed called before the first byte is read: tells the client to send it
   */
  constructor(input: Input, framing: RequestHead["framing"], proceed?: () => Promise<void>) {
    this.#next = bodyReader(input, framing);
    this.#framing = framing;
    this.#done = framing === "none";
    this.#proceed = proceed;
  }

  /** Whether the client has not been told to send it, and was asked to wait for that. */
  get withheld(): boolean {
    return this.#proceed !== undefined && !this.#begun;
  }

  /** It broke off, or its chunks are none. */
  get failed(): boolean {
    return this.#failed;
  }

  /** As a request takes it. @throws as {@linkcode bodyReader} */
  async content(): Promise<Uint8Array<ArrayBuffer> | ReadableStream<Uint8Array<ArrayBuffer>> | undefined> {
    if (this.#framing === "none") return undefined;
    if (typeof this.#framing === "number" && this.#framing <= IN_ONE_PIECE && !this.#proceed) {
      return await this.#whole(this.#framing);
    }
    return new ReadableStream<Uint8Array<ArrayBuffer>>({
      pull: async (controller) => {
        const piece = await this.#read();
        if (piece) controller.enqueue(piece);
        else controller.close();
      },
    }, { highWaterMark: 0 });
  }

  async #whole(length: number): Promise<Uint8Array<ArrayBuffer>> {
    const whole = new Uint8Array(length);
    let filled = 0;
    for (let piece = await this.#read(); piece; piece = await this.#read()) {
      whole.set(piece, filled);
      filled += piece.length;
    }
    return whole;
  }

  /** One piece after the other, whoever asks. */
  #read(): Promise<Uint8Array<ArrayBuffer> | undefined> {
    const piece = this.#last.then(() => this.#readNext());
    this.#last = piece.catch(() => {});
    return piece;
  }

  async #readNext(): Promise<Uint8Array<ArrayBuffer> | undefined> {
    if (this.#done) return undefined;
    try {
      if (!this.#begun) {
        this.#begun = true;
        await (this.#proceeding = this.#proceed?.());
      }
      const piece = await this.#next();
      if (piece === undefined) this.#done = true;
      return piece;
    } catch (error) {
      this.#done = this.#failed = true;
      throw error;
    }
  }

  /** From now on the client is not told to send it, and has been told whole. */
  async stopWaiting(): Promise<void> {
    if (this.withheld) this.#done = true;
    await this.#proceeding;
  }

  /** Reads the rest after the answer. Returns false if no other request can follow. */
  async finish(): Promise<boolean> {
    if (this.withheld) return false;
    try {
      for (let size = 0; size <= READ_PAST;) {
        const piece = await this.#read();
        if (piece === undefined) return !this.#failed;
        size += piece.length;
      }
    } catch { /* it broke off */ }
    return false;
  }
}
