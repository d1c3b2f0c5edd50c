/**
 * One writer at a time: an exclusive lock of the operating system on the store's lock file. The system lets go of it when
 * its process ends, however that happens (a kill, a power cut, a reboot), so there is no stale lock to take over. What
 * the file says is for those who wait: who has the lock. It is never asked whether that process lives.
 */

import { AppError, messageOf } from "../../runtime/base/errors.ts";
import { printable } from "../../runtime/base/text.ts";
import { storeFailed } from "./disk.ts";

const WAITING = "waiting for another krew-wasm to finish";
/** Milliseconds. */
const PATIENCE = 2000;

/** What waiters are told. Pure. */
export function waitingFor(text: string): string {
  const [, pid, task = ""] = /^(\d{1,10})(?: ([^\n]{0,1000}))?\n/.exec(text) ?? [];
  if (pid === undefined) return WAITING;
  return `waiting for krew-wasm${task === "" ? "" : ` ${printable(task, 200)}`} (process ${pid}) to finish`;
}

/**
 * Takes the lock, waiting for whoever has it; dispose it to let go.
 *
 * @param task what this process will do with it, for others
 * @param waiting told once, a line, when another process has it
 * @param prepare makes the lock file's directory; called again when the whole store was removed while this waited
 * @throws AppError STORE_FAILED, STORE_LOCKED
 */
export async function lockStore(
  path: string,
  task: string,
  waiting: (line: string) => void,
  prepare: () => void = () => {},
): Promise<Disposable> {
  let file: Deno.FsFile;
  let told = false;
  for (;;) {
    prepare();
    try {
      file = Deno.openSync(path, { read: true, write: true, create: true, mode: 0o600 });
    } catch (error) {
      throw storeFailed(`Cannot open ${path}`, error);
    }
    await acquire(file, path, true, (line) => {
      if (!told) waiting(line);
      told = true;
    });
    // The lock of a file that nobody finds any more keeps nobody out.
    if (isAt(file, path)) break;
    file.close();
  }
  try {
    file.truncateSync(0);
    file.seekSync(0, Deno.SeekMode.Start);
    file.writeSync(new TextEncoder().encode(`${Deno.pid} ${printable(task, 1000)}\n`));
  } catch { /* a full disk: whoever waits is told without a name */ }
  return {
    [Symbol.dispose]() {
      try {
        file.truncateSync(0); // who waits now waits for somebody else
      } catch { /* a read-only disk by now */ }
      file.close(); // and so unlocks
    },
  };
}

/**
 * Takes the lock as one of any number of readers that need the store to stay as it is, and waits for a writer. Where there
 * is no lock file, or none that can be opened, there is nobody to wait for that could be told.
 *
 * @throws AppError STORE_LOCKED
 */
export async function lockForReading(path: string, waiting: (line: string) => void): Promise<Disposable> {
  let file: Deno.FsFile;
  try {
    file = Deno.openSync(path, { read: true });
  } catch {
    return { [Symbol.dispose]() {} };
  }
  await acquire(file, path, false, waiting);
  return file;
}

/** Waits for a lock; closes the file when there is none to be had. */
async function acquire(
  file: Deno.FsFile,
  path: string,
  exclusive: boolean,
  waiting: (line: string) => void,
): Promise<void> {
  // Deno 2.6 can't try a lock; one that does not come at once is another process's. On a busy machine nothing comes at
  // once: where the file names nobody, there is some patience, and what came while this thread stood still has a turn.
  let ended = false;
  let timer: ReturnType<typeof setTimeout> | undefined;
  const after = (milliseconds: number, then: () => void) => {
    timer = setTimeout(() => {
      // Deno 2.6 calls a timer that was due in the same turn as the lock, though it is cleared by then.
      if (!ended) then();
    }, milliseconds);
  };
  const tell = () => waiting(waitingFor(textOf(path)));
  after(200, () => after(0, () => waitingFor(textOf(path)) === WAITING ? after(PATIENCE, tell) : tell()));
  try {
    await file.lock(exclusive);
  } catch (error) {
    file.close();
    throw new AppError("STORE_LOCKED", `Cannot lock ${path}: ${messageOf(error)}`, {
      hint: "the store has to be on a file system with locks",
      cause: error,
    });
  } finally {
    ended = true;
    clearTimeout(timer);
  }
}

/** Whether a file is the one at a path; where the system does not tell files apart, it is taken to be. */
function isAt(file: Deno.FsFile, path: string): boolean {
  try {
    const [here, there] = [file.statSync(), Deno.statSync(path)];
    return here.ino === null || there.ino === null || (here.ino === there.ino && here.dev === there.dev);
  } catch {
    return false;
  }
}

function textOf(path: string): string {
  try {
    return Deno.readTextFileSync(path);
  } catch {
    return ""; // Windows: a locked file can't be read
  }
}
