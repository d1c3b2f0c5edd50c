/**
 * Limits the tables of core modules: their initial size and their growth. Tables live in the engine's own memory, which
 * `--max-memory` does not count. Pure. The engine must have validated the module.
 */

import { concatBytes } from "../../runtime/base/bytes.ts";
import { AppError } from "../../runtime/base/errors.ts";
import { leb128 } from "../../runtime/base/leb128.ts";
import { Code } from "./instructions.ts";
import { readSections } from "./wasm_reader.ts";

const TABLE = 4;
/** The most initial entries of all tables of a module. A large program has some tens of thousands of functions. */
export const MAX_ENTRIES = 1_000_000;
/** The most entries that all tables of a module may grow to together, unless they start larger. */
const MAX_GROWN = 100_000;

/** A module whose tables are limited. */
export interface LimitedTables {
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** Initial entries. */
  readonly entries: number;
}

/**
 * Returns the module with a maximum for each of its tables.
 *
 * @throws AppError TOO_LARGE
 */
export function limitTables(bytes: Uint8Array<ArrayBuffer>): LimitedTables {
  const section = readSections(bytes).find(({ id }) => id === TABLE);
  if (!section) return { bytes, entries: 0 };
  const reader = new Code(bytes, section.content);
  const parts: Uint8Array[] = [];
  let entries = 0;
  let kept = section.content;
  const tables = reader.number();
  for (let count = tables; count > 0; count--) {
    const initialized = bytes[reader.at] === 0x40;
    if (initialized) reader.at += 2;
    reader.valueType();
    const start = reader.at;
    const flags = reader.number();
    if ((flags & 4) !== 0) {
      throw new AppError("PLUGIN_UNSUPPORTED", "It has a table with indexes of 64 bits (memory64)", {
        hint: "build it for wasm32",
      });
    }
    const least = reader.number();
    const most = (flags & 1) === 0 ? Infinity : reader.number();
    entries += least;
    const grown = Math.min(most, Math.max(least, Math.floor(MAX_GROWN / tables)));
    const limits = [flags | 1, ...leb128(least), ...leb128(grown)];
    parts.push(bytes.subarray(kept, start), Uint8Array.from(limits));
    kept = reader.at;
    if (initialized) reader.skipExpression();
  }
  if (entries > MAX_ENTRIES) {
    throw new AppError(
      "TOO_LARGE",
      `Its tables have ${entries} entries from the start, more than ${MAX_ENTRIES}`,
    );
  }
  parts.push(bytes.subarray(kept, section.end));
  const content = parts.reduce((sum, { length }) => sum + length, 0);
  const all = [
    bytes.subarray(0, section.start),
    Uint8Array.from([TABLE, ...leb128(content)]),
    ...parts,
    bytes.subarray(section.end),
  ];
  return { bytes: concatBytes(all), entries };
}
