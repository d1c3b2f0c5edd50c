/**
 * Reads a plugin from a file without a core module's custom sections, which the compiler would remove anyway. Large
 * debug information then does not need memory.
 */

import { Digester } from "../oci/digest.ts";
import { readLeb128 } from "../../runtime/base/leb128.ts";
import { PREAMBLE } from "../../runtime/base/wasm_sections.ts";
import { isKeptCustomSection } from "../compile/strip_module.ts";
import { MAX_SECTIONS } from "../compile/wasm_reader.ts";

/** For files that are read in pieces. */
const PIECE = new Uint8Array(1 << 18);
const MODULE = [0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0];
/** Bytes to read of a section: its id, its size, and the start of a custom section's name. */
const HEAD = 128;

/** Whether a file exists with this digest, and with this size if it is known. Reads it piece by piece. */
export function isIntact(
  path: string,
  { digest, size }: { readonly digest: string; readonly size?: number | undefined },
): boolean {
  try {
    using file = Deno.openSync(path);
    if (size !== undefined && file.statSync().size !== size) return false;
    const digester = new Digester();
    for (let read = file.readSync(PIECE); read !== null; read = file.readSync(PIECE)) {
      digester.update(PIECE.subarray(0, read));
    }
    return (size === undefined || digester.size === size) && digester.digest() === digest;
  } catch {
    return false;
  }
}

/**
 * Reads a plugin's bytes, without debug information if possible. Reads a malformed file as a whole, so that the
 * compiler reports it.
 */
export function readStripped(path: string): Uint8Array<ArrayBuffer> {
  using file = Deno.openSync(path);
  return readStrippedFrom(file);
}

/** Like {@linkcode readStripped}, from an open file. */
export function readStrippedFrom(file: Deno.FsFile): Uint8Array<ArrayBuffer> {
  const { size } = file.statSync();
  const parts = keptParts(file) ?? [{ start: 0, end: size }];
  const kept = new Uint8Array(parts.reduce((sum, { start, end }) => sum + end - start, 0));
  let at = 0;
  for (const { start, end } of parts) at += readAt(file, start, kept.subarray(at, at + end - start));
  return kept.subarray(0, at);
}

interface Part {
  readonly start: number;
  readonly end: number;
}

/** The parts of a module to keep; undefined if it is broken or not a module. */
function keptParts(file: Deno.FsFile): Part[] | undefined {
  const { size } = file.statSync();
  const head = new Uint8Array(HEAD);
  if (readAt(file, 0, head.subarray(0, PREAMBLE)) < PREAMBLE) return undefined;
  if (MODULE.some((byte, index) => head[index] !== byte)) return undefined;
  const parts: Part[] = [{ start: 0, end: PREAMBLE }];
  let sections = 0;
  for (let at = PREAMBLE; at < size;) {
    const bytes = head.subarray(0, readAt(file, at, head));
    const length = readLeb128(bytes, 1);
    // Each part is a read of its own. The compiler reports too many sections.
    if (!length || ++sections > MAX_SECTIONS) return undefined;
    const end = at + length.next + length.value;
    if (end > size) return undefined;
    if (bytes[0] !== 0 || isKept(bytes, length.next)) parts.push({ start: at, end });
    at = end;
  }
  return parts;
}

/** Whether to keep a custom section. One with an unreadable name is kept. */
function isKept(bytes: Uint8Array, content: number): boolean {
  const length = readLeb128(bytes, content);
  if (!length) return true;
  const known = bytes.subarray(length.next, length.next + length.value);
  return isKeptCustomSection(new TextDecoder().decode(known));
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
