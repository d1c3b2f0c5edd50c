/** Reads receipts without a lock: renames make a receipt appear whole or not at all. */

import { AppError, messageOf } from "../base/errors.ts";
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
      throw new AppError("NOT_INSTALLED", `No plugin "${printable(name, 100)}" is installed`, {
        hint: "krew-wasm list shows what is",
      });
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
    const name = /^([a-z0-9]+(?:-[a-z0-9]+)*)\.json$/.exec(file)?.[1];
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
