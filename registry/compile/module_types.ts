/** Counts and types of what a validated core module has (core specification 3.0, 5.5). Pure. */

import { Code, readNumber, unknown } from "./instructions.ts";
import { invalid, readSections, type Section } from "./wasm_reader.ts";

const IMPORT = 2;
const MEMORY = 5;

/** The memories of a module, imported ones first. The engine must have validated the module. */
export function readMemoryTypes(bytes: Uint8Array): MemoryType[] {
  const sections = readSections(bytes);
  const section = sections.find(({ id }) => id === MEMORY);
  const imported = readImportCounts(bytes, sections.find(({ id }) => id === IMPORT)).memories;
  if (!section) return imported;
  const reader = new Code(bytes, section.content);
  return [...imported, ...Array.from({ length: reader.number() }, () => limits(reader))];
}

/** Counts imported functions and globals, and reads the types of imported memories. */
export function readImportCounts(bytes: Uint8Array, section: Section | undefined) {
  let functions = 0;
  let globals = 0;
  const memories: MemoryType[] = [];
  if (section) {
    const reader = new Code(bytes, section.content);
    for (let count = reader.number(); count > 0; count--) {
      reader.skipName(); // the module's
      reader.skipName();
      const kind = bytes[reader.at++]!;
      if (kind === 0) {
        functions++;
        reader.skipNumber();
      } else if (kind === 1) {
        reader.valueType();
        limits(reader);
      } else if (kind === 2) memories.push(limits(reader));
      else if (kind === 3) {
        globals++;
        reader.valueType();
        reader.at++;
      } else { // a tag
        reader.at++;
        reader.skipNumber();
      }
    }
  }
  return { functions, globals, memories };
}

/** A memory's type. */
export interface MemoryType {
  readonly address: "i32" | "i64";
  readonly shared: boolean;
}

function limits(reader: Code): MemoryType {
  const flags = reader.number();
  reader.skipNumbers((flags & 1) !== 0 ? 2 : 1);
  return { address: (flags & 4) !== 0 ? "i64" : "i32", shared: (flags & 2) !== 0 };
}

/** How many entries a section has. */
export function countOf(bytes: Uint8Array, section: Section | undefined): number {
  return section ? readNumber(bytes, section.content).value : 0;
}

/** Counts the types, each member of a recursive group on its own. */
export function countTypes(bytes: Uint8Array, section: Section | undefined): number {
  if (!section) return 0;
  const reader = new Code(bytes, section.content);
  let types = 0;
  const field = () => {
    // A packed type is one byte, like a value type without a heap type.
    reader.valueType();
    reader.at++;
  };
  const type = () => {
    types++;
    let form = bytes[reader.at++]!;
    if (form === 0x50 || form === 0x4f) { // a subtype: its supertypes
      reader.skipNumbers(reader.number());
      form = bytes[reader.at++]!;
    }
    if (form === 0x5f) { for (let fields = reader.number(); fields > 0; fields--) field(); }
    else if (form === 0x5e) field();
    else if (form === 0x60) {
      for (const _ of ["parameters", "results"]) {
        for (let values = reader.number(); values > 0; values--) reader.valueType();
      }
    } else throw unknown(form);
  };
  for (let groups = reader.number(); groups > 0; groups--) {
    if (bytes[reader.at] === 0x4e) {
      reader.at++;
      for (let members = reader.number(); members > 0; members--) type();
    } else type();
  }
  if (reader.at !== section.end) throw invalid("its types do not end where they say");
  return types;
}
