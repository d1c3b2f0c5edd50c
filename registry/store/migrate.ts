/**
 * An older store brought up to date. Each step leaves a store that both formats' readers understand or that this one
 * does, and can be done again; the version is written last, so what ends the process is made good by the next command.
 */

import { formatHistory, readHistories } from "../../runtime/store/history.ts";
import { type Layout, STORE_VERSION } from "../../runtime/store/layout.ts";
import { readReceipts } from "../../runtime/store/read.ts";
import { formatReceipt } from "../../runtime/store/receipt.ts";
import { replaceFile } from "./disk.ts";

/**
 * From 1 or 2 to 3: modes, and receipts of format 3, in the history too. One that can't be read stays what it is. Under the
 * lock. @throws AppError STORE_FAILED, Deno.errors
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

/** Takes others' rights from a directory and what is in it, `depth` levels down; links are let be. */
export function narrow(path: string, depth: number): void {
  let names: string[] = [];
  try {
    const info = Deno.lstatSync(path);
    if (info.isSymlink) return;
    const mode = info.mode ?? 0;
    if ((mode & 0o077) !== 0) Deno.chmodSync(path, mode & 0o700);
    if (info.isDirectory && depth > 0) names = [...Deno.readDirSync(path)].map(({ name }) => name);
  } catch (error) {
    // Plugins that run come and go without the lock: their records are put aside, their files removed.
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  for (const name of names) narrow(`${path}/${name}`, depth - 1);
}
