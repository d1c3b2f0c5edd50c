/** LEB128 numbers of WebAssembly (core specification, 5.2.2). Pure. */

/** A number, and where the bytes after it begin. */
export interface Leb128 {
  readonly value: number;
  readonly next: number;
}

/** Reads an unsigned number of up to 32 bits; undefined if it is larger, or goes beyond `end`. */
export function readLeb128(bytes: Uint8Array, at: number, end = bytes.length): Leb128 | undefined {
  let value = 0;
  for (let shift = 0; shift < 35 && at < end; shift += 7) {
    const byte = bytes[at++]!;
    value += (byte & 0x7f) * 2 ** shift;
    if (byte < 0x80) return value > 0xffffffff ? undefined : { value, next: at };
  }
  return undefined;
}

/** Formats an unsigned number. */
export function leb128(value: number): number[] {
  const bytes: number[] = [];
  do {
    const rest = Math.floor(value / 128);
    bytes.push(value % 128 | (rest > 0 ? 0x80 : 0));
    value = rest;
  } while (value > 0);
  return bytes;
}

/** Formats a positive number as a signed one. */
export function signedLeb128(value: number): number[] {
  const bytes = leb128(value);
  const last = bytes.at(-1)!;
  // The highest bit is the sign.
  return last & 0x40 ? [...bytes.slice(0, -1), last | 0x80, 0] : bytes;
}
