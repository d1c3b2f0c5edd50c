/**
 * The parts of tar archives (POSIX ustar, reading pax and GNU long names) that a bundle needs. An archive is listed
 * once; its files are then read in place, in any order. A library would return files in the archive's order, which its
 * author chose.
 */

import { AppError } from "../../runtime/base/errors.ts";
import { printable } from "../../runtime/base/text.ts";

const BLOCK = 512;
/** The most entries of a bundle. */
const MAX_ENTRIES = 100_000;
/** The longest long name or pax header. Bytes. */
const MAX_EXTRA = 1 << 20;

/** A regular file in an archive. */
export interface TarEntry {
  readonly name: string;
  /** Bytes. */
  readonly size: number;
  /** Where its content begins in the archive. */
  readonly offset: number;
}

/** Reads bytes at an offset of an archive. Returns fewer bytes only at its end. */
export type ReadAt = (offset: number, length: number) => Uint8Array;

/**
 * The regular files of an archive by name; the last one of a name counts. Skips directories, links and devices.
 *
 * @throws AppError BUNDLE_INVALID
 */
export function listTar(read: ReadAt): Map<string, TarEntry> {
  const entries = new Map<string, TarEntry>();
  let next: { name?: string; size?: number } = {};
  let offset = 0;
  for (let count = 0;; count++) {
    if (count > MAX_ENTRIES) throw invalid(`it has more than ${MAX_ENTRIES} entries`);
    const header = read(offset, BLOCK);
    if (header.length === 0 && count > 0) break; // the two empty blocks at the end are missing
    if (header.length < BLOCK) {
      throw invalid(header[0] === 0x1f ? COMPRESSED : "it is cut off, or no tar archive");
    }
    if (header.every((byte) => byte === 0)) break;
    if (header[0] === 0x1f && header[1] === 0x8b) throw invalid(COMPRESSED);
    if (!isChecksumRight(header)) {
      throw invalid(`the header at byte ${offset} is damaged, or it is no tar archive`);
    }
    const size = next.size ?? number(header, 124, 12);
    const type = String.fromCharCode(header[156]!);
    const content = offset + BLOCK;
    if (type === "x" || type === "g" || type === "L") {
      if (size > MAX_EXTRA) throw invalid(`the header at byte ${offset} is too large`);
      const bytes = read(content, size);
      if (type === "L") next = { ...next, name: text(bytes) };
      if (type === "x") next = { ...next, ...pax(bytes) };
    } else {
      const prefix = text(header.subarray(257, 262)) === "ustar" ? text(header.subarray(345, 500)) : "";
      const name = next.name ?? `${prefix === "" ? "" : `${prefix}/`}${text(header.subarray(0, 100))}`;
      if (type === "0" || type === "\0") {
        if (size > 0 && read(content + size - 1, 1).length === 0) {
          throw invalid(`"${printable(name, 200)}" is cut off`);
        }
        entries.set(name.replace(/^(\.\/)+/, ""), { name, size, offset: content });
      }
      next = {};
    }
    offset = content + Math.ceil(size / BLOCK) * BLOCK;
  }
  return entries;
}

const COMPRESSED = "it is compressed; unpack it with gunzip first";

/** The header of a regular file. `name` must not exceed 100 bytes. Pure. */
export function tarHeader(name: string, size: number): Uint8Array<ArrayBuffer> {
  const header = new Uint8Array(BLOCK);
  const encoder = new TextEncoder();
  const put = (value: string, at: number, length: number) => {
    const bytes = encoder.encode(value);
    if (bytes.length > length) throw new Error(`"${value}" does not fit into ${length} bytes`);
    header.set(bytes, at);
  };
  const octal = (value: number, at: number, length: number) =>
    put(`${value.toString(8).padStart(length - 1, "0")}`, at, length);
  put(name, 0, 100);
  octal(0o644, 100, 8);
  octal(0, 108, 8);
  octal(0, 116, 8);
  if (size >= 8 ** 11) throw new Error(`"${name}" is too large for a tar archive`);
  octal(size, 124, 12);
  octal(0, 136, 12); // a fixed time: equal content gives equal bytes
  put("        ", 148, 8);
  put("0", 156, 1);
  put("ustar\0" + "00", 257, 8);
  const sum = header.reduce((total, byte) => total + byte, 0);
  put(`${sum.toString(8).padStart(6, "0")}\0 `, 148, 8);
  return header;
}

/** Padding between a file's content and the next header. Pure. */
export function tarPadding(size: number): Uint8Array<ArrayBuffer> {
  return new Uint8Array((BLOCK - size % BLOCK) % BLOCK);
}

/** End of an archive. Pure. */
export function tarEnd(): Uint8Array<ArrayBuffer> {
  return new Uint8Array(2 * BLOCK);
}

function number(header: Uint8Array, at: number, length: number): number {
  const field = header.subarray(at, at + length);
  if ((field[0]! & 0x80) !== 0) { // GNU: binary numbers, for large sizes
    let value = field[0]! & 0x7f;
    for (const byte of field.subarray(1)) value = value * 256 + byte;
    if (!Number.isSafeInteger(value)) throw invalid("a file's size is out of bounds");
    return value;
  }
  const digits = text(field).trim();
  if (!/^[0-7]*$/.test(digits)) throw invalid(`"${printable(digits, 40)}" is no size`);
  return digits === "" ? 0 : parseInt(digits, 8);
}

function pax(bytes: Uint8Array): { name?: string; size?: number } {
  const found: { name?: string; size?: number } = {};
  for (let at = 0; at < bytes.length;) {
    const space = bytes.indexOf(0x20, at);
    const length = Number(new TextDecoder().decode(bytes.subarray(at, space)));
    if (space < 0 || !Number.isSafeInteger(length) || length <= space - at || at + length > bytes.length) {
      throw invalid("a pax header is malformed");
    }
    const record = new TextDecoder().decode(bytes.subarray(space + 1, at + length - 1));
    const equals = record.indexOf("=");
    const value = record.slice(equals + 1);
    if (record.slice(0, equals) === "path") found.name = value;
    if (record.slice(0, equals) === "size") {
      if (!/^\d{1,15}$/.test(value)) throw invalid(`"${printable(value, 40)}" is no size`);
      found.size = Number(value);
    }
    at += length;
  }
  return found;
}

function isChecksumRight(header: Uint8Array): boolean {
  const claimed = parseInt(text(header.subarray(148, 156)).trim(), 8);
  let sum = 0;
  for (const [index, byte] of header.entries()) sum += index >= 148 && index < 156 ? 0x20 : byte;
  return sum === claimed;
}

function text(bytes: Uint8Array): string {
  const end = bytes.indexOf(0);
  return new TextDecoder().decode(end < 0 ? bytes : bytes.subarray(0, end));
}

function invalid(what: string): AppError {
  return new AppError("BUNDLE_INVALID", `This is no bundle: ${what}`);
}

/** The path of a blob in an OCI image layout. `digest` as `sha256:<hex>`. */
export function blobPath(digest: string): string {
  return `blobs/sha256/${digest.slice("sha256:".length)}`;
}
