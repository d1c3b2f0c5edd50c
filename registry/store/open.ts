/** Opening a store to change it: whose it is, its directories, the lock, its format, and what an earlier process left. */

import { AppError } from "../../runtime/base/errors.ts";
import type { Layout } from "../../runtime/store/layout.ts";
import { exists } from "../../runtime/base/host_path.ts";
import { checkStore } from "../../runtime/store/check.ts";
import { STORE_VERSION } from "../../runtime/store/layout.ts";
import { readReceipts } from "../../runtime/store/read.ts";
import { formatSummaries, receiptsStamp, SUMMARY_FROM } from "../../runtime/store/summary.ts";
import { printable } from "../../runtime/base/text.ts";
import { lockForReading, lockStore } from "./store_lock.ts";
import { isAside, recoverData } from "./data.ts";
import { makeDirectory, removeDirectory, storeFailed } from "./disk.ts";
import { isIncoming, isNamedByFileSystem } from "./incoming.ts";
import { migrateStore } from "./migrate.ts";
import { namesIn, sweep } from "./sweep.ts";

/** Who opens a store, and whom to tell. */
export interface OpenOptions {
  /** What will be done, for those who wait: `pull ghcr.io/acme/decoder:v1`. */
  readonly task: string;
  /** One line of status: for whom this process waits. */
  readonly notice?: ((line: string) => void) | undefined;
}

/**
 * Makes the store's directories where they are missing, takes the lock, brings an older format up to date and sweeps what
 * a process that was ended left. Dispose it to let go of the lock.
 *
 * @throws AppError STORE_UNSAFE, STORE_NEWER, STORE_CORRUPT, STORE_FAILED
 */
export async function openForWriting(layout: Layout, { task, notice }: OpenOptions): Promise<Disposable> {
  const lock = await lockStore(layout.lock, task, (line) => notice?.(line), () => prepareStore(layout));
  try {
    const version = checkStore(layout); // whoever had the lock before may have been newer
    // A link is not followed.
    if (exists(layout.stage) && !Deno.lstatSync(layout.stage).isDirectory) Deno.removeSync(layout.stage);
    recoverData(layout);
    emptyStage(layout);
    if (version < STORE_VERSION) migrateStore(layout);
    sweep(layout);
  } catch (error) {
    lock[Symbol.dispose]();
    throw storeFailed(`Cannot use ${layout.root}`, error);
  }
  return {
    [Symbol.dispose]() {
      try {
        renewSummaries(layout);
        clearStage(layout);
      } finally {
        lock[Symbol.dispose]();
      }
    },
  };
}

/** Makes the store's directories where they are missing, for what goes on without the lock. @throws AppError STORE_… */
export function prepareStore(layout: Layout): void {
  checkStore(layout);
  makeDirectories(layout);
}

/** Removes what is in stage/. The directory stays where it is one: others open files in it without the lock. */
function emptyStage(layout: Layout): void {
  const { stage } = layout;
  for (const name of namesIn(stage)) {
    if (isNamedByFileSystem(name)) continue;
    try {
      removeDirectory(`${stage}/${name}`);
    } catch (error) {
      // It has lost its name by now, or, on Windows, can't lose it while it is open.
      if (!isIncoming(name) && !(error instanceof Deno.errors.NotFound)) throw error;
    }
  }
  // Who comes next makes the directories before it waits, perhaps just now.
  makeDirectory(stage);
}

/**
 * Opens a store for a reader that needs all of it to stay as it is for a while; dispose it to let writers go on. Most
 * readers need no such thing: a receipt is there whole or not at all.
 *
 * @throws AppError STORE_UNSAFE, STORE_NEWER, STORE_CORRUPT, STORE_FAILED, STORE_LOCKED
 */
export async function openForReading(layout: Layout, notice: OpenOptions["notice"]): Promise<Disposable> {
  checkStore(layout); // nothing of a store that is refused is opened
  return await lockForReading(layout.lock, (line) => notice?.(line));
}

/**
 * What a command that failed has staged goes at once: on a full disk it is what fills it. A private directory that it could
 * not put back stays for the next one, which does.
 */
function clearStage(layout: Layout): void {
  try {
    for (const name of namesIn(layout.stage)) {
      if (isAside(name) || isNamedByFileSystem(name)) continue;
      try {
        Deno.removeSync(`${layout.stage}/${name}`, { recursive: true });
      } catch { /* a download's, which has lost its name by now */ }
    }
  } catch { /* the next command that writes puts it right */ }
}

/** Makes the copy of what `list` shows anew, where there are many plugins and they changed. It is never needed. */
function renewSummaries(layout: Layout): void {
  try {
    const stamp = receiptsStamp(layout);
    if (stamp === undefined) return;
    let count = 0;
    for (const _ of Deno.readDirSync(layout.receipts)) count++;
    if (count < SUMMARY_FROM) {
      if (exists(layout.summaries)) Deno.removeSync(layout.summaries);
      return;
    }
    const { receipts, broken } = readReceipts(layout);
    if (broken.length > 0) return; // list tells of those
    // Two changes in the same tick of the system's clock leave one stamp: it does not tell that nothing is new.
    const text = formatSummaries(receipts, stamp);
    if (exists(layout.summaries) && Deno.readTextFileSync(layout.summaries) === text) return;
    const staged = `${layout.stage}/summaries`;
    Deno.writeTextFileSync(staged, text, { mode: 0o600 });
    Deno.renameSync(staged, layout.summaries); // not synced: a wrong one is not used
  } catch { /* a full disk: list reads the receipts */ }
}

/** What a user may put into a store before krew-wasm does, with certificates beside it. */
const OF_THE_USER = ["registries.yaml", "policy.yaml", "trusted_root.json"];

/**
 * A directory of something else, named by mistake, does not become a store: its mode would be narrowed, which for one such
 * as /etc is a broken machine.
 *
 * @throws AppError STORE_UNSAFE
 */
function refuseOther(layout: Layout): void {
  const isStore = () => exists(layout.version) || exists(layout.receipts);
  if (isStore() || !exists(layout.root)) return;
  const names = [...Deno.readDirSync(layout.root)].map(({ name }) => name);
  if (names.some((name) => OF_THE_USER.includes(name))) return;
  // What a first command left that was killed; what systems put into an empty directory.
  const own = new Set(
    [...storeDirectories(layout), layout.lock].map((path) => path.slice(layout.root.length + 1)),
  );
  const other = names.sort().find((name) => !own.has(name) && !name.startsWith(".") && name !== "lost+found");
  // Another first command may have made the store between these looks, and more in it than its directories.
  if (other === undefined || isStore()) return;
  throw new AppError(
    "STORE_UNSAFE",
    `${layout.root} is no store of plugins: it holds other files, such as "${printable(other, 100)}"`,
    { hint: "set KREW_WASM_ROOT to a new or empty directory" },
  );
}

/** The store's directories, for its user alone. */
function makeDirectories(layout: Layout): void {
  try {
    refuseOther(layout);
    for (const directory of storeDirectories(layout)) {
      // Where a plugin runs, the process may no longer make the ones that it has no need of (runtime/sandbox/process_permissions.ts).
      if (!exists(directory)) makeDirectory(directory);
      // What is staged is of nobody: that is put right under the lock.
      else if (directory !== layout.stage && isNoDirectory(directory)) {
        throw new AppError("STORE_CORRUPT", `${directory} is no directory`, {
          hint: "move it away: what belongs there is made anew, or pulled again",
        });
      }
      // A root that its user made beforehand has the mode of any directory; it guards all that is below, so that is
      // seen to before there is anything below: what others may write to is refused (checkStore).
      if (directory === layout.root && Deno.build.os !== "windows") {
        if (((Deno.statSync(layout.root).mode ?? 0) & 0o077) !== 0) Deno.chmodSync(layout.root, 0o700);
      }
    }
  } catch (error) {
    throw storeFailed(`Cannot use ${layout.root}`, error);
  }
}

/** Whether something else is where a directory of the store belongs. */
export function isNoDirectory(path: string): boolean {
  try {
    return !Deno.statSync(path).isDirectory;
  } catch {
    return false;
  }
}

/** Every directory of a store, parents first. */
export function storeDirectories(layout: Layout): string[] {
  return [
    layout.root,
    layout.bin,
    layout.blobs.slice(0, layout.blobs.lastIndexOf("/")),
    layout.blobs,
    layout.compiled,
    layout.receipts,
    layout.history,
    layout.data,
    layout.indexes,
    layout.log,
    layout.stage,
  ];
}
