/** Reads receipts without a lock: renames make a receipt appear whole or not at all. */

import { AppError, messageOf } from "../base/errors.ts";
import { nearest } from "../base/nearest.ts";
import { printable } from "../base/text.ts";
import type { Layout } from "./layout.ts";
import { parseReceipt, type Receipt } from "./receipt.ts";

/** Size limit of a receipt. UTF-16 units. */
const MAX_RECEIPT = 1 << 20;

/** Reads the receipt of a plugin. @throws AppError NOT_INSTALLED, RECEIPT_INVALID */
export function readReceipt(layout: Layout, name: string): Receipt {
  let text: string;
  try {
    text = Deno.readTextFileSync(layout.receipt(name));
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory) {
      throw notInstalled(layout, name);
    }
    throw new AppError("RECEIPT_INVALID", `Cannot read the receipt of "${name}": ${messageOf(error)}`, {
      cause: error,
    });
  }
  if (text.length > MAX_RECEIPT) {
    throw new AppError("RECEIPT_INVALID", `The receipt of "${name}" is broken: it is too large`);
  }
  return parseReceipt(text, name);
}

/** The error for a plugin that is not installed. Its hint has the names that are close. */
export function notInstalled(layout: Layout, name: string): AppError {
  const near = nearest(name.replaceAll("_", "-"), installedNames(layout));
  return new AppError("NOT_INSTALLED", `No plugin "${printable(name, 100)}" is installed`, {
    hint: near.length > 0
      ? `did you mean ${near.join(" or ")}?`
      : "krew-wasm list shows the installed plugins",
  });
}

/** Names of the installed plugins, in order. Receipts are not read. Empty if they cannot be listed. */
export function installedNames(layout: Layout): string[] {
  try {
    return [...Deno.readDirSync(layout.receipts)].flatMap(({ name }) => nameOfReceipt(name) ?? []).sort();
  } catch {
    return [];
  }
}

function nameOfReceipt(file: string): string | undefined {
  return /^([a-z0-9]+(?:-[a-z0-9]+)*)\.json$/.exec(file)?.[1];
}

/** All receipts, by name, and those that cannot be read. Skips stray files. */
export function readReceipts(layout: Layout): {
  readonly receipts: readonly Receipt[];
  readonly broken: readonly { readonly name: string; readonly error: unknown }[];
} {
  const receipts: Receipt[] = [];
  const broken: { name: string; error: unknown }[] = [];
  let entries: Deno.DirEntry[];
  try {
    entries = [...Deno.readDirSync(layout.receipts)];
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return { receipts, broken };
    throw new AppError("STORE_FAILED", `Cannot read ${layout.receipts}: ${messageOf(error)}`, {
      cause: error,
    });
  }
  for (const { name: file, isFile } of entries) {
    const name = nameOfReceipt(file);
    if (!isFile || name === undefined) continue;
    try {
      receipts.push(readReceipt(layout, name));
    } catch (error) {
      if (error instanceof AppError && error.code === "NOT_INSTALLED") continue; // removed meanwhile
      broken.push({ name, error });
    }
  }
  const byName = (a: { name: string }, b: { name: string }) => a.name < b.name ? -1 : 1;
  return { receipts: receipts.sort(byName), broken: broken.sort(byName) };
}
