/** Limits the memory that the host holds for a module's requests without an answer. */

import { WasiError } from "../errno.ts";
import { HostMemory } from "../host_memory.ts";
import type { MaybePromise } from "../streams/streams.ts";

/** The requests of one module. */
export class HeldRequests {
  #memory = new HostMemory();
  /** How many closed requests the host still holds. */
  #givenUp = 0;
  /** Resolves when the host releases a request. */
  #freed: PromiseWithResolvers<void> | undefined;

  /**
   * Calls `start` when there is memory for a request: at once, or after the host has released one that the plugin
   * closed.
   *
   * @param size in bytes
   * @throws WasiError insufficient-memory if the plugin has closed none
   */
  whenItFits(size: number, start: () => void): MaybePromise<void> {
    if (this.#memory.fits(size)) return start();
    if (this.#givenUp === 0) throw new WasiError("insufficient-memory");
    this.#freed ??= Promise.withResolvers();
    return this.#freed.promise.then(() => this.whenItFits(size, start));
  }

  /** Counts the memory of a request, until its answer, or until its end if the plugin closed it. */
  async hold<T>(size: number, signal: AbortSignal, answer: Promise<T>): Promise<T> {
    const kept = this.#memory.open();
    kept.grow(size);
    const giveUp = () => this.#givenUp++;
    signal.addEventListener("abort", giveUp, { once: true });
    try {
      return await answer;
    } finally {
      signal.removeEventListener("abort", giveUp);
      if (signal.aborted) this.#givenUp--;
      kept.end();
      this.#freed?.resolve();
      this.#freed = undefined;
    }
  }
}
