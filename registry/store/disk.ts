/**
 * Changes on disk, each in one step: written beside its target (in stage/, the same file system), synced, renamed, and
 * the directory synced. What ends the process in between leaves the target as it was.
 */

import { AppError, messageOf } from "../../runtime/base/errors.ts";
import { diskWords, systemWords } from "../../runtime/base/file_error.ts";
import type { Layout } from "../../runtime/store/layout.ts";

/** Writes all of a new file, synced. */
export function writeSynced(path: string, bytes: Uint8Array, mode: number): void {
  const file = Deno.openSync(path, { write: true, create: true, truncate: true, mode });
  try {
    for (let sent = 0; sent < bytes.length;) sent += file.writeSync(bytes.subarray(sent));
    file.syncSync();
  } finally {
    file.close();
  }
}

/** Moves what is staged into place, in one step. */
export function publish(staged: string, path: string): void {
  Deno.renameSync(staged, path);
  syncDirectory(path.slice(0, path.lastIndexOf("/")));
}

/** Writes a small file of the store in one step. `stage` is its name while it is staged. @throws AppError STORE_FAILED */
export function replaceFile(layout: Layout, stage: string, path: string, text: string): void {
  try {
    writeSynced(`${layout.stage}/${stage}`, new TextEncoder().encode(text), 0o600);
    publish(`${layout.stage}/${stage}`, path);
  } catch (error) {
    throw storeFailed(`Cannot write ${path}`, error);
  }
}

/** Makes a directory, and those above it, for the user alone. One that is there is let be. */
export function makeDirectory(path: string): void {
  for (let tried = 1;; tried++) {
    try {
      return Deno.mkdirSync(path, { recursive: true, mode: 0o700 });
    } catch (error) {
      // Another process made it and removed it again, both between two looks.
      const moved = error instanceof Deno.errors.NotFound || error instanceof Deno.errors.AlreadyExists;
      if (!moved || tried === 10) throw error;
    }
  }
}

/** Removes a directory and all in it, which a plugin that was replaced and still runs may go on filling meanwhile. */
export function removeDirectory(path: string): void {
  for (let tried = 1;; tried++) {
    try {
      return Deno.removeSync(path, { recursive: true });
    } catch (error) {
      if ((error as { code?: string }).code !== "ENOTEMPTY" || tried === 100) throw error;
    }
  }
}

/** Makes the names in a directory last. */
export function syncDirectory(path: string): void {
  if (Deno.build.os === "windows") return; // a directory can't be opened there
  const directory = Deno.openSync(path, { read: true });
  try {
    directory.syncSync();
  } finally {
    directory.close();
  }
}

/** A failure of the file system in words. */
export function storeFailed(what: string, error: unknown): AppError {
  if (error instanceof AppError) return error;
  const why = error instanceof Deno.errors.NotCapable
    ? systemWords(error)
    : diskWords(error) ?? messageOf(error);
  return new AppError("STORE_FAILED", `${what}: ${why}`, { cause: error });
}
