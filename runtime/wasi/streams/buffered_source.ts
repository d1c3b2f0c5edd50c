/** A byte source that holds one chunk at a time. */

import type { ByteSource, MaybePromise } from "./streams.ts";

const NOTHING = new Uint8Array();

/**
 * Reads chunks from {@linkcode next}, each only after the last one was consumed. Errors come after the bytes before
 * them, and the end after both.
 */
export abstract class BufferedSource implements ByteSource {
  #chunk: Uint8Array = NOTHING;
  #ended = false;
  #error: unknown;
  #pending: Promise<void> | undefined;

  /** Waits for the next data, and calls `take`, `fail` or `end`. Never rejects. */
  protected abstract next(): Promise<void>;
  abstract close(): void;

  protected get ended(): boolean {
    return this.#ended;
  }

  /** Adds a chunk, which must not change until it is consumed. */
  protected take(chunk: Uint8Array): void {
    if (!this.#ended) this.#chunk = chunk;
  }

  /** Makes later reads fail. */
  protected fail(error: unknown): void {
    if (!this.#ended) this.#error ??= error;
  }

  /** Drops buffered bytes and ends the source. */
  end(): void {
    this.#ended = true;
    this.#chunk = NOTHING;
  }

  ready(): boolean {
    return this.#chunk.length > 0 || this.#ended || this.#error !== undefined;
  }

  wait(): Promise<void> {
    // Another reader may consume the data before this one continues.
    return this.ready() ? Promise.resolve() : this.#come().then(() => this.wait());
  }

  /** Resolves after the next data, or after the read that is pending. */
  #come(): Promise<void> {
    return this.#pending ??= this.next().then(() => {
      this.#pending = undefined;
    });
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
    this.#come();
    return 0;
  }

  read(into: Uint8Array): MaybePromise<number> {
    if (into.length === 0) return 0;
    if (this.ready()) return Math.max(this.readAvailable(into), 0);
    return this.#come().then(() => this.read(into));
  }
}
