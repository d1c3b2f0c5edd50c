/**
 * Writes a file that plugins must not reach into the file itself. Such a file is protected by its identity (device and
 * inode). A file that is staged beside it is not, so a plugin with a grant for the directory could read it, or keep it
 * open for writing until it has the protected name.
 */

import { writeAllSync } from "./bytes.ts";

/**
 * Gives a file other content, or makes it. If writing fails, the old content is written back. kubectl writes its
 * kubeconfig in the same way: if the machine stops in between, the file may have parts of both.
 *
 * @param mode the permissions of a new file, before the umask
 * @throws errors of the file system
 */
export function writeInPlace(path: string, bytes: Uint8Array, mode: number): void {
  let old: Uint8Array | undefined;
  try {
    old = Deno.readFileSync(path);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  const how = old === undefined ? { createNew: true, mode } : {};
  using file = Deno.openSync(path, { write: true, ...how });
  try {
    writeWhole(file, bytes);
  } catch (error) {
    try {
      if (old === undefined) Deno.removeSync(path);
      else writeWhole(file, old);
    } catch { /* the first error says what is wrong */ }
    throw error;
  }
}

function writeWhole(file: Deno.FsFile, bytes: Uint8Array): void {
  file.seekSync(0, Deno.SeekMode.Start);
  writeAllSync(file, bytes);
  file.truncateSync(bytes.length);
  file.syncSync();
}
