/**
 * One download of the same bytes at a time. The second process waits for the first, and then finds the bytes in the
 * store. The lock is a file of the operating system's locks, in stage/, so a killed process blocks nobody.
 */

import type { Layout } from "../../runtime/store/layout.ts";
import { digestOf } from "../oci/digest.ts";
import { makeDirectory, timeOf } from "./disk.ts";
import { lockStore } from "./store_lock.ts";

/** Prefix of the lock files' names in stage/. */
const PREFIX = "download-";
/** Milliseconds. A lock file of this age was left by a killed process. */
const LEFT_OVER = 24 * 60 * 60 * 1000;

/** Whether an entry of stage/ is the lock of a download that may still run. */
export function isDownloadLock(layout: Layout, name: string): boolean {
  return name.startsWith(PREFIX) && Math.abs(Date.now() - timeOf(`${layout.stage}/${name}`)) < LEFT_OVER;
}

/**
 * Waits until no other process downloads the same. Dispose it when the bytes are in the store, or cannot come.
 *
 * @param source the repository and the digest. Another repository's download does not count: its registry may be slow
 * @param task this process's task, for waiting processes
 * @param waiting called once with a line, if another process downloads the same
 * @throws AppError STORE_FAILED, STORE_LOCKED
 */
export async function lockDownload(
  layout: Layout,
  source: string,
  task: string,
  waiting: (line: string) => void,
): Promise<Disposable> {
  const name = PREFIX + digestOf(new TextEncoder().encode(source)).slice("sha256:".length);
  const path = `${layout.stage}/${name}`;
  const lock = await lockStore(path, task, waiting, () => makeDirectory(layout.stage));
  let held = true;
  return {
    [Symbol.dispose]() {
      if (!held) return;
      held = false;
      // Windows would keep the name for a moment, and refuse to open it for those who wait.
      if (Deno.build.os !== "windows") {
        try {
          Deno.removeSync(path);
        } catch { /* the user removed the store */ }
      }
      lock[Symbol.dispose]();
    },
  };
}
