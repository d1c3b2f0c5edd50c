/**
 * One writer at a time: an exclusive lock of the operating system on the store's lock file. The system releases it when
 * the process ends in any way, so stale locks cannot exist. The file's text only tells waiting users which process has
 * the lock; nothing checks whether that process lives.
 */

import { AppError, messageOf } from "../../runtime/base/errors.ts";
import { printable } from "../../runtime/base/text.ts";
import { storeFailed } from "./disk.ts";

const WAITING = "waiting for another krew-wasm to finish";
/** Milliseconds. */
const PATIENCE = 2000;

/** The message for a waiting user. Pure. */
export function waitingFor(text: string): string {
  const [, pid, task = ""] = /^(\d{1,10})(?: ([^\n]{0,1000}))?\n/.exec(text) ?? [];
  if (pid === undefined) return WAITING;
  return `waiting for krew-wasm${task === "" ? "" : ` ${printable(task, 200)}`} (process ${pid}) to finish`;
}

/**
 * Takes the lock, waiting for another process if necessary. Dispose it to release the lock.
 *
 * @param task this process's task, for waiting processes
 * @param waiting called once with a line, if another process has the lock
 * @param prepare creates the lock file's directory; called again if the store was removed during the wait
 * @throws AppError STORE_FAILED, STORE_LOCKED
 */
export async function lockStore(
  path: string,
  task: string,
  waiting: (line: string) => void,
  prepare: () => void = () => {},
): Promise<Disposable> {
  let file: Deno.FsFile;
  let reported = false;
  for (;;) {
    prepare();
    try {
      file = Deno.openSync(path, { read: true, write: true, create: true, mode: 0o600 });
    } catch (error) {
      throw storeFailed(`Cannot open ${path}`, error);
    }
    await acquire(file, path, true, (line) => {
      if (!reported) waiting(line);
      reported = true;
    });
    // A lock on a file that was removed protects nothing.
    if (isAt(file, path)) break;
    file.close();
  }
  try {
    file.truncateSync(0);
    file.seekSync(0, Deno.SeekMode.Start);
    file.writeSync(new TextEncoder().encode(`${Deno.pid} ${printable(task, 1000)}\n`));
  } catch { /* a full disk: waiting processes show no name */ }
  return {
    [Symbol.dispose]() {
      try {
        file.truncateSync(0); // waiting processes then wait for another one
      } catch { /* the disk became read-only */ }
      file.close(); // releases the lock
    },
  };
}

/**
 * Takes a shared lock: any number of readers hold the store unchanged, and wait for a writer. Without a lock file that
 * can be opened, it locks nothing.
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

/** Waits for a lock. Closes the file on failure. */
async function acquire(
  file: Deno.FsFile,
  path: string,
  exclusive: boolean,
  waiting: (line: string) => void,
): Promise<void> {
  // Deno 2.6 cannot try a lock: if the lock does not come at once, another process has it. On a busy machine it may
  // come late. If the file names no process, wait some time before saying so, and give a lock that came in the meantime
  // one more turn.
  let ended = false;
  let timer: ReturnType<typeof setTimeout> | undefined;
  const after = (milliseconds: number, then: () => void) => {
    timer = setTimeout(() => {
      // Deno 2.6 calls a cleared timer that was due in the same turn as the lock.
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

/** Whether an open file is the one at a path. True if the system cannot compare files. */
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
    return ""; // Windows cannot read a locked file
  }
}
