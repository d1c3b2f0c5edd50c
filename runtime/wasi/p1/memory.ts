/** The module's memory in the shapes that WASI preview1 passes through it. */

import { WasiError } from "../errno.ts";

/** The module's memory and exports, for functions that are called before or after it is instantiated. */
export interface Guest {
  /** The memory as it is now: growing it makes a new buffer. */
  bytes(): Uint8Array<ArrayBuffer>;
  view(): DataView<ArrayBuffer>;
  readonly exports: WebAssembly.Exports;
}

/** A buffer of the guest's. */
export interface Span {
  readonly pointer: number;
  readonly length: number;
}

/** The most a module can pass in one list of buffers or subscriptions (IOV_MAX of Linux; more is not a program). */
export const MAX_LIST = 65536;

/**
 * The guest's memory. Reads and writes past its end throw a RangeError, or WasiError fault. The engine hands pointers over
 * as signed numbers, negative from 2 GiB on: who uses {@linkcode view} makes them unsigned.
 */
export class Memory {
  #guest: Guest;

  constructor(guest: Guest) {
    this.#guest = guest;
  }

  /** The memory as it is now. */
  view(): DataView<ArrayBuffer> {
    return this.#guest.view();
  }

  /** Bytes of the guest's. @throws WasiError fault */
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

  /** Sets 64 bits to a whole number from 0 to 2^53 - 1, without a bigint: for what is called a million times. */
  setWhole(pointer: number, value: number): void {
    const view = this.view();
    pointer >>>= 0;
    const high = Math.floor(value / 2 ** 32);
    view.setUint32(pointer + 4, high, true); // first, as past the memory's end nothing is written
    view.setUint32(pointer, value - high * 2 ** 32, true);
  }
}
