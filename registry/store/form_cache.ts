/**
 * The compiled forms of plugins that `krew-wasm run` ran without installing them, by digest and the compiler's version. Losing one
 * costs time only, so this needs no lock: a form appears by one rename, and a reader checks every file of it.
 */

import { exists } from "../../runtime/base/host_path.ts";
import { BINDGEN } from "../../runtime/store/bindgen.ts";
import { checkStore } from "../../runtime/store/check.ts";
import type { Layout } from "../../runtime/store/layout.ts";
import { type LoadedForm, loadForm, type Meanwhile } from "../../runtime/store/load_form.ts";
import type { PluginKind } from "../../runtime/store/receipt.ts";
import type { Compiled } from "../compile/compile.ts";
import { describeForm } from "./blobs.ts";
import {
  DESCRIPTION,
  formatDescription,
  MAX_CACHE,
  readForm,
  removeForm,
  sweepCache,
} from "./cached_forms.ts";
import { storeFailed, timeOf } from "./disk.ts";
import { prepareStore } from "./open.ts";

/** How exactly the last use is recorded. Milliseconds. */
const STEP = 3_600_000;

/** A cached form, ready to run. */
export interface CachedForm<T> extends LoadedForm<T> {
  readonly kind: PluginKind;
  readonly directory: string;
}

/**
 * The compiled form of a plugin. undefined if it is not cached or broken, or if other users may write to the store. Removes
 * a broken one.
 */
export async function findCached<T>(
  layout: Layout,
  digest: string,
  meanwhile: Meanwhile<T>,
): Promise<CachedForm<T> | undefined> {
  const directory = layout.cachedDir(digest, BINDGEN);
  if (!isOurs(layout) || !exists(directory)) return undefined;
  try {
    const form = readForm(directory);
    const broken = (what: string) => storeFailed(`Cannot use ${directory}`, new Error(what));
    const loaded = await loadForm(directory, form, broken, meanwhile);
    noteUse(directory);
    return { ...loaded, kind: form.kind, directory };
  } catch {
    removeForm(directory);
    return undefined;
  }
}

/** Caches the compiled form of a plugin, if the store can be written and the form is not too large. */
export function cacheForm(layout: Layout, digest: string, compiled: Compiled): void {
  const { files } = compiled;
  if (!isOurs(layout) || files.reduce((sum, { bytes }) => sum + bytes.length, 0) > MAX_CACHE / 2) return;
  const directory = layout.cachedDir(digest, BINDGEN);
  const staged = `${directory}.${crypto.randomUUID()}`;
  try {
    prepareStore(layout);
    Deno.mkdirSync(staged, { mode: 0o700 });
    for (const { name, bytes } of files) Deno.writeFileSync(`${staged}/${name}`, bytes, { mode: 0o600 });
    const description = formatDescription(describeForm(compiled));
    Deno.writeTextFileSync(`${staged}/${DESCRIPTION}`, description, { mode: 0o600 });
    Deno.renameSync(staged, directory);
  } catch {
    removeForm(staged); // a full or read-only disk, or another run was faster
  }
  sweepCache(layout);
}

/** Whether the store is safe to use. Such a run does not need it, so this reports nothing. */
function isOurs(layout: Layout): boolean {
  try {
    checkStore(layout);
    return true;
  } catch {
    return false;
  }
}

/** Records the use of a form, unless that was done a moment ago. */
function noteUse(directory: string): void {
  const path = `${directory}/${DESCRIPTION}`;
  try {
    const now = Date.now();
    if (now - timeOf(path) > STEP) Deno.utimeSync(path, new Date(now), new Date(now));
  } catch { /* a read-only store */ }
}
