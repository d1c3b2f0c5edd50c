/**
 * Writes changes of contexts into the user's kubeconfig files: locked and in place, as client-go does. A file keeps its
 * mode and owner, and a link leads to it as before. Refuses if a file is not as the plugin's run read it.
 */

import { messageOf } from "../../../base/errors.ts";
import { parentOf } from "../../../base/host_path.ts";
import { writeInPlace } from "../../../base/write_in_place.ts";
import { loadGoYaml } from "../go_yaml.ts";
import { decodeText } from "../text_file.ts";
import type { ContextChange } from "./context_changes.ts";
import { loadNodes } from "./context_nodes.ts";
import { type ConfigFile, editKubeconfigs, unchanged, type Yaml } from "./edit_kubeconfig.ts";

/** Another program holds the lock for a moment only. Milliseconds. */
const LOCK_WAIT = 50;
const LOCK_ATTEMPTS = 40;

/** Loads what {@linkcode writeKubeconfigs} needs. */
export async function loadYaml(): Promise<Yaml> {
  const [values, nodes] = await Promise.all([loadGoYaml(), loadNodes()]);
  return { values, nodes };
}

/**
 * Makes the changes in the files and returns all texts as they are now.
 *
 * @param paths the kubeconfig files in kubectl's order
 * @param known their texts as the run read them; a missing path had no file
 * @throws AppError KUBECONFIG_UNCHANGED, with all files as they were
 */
export function writeKubeconfigs(
  paths: readonly string[],
  known: ReadonlyMap<string, string>,
  changes: readonly ContextChange[],
  yaml: Yaml,
): Map<string, string> {
  const locks = lock([...new Set(paths)].sort());
  try {
    const files = paths.map((path): ConfigFile => ({ path, text: unchangedText(path, known.get(path)) }));
    const edited = editKubeconfigs(files, changes, yaml);
    for (const [path, text] of edited) writeFile(path, text, known.get(path));
    return new Map([...known, ...edited]);
  } finally {
    for (const path of locks) tryTo(() => Deno.removeSync(path));
  }
}

/** Makes client-go's lock file beside each file. The directory may be missing, like its file. */
function lock(paths: readonly string[]): string[] {
  const locks: string[] = [];
  try {
    for (const path of paths) if (isThere(parentOf(path))) locks.push(lockFile(path));
    return locks;
  } catch (error) {
    for (const made of locks) tryTo(() => Deno.removeSync(made));
    throw error;
  }
}

function lockFile(path: string): string {
  const name = `${path}.lock`;
  for (let attempt = 1;; attempt++) {
    try {
      Deno.openSync(name, { write: true, createNew: true, mode: 0o600 }).close();
      return name;
    } catch (error) {
      if (!(error instanceof Deno.errors.AlreadyExists)) {
        throw unchanged(path, `cannot make its lock file: ${messageOf(error)}`, undefined, error);
      }
      if (attempt === LOCK_ATTEMPTS) {
        throw unchanged(path, "another program is changing it", `if none is, remove ${name}`, error);
      }
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, LOCK_WAIT);
    }
  }
}

/**
 * The text of a file, which must be as it was, and UTF-8, since other bytes would be lost. @throws AppError
 * KUBECONFIG_UNCHANGED
 */
function unchangedText(path: string, known: string | undefined): string | undefined {
  let bytes: Uint8Array | undefined;
  try {
    bytes = Deno.readFileSync(path);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw unchanged(path, messageOf(error), undefined, error);
  }
  if ((bytes && decodeText(bytes)) !== known) {
    throw unchanged(path, "it changed while the plugin ran", "run the command again");
  }
  try {
    return bytes && new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (error) {
    throw unchanged(path, "it is not UTF-8", undefined, error);
  }
}

function writeFile(path: string, text: string, known: string | undefined): void {
  try {
    if (known === undefined) Deno.mkdirSync(parentOf(path), { recursive: true, mode: 0o755 });
    unchangedText(path, known);
    writeInPlace(path, new TextEncoder().encode(text), 0o600);
  } catch (error) {
    if ((error as { code?: unknown }).code === "KUBECONFIG_UNCHANGED") throw error;
    throw unchanged(path, messageOf(error), undefined, error);
  }
}

function isThere(path: string): boolean {
  try {
    Deno.statSync(path);
    return true;
  } catch {
    return false;
  }
}

function tryTo(run: () => void): void {
  try {
    run();
  } catch { /* it is gone already */ }
}
