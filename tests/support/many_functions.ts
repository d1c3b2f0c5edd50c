/** A WASI command with very many functions, as Go programs with client-go have them. */

/** Unsigned LEB128. */
function leb(value: number): number[] {
  const bytes: number[] = [];
  do {
    bytes.push(value & 0x7f | (value > 0x7f ? 0x80 : 0));
    value >>>= 7;
  } while (value > 0);
  return bytes;
}

function text(value: string): number[] {
  const bytes = new TextEncoder().encode(value);
  return [...leb(bytes.length), ...bytes];
}

function section(id: number, parts: readonly Uint8Array[]): Uint8Array[] {
  const size = parts.reduce((sum, { length }) => sum + length, 0);
  return [Uint8Array.of(id, ...leb(size)), ...parts];
}

function repeated(bytes: readonly number[], count: number): Uint8Array {
  const all = new Uint8Array(bytes.length * count);
  for (let at = 0; at < all.length; at += bytes.length) all.set(bytes, at);
  return all;
}

/**
 * A preview1 command with `count` functions more than `_start`, which calls the last one through a table and exits with
 * its result, 7. All functions are elements of the table, and have names.
 *
 * @param depth how many blocks are nested in each
 */
export function manyFunctions(count: number, depth = 0): Uint8Array<ArrayBuffer> {
  const bytes = (...values: number[]) => Uint8Array.from(values);
  // Each adds nothing, grows memory by nothing, and returns 7: `memory.grow` is what the compiler looks for.
  const code = [0x41, 0x00, 0x40, 0x00, 0x1a, 0x41, 0x07, 0x0b];
  const blocks = [
    ...Array.from({ length: depth }, () => [0x02, 0x40]).flat(),
    ...Array<number>(depth).fill(0x0b),
  ];
  const body = [0x00, ...blocks, ...code];
  const start = [0x00, 0x41, ...leb(count - 1)];
  // A signed LEB128 of a positive number needs a clear sign bit.
  if ((start.at(-1)! & 0x40) !== 0) start.splice(-1, 1, start.at(-1)! | 0x80, 0x00);
  start.push(0x11, 0x00, 0x00, 0x10, 0x00, 0x0b);
  const indices = new Uint8Array(Array.from({ length: count }, (_, index) => leb(index + 2)).flat());
  const names = Array.from({ length: count }, (_, index) => [...leb(index + 2), ...text(`f${index}`)]).flat();
  const nameMap = [new Uint8Array(leb(count)), new Uint8Array(names)];
  const nameSize = nameMap.reduce((sum, { length }) => sum + length, 0);
  const parts = [
    bytes(0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00),
    // types: () -> i32, (i32) -> (), () -> ()
    ...section(1, [bytes(3, 0x60, 0, 1, 0x7f, 0x60, 1, 0x7f, 0, 0x60, 0, 0)]),
    ...section(2, [bytes(1, ...text("wasi_snapshot_preview1"), ...text("proc_exit"), 0x00, 1)]),
    ...section(3, [bytes(...leb(count + 1), 2), repeated([0], count)]),
    ...section(4, [bytes(1, 0x70, 0x00, ...leb(count))]),
    ...section(5, [bytes(1, 0x00, 1)]),
    ...section(7, [bytes(2, ...text("_start"), 0x00, 1, ...text("memory"), 0x02, 0)]),
    ...section(9, [bytes(1, 0x00, 0x41, 0x00, 0x0b, ...leb(count)), indices]),
    ...section(10, [
      bytes(...leb(count + 1), ...leb(start.length), ...start),
      repeated([...leb(body.length), ...body], count),
    ]),
    ...section(0, [bytes(...text("name"), 1, ...leb(nameSize)), ...nameMap]),
  ];
  const module = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    module.set(part, at);
    at += part.length;
  }
  return module;
}
