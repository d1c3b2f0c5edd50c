/**
 * Replaces a file outside of the store in one step: write beside it, sync, rename. A lock on the directory makes it
 * safe to remove leftovers of killed processes.
 */

import { writeAllSync } from "../../runtime/base/bytes.ts";
import { writeInPlace } from "../../runtime/base/write_in_place.ts";
import { syncDirectory } from "./disk.ts";

/** Part of the names of staged files. */
const STAGED = ".krew-wasm-";
const LEFT_OVER = /.\.krew-wasm-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** Options for replacing a file. */
export interface ReplaceOptions {
  /** Its permissions, before the umask. */
  readonly mode: number;
  /**
   * For a file that plugins must not reach, also not while it is staged: the store's stage/, or undefined for none. On
   * another file system, or without it, the file itself is written (runtime/base/write_in_place.ts).
   */
  readonly within?: { readonly stage: string | undefined };
}

/**
 * Replaces a file by what `fill` writes. If `fill` throws or returns false, the file stays. A link stays, too: its
 * target is replaced.
 *
 * @throws errors of the file system and of `fill`
 */
export async function replaceFileAt(
  path: string,
  { mode, within: hidden }: ReplaceOptions,
  fill: (write: (bytes: Uint8Array) => void) => boolean | void,
): Promise<void> {
  let target = path;
  try {
    target = Deno.realPathSync(path);
    // A device or a pipe cannot be replaced.
    if (!Deno.statSync(target).isFile) throw new TypeError("it is not a file");
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error; // it does not exist yet
  }
  const split = Deno.build.os === "windows" ? /^(.*[\\/])([^\\/]*)$/s : /^(.*\/)([^/]*)$/s;
  const [, within = "./", base = target] = split.exec(target) ?? [];
  const lock = await lockDirectory(within);
  try {
    if (lock) removeStaged(within);
    if (hidden && hidden.stage === undefined) return changeFile(`${within}${base}`, mode, fill);
    const staged = `${hidden ? `${hidden.stage}/` : within}${
      base.slice(0, 40)
    }${STAGED}${crypto.randomUUID()}`;
    try {
      if (!writeStaged(staged, mode, fill)) return Deno.removeSync(staged);
      Deno.renameSync(staged, `${within}${base}`);
    } catch (error) {
      try {
        Deno.removeSync(staged);
      } catch { /* it does not exist */ }
      if (!hidden || (error as { code?: unknown }).code !== "EXDEV") throw error;
      changeFile(`${within}${base}`, mode, fill);
    }
    try {
      syncDirectory(within);
    } catch { /* an unreadable directory: the file is already in place */ }
  } finally {
    lock?.close();
  }
}

function changeFile(
  path: string,
  mode: number,
  fill: (write: (bytes: Uint8Array) => void) => boolean | void,
): void {
  const parts: Uint8Array<ArrayBuffer>[] = [];
  if (fill((bytes) => void parts.push(bytes.slice())) === false) return;
  try {
    if (Deno.build.os !== "windows") Deno.chmodSync(path, mode);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error; // it does not exist yet
  }
  const bytes = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  writeInPlace(path, bytes, mode);
}

function writeStaged(
  path: string,
  mode: number,
  fill: (write: (bytes: Uint8Array) => void) => boolean | void,
): boolean {
  const file = Deno.openSync(path, { write: true, createNew: true, mode });
  try {
    const filled = fill((bytes) => {
      writeAllSync(file, bytes);
    });
    if (filled === false) return false;
    file.syncSync();
    return true;
  } finally {
    file.close();
  }
}

/** Milliseconds. Any user who may read a directory may lock it, for any time. */
const PATIENCE = 60_000;

/**
 * Waits for the lock of a directory. Undefined if directories have no locks (Windows, some network file systems) or if
 * the lock does not come. The lock is optional.
 */
async function lockDirectory(directory: string): Promise<Deno.FsFile | undefined> {
  let file: Deno.FsFile;
  try {
    file = Deno.openSync(directory, { read: true });
  } catch {
    return undefined;
  }
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<"late">((resolve) => timer = setTimeout(() => resolve("late"), PATIENCE));
  const locked = file.lock(true).then(() => true, () => false);
  const came = await Promise.race([locked, late]);
  clearTimeout(timer);
  if (came === true) return file;
  locked.then(() => file.close());
  return undefined;
}

/** Removes leftovers of all files: a bundle may have another name each day. */
function removeStaged(directory: string): void {
  for (const { name } of Deno.readDirSync(directory)) {
    if (!LEFT_OVER.test(name)) continue;
    try {
      Deno.removeSync(`${directory}${name}`);
    } catch { /* belongs to another user, in a shared directory */ }
  }
}
