/** The sections of a WebAssembly binary (core specification, 5.5.2). Pure. */

import { readLeb128 } from "./leb128.ts";

/** Length of the header of a module or component. Bytes. */
export const PREAMBLE = 8;

/** A section, by its id and its offsets. */
export interface SectionRange {
  readonly id: number;
  /** Where it begins, including its id. */
  readonly start: number;
  /** Where its content begins, after its id and size. */
  readonly content: number;
  readonly end: number;
}

/**
 * The sections in order, without nested ones.
 *
 * @param start where the first one begins: a section `name` has sections of its own
 * @throws RangeError if a section leaves the bytes
 */
export function* wasmSections(bytes: Uint8Array, start: number = PREAMBLE): Generator<SectionRange, void> {
  for (let at = start; at < bytes.length;) {
    const size = readLeb128(bytes, at + 1);
    const end = size && size.next + size.value;
    if (end === undefined || end > bytes.length) {
      throw new RangeError(`the section at byte ${at} leaves what it is in`);
    }
    yield { id: bytes[at]!, start: at, content: size!.next, end };
    at = end;
  }
}
