/** What becomes of receipts: an installation, a change, a rollback, a removal. Under the lock, but for the functions that take it. */

import { AppError } from "../../runtime/base/errors.ts";
import { exists } from "../../runtime/base/host_path.ts";
import { formatHistory, readHistory, sameVersion, versionBefore } from "../../runtime/store/history.ts";
import type { Layout } from "../../runtime/store/layout.ts";
import { isSamePublisher, repositoryOf } from "../../runtime/policy/provenance.ts";
import { readReceipt } from "../../runtime/store/read.ts";
import { formatReceipt, type Receipt } from "../../runtime/store/receipt.ts";
import { printable } from "../../runtime/base/text.ts";
import { readIntact } from "./blobs.ts";
import { replaceFile, storeFailed, syncDirectory } from "./disk.ts";
import { linkFiles, writeLinks } from "./links.ts";
import { dataAside, recoverData } from "./data.ts";
import { openForWriting, type OpenOptions } from "./open.ts";
import { sweep } from "./sweep.ts";

/** How many versions of a plugin stay, the installed one among them, unless a command says otherwise. */
export const DEFAULT_KEEP = 3;

/**
 * Makes a receipt what is installed: in one step, the last of an installation. The version it replaces goes into the
 * history before, and what is too old leaves it after.
 *
 * @param keep versions that stay, this one among them
 * @throws AppError STORE_FAILED
 */
export function commitReceipt(layout: Layout, receipt: Receipt, keep: number): void {
  const { name } = receipt;
  const replaced = installedOrBroken(layout, name);
  let history = historyOrNone(layout, name);
  if (replaced !== undefined && !sameVersion(replaced, receipt)) {
    history = [replaced, ...history.filter((version) => !sameVersion(version, replaced))];
    writeHistory(layout, name, history);
  }
  writeReplacement(layout, replaced, receipt);
  const kept = history.filter((version) => !sameVersion(version, receipt)).slice(0, keep - 1);
  if (kept.length < history.length) writeHistory(layout, name, kept);
}

/**
 * Writes the receipt of another version. One of another publisher finds an empty private directory: what one publisher's
 * plugin kept there (tokens, perhaps) is no business of another's that takes its name. So it is put aside before, and
 * put back where it does not come to that, by the next process that writes if this one is killed (recoverData()).
 */
function writeReplacement(layout: Layout, replaced: Receipt | undefined, receipt: Receipt): void {
  const data = layout.dataDir(receipt.name);
  // Of a receipt that can't be read nobody knows whose it was.
  const keeps = replaced !== undefined && isSamePublisher(replaced, receipt);
  if (keeps || !exists(data)) return writeReceipt(layout, receipt);
  try {
    Deno.renameSync(data, dataAside(layout, receipt));
  } catch (error) {
    throw storeFailed(`Cannot empty ${data}`, error);
  }
  try {
    writeReceipt(layout, receipt);
  } catch (error) {
    try {
      recoverData(layout);
    } catch { /* a disk that has become read-only: the next process that writes does it */ }
    throw error;
  }
  try {
    Deno.removeSync(dataAside(layout, receipt), { recursive: true });
  } catch { /* it is swept with all that is staged */ }
}

/** Writes a receipt in one step. @throws AppError STORE_FAILED */
export function writeReceipt(layout: Layout, receipt: Receipt): void {
  replaceFile(layout, "receipt", layout.receipt(receipt.name), formatReceipt(receipt));
}

/**
 * Changes the receipt of an installed plugin, under the lock. `change` gets the receipt as it is then; what it throws
 * leaves everything as it was.
 *
 * @returns the receipt as it was written
 * @throws AppError NOT_INSTALLED, RECEIPT_INVALID, STORE_…
 */
export async function updateReceipt(
  layout: Layout,
  name: string,
  change: (receipt: Receipt) => Receipt | Promise<Receipt>,
  options: Partial<OpenOptions> = {},
): Promise<Receipt> {
  readReceipt(layout, name); // what is not installed is told without a store being made
  using _lock = await openForWriting(layout, { task: `change ${name}`, ...options });
  const receipt = readReceipt(layout, name);
  const changed = { ...await change(receipt), name };
  writeReceipt(layout, changed);
  return changed;
}

/** How a rollback is asked for. */
export interface RollbackOptions {
  /** The version to go to, by its own name (`1.2.0`) or by the begin of one of its digests; the one before without it. */
  readonly to?: string | undefined;
  readonly notice?: OpenOptions["notice"];
}

/**
 * Brings an earlier version of a plugin back. Its grants are the present ones, as these are what the user last said; for
 * a version of another publisher they are its own of then.
 *
 * @returns the receipts before and after
 * @throws AppError NOT_INSTALLED, RECEIPT_INVALID, VERSION_UNKNOWN, STORE_CORRUPT, STORE_…
 */
export async function rollbackPlugin(
  layout: Layout,
  name: string,
  { to, notice }: RollbackOptions,
): Promise<{ readonly from: Receipt; readonly to: Receipt }> {
  readReceipt(layout, name);
  using _lock = await openForWriting(layout, { task: `rollback ${name}`, notice });
  const current = readReceipt(layout, name);
  const history = readHistory(layout, name);
  const version = to === undefined ? versionBefore(current, history) : findVersion(name, to, history);
  if (version === undefined) {
    throw new AppError("VERSION_UNKNOWN", `No earlier version of "${name}" is kept`, {
      hint: "krew-wasm pull --force REF installs another version",
    });
  }
  if (!readIntact(layout.blob(version.digest), version)) {
    throw new AppError(
      "STORE_CORRUPT",
      `The stored WebAssembly of "${name}" ${version.digest} is missing or changed`,
      {
        hint: `krew-wasm pull --force ${repositoryOf(version)}@${version.manifestDigest} --name ${name}`,
      },
    );
  }
  const restored: Receipt = isSamePublisher(version, current)
    ? { ...version, grants: current.grants }
    : version;
  if (!history.some((each) => sameVersion(each, current))) {
    writeHistory(layout, name, [current, ...history]);
  }
  writeLinks(layout, restored);
  writeReplacement(layout, current, restored);
  return { from: current, to: restored };
}

function findVersion(name: string, text: string, history: readonly Receipt[]): Receipt | undefined {
  const hex = text.replace(/^sha256:/, "");
  const found = history.filter((version) =>
    version.version === text || tagOf(version) === text ||
    (/^[0-9a-f]{7,64}$/.test(hex) &&
      [version.digest, version.manifestDigest].some((digest) => digest.startsWith(`sha256:${hex}`)))
  );
  if (found[0] === undefined) {
    throw new AppError("VERSION_UNKNOWN", `No version "${printable(text, 100)}" of "${name}" is kept`, {
      hint: `krew-wasm info ${name} shows which are`,
    });
  }
  return found[0];
}

function tagOf({ reference }: Receipt): string | undefined {
  return /:([^/:@]*)(?:@.*)?$/.exec(reference.replace(/@.*$/, ""))?.[1];
}

/** What became of each name of {@linkcode removePlugins}. */
export interface Removal {
  readonly name: string;
  /** undefined: it was removed. */
  readonly error: unknown;
}

/** Removes plugins: all that can be, each with what became of it. @throws AppError STORE_… */
export async function removePlugins(
  layout: Layout,
  names: readonly string[],
  notice?: (line: string) => void,
): Promise<Removal[]> {
  if (!exists(layout.receipts)) return names.map((name) => ({ name, error: notInstalled(name) }));
  using _lock = await openForWriting(layout, { task: `rm ${names.join(" ")}`, notice });
  const removals = names.map((text): Removal => {
    const name = text.replaceAll("_", "-");
    // A broken receipt can be removed too; what is no name can't be a path.
    if (!/^[a-z0-9]+(-[a-z0-9]+)*$/.test(name) || !exists(layout.receipt(name))) {
      return { name: text, error: notInstalled(text) };
    }
    try {
      // Without its receipt a plugin is not installed; what else there is of it is swept, now or by the next command.
      Deno.removeSync(layout.receipt(name));
      syncDirectory(layout.receipts);
      return { name, error: undefined };
    } catch (error) {
      return { name, error: storeFailed(`Cannot remove "${name}"`, error) };
    }
  });
  sweep(layout);
  return removals.map(({ name, error }) => {
    const left = error === undefined ? linkFiles(layout, name).filter(exists) : [];
    if (left.length === 0) return { name, error };
    return {
      name,
      error: new AppError("STORE_FAILED", `"${name}" is removed, its link ${left[0]} can't be`, {
        hint: "remove it by hand",
      }),
    };
  });
}

function notInstalled(name: string): AppError {
  return new AppError("NOT_INSTALLED", `No plugin "${printable(name, 100)}" is installed`, {
    hint: "krew-wasm list shows what is",
  });
}

/** Writes the earlier versions of a plugin in one step. Under the lock. @throws AppError STORE_FAILED */
export function writeHistory(layout: Layout, name: string, versions: readonly Receipt[]): void {
  replaceFile(layout, "history", layout.historyOf(name), formatHistory(versions));
}

function installedOrBroken(layout: Layout, name: string): Receipt | undefined {
  try {
    return readReceipt(layout, name);
  } catch {
    return undefined; // nothing, or nothing to go back to
  }
}

function historyOrNone(layout: Layout, name: string): Receipt[] {
  try {
    return readHistory(layout, name);
  } catch {
    return []; // broken; a new one takes its place
  }
}
