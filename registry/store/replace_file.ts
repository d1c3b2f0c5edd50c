/**
 * Replaces a file outside of the store in one step: write beside it, sync, rename. A lock on the directory makes it
 * safe to remove leftovers of killed processes.
 */

import { writeAllSync } from "../../runtime/base/bytes.ts";
import { writeInPlace } from "../../runtime/base/write_in_place.ts";
import { syncDirectory, writeSynced } from "./disk.ts";

/** Part of the names of staged files. */
const STAGED = ".krew-wasm-";
const LEFT_OVER = /.\.krew-wasm-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** Options for replacing a file. */
export interface ReplaceOptions {
  /** Its permissions, before the umask. */
  readonly mode: number;
}

/**
 * Replaces a file by what `fill` writes. If `fill` throws or returns false, the file stays. A link stays, too: its
 * target is replaced.
 *
 * @throws errors of the file system and of `fill`
 */
export async function replaceFileAt(
  path: string,
  { mode }: ReplaceOptions,
  fill: (write: (bytes: Uint8Array) => void) => boolean | void,
): Promise<void> {
  const { directory, base } = targetOf(path);
  using _lock = await lockForChange(directory);
  const staged = `${directory}${base.slice(0, 40)}${STAGED}${crypto.randomUUID()}`;
  try {
    if (!writeStaged(staged, mode, fill)) return Deno.removeSync(staged);
    moveInto(directory, base, staged);
  } catch (error) {
    discard(staged);
    throw error;
  }
}

/** Options for {@linkcode replaceProtectedFile}. */
export interface ProtectedOptions extends ReplaceOptions {
  /** A directory that no plugin reaches, and that no other process uses now. undefined if there is none. */
  readonly stage: string | undefined;
}

/**
 * Replaces a file that plugins must not reach, not even while it is staged. Without `stage`, or if it is on another file
 * system, the file itself is written (runtime/base/write_in_place.ts).
 *
 * @param change makes the new content; undefined keeps the file
 * @throws errors of the file system and of `change`
 */
export async function replaceProtectedFile(
  path: string,
  { mode, stage }: ProtectedOptions,
  change: () => Uint8Array | undefined,
): Promise<void> {
  const { directory, base } = targetOf(path);
  using _lock = await lockForChange(directory);
  const bytes = change();
  if (!bytes) return;
  if (stage !== undefined) {
    const staged = `${stage}/replacement`;
    try {
      writeSynced(staged, bytes, mode);
      return moveInto(directory, base, staged);
    } catch (error) {
      discard(staged);
      if ((error as { code?: unknown }).code !== "EXDEV") throw error;
    }
  }
  narrow(`${directory}${base}`, mode);
  writeInPlace(`${directory}${base}`, bytes, mode);
}

/** The directory, with the slash at its end, and the name of the file that a path leads to. */
function targetOf(path: string): { readonly directory: string; readonly base: string } {
  let target = path;
  try {
    target = Deno.realPathSync(path);
    // A device or a pipe cannot be replaced.
    if (!Deno.statSync(target).isFile) throw new TypeError("it is not a file");
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error; // it does not exist yet
  }
  const split = Deno.build.os === "windows" ? /^(.*[\\/])([^\\/]*)$/s : /^(.*\/)([^/]*)$/s;
  const [, directory = "./", base = target] = split.exec(target) ?? [];
  return { directory, base };
}

function moveInto(directory: string, base: string, staged: string): void {
  Deno.renameSync(staged, `${directory}${base}`);
  try {
    syncDirectory(directory);
  } catch { /* an unreadable directory: the file is already in place */ }
}

function discard(staged: string): void {
  try {
    Deno.removeSync(staged);
  } catch { /* it does not exist */ }
}

/** Gives a file its permissions, if it exists. */
function narrow(path: string, mode: number): void {
  if (Deno.build.os === "windows") return;
  try {
    Deno.chmodSync(path, mode);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
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

/** Takes the lock of a directory, and removes leftovers under it. */
async function lockForChange(directory: string): Promise<Disposable | undefined> {
  const lock = await lockDirectory(directory);
  try {
    if (lock) removeStaged(directory);
    return lock;
  } catch (error) {
    lock?.close();
    throw error;
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
