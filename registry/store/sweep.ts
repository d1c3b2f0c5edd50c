/**
 * Removes what no receipt needs: bytes, compiled forms, history, links and private directories of removed versions or
 * killed processes. Runs under the lock, once at the end of each command.
 */

import type { Layout } from "../../runtime/store/layout.ts";
import { completionLinkName, linkName } from "../../runtime/base/names.ts";
import { readHistories } from "../../runtime/store/history.ts";
import { readReceipts } from "../../runtime/store/read.ts";
import type { Receipt } from "../../runtime/store/receipt.ts";
import { removeDirectory } from "./disk.ts";
import { ownerOfLink } from "./links.ts";

/** A part of a store that no receipt needs. */
export interface Orphan {
  readonly kind: "blob" | "compiled" | "history" | "link" | "data";
  readonly path: string;
}

/** All receipts and histories of a store. */
export interface StoreContents extends ReturnType<typeof readReceipts> {
  readonly histories: ReturnType<typeof readHistories>;
}

/** Reads every receipt and history once. @throws AppError STORE_FAILED, Deno.errors */
export function readContents(layout: Layout): StoreContents {
  return { ...readReceipts(layout), histories: readHistories(layout) };
}

/**
 * Lists what {@linkcode removeOrphans} would remove. With a broken receipt or history, no bytes are listed, because they may be
 * needed. Private directories of plugins with a broken receipt stay, too.
 */
export function findOrphans(
  layout: Layout,
  { receipts, broken, histories }: StoreContents = readContents(layout),
): Orphan[] {
  const orphans: Orphan[] = [];
  const installed = new Set([...receipts, ...broken].map(({ name }) => name));
  const list = (directory: string, pattern: RegExp) =>
    namesIn(directory).flatMap((name) => {
      const found = pattern.exec(name);
      return found ? [{ name, key: found[1] ?? name, path: `${directory}/${name}` }] : [];
    });
  if (broken.length === 0 && histories.broken.length === 0) {
    const earlier = [...histories.versions].flatMap(([name, versions]) =>
      installed.has(name) ? versions : []
    );
    const kept: Receipt[] = [...receipts, ...earlier];
    const blobs = new Set(
      kept.flatMap(({ digest, manifestDigest, config }) =>
        [digest, manifestDigest, config ?? digest].map((each) => each.slice("sha256:".length))
      ),
    );
    for (const { name, path } of list(layout.blobs, /^[0-9a-f]{64}$/)) {
      if (!blobs.has(name)) orphans.push({ kind: "blob", path });
    }
    const forms = new Set(kept.map(({ digest, bindgen }) => layout.compiledDir(digest, bindgen)));
    for (const { path } of list(layout.compiled, /^[0-9a-f]{64}-/)) {
      if (!forms.has(path)) orphans.push({ kind: "compiled", path });
    }
  }
  for (const { key, path } of list(layout.history, /^([a-z0-9-]+)\.json$/)) {
    if (!installed.has(key)) orphans.push({ kind: "history", path });
  }
  for (const { name, path } of list(layout.data, /^[a-z0-9-]+$/)) {
    if (!installed.has(name)) orphans.push({ kind: "data", path });
  }
  const links = new Set([
    ...[...installed].map(linkName),
    ...receipts.filter(({ completion }) => completion !== undefined).map(({ name }) =>
      completionLinkName(name)
    ),
    ...broken.map(({ name }) => completionLinkName(name)),
  ]);
  for (const { key, path } of list(layout.bin, /^(kubectl(?:_complete)?-[^.]+)(?:\.cmd)?$/)) {
    if (!links.has(key) && ownerOfLink(layout, path) === "us") orphans.push({ kind: "link", path });
  }
  for (const { path } of list(layout.bin, /^\.krew-wasm-\d+$/)) orphans.push({ kind: "link", path }); // left by repairSelf()
  return orphans;
}

/** Removes what no receipt needs. Returns what can't be removed, with the errors. The next sweep tries again. */
export function removeOrphans(
  layout: Layout,
  contents: StoreContents,
): (Orphan & { readonly error: unknown })[] {
  return findOrphans(layout, contents).flatMap((orphan) => {
    try {
      removeDirectory(layout, orphan.path);
    } catch (error) {
      return error instanceof Deno.errors.NotFound ? [] : [{ ...orphan, error }];
    }
    return [];
  });
}

/** The names in a directory of the store; none if it does not exist. */
export function namesIn(directory: string): string[] {
  try {
    return [...Deno.readDirSync(directory)].map(({ name }) => name);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return []; // an older store without this directory
    throw error;
  }
}
