/**
 * Opens a store for changes: checks its owner, creates its directories, takes the lock, migrates its format, and cleans
 * up.
 */

import { AppError } from "../../runtime/base/errors.ts";
import type { Layout } from "../../runtime/store/layout.ts";
import { exists } from "../../runtime/base/host_path.ts";
import { checkStore } from "../../runtime/store/check.ts";
import { STORE_VERSION } from "../../runtime/store/layout.ts";
import { formatSummaries, receiptsStamp, SUMMARY_FROM } from "../../runtime/store/summary.ts";
import { printable } from "../../runtime/base/text.ts";
import { lockForReading, lockStore } from "./store_lock.ts";
import { isAside, isWaiting, recoverData } from "./data.ts";
import { makeDirectory, removeDirectory, storeFailed } from "./disk.ts";
import { isDownloadLock } from "./download_lock.ts";
import { sweepCache } from "./cached_forms.ts";
import { isIncoming, isNamedByFileSystem } from "./incoming.ts";
import { migrateStore } from "./migrate.ts";
import { namesIn, readContents, removeOrphans, type StoreContents } from "./sweep.ts";

/** The caller of a store's lock, and how to tell the user. */
export interface OpenOptions {
  /** The task that waiting processes show: `pull ghcr.io/acme/decoder:v1`. */
  readonly task: string;
  /** Prints a line of status: the process that this one waits for. */
  readonly notice?: ((line: string) => void) | undefined;
  /** The batch that sweeps the store later (batch.ts). Default: the store is swept when the lock is released. */
  readonly batch?: PendingSweep | undefined;
}

/** Whether a batch has changed the store since its last sweep. */
export interface PendingSweep {
  due: boolean;
}

/** The lock of a store that was opened for writing. Disposal removes what no receipt needs and releases the lock. */
export interface WritableStore extends Disposable {
  /** Removes all that no receipt needs. Call it after the last change. Returns what stays. @throws AppError STORE_FAILED */
  sweep(): ReturnType<typeof removeOrphans>;
}

/**
 * Opens a store for writing: creates missing directories, takes the lock, migrates an older format, and empties stage/.
 * Dispose it to sweep the store and release the lock. The sweep reads every receipt, so it runs once.
 *
 * @throws AppError STORE_UNSAFE, STORE_NEWER, STORE_CORRUPT, STORE_FAILED
 */
export async function openForWriting(
  layout: Layout,
  { task, notice, batch }: OpenOptions,
): Promise<WritableStore> {
  const lock = await lockStore(layout.lock, task, (line) => notice?.(line), () => prepareStore(layout));
  try {
    const version = checkStore(layout); // a newer krew-wasm may have had the lock before
    // Does not follow a link.
    if (exists(layout.stage) && !Deno.lstatSync(layout.stage).isDirectory) Deno.removeSync(layout.stage);
    recoverData(layout, (line) => notice?.(line));
    emptyStage(layout, (line) => notice?.(line));
    if (version < STORE_VERSION) migrateStore(layout);
    // The batch writes it anew. Until then an equal stamp must not make it count.
    if (batch && exists(layout.summaries)) Deno.removeSync(layout.summaries);
  } catch (error) {
    lock[Symbol.dispose]();
    throw storeFailed(`Cannot use ${layout.root}`, error);
  }
  let swept: StoreContents | undefined;
  const sweep = () => {
    try {
      swept = readContents(layout);
      return removeOrphans(layout, swept);
    } catch (error) {
      throw storeFailed(`Cannot clean up ${layout.root}`, error);
    }
  };
  return {
    sweep,
    [Symbol.dispose]() {
      try {
        if (batch) batch.due = true;
        else {
          try {
            if (!swept) sweep();
            sweepCache(layout);
          } catch { /* the changes are made; the next command that writes tries again */ }
          if (swept) renewSummaries(layout, swept);
        }
        clearStage(layout);
      } finally {
        lock[Symbol.dispose]();
      }
    },
  };
}

/**
 * Makes a store for work without the lock. A command that fails after this leaves a complete, empty store.
 *
 * @throws AppError STORE_…
 */
export async function createStore(layout: Layout, options: OpenOptions): Promise<void> {
  prepareStore(layout);
  if (!exists(layout.version)) (await openForWriting(layout, options))[Symbol.dispose]();
}

/** Creates the store's missing directories, for work without the lock. @throws AppError STORE_… */
export function prepareStore(layout: Layout): void {
  checkStore(layout);
  makeDirectories(layout);
}

/**
 * Empties stage/. Keeps the directory itself: other processes create files in it without the lock. Leaves
 * files that cannot be removed, with a warning, so that later commands still work.
 */
function emptyStage(layout: Layout, warn: (line: string) => void): void {
  const { stage } = layout;
  for (const name of namesIn(stage)) {
    if (isNamedByFileSystem(name) || isWaiting(layout, name) || isDownloadLock(layout, name)) continue;
    const path = `${stage}/${name}`;
    try {
      removeDirectory(layout, path);
    } catch (error) {
      // It has no name any more, or Windows cannot remove it while it is open.
      if (isIncoming(name) || error instanceof Deno.errors.NotFound) continue;
      warn(`warning: ${storeFailed(`Cannot remove ${printable(path, 300)}`, error).message}`);
    }
  }
  // The next process creates the directories before it waits, perhaps right now.
  makeDirectory(stage);
}

/**
 * Opens a store for a reader that needs an unchanged store. Dispose it to let writers continue. Most readers don't need
 * this, because receipts change atomically.
 *
 * @throws AppError STORE_UNSAFE, STORE_NEWER, STORE_CORRUPT, STORE_FAILED, STORE_LOCKED
 */
export async function openForReading(layout: Layout, notice: OpenOptions["notice"]): Promise<Disposable> {
  checkStore(layout); // throws before anything of a refused store is opened
  return await lockForReading(layout.lock, (line) => notice?.(line));
}

/**
 * Removes what a failed command staged: on a full disk it takes the space. A private directory that could not be put
 * back stays; the next writer puts it back.
 */
function clearStage(layout: Layout): void {
  try {
    for (const name of namesIn(layout.stage)) {
      if (isAside(name) || isNamedByFileSystem(name) || isDownloadLock(layout, name)) continue;
      try {
        removeDirectory(layout, `${layout.stage}/${name}`);
      } catch { /* a download that has no name any more */ }
    }
  } catch { /* the next command that writes repairs it */ }
}

/** Updates the cached summaries of `list` after changes, if there are many plugins. The cache is optional. */
function renewSummaries(layout: Layout, { receipts, broken }: StoreContents): void {
  try {
    const stamp = receiptsStamp(layout);
    if (stamp === undefined) return;
    if (receipts.length + broken.length < SUMMARY_FROM) {
      if (exists(layout.summaries)) Deno.removeSync(layout.summaries);
      return;
    }
    if (broken.length > 0) return; // list reports those
    // Two changes within one tick of the clock have the same stamp, so an equal stamp does not prove that nothing
    // changed.
    const text = formatSummaries(receipts, stamp);
    if (exists(layout.summaries) && Deno.readTextFileSync(layout.summaries) === text) return;
    const staged = `${layout.stage}/summaries`;
    Deno.writeTextFileSync(staged, text, { mode: 0o600 });
    Deno.renameSync(staged, layout.summaries); // not synced: readers ignore a wrong one
  } catch { /* a full disk: list reads the receipts */ }
}

/** Files that a user may create in a store before krew-wasm does, with certificates beside them. */
const OF_THE_USER = ["registries.yaml", "policy.yaml", "trusted_root.json"];

/**
 * Refuses a directory that is not a store, named by mistake. A store narrows its directory's mode, which for /etc would
 * break the machine.
 *
 * @throws AppError STORE_UNSAFE
 */
function refuseOther(layout: Layout): void {
  const isStore = () => exists(layout.version) || exists(layout.receipts);
  if (isStore() || !exists(layout.root)) return;
  const names = [...Deno.readDirSync(layout.root)].map(({ name }) => name);
  if (names.some((name) => OF_THE_USER.includes(name))) return;
  // Leftovers of a killed first command, and entries that systems put into empty directories.
  const own = new Set(
    [...storeDirectories(layout), layout.lock].map((path) => path.slice(layout.root.length + 1)),
  );
  const other = names.sort().find((name) => !own.has(name) && !name.startsWith(".") && name !== "lost+found");
  // Another first command may have created the store since the first check.
  if (other === undefined || isStore()) return;
  throw new AppError(
    "STORE_UNSAFE",
    `${layout.root} is no store of plugins: it holds other files, such as "${printable(other, 100)}"`,
    { hint: "set KREW_WASM_ROOT to a new or empty directory" },
  );
}

/** Creates the store's directories, for the user alone. */
function makeDirectories(layout: Layout): void {
  try {
    refuseOther(layout);
    for (const directory of storeDirectories(layout)) {
      // During a plugin run, the process may lack the right to create directories that it does not need
      // (runtime/sandbox/process_permissions.ts).
      if (!exists(directory)) makeDirectory(directory);
      // stage/ needs no check here: openForWriting() repairs it under the lock.
      else if (directory !== layout.stage && isNoDirectory(directory)) {
        throw new AppError("STORE_CORRUPT", `${directory} is no directory`, {
          hint: "move it away: what belongs there is made anew, or pulled again",
        });
      }
      // A root that the user created may have any mode. Its mode protects everything below, so narrow it before
      // anything is below. checkStore() refuses a root that others may write.
      if (directory === layout.root && Deno.build.os !== "windows") {
        if (((Deno.statSync(layout.root).mode ?? 0) & 0o077) !== 0) Deno.chmodSync(layout.root, 0o700);
      }
    }
  } catch (error) {
    throw storeFailed(`Cannot use ${layout.root}`, error);
  }
}

/** Whether a directory of the store is something else than a directory. */
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
    layout.cache,
    layout.receipts,
    layout.history,
    layout.data,
    layout.indexes,
    layout.log,
    layout.stage,
  ];
}
