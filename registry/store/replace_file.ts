/**
 * Writing a file outside of the store in one step: beside it, synced, renamed. The directory is locked meanwhile, so that
 * what a process that was killed left half done is known as such, and goes.
 */

import { syncDirectory } from "./disk.ts";

/** Begins the end of the names of files that are about to take another's place. */
const STAGED = ".krew-wasm-";
const LEFT_OVER = /.\.krew-wasm-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** How a file is replaced. */
export interface ReplaceOptions {
  /** Its permissions, less what the umask takes. */
  readonly mode: number;
}

/**
 * Replaces a file by what `fill` writes; where that returns false, or throws, it stays as it is. A link is kept, what it
 * leads to is replaced.
 *
 * @throws what the file system says, and what `fill` throws
 */
export async function replaceFileAt(
  path: string,
  { mode }: ReplaceOptions,
  fill: (write: (bytes: Uint8Array) => void) => boolean | void,
): Promise<void> {
  let target = path;
  try {
    target = Deno.realPathSync(path);
    // What a device or a pipe is, nothing takes the place of.
    if (!Deno.statSync(target).isFile) throw new TypeError("it is not a file");
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error; // it is not there yet
  }
  const split = Deno.build.os === "windows" ? /^(.*[\\/])([^\\/]*)$/s : /^(.*\/)([^/]*)$/s;
  const [, within = "./", base = target] = split.exec(target) ?? [];
  const lock = await lockDirectory(within);
  try {
    if (lock) removeStaged(within);
    const staged = `${within}${base.slice(0, 40)}${STAGED}${crypto.randomUUID()}`;
    try {
      if (!writeStaged(staged, mode, fill)) return Deno.removeSync(staged);
      Deno.renameSync(staged, `${within}${base}`);
    } catch (error) {
      try {
        Deno.removeSync(staged);
      } catch { /* it was not made */ }
      throw error;
    }
    try {
      syncDirectory(within);
    } catch { /* one that can't be read: the file is in place */ }
  } finally {
    lock?.close();
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
      for (let sent = 0; sent < bytes.length;) sent += file.writeSync(bytes.subarray(sent));
    });
    if (filled === false) return false;
    file.syncSync();
    return true;
  } finally {
    file.close();
  }
}

/** Milliseconds. Whoever may read a directory may lock it, for as long as they please. */
const PATIENCE = 60_000;

/**
 * Waits for the lock of a directory; undefined where directories have none (Windows, some network file systems), and where
 * it does not come: what is written goes well without it.
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

/** Of whatever file: a bundle may be called otherwise each day. */
function removeStaged(directory: string): void {
  for (const { name } of Deno.readDirSync(directory)) {
    if (!LEFT_OVER.test(name)) continue;
    try {
      Deno.removeSync(`${directory}${name}`);
    } catch { /* somebody else's, in a directory of everybody's */ }
  }
}
