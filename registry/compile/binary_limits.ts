/** Refuses small binaries that are expensive to compile. Pure. */

import { AppError } from "../../runtime/base/errors.ts";
import {
  invalid,
  MAX_DEPTH,
  MAX_SECTIONS,
  Reader,
  readSections,
  skipReferenceType,
  tooManySections,
  wasmKind,
} from "./wasm_reader.ts";

// Sections of a core module.
const MODULE_IMPORT = 2;
const CODE = 10;
// Sections of a component.
const CORE_MODULE = 1;
const NESTED_COMPONENT = 4;

/**
 * The most locals: somewhat more than the largest real modules have. Locals cost the engine memory and time, but no
 * bytes.
 */
const MAX_LOCALS = 20_000_000;

/**
 * Refuses small binaries that are expensive to compile: functions that together declare more locals than any real
 * program, and too many sections. Looks into the modules of a component, too.
 *
 * @param inspect called for each function with the offsets of its instructions
 * @throws AppError TOO_LARGE, WASM_INVALID
 */
export function refuseBomb(bytes: Uint8Array, inspect: Inspect = () => {}): void {
  const { locals } = countParts(bytes, { sections: 0, locals: 0 }, 0, inspect);
  if (locals > MAX_LOCALS) {
    throw new AppError("TOO_LARGE", `Its functions declare ${locals} locals, more than ${MAX_LOCALS}`);
  }
}

/** Inspects one function of a module. */
type Inspect = (bytes: Uint8Array, start: number, end: number) => void;

/** The most imports of a core module: each costs time at every start. Real modules import some dozens. */
const MAX_IMPORTS = 200_000;

/** Refuses a core module with more imports than any real program. @throws AppError TOO_LARGE, WASM_INVALID */
export function refuseImports(bytes: Uint8Array): void {
  for (const { id, content, end } of readSections(bytes)) {
    const count = id === MODULE_IMPORT ? new Reader(bytes, content, end).number() : 0;
    if (count > MAX_IMPORTS) {
      throw new AppError("TOO_LARGE", `It imports ${count} functions, more than ${MAX_IMPORTS}`);
    }
  }
}

function countParts(
  bytes: Uint8Array,
  parts: { sections: number; locals: number },
  depth: number,
  inspect: Inspect,
): { readonly sections: number; readonly locals: number } {
  if (depth > MAX_DEPTH) throw invalid("its components are nested too deep");
  const component = wasmKind(bytes) === "component";
  const sections = readSections(bytes);
  parts.sections += sections.length;
  if (parts.sections > MAX_SECTIONS) throw tooManySections();
  for (const { id, content, end } of sections) {
    if (component) {
      const nested = id === CORE_MODULE || id === NESTED_COMPONENT;
      if (nested) countParts(bytes.subarray(content, end), parts, depth + 1, inspect);
      continue;
    }
    if (id !== CODE) continue;
    const reader = new Reader(bytes, content, end);
    for (let functions = reader.number(); functions > 0; functions--) {
      const size = reader.number();
      const body = new Reader(bytes, reader.offset, reader.offset + size);
      reader.skip(size);
      for (let groups = body.number(); groups > 0; groups--) {
        parts.locals += body.number();
        skipReferenceType(body);
      }
      inspect(bytes, body.offset, reader.offset);
    }
  }
  return parts;
}
