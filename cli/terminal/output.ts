/** Output for people and scripts: tables, JSON, YAML, ages and sizes. Pure, except for the two writers. */

import { writeAllSync } from "../../runtime/base/bytes.ts";
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
 * Writes to the process's own streams, synchronously and completely. It ignores errors of stderr, because they must not
 * change a command's result.
 *
 * @throws Deno.errors.BrokenPipe, AppError OUTPUT_FAILED
 */
export function processOutput(streams: { readonly stdout: Writer; readonly stderr: Writer } = Deno): Output {
  const write = (stream: Writer, text: string) => {
    const bytes = new TextEncoder().encode(text);
    writeAllSync(stream, bytes);
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

/** The width of the process's terminal; undefined without one. Columns. */
export function terminalColumns(): number | undefined {
  try {
    return Deno.consoleSize().columns;
  } catch {
    return undefined;
  }
}

interface Writer {
  writeSync(bytes: Uint8Array): number;
}

/** The values of `-o`. */
export const OUTPUT_FORMATS = ["wide", "json", "yaml", "name"] as const;

/** Maximum width of a cell of {@linkcode formatWholeTable}. Longer text wraps. Columns. */
const WIDEST = 72;
/** Maximum width of a column of {@linkcode formatTable}. Longer cells overflow it. Columns. */
const WIDEST_COLUMN = 200;

/**
 * A table in kubectl's format: three spaces between columns, no trailing spaces. Cells are made safe to print, and cut to
 * 1,000 UTF-16 units. Without rows it is the header alone.
 */
export function formatTable(
  header: readonly string[],
  rows: readonly (readonly string[])[],
  { headers = true, width = Infinity }: TableOptions = {},
): string {
  const cells = rows.map((row) => row.map((cell) => shownCell(cell, 1000)));
  const text = layOut(header, cells);
  const lines = width === Infinity ? text : text.replace(/^.+$/gm, (line) => cut(line, width));
  return headers ? lines : withoutHeader(lines);
}

/** Options of a table. */
export interface TableOptions {
  /** Whether to print the header line. Default: true. */
  readonly headers?: boolean;
  /** Lines are cut to this many columns. Only for tables whose last column is a text for people. */
  readonly width?: number | undefined;
}

/** A table without its first line. */
export function withoutHeader(table: string): string {
  return table.slice(table.indexOf("\n") + 1);
}

/** Cuts a line to a number of columns, and ends it with `…` then. */
function cut(line: string, width: number): string {
  if (columns(line) <= width) return line;
  let shown = "";
  let used = 1;
  for (const character of line) {
    used += columns(character);
    if (used > width) break;
    shown += character;
  }
  return `${shown.trimEnd()}…`;
}

/**
 * A table that the user agrees to. Like {@linkcode formatTable}, but cells are complete. Long cells wrap, so that the next
 * columns stay visible. The last column does not wrap.
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

/** Makes text safe to print. Collapses blanks, which would look like the gap between two columns. */
function shownCell(cell: string, limit: number): string {
  return printable(cell, limit).replace(/ {2,}/g, " ").trim() || "<none>";
}

/** Splits text into pieces of at most {@linkcode WIDEST} columns, between words if possible. */
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

/** An age in kubectl's format: `5s`, `2m30s`, `45m`, `3h20m`, `2d4h`, `40d`, `2y10d`. */
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

/** Indented JSON and a final newline. Invisible characters become `\uXXXX`. */
export function formatJson(value: unknown): string {
  return `${visibleJson(JSON.stringify(value, null, 2))}\n`;
}

/** Formats a value for `-o json` and `-o yaml`. Invisible characters are escaped; a parser reads the same data. */
export async function formatValue(value: unknown, format: "json" | "yaml"): Promise<string> {
  return format === "json" ? formatJson(value) : await formatYaml(value);
}

/** YAML that puts text with invisible characters into double quotes, where YAML has escapes. */
async function formatYaml(value: unknown): Promise<string> {
  const { Document, visit } = await import("yaml");
  const document = new Document(value);
  visit(document, {
    Scalar(_, node) {
      if (typeof node.value !== "string") return;
      const lines = node.value.split("\n");
      // The library drops the blanks of blank lines.
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
