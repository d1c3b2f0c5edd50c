/** Reads and writes preview1's data structures in the module's memory. */

import { WasiError } from "../errno.ts";

/** The module's memory and exports, for functions that may be called before it is instantiated. */
export interface Guest {
  /** The current memory: growing replaces the buffer. */
  bytes(): Uint8Array<ArrayBuffer>;
  view(): DataView<ArrayBuffer>;
  readonly exports: WebAssembly.Exports;
}

/** A buffer of the guest. */
export interface Span {
  readonly pointer: number;
  readonly length: number;
}

/** The longest list of buffers or subscriptions (IOV_MAX of Linux; no real program sends more). */
export const MAX_LIST = 65536;

/**
 * The guest's memory. Reads and writes past its end throw a RangeError, or WasiError fault. The engine passes
 * pointers as signed numbers, negative from 2 GiB on; callers of {@linkcode view} make them unsigned.
 */
export class Memory {
  #guest: Guest;

  constructor(guest: Guest) {
    this.#guest = guest;
  }

  /** A view of the current memory. */
  view(): DataView<ArrayBuffer> {
    return this.#guest.view();
  }

  /** Bytes of the guest. @throws WasiError fault */
  slice(pointer: number, length: number): Uint8Array<ArrayBuffer> {
    const bytes = this.#guest.bytes();
    pointer >>>= 0;
    length >>>= 0;
    if (pointer + length > bytes.length) throw new WasiError("fault");
    return new Uint8Array(bytes.buffer, bytes.byteOffset + pointer, length); // in half of subarray's time
  }

  /** The buffers of a list. @throws WasiError invalid */
  vector(list: number, count: number): Span[] {
    if (count >>> 0 > MAX_LIST) throw new WasiError("invalid");
    const view = this.view();
    list >>>= 0;
    const vector: Span[] = [];
    for (let i = 0; i < count; i++) {
      vector.push({
        pointer: view.getUint32(list + i * 8, true),
        length: view.getUint32(list + i * 8 + 4, true),
      });
    }
    return vector;
  }

  setUint32(pointer: number, value: number): void {
    this.view().setUint32(pointer >>> 0, value, true);
  }

  setUint64(pointer: number, value: bigint): void {
    this.view().setBigUint64(pointer >>> 0, value, true);
  }

  /** Stores an integer from 0 to 2^53 - 1 as 64 bits without a bigint, for functions that are called a million times. */
  setWhole(pointer: number, value: number): void {
    const view = this.view();
    pointer >>>= 0;
    const high = Math.floor(value / 2 ** 32);
    view.setUint32(pointer + 4, high, true); // first, so that past the memory's end nothing is written
    view.setUint32(pointer, value - high * 2 ** 32, true);
  }
}
