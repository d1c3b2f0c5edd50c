/** Bytes that come in chunks, of which one is held at a time. */

import type { ByteSource, MaybePromise } from "./streams.ts";

const NOTHING = new Uint8Array();

/**
 * A source that is fed by {@linkcode next}: no more is asked for before the last chunk was read. Its error comes behind
 * what came before it, its end behind both.
 */
export abstract class BufferedSource implements ByteSource {
  #chunk: Uint8Array = NOTHING;
  #ended = false;
  #error: unknown;
  #pending: Promise<void> | undefined;

  /** Waits for what comes, and hands it to `take`, `fail` or `end`. Never rejects. */
  protected abstract next(): Promise<void>;
  abstract close(): void;

  protected get ended(): boolean {
    return this.#ended;
  }

  /** What came. It is not to change before it was read. */
  protected take(chunk: Uint8Array): void {
    if (!this.#ended) this.#chunk = chunk;
  }

  /** Reads fail from now on. */
  protected fail(error: unknown): void {
    if (!this.#ended) this.#error ??= error;
  }

  /** What has come and what follows is not wanted, or there is no more: reads end. */
  end(): void {
    this.#ended = true;
    this.#chunk = NOTHING;
  }

  ready(): boolean {
    return this.#chunk.length > 0 || this.#ended || this.#error !== undefined;
  }

  wait(): Promise<void> {
    // What came may be read by another before who waited for it goes on.
    return this.ready() ? Promise.resolve() : this.#come().then(() => this.wait());
  }

  /** Resolves after the next thing came, or the one that is being read at the moment. */
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
