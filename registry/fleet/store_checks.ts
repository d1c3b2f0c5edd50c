/** Finds problems of a store. Examining changes nothing and takes no lock. */

import { AppError, messageOf } from "../../runtime/base/errors.ts";
import { exists } from "../../runtime/base/host_path.ts";
import { checkStore } from "../../runtime/store/check.ts";
import { type Layout, STORE_VERSION } from "../../runtime/store/layout.ts";
import { printable } from "../../runtime/base/text.ts";
import { readIndexes } from "./index_file.ts";
import type { LinkTarget } from "../store/links.ts";
import { isDownloadLock } from "../store/download_lock.ts";
import { isIncoming } from "../store/incoming.ts";
import { isNoDirectory, storeDirectories } from "../store/open.ts";
import { findOrphans, namesIn, readContents } from "../store/sweep.ts";
import { examineBytes } from "./check_bytes.ts";
import { examineLinks } from "./check_links.ts";
import { FIX, type Level, moveCommand, type StoreFinding } from "./findings.ts";

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
