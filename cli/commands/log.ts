/** `krew-wasm log`: the plugins' denials, and their requests if those were recorded. */

import { Command, Option } from "@commander-js/extra-typings";
import { AppError } from "../../runtime/base/errors.ts";
import { parsePluginName } from "../../runtime/base/names.ts";
import type { RecordedLine } from "../../runtime/sandbox/run_record.ts";
import { checkStore } from "../../runtime/store/check.ts";
import { readRecord } from "../../runtime/store/log.ts";
import { visibleJson } from "../../runtime/base/invisible.ts";
import { printable } from "../../runtime/base/text.ts";
import type { Context } from "../context.ts";
import { formatAge, formatTable } from "../terminal/output.ts";

/** The command. */
export function logCommand(context: Context) {
  return new Command("log")
    .description("show what plugins were denied")
    .argument("[name]", "of this plugin only")
    .addOption(new Option("-o, --output <format>", "output format: one JSON object a line").choices(["json"]))
    .option("--since <when>", "not before: a duration such as 90s, 2h30m or 7d, or a date (RFC 3339)")
    .option("--no-headers", "leave out the header line")
    .addHelpText(
      "after",
      `
Each run's denials are recorded, the same one once a run. With
KREW_WASM_LOG=requests in its environment a run's requests to the cluster are
too.

Examples:
  krew-wasm log --since 1h
  krew-wasm log decoder -o json | jq -r 'select(.event == "denied") | .grant'
  KREW_WASM_LOG=requests kubectl decoder; krew-wasm log decoder`,
    )
    .action((name, { output, since, headers }) => {
      const layout = context.layout();
      checkStore(layout);
      const now = context.now();
      const lines = readRecord(layout, {
        plugin: name === undefined ? undefined : parsePluginName(name),
        since: since === undefined ? undefined : parseSince(since, now),
      });
      context.stdout(output === "json" ? formatLines(lines) : formatLog(lines, now, headers));
      if (lines.length === 0 && output === undefined) {
        context.stderr(`Nothing recorded${name === undefined ? "" : ` of "${printable(name, 100)}"`}\n`);
      }
    });
}

/** One JSON object a line, as recorded. */
function formatLines(lines: readonly RecordedLine[]): string {
  return lines.map((line) => `${visibleJson(JSON.stringify(line))}\n`).join("");
}

/** The record as a table for people. Pure. */
export function formatLog(lines: readonly RecordedLine[], now: Date, headers = true): string {
  if (lines.length === 0) return "";
  return formatTable(
    ["AGE", "PLUGIN", "EVENT", "WHAT", "GRANT"],
    lines.map((
      line,
    ) => [formatAge(new Date(line.time), now), line.plugin, line.event, what(line), grant(line)]),
    { headers },
  );
}

function what(line: RecordedLine): string {
  switch (line.event) {
    case "request": {
      const outcome = line.status === undefined ? line.error ?? "failed" : String(line.status);
      return `${line.method} ${line.path} ${outcome} in ${line.ms} ms`;
    }
    case "more":
      return `${line.count} more denials`;
    case "allowed":
      return `${line.what} (${line.answer})`;
    case "denied":
      return line.what;
  }
}

function grant(line: RecordedLine): string {
  return line.event === "denied" || line.event === "allowed" ? line.grant ?? "" : "";
}

const UNITS: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3600, d: 86400, w: 604800 };

/** The time that `--since` means. Pure. @throws AppError USAGE */
export function parseSince(text: string, now: Date): Date {
  if (/^(?:\d+(?:\.\d+)?[smhdw])+$/.test(text)) {
    let seconds = 0;
    for (const [, amount, unit] of text.matchAll(/([\d.]+)([smhdw])/g)) {
      seconds += Number(amount) * UNITS[unit!]!;
    }
    return new Date(now.getTime() - seconds * 1000);
  }
  const date = /^\d{4}-\d\d-\d\d(?:T\S+)?$/.test(text) ? new Date(text) : new Date(NaN);
  if (Number.isNaN(date.getTime())) {
    throw new AppError(
      "USAGE",
      `--since="${
        printable(text, 100)
      }" is neither a duration such as 90s, 2h30m or 7d, nor a date such as 2026-01-31`,
    );
  }
  return date;
}
