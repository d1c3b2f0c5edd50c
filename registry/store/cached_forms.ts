/** What the cache of compiled forms (form_cache.ts) contains, and how long it keeps it. */

import { integer, object, parseJson, word } from "../../runtime/base/strict_json.ts";
import { BINDGEN } from "../../runtime/store/bindgen.ts";
import type { Layout } from "../../runtime/store/layout.ts";
import { compiledFiles } from "../../runtime/store/receipt.ts";
import type { CompiledForm } from "./blobs.ts";
import { timeOf } from "./disk.ts";

/** A form that was not used for this long is removed. Milliseconds. */
const MAX_AGE = 30 * 24 * 3_600_000;
/** Space for all forms. The least recently used go first. Bytes. */
export const MAX_CACHE = 512 << 20;
/** A form that a killed process staged is removed after this. Milliseconds. */
const MAX_STAGED = 3_600_000;

/** Describes a form, as a receipt does: the digests of its files. */
export const DESCRIPTION = "form.json";
const FORMAT = 1;
const readDescription = object<CompiledForm & { format: number }>({
  format: integer(FORMAT),
  kind: word("preview1", "component"),
  compiled: compiledFiles,
});

/** Formats the description of a form. */
export function formatDescription(form: CompiledForm): string {
  return JSON.stringify({ format: FORMAT, ...form });
}

/**
 * Removes forms that were not used for long or are of another compiler, leftovers of killed processes, and the least
 * recently used forms above the limit of space.
 */
export function sweepCache(layout: Layout, now = Date.now(), limit = MAX_CACHE): void {
  const kept: { readonly path: string; readonly used: number; readonly size: number }[] = [];
  for (const name of namesIn(layout.cache)) {
    const path = `${layout.cache}/${name}`;
    const isForm = name.endsWith(`-${BINDGEN}`);
    const used = timeOf(isForm ? `${path}/${DESCRIPTION}` : path);
    if (now - used > (isForm ? MAX_AGE : MAX_STAGED)) removeForm(path);
    else if (isForm) kept.push({ path, used, size: sizeOf(path) });
  }
  let size = 0;
  for (const each of kept.sort((a, b) => b.used - a.used)) {
    size += each.size;
    if (size > limit) removeForm(each.path);
  }
}

/** Reads the description of the form in a directory. @throws Deno.errors, and the reader's errors */
export function readForm(directory: string): CompiledForm {
  const text = Deno.readTextFileSync(`${directory}/${DESCRIPTION}`);
  const { format, ...form } = readDescription(parseJson(text), "");
  if (format !== FORMAT) throw new Error(`format is ${format}`);
  return form;
}

function namesIn(directory: string): string[] {
  try {
    return [...Deno.readDirSync(directory)].map(({ name }) => name);
  } catch {
    return [];
  }
}

function sizeOf(directory: string): number {
  try {
    return readForm(directory).compiled.reduce((sum, { size }) => sum + size, 0);
  } catch {
    return 0;
  }
}

/** Removes a form, if that is possible. */
export function removeForm(path: string): void {
  try {
    Deno.removeSync(path, { recursive: true });
  } catch { /* it is gone already, or the store is read-only */ }
}
