/**
 * The data of `list` for all plugins in one file, because opening a thousand receipts takes longer than everything else.
 * This copy counts only while the receipts' directory has not changed since. Without the copy, or if it is wrong in any
 * way, krew-wasm reads the receipts.
 */

import { sourceFromJson } from "../policy/provenance.ts";
import { checkStore } from "./check.ts";
import type { Layout } from "./layout.ts";
import { readReceipts } from "./read.ts";
import type { Receipt } from "./receipt.ts";

/** The fields that a table of plugins needs. */
export type Summary = Pick<
  Receipt,
  "name" | "reference" | "source" | "manifestDigest" | "size" | "kind" | "version" | "installedAt"
>;

/** krew-wasm writes the copy from this many plugins on. */
export const SUMMARY_FROM = 100;
const FORMAT = 3;

/** The summary of receipts, with the time of the last change of their directory (`stamp`). Pure. */
export function formatSummaries(receipts: readonly Receipt[], stamp: number): string {
  const plugins = receipts.map((
    { name, reference, source, manifestDigest, size, kind, version, installedAt },
  ) => ({
    name,
    reference,
    source,
    manifestDigest,
    size,
    kind,
    version,
    installedAt,
  }));
  return JSON.stringify({ format: FORMAT, stamp, plugins });
}

/** The summaries for a stamp; undefined if the text has another stamp. Pure. */
export function parseSummaries(text: string, stamp: number): Summary[] | undefined {
  let json: { format?: unknown; stamp?: unknown; plugins?: unknown } | null;
  try {
    json = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (json?.format !== FORMAT || json.stamp !== stamp || !Array.isArray(json.plugins)) return undefined;
  const isWhole = (each: Partial<Summary> | null) =>
    typeof each?.name === "string" && typeof each.reference === "string" && isSource(each.source) &&
    typeof each.manifestDigest === "string" &&
    typeof each.size === "number" && typeof each.kind === "string" && typeof each.installedAt === "string" &&
    (each.version === undefined || typeof each.version === "string");
  return json.plugins.every(isWhole) ? json.plugins : undefined;
}

function isSource(value: unknown): boolean {
  try {
    return sourceFromJson(value, "source") !== undefined;
  } catch {
    return false;
  }
}

/** When the receipts' directory last changed, in milliseconds; undefined if the system does not say. */
export function receiptsStamp(layout: Layout): number | undefined {
  try {
    return Deno.statSync(layout.receipts).mtime?.getTime();
  } catch {
    return undefined;
  }
}

/** All installed plugins, by name, and receipts that cannot be read. @throws AppError STORE_… */
export function readSummaries(layout: Layout): {
  readonly summaries: readonly Summary[];
  readonly broken: readonly { readonly name: string; readonly error: unknown }[];
} {
  checkStore(layout);
  const stamp = receiptsStamp(layout);
  if (stamp !== undefined) {
    try {
      const summaries = parseSummaries(Deno.readTextFileSync(layout.summaries), stamp);
      if (summaries) return { summaries, broken: [] };
    } catch { /* most stores have none */ }
  }
  const { receipts, broken } = readReceipts(layout);
  return { summaries: receipts, broken };
}
