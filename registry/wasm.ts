/** What a WebAssembly binary is, told by its header and sections (core specification 5.5, component model Binary.md). Pure. */

import { AppError } from "../runtime/errors.ts";

/** A section: its id, and where it is. */
export interface Section {
  readonly id: number;
  /** Of a custom section. */
  readonly name: string | undefined;
  /** Where the section begins, its id included. */
  readonly start: number;
  readonly end: number;
}

const MAGIC = [0x00, 0x61, 0x73, 0x6d];

/** Module or component, by version and layer. @throws AppError WASM_INVALID */
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

/** The sections of a module or component. @throws AppError WASM_INVALID */
export function readSections(bytes: Uint8Array): Section[] {
  const invalid = (): never => {
    throw new AppError("WASM_INVALID", "It is not valid WebAssembly: a section leaves the file");
  };
  const sections: Section[] = [];
  let at = 8;
  const readU32 = (limit: number): number => {
    let value = 0;
    for (let shift = 0; shift < 35; shift += 7) {
      if (at >= limit) return invalid();
      const byte = bytes[at++]!;
      value += (byte & 0x7f) * 2 ** shift;
      if ((byte & 0x80) === 0) return value;
    }
    return invalid();
  };
  while (at < bytes.length) {
    const start = at;
    const id = bytes[at++]!;
    const size = readU32(bytes.length);
    const end = at + size;
    if (end > bytes.length) return invalid();
    let name: string | undefined;
    if (id === 0) {
      const length = readU32(end);
      if (at + length > end) return invalid();
      name = new TextDecoder().decode(bytes.subarray(at, at + length));
    }
    sections.push({ id, name, start, end });
    at = end;
  }
  return sections;
}

/**
 * A core module without its custom sections, which say nothing to the engine and are most of many modules' bytes; the
 * function names stay, for traces of crashes.
 */
export function stripModule(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  const kept = readSections(bytes).filter(({ id, name }) => id !== 0 || name === "name");
  const stripped = new Uint8Array(8 + kept.reduce((sum, { start, end }) => sum + end - start, 0));
  stripped.set(bytes.subarray(0, 8));
  let at = 8;
  for (const { start, end } of kept) {
    stripped.set(bytes.subarray(start, end), at);
    at += end - start;
  }
  return stripped;
}
