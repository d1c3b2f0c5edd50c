/** What people and scripts read: tables, JSON, YAML, ages and sizes. Pure, but for the two writers. */

import { AppError } from "../../runtime/base/errors.ts";
import { systemWords } from "../../runtime/base/file_error.ts";
import { escapeInvisible, isVisible, visibleJson } from "../../runtime/base/invisible.ts";
import { printable } from "../../runtime/base/text.ts";

/** Where a command's output goes: data to stdout, status to stderr. */
export interface Output {
  readonly stdout: (text: string) => void;
  readonly stderr: (text: string) => void;
}

/**
 * The process's own streams, written synchronously and whole. What can't be written to stderr is lost: it changes no
 * command's result.
 *
 * @throws Deno.errors.BrokenPipe, AppError OUTPUT_FAILED
 */
export function processOutput(streams: { readonly stdout: Writer; readonly stderr: Writer } = Deno): Output {
  const write = (stream: Writer, text: string) => {
    const bytes = new TextEncoder().encode(text);
    for (let sent = 0; sent < bytes.length;) sent += stream.writeSync(bytes.subarray(sent));
  };
  return {
    stdout(text) {
      try {
        write(streams.stdout, text);
      } catch (error) {
        if (error instanceof Deno.errors.BrokenPipe) throw error;
        throw new AppError("OUTPUT_FAILED", `Cannot write to stdout: ${systemWords(error)}`, {
          cause: error,
        });
      }
    },
    stderr(text) {
      try {
        write(streams.stderr, text);
      } catch (error) {
        if (error instanceof Deno.errors.BrokenPipe) throw error;
      }
    },
  };
}

interface Writer {
  writeSync(bytes: Uint8Array): number;
}

/** The values of `-o`. */
export const OUTPUT_FORMATS = ["wide", "json", "yaml", "name"] as const;

/** The widest that a cell of {@linkcode formatWholeTable} gets, before its text goes on in the next line. Columns. */
const WIDEST = 72;
/** No other cell moves what stands behind others further than that. Columns. */
const WIDEST_COLUMN = 200;

/**
 * A table as kubectl prints it: columns parted by three spaces, each as wide as its widest cell, nothing behind
 * the last. Cells are made safe to print, and cut to 1,000 UTF-16 units. No rows: the header alone.
 */
export function formatTable(header: readonly string[], rows: readonly (readonly string[])[]): string {
  return layOut(header, rows.map((row) => row.map((cell) => shownCell(cell, 1000))));
}

/**
 * A table of what somebody agrees to: as {@linkcode formatTable}, but every cell is shown whole. A long one goes on below
 * itself, so that what stands beside it stays in sight. The last column is not wrapped.
 */
export function formatWholeTable(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const lines = rows.flatMap((row) => {
    const parts = row.map((cell, column) => {
      const text = shownCell(cell, Infinity);
      return column === row.length - 1 ? [text] : wrapCell(text);
    });
    const height = Math.max(...parts.map((part) => part.length));
    return Array.from({ length: height }, (_, line) => parts.map((part) => part[line] ?? ""));
  });
  return layOut(header, lines);
}

/** Safe to print. Blanks in a row, which part columns, are one. */
function shownCell(cell: string, limit: number): string {
  return printable(cell, limit).replace(/ {2,}/g, " ").trim() || "<none>";
}

/** Text in pieces of at most {@linkcode WIDEST} columns, between words where there are any. */
function wrapCell(text: string): string[] {
  const lines: string[] = [];
  let line = "";
  const end = () => {
    lines.push(line.trimEnd());
    line = "";
  };
  for (const word of text.split(/(?<= )/)) {
    if (line !== "" && columns(line + word.trimEnd()) > WIDEST) end();
    for (const character of word) {
      if (character !== " " && columns(line) + columns(character) > WIDEST) end();
      line += character;
    }
  }
  if (line !== "") end();
  return lines;
}

function layOut(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const cells = [header, ...rows];
  const widths = header.map((_, column) =>
    cells.reduce((widest, row) => Math.max(widest, columns(row[column] ?? "")), 0)
  ).map((width) => Math.min(width, WIDEST_COLUMN));
  return cells.map((row) =>
    row.map((cell, column) =>
      column === row.length - 1 ? cell : cell + " ".repeat(Math.max(0, widths[column]! - columns(cell)) + 3)
    ).join("").trimEnd() + "\n"
  ).join("");
}

// East Asian wide and emoji characters take two columns in a terminal.
const WIDE =
  /\p{Script=Han}|\p{Script=Hiragana}|\p{Script=Katakana}|\p{Script=Hangul}|\p{Emoji_Presentation}|[\uff01-\uff60]/u;
const COMBINING = /\p{Mn}|\p{Me}/u;

function columns(text: string): number {
  if (/^[\x20-\x7e]*$/.test(text)) return text.length;
  let width = 0;
  for (const character of text) width += COMBINING.test(character) ? 0 : WIDE.test(character) ? 2 : 1;
  return width;
}

/** How long ago, as kubectl prints it: `5s`, `2m30s`, `45m`, `3h20m`, `2d4h`, `40d`, `2y10d`. */
export function formatAge(since: Date, now: Date): string {
  const seconds = Math.floor((now.getTime() - since.getTime()) / 1000);
  if (!Number.isFinite(seconds)) return "<unknown>";
  if (seconds < 0) return "0s";
  if (seconds < 120) return `${seconds}s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 10) return seconds % 60 === 0 ? `${minutes}m` : `${minutes}m${seconds % 60}s`;
  if (minutes < 180) return `${minutes}m`;
  const hours = Math.floor(minutes / 60);
  if (hours < 8) return minutes % 60 === 0 ? `${hours}h` : `${hours}h${minutes % 60}m`;
  if (hours < 48) return `${hours}h`;
  const days = Math.floor(hours / 24);
  if (days < 8) return hours % 24 === 0 ? `${days}d` : `${days}d${hours % 24}h`;
  if (days < 365 * 2) return `${days}d`;
  const years = Math.floor(days / 365);
  if (years < 8) return days % 365 === 0 ? `${years}y` : `${years}y${days % 365}d`;
  return `${years}y`;
}

/** Bytes for people, in decimal units: `512 B`, `138 KB`, `8.3 MB`. */
export function formatSize(bytes: number): string {
  if (bytes < 1000) return `${bytes} B`;
  const units = ["KB", "MB", "GB", "TB"];
  let value = bytes / 1000;
  let unit = 0;
  while (value >= 999.5 && unit < units.length - 1) {
    value /= 1000;
    unit++;
  }
  return `${value < 9.95 ? value.toFixed(1) : Math.round(value)} ${units[unit]}`;
}

/** Indented JSON and a final newline. What can't be seen is written as `\uXXXX`. */
export function formatJson(value: unknown): string {
  return `${visibleJson(JSON.stringify(value, null, 2))}\n`;
}

/** What `-o json` and `-o yaml` print of a value: all of it visible, and the same data when it is parsed. */
export async function formatValue(value: unknown, format: "json" | "yaml"): Promise<string> {
  return format === "json" ? formatJson(value) : await formatYaml(value);
}

/** YAML in which a text with something invisible stands between double quotes, where it has escapes. */
async function formatYaml(value: unknown): Promise<string> {
  const { Document, visit } = await import("yaml");
  const document = new Document(value);
  visit(document, {
    Scalar(_, node) {
      if (typeof node.value !== "string") return;
      const lines = node.value.split("\n");
      // The library drops blanks of lines that hold nothing else.
      if (lines.every(isVisible) && (lines.length === 1 || !lines.some((line) => /^ +$/.test(line)))) return;
      node.type = "QUOTE_DOUBLE";
    },
  });
  return document.toString({ lineWidth: 0 }).split("\n").map((line) => escapeInvisible(line, yamlEscape))
    .join("\n");
}

function yamlEscape(character: string): string {
  const code = character.codePointAt(0)!;
  return code > 0xffff
    ? `\\U${code.toString(16).padStart(8, "0")}`
    : `\\u${code.toString(16).padStart(4, "0")}`;
}
