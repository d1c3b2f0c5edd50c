/** Finds problems of a store and fixes them. Examining changes nothing and takes no lock. */

import { AppError, messageOf } from "../../runtime/base/errors.ts";
import { exists, realPath } from "../../runtime/base/host_path.ts";
import { linkName } from "../../runtime/base/names.ts";
import { BINDGEN } from "../../runtime/store/bindgen.ts";
import { checkStore } from "../../runtime/store/check.ts";
import { readHistory, sameVersion } from "../../runtime/store/history.ts";
import { type Layout, STORE_VERSION } from "../../runtime/store/layout.ts";
import { readReceipts } from "../../runtime/store/read.ts";
import type { Receipt } from "../../runtime/store/receipt.ts";
import { shellCommand } from "../../runtime/base/shell_word.ts";
import { printable } from "../../runtime/base/text.ts";
import { Digester } from "../oci/digest.ts";
import type { Compile } from "../install/download.ts";
import { compileAnew } from "../install/install.ts";
import { lockStore } from "../store/store_lock.ts";
import { readIndexes } from "./index_file.ts";
import { CompiledForms, isCompiledIntact } from "../store/blobs.ts";
import { writeHistory } from "../store/commit.ts";
import { storeFailed } from "../store/disk.ts";
import {
  type LinkTarget,
  linkTargetOf,
  ownerOfLink,
  reaches,
  writeLinks,
  writeSelf,
} from "../store/links.ts";
import { narrow } from "../store/migrate.ts";
import { isDownloadLock } from "../store/download_lock.ts";
import { isIncoming } from "../store/incoming.ts";
import { isNoDirectory, openForWriting, storeDirectories } from "../store/open.ts";
import { findOrphans, namesIn, readContents } from "../store/sweep.ts";

/** Severity: an `error` breaks a plugin, a `warning` may. */
export type Level = "ok" | "warning" | "error";

/** The result of one check. */
export interface Finding {
  /** The name of the check, a word or two. */
  readonly check: string;
  readonly level: Level;
  readonly message: string;
  /** The command that fixes it. */
  readonly fix?: string | undefined;
}

/** A finding of the store, with what `--fix` may do about it. */
export interface StoreFinding extends Finding {
  readonly repair?:
    | { readonly kind: "version" | "modes" | "sweep" }
    | { readonly kind: "history" | "link" | "compile"; readonly name: string }
    /** An earlier version that `rollback` cannot use. */
    | { readonly kind: "earlier"; readonly receipt: Receipt }
    /** Bytes that only the registry has. */
    | { readonly kind: "pull"; readonly receipt: Receipt };
}

const FIX = "krew-wasm doctor --fix";
/** The start of the hint for a broken receipt. */
const AGAIN = "install it again: ";

/**
 * Checks the whole store: its owner, format, receipts, stored bytes, compiled forms, links and leftovers. Without a
 * lock, it may report another process's unfinished work; openForReading() prevents that.
 */
export function examineStore(layout: Layout, target: LinkTarget): StoreFinding[] {
  const findings: StoreFinding[] = [];
  const found = (check: string, level: Level, message: string, more: Partial<StoreFinding> = {}) =>
    findings.push({ check, level, message: printable(message, 2000), ...more });

  let version: number;
  try {
    version = checkStore(layout);
  } catch (error) {
    const { code, hint } = error as AppError;
    found("store", "error", messageOf(error), {
      fix: code === "STORE_CORRUPT" ? FIX : hint,
      ...(code === "STORE_CORRUPT" ? { repair: { kind: "version" } } : {}),
    });
    if (code !== "STORE_CORRUPT") return findings; // nothing in it can be relied on
    version = STORE_VERSION;
  }
  if (version === 0) {
    found("store", "ok", `There is none yet at ${layout.root}`);
    return findings;
  }
  if (version < STORE_VERSION && exists(layout.receipts)) {
    found("store", "warning", `${layout.root} has the older format ${version}`, {
      fix: FIX,
      repair: { kind: "sweep" },
    });
  } else if (findings.length === 0) found("store", "ok", `${layout.root}, format ${version}`);
  const [wrong, ...more] = storeDirectories(layout).filter(isNoDirectory);
  if (wrong !== undefined) {
    const others = more.length > 0 ? ` and ${more.length} more are` : " is";
    found(
      "directories",
      "error",
      `${wrong}${others} no directory`,
      wrong === layout.stage
        ? { fix: FIX, repair: { kind: "sweep" } } // no owner
        : { fix: moveCommand(wrong, `${wrong}.moved`) ?? `move ${wrong} away` },
    );
    return findings;
  }
  const wide = widerThanOwner(layout);
  if (wide.length > 0) {
    found(
      "modes",
      "warning",
      `Other users may read ${wide[0]}${wide.length > 1 ? ` and ${wide.length - 1} more` : ""}`,
      {
        fix: FIX,
        repair: { kind: "modes" },
      },
    );
  } else found("modes", "ok", "Only you may read the store");

  const contents = readContents(layout);
  const { receipts, broken, histories } = contents;
  for (const { name, error } of broken) {
    const { hint = `${AGAIN}krew-wasm pull --force REF --name ${name}` } = error as AppError;
    found("receipt", "error", messageOf(error), {
      // A receipt of a later format is not broken.
      fix: hint.startsWith(AGAIN) ? `krew-wasm rm ${name}, or ${hint.slice(AGAIN.length)}` : hint,
    });
  }
  for (const { name, error } of histories.broken) {
    found("history", "warning", messageOf(error), { fix: FIX, repair: { kind: "history", name } });
  }
  if (broken.length + histories.broken.length === 0) {
    found(
      "receipts",
      "ok",
      `${receipts.length} ${receipts.length === 1 ? "plugin is" : "plugins are"} installed`,
    );
  }
  examineBytes(layout, receipts, [...histories.versions.values()].flat(), found);
  examineLinks(layout, receipts, target, found);

  for (const { name, error } of readIndexes(layout).broken) {
    found("index", "warning", messageOf(error), { fix: `krew-wasm index remove ${name}, and add it again` });
  }

  const orphans = findOrphans(layout, contents);
  // Downloads have names there without the store's lock.
  const staged = namesIn(layout.stage)
    .filter((name) => !isIncoming(name) && !isDownloadLock(layout, name))
    .map((name) => `${layout.stage}/${name}`);
  const paths = [...orphans.map(({ path }) => path), ...staged];
  if (paths.length > 0) {
    found(
      "leftovers",
      "warning",
      `No plugin needs ${paths.slice(0, 3).join(", ")}${
        paths.length > 3 ? ` and ${paths.length - 3} more` : ""
      }`,
      { fix: FIX, repair: { kind: "sweep" } },
    );
  } else found("leftovers", "ok", "Nothing is left of what was removed or broken off");
  return findings;
}

type Found = (check: string, level: Level, message: string, more?: Partial<StoreFinding>) => void;

function examineBytes(
  layout: Layout,
  receipts: readonly Receipt[],
  earlier: readonly Receipt[],
  found: Found,
): void {
  const whole = new Map<string, boolean>();
  const isWhole = (digest: string, size?: number): boolean => {
    const known = whole.get(digest);
    if (known !== undefined) return known;
    const right = digestOfFile(layout.blob(digest), size) === digest;
    whole.set(digest, right);
    return right;
  };
  let stale = 0;
  let wrong = 0;
  for (const receipt of receipts) {
    const { name, digest, size, compiled, bindgen, manifestDigest, config } = receipt;
    if (!isWhole(digest, size)) {
      wrong++;
      found("digests", "error", `The stored WebAssembly of "${name}", ${digest}, is missing or changed`, {
        fix: FIX,
        repair: { kind: "pull", receipt },
      });
    } else if (bindgen !== BINDGEN) {
      stale++;
      found(
        "compiled",
        "warning",
        `"${name}" was compiled by another version; its next run compiles it anew`,
        {
          fix: FIX,
          repair: { kind: "compile", name },
        },
      );
      continue;
    }
    if (bindgen === BINDGEN && !isCompiledIntact(layout.compiledDir(digest, bindgen), compiled)) {
      wrong++;
      found("compiled", "error", `The compiled form of "${name}" is missing or changed`, {
        fix: FIX,
        ...(isWhole(digest, size) ? { repair: { kind: "compile", name } } : {}),
      });
    }
    for (const [what, each] of [["manifest", manifestDigest], ["config", config]] as const) {
      if (each === undefined || (!exists(layout.blob(each)) && what === "manifest" && config === undefined)) {
        continue;
      }
      if (isWhole(each)) continue;
      wrong++;
      found("digests", "warning", `The stored ${what} of "${name}", ${each}, is missing or changed`, {
        fix: FIX,
        repair: { kind: "pull", receipt },
      });
    }
  }
  for (const receipt of earlier) {
    const { name, digest, size } = receipt;
    if (isWhole(digest, size)) continue;
    wrong++;
    found(
      "digests",
      "warning",
      `An earlier version of "${name}", ${digest}, is missing or changed: no rollback to it`,
      { fix: FIX, repair: { kind: "earlier", receipt } },
    );
  }
  if (wrong === 0) found("digests", "ok", `${whole.size} stored digests are right`);
  if (stale === 0 && wrong === 0) found("compiled", "ok", "All compiled forms are of this version");
}

function examineLinks(layout: Layout, receipts: readonly Receipt[], target: LinkTarget, found: Found): void {
  if (receipts.length === 0) return;
  const before = wrongLinks(layout, receipts);
  const windows = Deno.build.os === "windows";
  const self = windows ? `${layout.self}.cmd` : layout.self;
  if (!reaches(self)) {
    found("links", "error", `${self} leads nowhere: krew-wasm was moved`, {
      fix: FIX,
      repair: { kind: "link", name: "krew-wasm" },
    });
  } else if (
    !windows && target.kind === "binary" && !isSameFile(self, target.path)
  ) {
    found("links", "warning", `${self} leads to another krew-wasm, ${linkTargetOf(self) ?? "a launcher"}`, {
      fix: FIX,
      repair: { kind: "link", name: "krew-wasm" },
    });
  } else if (before.length === 0) found("links", "ok", "Each plugin has its link");
  for (const { name, path, foreign } of before) {
    found(
      "links",
      "error",
      foreign
        ? `${path} is not made by krew-wasm, and in the way of "${name}"`
        : `The link of "${name}", ${path}, is missing`,
      foreign
        ? { fix: `${moveCommand(path, `${path}.old`) ?? `move ${path} away`}; ${FIX}` }
        : { fix: FIX, repair: { kind: "link", name } },
    );
  }
}

function moveCommand(from: string, to: string): string | undefined {
  return shellCommand([Deno.build.os === "windows" ? "move" : "mv", from, to]);
}

function isSameFile(a: string, b: string): boolean {
  try {
    return Deno.realPathSync(a) === Deno.realPathSync(b);
  } catch {
    return false; // moved meanwhile
  }
}

function wrongLinks(layout: Layout, receipts: readonly Receipt[]) {
  return receipts.flatMap(({ name, completion }) => {
    const suffix = Deno.build.os === "windows" ? ".cmd" : "";
    const paths = [layout.link(name), ...(completion === undefined ? [] : [layout.completionLink(name)])];
    return paths.map((path) => `${path}${suffix}`).flatMap((path) => {
      const owner = ownerOfLink(layout, path);
      return owner === "us" ? [] : [{ name, path, foreign: owner === "others" }];
    });
  });
}

/** Directories and files of the store that other users may read. The root's mode protects them, but not a copy. */
function widerThanOwner(layout: Layout): string[] {
  if (Deno.build.os === "windows") return [];
  const wide = (path: string) => {
    try {
      // A link has no mode of its own, and the store's root may be a link.
      const info = path === layout.root ? Deno.statSync(path) : Deno.lstatSync(path);
      return !info.isSymlink && ((info.mode ?? 0) & 0o077) !== 0;
    } catch {
      return false; // removed meanwhile
    }
  };
  return storeDirectories(layout).filter(exists).flatMap((directory) => [
    ...(wide(directory) ? [directory] : []),
    ...([layout.receipts, layout.history, layout.blobs, layout.indexes].includes(directory)
      ? namesIn(directory).map((name) => `${directory}/${name}`).filter(wide)
      : []),
  ]);
}

/** The digest of a file, read in pieces; undefined if it cannot be read or has another size. */
function digestOfFile(path: string, size: number | undefined): string | undefined {
  let file: Deno.FsFile | undefined;
  try {
    file = Deno.openSync(path, { read: true });
    if (size !== undefined && file.statSync().size !== size) return undefined;
    const digester = new Digester();
    const bytes = new Uint8Array(1 << 18);
    for (let read = file.readSync(bytes); read !== null; read = file.readSync(bytes)) {
      digester.update(bytes.subarray(0, read));
    }
    return digester.digest();
  } catch {
    return undefined;
  } finally {
    file?.close();
  }
}

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
  const { name, digest, size } = receipt;
  if (digestOfFile(layout.blob(digest), size) === digest) return;
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

/** The file name that kubectl looks for. */
export function linkFileName(name: string): string {
  return Deno.build.os === "windows" ? `${linkName(name)}.cmd` : linkName(name);
}
