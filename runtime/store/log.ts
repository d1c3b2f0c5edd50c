/** Reading the record of runs (runtime/sandbox/run_record.ts writes it). Nothing in it is taken on trust. */

import { AppError, messageOf } from "../base/errors.ts";
import { KEPT_RECORDS, numbered, type RecordedLine, RECORDS } from "../sandbox/run_record.ts";
import type { Layout } from "./layout.ts";

/** Which lines are wanted. */
export interface Wanted {
  /** Of this plugin only. */
  readonly plugin?: string | undefined;
  /** Not before. */
  readonly since?: Date | undefined;
}

/** A line of the record; undefined for what is none: half a line of a process that was killed. Pure. */
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
 * A record's files, oldest first. Opened the youngest first, as a full one is put aside meanwhile: it is then found twice,
 * and read once. The other way round its lines would be missed.
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

/** The lines that are wanted, oldest first. No record: none. @throws AppError STORE_FAILED */
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
  // Stable: lines of one file stay in their order.
  return lines.sort((a, b) => Date.parse(a.time) - Date.parse(b.time));
}
