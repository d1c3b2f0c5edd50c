/**
 * One writer at a time: an exclusive lock of the operating system on the store's lock file. The system lets go of it when
 * its process ends, however that happens, so there is no stale lock to take over.
 */

import { AppError, messageOf } from "../runtime/errors.ts";

/**
 * Takes the lock, waiting for whoever has it; dispose it to let go.
 *
 * @param waiting told once when another process has it, with that process's id where it is known
 * @throws AppError STORE_FAILED
 */
export async function lockStore(path: string, waiting: (pid: string) => void): Promise<Disposable> {
  let file: Deno.FsFile;
  try {
    file = Deno.openSync(path, { read: true, write: true, create: true, mode: 0o600 });
  } catch (error) {
    throw new AppError("STORE_FAILED", `Cannot open ${path}: ${messageOf(error)}`, { cause: error });
  }
  // Deno 2.6 can't try a lock; one that does not come at once is another process's.
  const timer = setTimeout(() => waiting(Deno.readTextFileSync(path).trim()), 200);
  try {
    await file.lock(true);
  } finally {
    clearTimeout(timer);
  }
  file.truncateSync(0);
  file.seekSync(0, Deno.SeekMode.Start);
  file.writeSync(new TextEncoder().encode(`${Deno.pid}\n`));
  return {
    [Symbol.dispose]() {
      file.close(); // and so unlocks
    },
  };
}
