/** The answer of a registry, read under a time limit. */

import { type ConnectionPlace, withPlace } from "./connection_error.ts";
import { unpacked } from "./content_encoding.ts";
import type { RequestTimeout } from "./request_timeout.ts";

/** A response whose body fails after too long a silence. */
export class Answer {
  #response: Response;
  #timeout: RequestTimeout;

  constructor(response: Response, timeout: RequestTimeout, readonly place: ConnectionPlace) {
    this.#response = response;
    this.#timeout = timeout;
  }

  get status(): number {
    return this.#response.status;
  }

  /** A header's value. A repeated equal value counts once. */
  header(name: string): string | null {
    const value = this.#response.headers.get(name);
    const parts = value?.split(", ") ?? [];
    return parts.length > 1 && parts.every((part) => part === parts[0]) ? parts[0]! : value;
  }

  /** The body's chunks. Leaving the loop ends the request. */
  async *chunks(): AsyncGenerator<Uint8Array<ArrayBuffer>> {
    try {
      yield* unpacked(this.#received(), this.header("content-encoding"));
    } catch (error) {
      if (this.#timeout.signal.aborted) throw this.#timeout.signal.reason;
      throw withPlace(error, this.place);
    } finally {
      this.#timeout.end();
      if (!this.#timeout.signal.aborted) this.#timeout.abort();
    }
  }

  async *#received(): AsyncGenerator<Uint8Array<ArrayBuffer>> {
    for await (const chunk of this.#response.body ?? []) {
      this.#timeout.alive(chunk.length);
      yield chunk;
    }
  }

  /** The whole body. @throws the error of `tooLarge` beyond `limit` bytes */
  async bytes(limit: number, tooLarge: () => Error): Promise<Uint8Array<ArrayBuffer>> {
    this.#timeout.hurry();
    const chunks: Uint8Array[] = [];
    let size = 0;
    for await (const chunk of this.chunks()) {
      size += chunk.length;
      if (size > limit) throw tooLarge();
      chunks.push(chunk);
    }
    const whole = new Uint8Array(size);
    let offset = 0;
    for (const chunk of chunks) {
      whole.set(chunk, offset);
      offset += chunk.length;
    }
    return whole;
  }

  /** Discards the body. */
  async discard(): Promise<void> {
    this.#timeout.end();
    await this.#response.body?.cancel();
  }
}
