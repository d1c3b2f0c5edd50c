/** Reads the earlier versions of a plugin, for rollbacks. No run needs this. */

import { AppError, messageOf } from "../base/errors.ts";
import { integer, list, object } from "../base/strict_json.ts";
import type { Layout } from "./layout.ts";
import { type Receipt, receiptFromJson, receiptToJson } from "./receipt.ts";

/** The format that krew-wasm writes. Format 1 is readable too: it has the same fields, with receipts of format 2 or older. */
const FORMAT = 2;

const HISTORY = object<{ format: number; versions: unknown[] }>({
  format: integer(1),
  versions: list((value) => value),
});

/** Formats a history for the store. */
export function formatHistory(versions: readonly Receipt[]): string {
  return `${JSON.stringify({ format: FORMAT, versions: versions.map(receiptToJson) }, null, 2)}\n`;
}

/** Parses a history: receipts of a plugin's versions, newest first. Pure. @throws AppError RECEIPT_INVALID */
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

/** Reads the history of one plugin; empty if there is none. @throws AppError RECEIPT_INVALID */
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

/** All histories, by plugin name, and those that cannot be read. */
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

/** Whether two receipts are of the same artifact. */
export function sameVersion(a: Receipt, b: Receipt): boolean {
  return a.manifestDigest === b.manifestDigest && a.digest === b.digest;
}

/**
 * The target of a rollback from `current`: the version that was installed before it. After a rollback `current` is in the
 * history itself, and the next rollback goes further back. Pure.
 */
export function versionBefore(current: Receipt, history: readonly Receipt[]): Receipt | undefined {
  const position = history.findIndex((version) => sameVersion(version, current));
  return history.slice(position + 1).find((version) => !sameVersion(version, current));
}
