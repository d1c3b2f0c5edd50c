/** Fixes what the checks of a store found and what needs no network. */

import { AppError } from "../../runtime/base/errors.ts";
import { realPath } from "../../runtime/base/host_path.ts";
import { checkStore } from "../../runtime/store/check.ts";
import { readHistory, sameVersion } from "../../runtime/store/history.ts";
import type { Layout } from "../../runtime/store/layout.ts";
import { readReceipts } from "../../runtime/store/read.ts";
import type { Receipt } from "../../runtime/store/receipt.ts";
import type { Compile } from "../install/download.ts";
import { compileAnew } from "../install/recompile.ts";
import { CompiledForms } from "../store/blobs.ts";
import { writeHistory } from "../store/commit.ts";
import { storeFailed } from "../store/disk.ts";
import { type LinkTarget, writeLinks, writeSelf } from "../store/links.ts";
import { narrow } from "../store/migrate.ts";
import { openForWriting } from "../store/open.ts";
import { isIntact } from "../store/read_stripped.ts";
import { lockStore } from "../store/store_lock.ts";
import type { StoreFinding } from "./findings.ts";

/** Options of {@linkcode repairStore}. */
export interface RepairOptions {
  readonly target: LinkTarget;
  readonly compile: Compile;
  readonly notice?: ((line: string) => void) | undefined;
}

/**
 * Fixes everything that needs no network, under the lock.
 *
 * @returns a line for each failure
 * @throws AppError STORE_…
 */
export async function repairStore(
  layout: Layout,
  findings: readonly StoreFinding[],
  { target, compile, notice }: RepairOptions,
): Promise<string[]> {
  const due = findings.flatMap(({ repair }) => repair && repair.kind !== "pull" ? [repair] : []);
  if (due.length === 0) return [];
  const task = "doctor --fix";
  if (due.some(({ kind }) => kind === "version")) {
    using _lock = await lockStore(layout.lock, task, (line) => notice?.(line));
    forgetBrokenFormat(layout);
  }
  using _lock = await openForWriting(layout, { task, notice });
  const failures: string[] = [];
  const receipts = new Map(readReceipts(layout).receipts.map((receipt) => [receipt.name, receipt]));
  const forms = new CompiledForms(layout);
  // The findings are from before the lock: check each again.
  for (const repair of due) {
    try {
      if (repair.kind === "modes") {
        onDisk(layout, () => narrow(realPath(layout.root), 2));
      } else if (repair.kind === "history") {
        forgetBrokenHistory(layout, repair.name);
      } else if (repair.kind === "earlier") {
        forgetBrokenVersion(layout, repair.receipt);
      } else if (repair.kind === "link") {
        writeSelf(layout, target);
        const receipt = receipts.get(repair.name);
        if (receipt) writeLinks(layout, receipt);
      } else if (repair.kind === "compile") {
        const receipt = receipts.get(repair.name);
        if (receipt) await compileAnew(layout, receipt, compile, forms);
      }
    } catch (error) {
      if (!(error instanceof AppError)) throw error;
      failures.push(error.message);
    }
  }
  return failures;
}

/** The next command that opens a store without a version migrates it again: harmless, and complete. */
function forgetBrokenFormat(layout: Layout): void {
  try {
    checkStore(layout);
  } catch (error) {
    if ((error as AppError).code === "STORE_CORRUPT") onDisk(layout, () => Deno.removeSync(layout.version));
  }
}

function forgetBrokenHistory(layout: Layout, name: string): void {
  try {
    readHistory(layout, name);
  } catch {
    onDisk(layout, () => Deno.removeSync(layout.historyOf(name)));
  }
}

/** Removes an earlier version without bytes from the history, unless the installed version restores them. */
function forgetBrokenVersion(layout: Layout, receipt: Receipt): void {
  const { name, digest } = receipt;
  if (isIntact(layout.blob(digest), receipt)) return;
  const history = readHistory(layout, name);
  const kept = history.filter((version) => !sameVersion(version, receipt));
  if (kept.length < history.length) writeHistory(layout, name, kept);
}

/** @throws AppError STORE_FAILED */
function onDisk(layout: Layout, change: () => void): void {
  try {
    change();
  } catch (error) {
    throw storeFailed(`Cannot repair ${layout.root}`, error);
  }
}
