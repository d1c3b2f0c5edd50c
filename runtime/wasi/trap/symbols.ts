/**
 * Finds the functions of a core module by code offset and name (WebAssembly core specification, 5.5 and appendix
 * A.6). The module was validated when it was compiled; a malformed name section gives no names. Pure.
 */

import { readLeb128 } from "../../base/leb128.ts";
import { wasmSections } from "../../base/wasm_sections.ts";

/** Names of functions by index. */
export type FunctionNames = ReadonlyMap<number, string>;

const IMPORT_SECTION = 2;
const CODE_SECTION = 10;
const FUNCTION_NAMES = 1;

class Reader {
  constructor(readonly bytes: Uint8Array, public at: number) {}

  number(): number {
    const read = readLeb128(this.bytes, this.at);
    this.at = read?.next ?? this.bytes.length;
    return read?.value ?? 0;
  }
}

/** The index of the function whose body contains an offset of the module; undefined if none does. */
export function functionAt(module: Uint8Array, offset: number): number | undefined {
  let imported = 0;
  for (const { id, content, end } of wasmSections(module)) {
    const reader = new Reader(module, content);
    if (id === IMPORT_SECTION) imported = countImportedFunctions(reader);
    if (id !== CODE_SECTION) continue;
    const count = reader.number();
    for (let index = 0; index < count && reader.at < end; index++) {
      const start = reader.at;
      const length = reader.number();
      if (offset >= start && offset < reader.at + length) return imported + index;
      reader.at += length;
    }
    return undefined;
  }
  return undefined;
}

function countImportedFunctions(reader: Reader): number {
  const { bytes } = reader;
  const valueType = () => {
    const type = bytes[reader.at++];
    if (type === 0x63 || type === 0x64) reader.number();
  };
  const limits = () => {
    const flags = reader.number();
    reader.number();
    if ((flags & 1) !== 0) reader.number();
  };
  let functions = 0;
  for (let count = reader.number(); count > 0 && reader.at < bytes.length; count--) {
    for (let names = 2; names > 0; names--) {
      const length = reader.number();
      reader.at += length;
    }
    const kind = bytes[reader.at++];
    if (kind === 0) {
      functions++;
      reader.number();
    } else if (kind === 1) {
      valueType();
      limits();
    } else if (kind === 2) limits();
    else if (kind === 3) {
      valueType();
      reader.at++;
    } else {
      reader.at++;
      reader.number();
    }
  }
  return functions;
}

/** The function names in a `name` section, from after the section's own name. */
export function readFunctionNames(content: Uint8Array): FunctionNames {
  const names = new Map<number, string>();
  const decoder = new TextDecoder();
  try {
    for (const { id, content: start, end } of wasmSections(content, 0)) {
      if (id !== FUNCTION_NAMES) continue;
      const reader = new Reader(content, start);
      for (let count = reader.number(); count > 0 && reader.at < end; count--) {
        const index = reader.number();
        const length = reader.number();
        names.set(index, decoder.decode(content.subarray(reader.at, reader.at + length)));
        reader.at += length;
      }
    }
  } catch (error) {
    if (!(error instanceof RangeError)) throw error; // the rest of the section is malformed
  }
  return names;
}
