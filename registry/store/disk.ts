/**
 * Atomic changes on disk: write beside the target (in stage/, on the same file system), sync, rename, sync the
 * directory. A killed process leaves the target unchanged.
 */

import { writeAllSync } from "../../runtime/base/bytes.ts";
import { AppError, messageOf } from "../../runtime/base/errors.ts";
import { diskWords, systemWords } from "../../runtime/base/file_error.ts";
import { removeTree } from "../../runtime/base/remove_tree.ts";
import type { Layout } from "../../runtime/store/layout.ts";

/** Writes a new file and syncs it. */
export function writeSynced(path: string, bytes: Uint8Array, mode: number): void {
  const file = Deno.openSync(path, { write: true, create: true, truncate: true, mode });
  try {
    writeAllSync(file, bytes);
    file.syncSync();
  } finally {
    file.close();
  }
}

/** Moves a staged file or directory into place, in one step. */
export function publish(staged: string, path: string): void {
  Deno.renameSync(staged, path);
  syncDirectory(path.slice(0, path.lastIndexOf("/")));
}

/** Replaces a small file of the store in one step. `stage` is its name while staged. @throws AppError STORE_FAILED */
export function replaceFile(layout: Layout, stage: string, path: string, text: string): void {
  try {
    writeSynced(`${layout.stage}/${stage}`, new TextEncoder().encode(text), 0o600);
    publish(`${layout.stage}/${stage}`, path);
  } catch (error) {
    throw storeFailed(`Cannot write ${path}`, error);
  }
}

/** Creates a directory and its parents, for the user alone. Leaves an existing one unchanged. */
export function makeDirectory(path: string): void {
  for (let tried = 1;; tried++) {
    try {
      return Deno.mkdirSync(path, { recursive: true, mode: 0o700 });
    } catch (error) {
      // Another process created it and removed it again in between.
      const moved = error instanceof Deno.errors.NotFound || error instanceof Deno.errors.AlreadyExists;
      if (!moved || tried === 10) throw error;
    }
  }
}

/**
 * Removes something of the store with its content. A plugin may have filled it, and may still run. Works in stage/, so
 * what it can't remove may be there.
 *
 * @throws Deno.errors
 */
export function removeDirectory(layout: Layout, path: string): void {
  removeTree(path, layout.stage);
}

/** Makes the names in a directory durable. */
export function syncDirectory(path: string): void {
  if (Deno.build.os === "windows") return; // Windows cannot open a directory
  const directory = Deno.openSync(path, { read: true });
  try {
    directory.syncSync();
  } finally {
    directory.close();
  }
}

/** When a file was last changed; 0 if it is missing. Does not follow a link. Milliseconds since 1970. */
export function timeOf(path: string): number {
  try {
    return Deno.lstatSync(path).mtime?.getTime() ?? 0;
  } catch {
    return 0;
  }
}

/** The error for a failure of the file system. */
export function storeFailed(what: string, error: unknown): AppError {
  if (error instanceof AppError) return error;
  const why = error instanceof Deno.errors.NotCapable
    ? systemWords(error)
    : diskWords(error) ?? messageOf(error);
  return new AppError("STORE_FAILED", `${what}: ${why}`, { cause: error });
}
