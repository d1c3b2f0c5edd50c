/** Reads the header and sections of a WebAssembly binary (core specification 5.5, component model Binary.md). Pure. */

import { decodeUtf8 } from "../../runtime/base/bytes.ts";
import { AppError } from "../../runtime/base/errors.ts";
import { readLeb128 } from "../../runtime/base/leb128.ts";
import { type SectionRange, wasmSections } from "../../runtime/base/wasm_sections.ts";

/** A section, with the name of a custom section. */
export interface Section extends SectionRange {
  readonly name: string | undefined;
  /** Where its data begins: for a custom section, after its name. */
  readonly data: number;
}

const MAGIC = [0x00, 0x61, 0x73, 0x6d];

/** Module or component, by the header's version and layer. @throws AppError WASM_INVALID */
export function wasmKind(bytes: Uint8Array): "module" | "component" {
  if (bytes.length < 8 || MAGIC.some((byte, index) => bytes[index] !== byte)) {
    throw new AppError("WASM_INVALID", "It is not WebAssembly: it does not begin with \\0asm");
  }
  const version = bytes[4]! | bytes[5]! << 8;
  const layer = bytes[6]! | bytes[7]! << 8;
  if (layer === 0 && version === 1) return "module";
  if (layer === 1 && version === 0x0d) return "component";
  throw new AppError(
    "WASM_INVALID",
    `It is WebAssembly of version ${version}, layer ${layer}, which krew-wasm does not know`,
  );
}

/** The most sections, including nested ones of a component. Real binaries have some hundreds. */
export const MAX_SECTIONS = 100_000;

/** The sections of a module or component, in order, without nested ones. @throws AppError WASM_INVALID, TOO_LARGE */
export function readSections(bytes: Uint8Array): Section[] {
  const sections: Section[] = [];
  try {
    for (const range of wasmSections(bytes)) {
      if (sections.length === MAX_SECTIONS) throw tooManySections();
      const inner = new Reader(bytes, range.content, range.end);
      const name = range.id === 0 ? inner.text() : undefined;
      sections.push({ ...range, name, data: inner.offset });
    }
  } catch (error) {
    throw error instanceof RangeError ? invalid(error.message) : error;
  }
  return sections;
}

/** Real compositions nest components two or three deep. */
export const MAX_DEPTH = 100;

/** Skips a value type: one byte, except for `ref` and `ref null`, which name a heap type. */
export function skipReferenceType(reader: Reader): void {
  const type = reader.byte();
  if (type === 0x63 || type === 0x64) reader.number();
}

/** Reads the name of an import or export, without its form. */
export function readExternName(reader: Reader): string {
  if (reader.byte() > 1) throw invalid("a name is of an unknown form");
  return reader.text();
}

/** Reads between two offsets, never beyond. */
export class Reader {
  readonly #bytes: Uint8Array;
  readonly #end: number;
  #at: number;

  constructor(bytes: Uint8Array, start: number, end: number) {
    this.#bytes = bytes;
    this.#at = start;
    this.#end = end;
  }

  get done(): boolean {
    return this.#at >= this.#end;
  }

  get offset(): number {
    return this.#at;
  }

  /** Another reader at the same offset. */
  copy(): Reader {
    return new Reader(this.#bytes, this.#at, this.#end);
  }

  /** Skips bytes. */
  skip(length: number): void {
    if (this.#at + length > this.#end) throw invalid(`what begins at byte ${this.#at} leaves what it is in`);
    this.#at += length;
  }

  byte(): number {
    if (this.done) throw invalid(`it ends within something, at byte ${this.#at}`);
    return this.#bytes[this.#at++]!;
  }

  /** Reads an unsigned 32-bit LEB128 number. */
  number(): number {
    const read = readLeb128(this.#bytes, this.#at, this.#end);
    if (!read) throw invalid(`the number at byte ${this.#at} is too large, or cut short`);
    this.#at = read.next;
    return read.value;
  }

  /** Skips a number of up to 64 bits: limits of memories and tables may be that large. */
  wide(): void {
    for (let length = 0; length < 10; length++) if (this.byte() < 0x80) return;
    throw invalid(`the number before byte ${this.#at} is too large`);
  }

  /** Reads a name: its length and its UTF-8. */
  text(): string {
    const length = this.number();
    const start = this.#at;
    this.skip(length);
    const name = decodeUtf8(this.#bytes.subarray(start, this.#at));
    if (name === undefined) throw invalid(`the name at byte ${start} is not UTF-8`);
    return name;
  }
}

/** The error for a binary with too many sections. */
export function tooManySections(): AppError {
  return new AppError("TOO_LARGE", `It has more than ${MAX_SECTIONS} sections`);
}

/** The error for a binary that breaks the format. */
export function invalid(what: string): AppError {
  return new AppError("WASM_INVALID", `It is not valid WebAssembly: ${what}`);
}
