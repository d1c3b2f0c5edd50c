/**
 * A plugin's bytes as the compiler needs them, read from a file: of a core module without the custom sections that would be
 * stripped anyway, so that what is large in debug information is not large in memory.
 */

import { Digester } from "../oci/digest.ts";
import { isKeptCustomSection, MAX_SECTIONS } from "../compile/wasm_reader.ts";

const PIECE = 1 << 20;
const PREAMBLE = 8;
const MODULE = [0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0];
/** A section's id, its size and, of a custom one, as much of its name as tells whether it is kept. */
const HEAD = 128;

/** Whether a file is there and whole: its size and digest, a piece at a time. */
export function isIntact(
  path: string,
  { digest, size }: { readonly digest: string; readonly size: number },
): boolean {
  try {
    if (Deno.statSync(path).size !== size) return false;
    using file = Deno.openSync(path);
    const digester = new Digester();
    const piece = new Uint8Array(Math.min(PIECE, Math.max(1, size)));
    for (let read = file.readSync(piece); read !== null; read = file.readSync(piece)) {
      digester.update(piece.subarray(0, read));
    }
    return digester.size === size && digester.digest() === digest;
  } catch {
    return false;
  }
}

/** The bytes of a plugin, slimmed where that is possible. What is not understood is read whole: the compiler tells. */
export function readSlim(path: string): Uint8Array<ArrayBuffer> {
  using file = Deno.openSync(path);
  return readSlimFrom(file);
}

/** The same of a file that is open. */
export function readSlimFrom(file: Deno.FsFile): Uint8Array<ArrayBuffer> {
  const { size } = file.statSync();
  const parts = keptParts(file) ?? [{ start: 0, end: size }];
  const slim = new Uint8Array(parts.reduce((sum, { start, end }) => sum + end - start, 0));
  let at = 0;
  for (const { start, end } of parts) at += readAt(file, start, slim.subarray(at, at + end - start));
  return slim.subarray(0, at);
}

interface Part {
  readonly start: number;
  readonly end: number;
}

/** The parts of a module that are kept; undefined where it is none, or broken. */
function keptParts(file: Deno.FsFile): Part[] | undefined {
  const { size } = file.statSync();
  const head = new Uint8Array(HEAD);
  if (readAt(file, 0, head.subarray(0, PREAMBLE)) < PREAMBLE) return undefined;
  if (MODULE.some((byte, index) => head[index] !== byte)) return undefined;
  const parts: Part[] = [{ start: 0, end: PREAMBLE }];
  let sections = 0;
  for (let at = PREAMBLE; at < size;) {
    const bytes = head.subarray(0, readAt(file, at, head));
    const length = leb(bytes, 1);
    // Each is a read of its own: of so many the compiler says that they are too many.
    if (!length || ++sections > MAX_SECTIONS) return undefined;
    const end = at + length.next + length.value;
    if (end > size) return undefined;
    if (bytes[0] !== 0 || isKept(bytes, length.next)) parts.push({ start: at, end });
    at = end;
  }
  return parts;
}

/** Whether a custom section is kept; one whose name can't be told is, too. */
function isKept(bytes: Uint8Array, content: number): boolean {
  const length = leb(bytes, content);
  if (!length) return true;
  const known = bytes.subarray(length.next, length.next + length.value);
  return isKeptCustomSection(new TextDecoder().decode(known));
}

/** An unsigned number in LEB128, of 32 bits at most. */
function leb(bytes: Uint8Array, at: number): { readonly value: number; readonly next: number } | undefined {
  let value = 0;
  for (let shift = 0; shift < 35; shift += 7) {
    const byte = bytes[at++];
    if (byte === undefined) return undefined;
    value += (byte & 0x7f) * 2 ** shift;
    if (byte < 0x80) return value > 0xffffffff ? undefined : { value, next: at };
  }
  return undefined;
}

function readAt(file: Deno.FsFile, offset: number, into: Uint8Array): number {
  file.seekSync(offset, Deno.SeekMode.Start);
  let read = 0;
  while (read < into.length) {
    const count = file.readSync(into.subarray(read));
    if (count === null) break;
    read += count;
  }
  return read;
}
