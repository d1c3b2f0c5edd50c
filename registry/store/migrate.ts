/**
 * Migrates an older store. After each step the store is valid for both formats' readers or for this one's, and each
 * step can be repeated. The version is written last, so the next command completes an interrupted migration.
 */

import { formatHistory, readHistories } from "../../runtime/store/history.ts";
import { type Layout, STORE_VERSION } from "../../runtime/store/layout.ts";
import { readReceipts } from "../../runtime/store/read.ts";
import { formatReceipt } from "../../runtime/store/receipt.ts";
import { replaceFile } from "./disk.ts";

/**
 * Migrates versions 1 and 2 to 3: modes, and receipts in format 3, also in the history. Leaves broken receipts
 * unchanged. Under the lock.
 *
 * @throws AppError STORE_FAILED, Deno.errors
 */
export function migrateStore(layout: Layout): void {
  if (Deno.build.os !== "windows") {
    for (const directory of [layout.blobs, layout.compiled, layout.receipts, layout.data, layout.bin]) {
      narrow(directory, directory === layout.bin || directory === layout.data ? 0 : 2);
    }
  }
  for (const receipt of readReceipts(layout).receipts) {
    replaceFile(layout, "receipt", layout.receipt(receipt.name), formatReceipt(receipt));
  }
  for (const [name, versions] of readHistories(layout).versions) {
    replaceFile(layout, "history", layout.historyOf(name), formatHistory(versions));
  }
  replaceFile(layout, "version", layout.version, `{"format":${STORE_VERSION}}\n`);
}

/** Removes the rights of other users from a directory and its content, `depth` levels down. Does not follow links. */
export function narrow(path: string, depth: number): void {
  let names: string[] = [];
  try {
    const info = Deno.lstatSync(path);
    if (info.isSymlink) return;
    const mode = info.mode ?? 0;
    if ((mode & 0o077) !== 0) Deno.chmodSync(path, mode & 0o700);
    if (info.isDirectory && depth > 0) names = [...Deno.readDirSync(path)].map(({ name }) => name);
  } catch (error) {
    // Running plugins change files without the lock: broker records move, and files disappear.
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  for (const name of names) narrow(`${path}/${name}`, depth - 1);
}
