/**
 * Changes receipts: installation, update, rollback, removal. Functions need the lock unless they take it themselves.
 */

import { AppError } from "../../runtime/base/errors.ts";
import { exists } from "../../runtime/base/host_path.ts";
import { formatHistory, readHistory, sameVersion, versionBefore } from "../../runtime/store/history.ts";
import type { Layout } from "../../runtime/store/layout.ts";
import { isSamePublisher, repositoryOf } from "../../runtime/policy/provenance.ts";
import { notInstalled, readReceipt } from "../../runtime/store/read.ts";
import { formatReceipt, type Receipt, withInstalledGrants } from "../../runtime/store/receipt.ts";
import { printable } from "../../runtime/base/text.ts";
import { readIntact } from "./blobs.ts";
import { removeDirectory, replaceFile, storeFailed, syncDirectory } from "./disk.ts";
import { linkFiles, writeLinks } from "./links.ts";
import { dataAside, recoverData } from "./data.ts";
import { openForWriting, type OpenOptions } from "./open.ts";

/** How many versions of a plugin to keep by default, including the installed one. */
export const DEFAULT_KEEP = 3;

/**
 * Makes a receipt the installed one: the last step of an installation. Adds the replaced version to the history first,
 * and removes too old versions afterwards.
 *
 * @param keep number of versions to keep, including this one
 * @throws AppError STORE_FAILED
 */
export function commitReceipt(layout: Layout, receipt: Receipt, keep: number): void {
  const { name } = receipt;
  const replaced = installedOrBroken(layout, name);
  if (!exists(layout.receipt(name))) forgetHistory(layout, name);
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
 * Replaces a receipt. A plugin of another publisher gets an empty private directory: it must not read what the earlier
 * plugin stored there, such as tokens. The old directory is put aside first. If the receipt is not written, this
 * process puts it back, or the next writer does (recoverData()).
 */
function writeReplacement(layout: Layout, replaced: Receipt | undefined, receipt: Receipt): void {
  const data = layout.dataDir(receipt.name);
  // The publisher of a broken receipt is unknown.
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
      recoverData(layout, () => {}); // the next writer warns
    } catch { /* the disk became read-only: the next writer puts it back */ }
    throw error;
  }
  try {
    removeDirectory(layout, dataAside(layout, receipt));
  } catch { /* emptyStage() removes it */ }
}

/** Replaces a receipt in one step. @throws AppError STORE_FAILED */
export function writeReceipt(layout: Layout, receipt: Receipt): void {
  replaceFile(layout, "receipt", layout.receipt(receipt.name), formatReceipt(receipt));
}

/**
 * Changes the receipt of an installed plugin, under the lock. `change` gets the current receipt; if it throws, nothing
 * changes.
 *
 * @returns the new receipt
 * @throws AppError NOT_INSTALLED, RECEIPT_INVALID, STORE_…
 */
export async function updateReceipt(
  layout: Layout,
  name: string,
  change: (receipt: Receipt) => Receipt | Promise<Receipt>,
  options: Partial<OpenOptions> = {},
): Promise<Receipt> {
  readReceipt(layout, name); // reports a missing plugin before a store is created
  using _lock = await openForWriting(layout, { task: `change ${name}`, ...options });
  const receipt = readReceipt(layout, name);
  const changed = { ...await change(receipt), name };
  writeReceipt(layout, changed);
  return changed;
}

/** Options of a rollback. */
export interface RollbackOptions {
  /** The target version, by its name (`1.2.0`) or by a digest prefix. Default: the previous version. */
  readonly to?: string | undefined;
  readonly notice?: OpenOptions["notice"];
}

/**
 * Rolls a plugin back. The current grants stay, because they are the user's last decision. A version of another
 * publisher gets its own earlier grants instead.
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
  const restored: Receipt = isSamePublisher(version, current) ? withGrantsOf(version, current) : version;
  if (!history.some((each) => sameVersion(each, current))) {
    writeHistory(layout, name, [current, ...history]);
  }
  writeLinks(layout, restored);
  writeReplacement(layout, current, restored);
  return { from: current, to: restored };
}

/** A version with the present and the original grants of another. */
function withGrantsOf(version: Receipt, { grants, installedGrants }: Receipt): Receipt {
  return { ...withInstalledGrants(version, grants), ...(installedGrants ? { installedGrants } : {}) };
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
      hint: `krew-wasm info ${name} shows the kept versions`,
    });
  }
  return found[0];
}

function tagOf({ reference }: Receipt): string | undefined {
  return /:([^/:@]*)(?:@.*)?$/.exec(reference.replace(/@.*$/, ""))?.[1];
}

/** The result of {@linkcode removePlugins} for one name. */
export interface Removal {
  readonly name: string;
  /** undefined if it was removed. */
  readonly error: unknown;
}

/** Removes plugins. A failure of one does not stop the others. @throws AppError STORE_… */
export async function removePlugins(
  layout: Layout,
  names: readonly string[],
  notice?: (line: string) => void,
): Promise<Removal[]> {
  if (!exists(layout.receipts)) return names.map((name) => ({ name, error: notInstalled(layout, name) }));
  using store = await openForWriting(layout, { task: `rm ${names.join(" ")}`, notice });
  const removals = names.map((text): Removal => {
    const name = text.replaceAll("_", "-");
    // A broken receipt can be removed, too. An invalid name must not become a path.
    if (!/^[a-z0-9]+(-[a-z0-9]+)*$/.test(name) || !exists(layout.receipt(name))) {
      return { name: text, error: notInstalled(layout, text) };
    }
    try {
      // Without its receipt a plugin is not installed. This sweep, or the next command's, removes the rest.
      Deno.removeSync(layout.receipt(name));
      return { name, error: undefined };
    } catch (error) {
      return { name, error: storeFailed(`Cannot remove "${name}"`, error) };
    }
  });
  try {
    syncDirectory(layout.receipts);
  } catch (error) {
    throw storeFailed(`Cannot write ${layout.receipts}`, error);
  }
  const failures = new Map(store.sweep().map(({ path, error }) => [path, error]));
  return removals.map(({ name, error }) => {
    if (error !== undefined) return { name, error };
    const [link] = linkFiles(layout, name).filter(exists);
    if (link !== undefined) {
      return {
        name,
        error: new AppError("STORE_FAILED", `"${name}" is removed, its link ${link} can't be`, {
          hint: "remove it by hand",
        }),
      };
    }
    const data = layout.dataDir(name);
    return { name, error: failures.has(data) ? dataStays(layout, name, failures.get(data)) : undefined };
  });
}

function dataStays(layout: Layout, name: string, cause: unknown): AppError {
  const data = layout.dataDir(name);
  const { message } = storeFailed(`"${name}" is removed, its private directory ${data} can't be`, cause);
  return new AppError("STORE_FAILED", message, {
    cause,
    hint: `remove ${exists(data) ? data : `what is left in ${layout.stage}`} by hand`,
  });
}

/** Writes a plugin's history in one step. Under the lock. @throws AppError STORE_FAILED */
export function writeHistory(layout: Layout, name: string, versions: readonly Receipt[]): void {
  replaceFile(layout, "history", layout.historyOf(name), formatHistory(versions));
}

/** Removes the history of a removed plugin, if a killed process left it. @throws AppError STORE_FAILED */
function forgetHistory(layout: Layout, name: string): void {
  const path = layout.historyOf(name);
  try {
    if (exists(path)) Deno.removeSync(path);
  } catch (error) {
    throw storeFailed(`Cannot remove ${path}`, error);
  }
}

function installedOrBroken(layout: Layout, name: string): Receipt | undefined {
  try {
    return readReceipt(layout, name);
  } catch {
    return undefined; // there is no earlier version
  }
}

function historyOrNone(layout: Layout, name: string): Receipt[] {
  try {
    return readHistory(layout, name);
  } catch {
    return []; // broken: a new one replaces it
  }
}
