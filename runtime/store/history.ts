/** The earlier versions of a plugin, which a rollback brings back. Reading only; no run needs it. */

import { AppError, messageOf } from "../base/errors.ts";
import { integer, list, object } from "../base/strict_json.ts";
import type { Layout } from "./layout.ts";
import { type Receipt, receiptFromJson, receiptToJson } from "./receipt.ts";

/** The format that is written. 1, which is read too, had no other fields; its receipts are of format 2 and older. */
const FORMAT = 2;

const HISTORY = object<{ format: number; versions: unknown[] }>({
  format: integer(1),
  versions: list((value) => value),
});

/** The history as it is stored. */
export function formatHistory(versions: readonly Receipt[]): string {
  return `${JSON.stringify({ format: FORMAT, versions: versions.map(receiptToJson) }, null, 2)}\n`;
}

/** Receipts of a plugin's versions, newest first, from a history's text. Pure. @throws AppError RECEIPT_INVALID */
export function parseHistory(text: string, name: string): Receipt[] {
  const invalid = (what: string): never => {
    throw new AppError("RECEIPT_INVALID", `The history of "${name}" is broken: ${what}`, {
      hint: "krew-wasm doctor --fix forgets it",
    });
  };
  let json: { format?: unknown } | null;
  try {
    json = JSON.parse(text);
  } catch {
    return invalid("it is not JSON");
  }
  if (json?.format !== FORMAT && json?.format !== 1) {
    return invalid(`format is ${JSON.stringify(json?.format)}, not ${FORMAT}`);
  }
  try {
    return HISTORY(json, "").versions.map((version, index) => {
      try {
        return receiptFromJson(version, name);
      } catch (error) {
        throw new Error(`versions[${index}]: ${messageOf(error)}`);
      }
    });
  } catch (error) {
    return invalid(messageOf(error));
  }
}

/** The history of one plugin; none where it has none. @throws AppError RECEIPT_INVALID */
export function readHistory(layout: Layout, name: string): Receipt[] {
  let text: string;
  try {
    text = Deno.readTextFileSync(layout.historyOf(name));
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw new AppError("RECEIPT_INVALID", `Cannot read the history of "${name}": ${messageOf(error)}`, {
      cause: error,
    });
  }
  return parseHistory(text, name);
}

/** Every history, by the plugin's name, and those that can't be read. */
export function readHistories(layout: Layout): {
  readonly versions: ReadonlyMap<string, readonly Receipt[]>;
  readonly broken: readonly { readonly name: string; readonly error: unknown }[];
} {
  const versions = new Map<string, readonly Receipt[]>();
  const broken: { name: string; error: unknown }[] = [];
  let entries: Deno.DirEntry[] = [];
  try {
    entries = [...Deno.readDirSync(layout.history)];
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  for (const { name: file } of entries) {
    const name = /^([a-z0-9]+(?:-[a-z0-9]+)*)\.json$/.exec(file)?.[1];
    if (name === undefined) continue;
    try {
      versions.set(name, readHistory(layout, name));
    } catch (error) {
      broken.push({ name, error });
    }
  }
  return { versions, broken };
}

/** Whether two receipts are of the same version of a plugin: the same artifact. */
export function sameVersion(a: Receipt, b: Receipt): boolean {
  return a.manifestDigest === b.manifestDigest && a.digest === b.digest;
}

/**
 * The version that a rollback of `current` goes to: the one that was installed before it. After a rollback the current
 * one is itself in the history, and the next rollback goes further back. Pure.
 */
export function versionBefore(current: Receipt, history: readonly Receipt[]): Receipt | undefined {
  const position = history.findIndex((version) => sameVersion(version, current));
  return history.slice(position + 1).find((version) => !sameVersion(version, current));
}
