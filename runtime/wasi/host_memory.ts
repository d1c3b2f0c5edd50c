/**
 * What the host keeps of what a plugin handed over: headers, and requests that have not left. It lies outside of the plugin's
 * own memory, which is limited for itself.
 */

/** The most that is kept, in bytes, beside one thing that is larger by itself. */
export const MAX_KEPT = 64 << 20;

/** What is kept of one door of one run. */
export class HostMemory {
  #kept = 0;

  /** Whether so much more may be kept. */
  fits(bytes: number): boolean {
    return bytes <= 0 || this.#kept === 0 || this.#kept + bytes <= MAX_KEPT;
  }

  /** Room for things that end together. */
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

/** What is kept for one thing. */
export interface Kept {
  /** More of it, or less. @throws WebAssembly.RuntimeError where it is too much */
  grow(bytes: number): void;
  /** It is gone. More than once is fine. */
  end(): void;
}
