/** Removes from a core module what the engine does not need. Pure. */

import { concatBytes } from "../../runtime/base/bytes.ts";
import { PREAMBLE } from "../../runtime/base/wasm_sections.ts";
import { readSections } from "./wasm_reader.ts";

/** A core module without the sections that the engine does not need. */
export interface StrippedModule {
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** Content of the section `name`, for stack traces of crashes. */
  readonly names: Uint8Array<ArrayBuffer> | undefined;
}

/**
 * Removes a core module's custom sections: the engine ignores them, and they are most of the bytes of many modules. The
 * names of functions are kept apart. The engine shows `name` in stack traces of crashes.
 *
 * @param marks names of empty custom sections to add
 */
export function stripModule(bytes: Uint8Array, name: string, marks: readonly string[] = []): StrippedModule {
  const sections = readSections(bytes);
  const kept = sections.filter(({ id }) => id !== 0);
  const text = new TextEncoder().encode(name);
  if (text.length > 100) throw new RangeError(`"${name}" is too long a name`);
  // The section `name` with the module's name (subsection 0).
  const section = [4, ...new TextEncoder().encode("name"), 0, text.length + 1, text.length, ...text];
  const own = Uint8Array.from([
    ...[0, section.length, ...section],
    ...marks.flatMap((mark) => {
      const text = new TextEncoder().encode(mark);
      return [0, text.length + 1, text.length, ...text];
    }),
  ]);
  const stripped = concatBytes([
    bytes.subarray(0, PREAMBLE),
    ...kept.map(({ start, end }) => bytes.subarray(start, end)),
    own,
  ]);
  const names = sections.find(({ id, name }) => id === 0 && name === "name");
  return { bytes: stripped, names: names && bytes.slice(names.data, names.end) };
}

/** Whether the compiler needs a custom section: names of functions, and types of a component. */
export function isKeptCustomSection(name: string): boolean {
  return name === "name" || name.startsWith("component-type");
}
