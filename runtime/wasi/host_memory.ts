/**
 * Limits the host memory that a plugin's data takes: headers, and requests that have not been sent. It is outside of
 * the plugin's own memory, which has its own limit.
 */

/** The maximum in bytes, apart from a single larger item. */
export const MAX_KEPT = 64 << 20;

/** The memory for one interface of one run. */
export class HostMemory {
  #kept = 0;

  /** Whether so many more bytes fit. */
  fits(bytes: number): boolean {
    return bytes <= 0 || this.#kept === 0 || this.#kept + bytes <= MAX_KEPT;
  }

  /** Memory for items that are released together. */
  open(): Kept {
    let own = 0;
    let open = true;
    const grow = (bytes: number): void => {
      if (!open) return;
      if (!this.fits(bytes)) {
        throw new WebAssembly.RuntimeError(
          `it leaves more than ${MAX_KEPT >> 20} MiB with the host: headers, and requests that have not left`,
        );
      }
      this.#kept += bytes;
      own += bytes;
    };
    return {
      grow,
      end: () => {
        grow(-own);
        open = false;
      },
    };
  }
}

/** Memory for one item. */
export interface Kept {
  /** Adds or releases bytes. @throws WebAssembly.RuntimeError if it is too much */
  grow(bytes: number): void;
  /** Releases all. Idempotent. */
  end(): void;
}
