/** Reads the record of runs, which runtime/sandbox/run_record.ts writes. It checks every line. */

import { AppError, messageOf } from "../base/errors.ts";
import { KEPT_RECORDS, numbered, type RecordedLine, RECORDS } from "../sandbox/run_record.ts";
import type { Layout } from "./layout.ts";

/** Selects lines. */
export interface Wanted {
  /** Only this plugin. */
  readonly plugin?: string | undefined;
  /** Not before this time. */
  readonly since?: Date | undefined;
}

/** Parses a line. undefined if it is invalid, for example half a line of a killed process. Pure. */
export function parseRecordLine(text: string): RecordedLine | undefined {
  let line: Record<string, unknown>;
  try {
    line = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (typeof line !== "object" || line === null) return undefined;
  const { time, plugin, pid, event } = line;
  if (typeof time !== "string" || Number.isNaN(Date.parse(time)) || typeof plugin !== "string") {
    return undefined;
  }
  if (typeof pid !== "number") return undefined;
  const strings = (...names: string[]) => names.every((name) => typeof line[name] === "string");
  const known = event === "denied"
    ? strings("what")
    : event === "allowed"
    ? strings("what", "grant", "answer")
    : event === "request"
    ? strings("method", "path") && typeof line.ms === "number"
    : event === "more" && typeof line.count === "number";
  return known ? line as unknown as RecordedLine : undefined;
}

/**
 * A record's files, oldest first. Opens the youngest first: if rotation renames a file meanwhile, it is found twice and
 * read once. In the opposite order its lines would be lost.
 */
function textsOf(layout: Layout, file: string): string[] {
  const texts: string[] = [];
  const seen = new Set<string>();
  for (let index = 0; index <= KEPT_RECORDS; index++) {
    try {
      using opened = Deno.openSync(`${layout.log}/${numbered(file, index)}`, { read: true });
      const { dev, ino, size } = opened.statSync();
      if (ino !== null && seen.has(`${dev}:${ino}`)) continue;
      seen.add(`${dev}:${ino}`);
      const bytes = new Uint8Array(size);
      let filled = 0;
      for (let read; filled < size && (read = opened.readSync(bytes.subarray(filled))) !== null;) {
        filled += read;
      }
      texts.unshift(new TextDecoder().decode(bytes.subarray(0, filled)));
    } catch (error) {
      if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory) continue;
      throw new AppError("STORE_FAILED", `Cannot read ${layout.log}: ${messageOf(error)}`, { cause: error });
    }
  }
  return texts;
}

/** The selected lines, oldest first; empty without a record. @throws AppError STORE_FAILED */
export function readRecord(layout: Layout, { plugin, since }: Wanted = {}): RecordedLine[] {
  const lines: RecordedLine[] = [];
  for (const file of Object.values(RECORDS)) {
    for (const text of textsOf(layout, file)) {
      for (const each of text.split("\n")) {
        const line = parseRecordLine(each);
        if (!line || plugin !== undefined && line.plugin !== plugin) continue;
        if (since === undefined || Date.parse(line.time) >= since.getTime()) lines.push(line);
      }
    }
  }
  // The sort is stable: lines of one file stay in their order.
  return lines.sort((a, b) => Date.parse(a.time) - Date.parse(b.time));
}
