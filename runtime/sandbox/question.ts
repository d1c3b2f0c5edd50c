/** The text of questions and answers. Text from a plugin is escaped and has its own lines. Pure. */

import type { Answer, Question } from "./permission_request_types.ts";
import { printable } from "../base/text.ts";

/** A question must show the whole grant. A longer one is refused without a question. UTF-16 units, escaped. */
const LONGEST = 600;
/** Limit on the plugin's arguments, which do not affect the grant. */
const LONGEST_ARGUMENTS = 200;

/** The size of a terminal in characters. */
export interface Size {
  readonly columns: number;
  readonly rows: number;
}

/** The visible part of a question. */
export interface Shown {
  readonly lines: readonly string[];
  /** The lines after the person chooses the wider grant; undefined if it is not offered. */
  readonly wider: readonly string[] | undefined;
}

/**
 * Fits a question into a terminal. First it omits the arguments and the wider grant. The requested grant is always shown
 * whole.
 *
 * @param size of the terminal, if known
 * @returns undefined if the question does not fit
 */
export function linesThatFit(question: Question, size: Size | undefined): Shown | undefined {
  const { args, wider } = question;
  const { columns, rows } = size && size.columns > 0 && size.rows > 0
    ? size
    : { columns: Infinity, rows: Infinity };
  for (const [withArguments, withWider] of [[true, true], [false, true], [true, false], [false, false]]) {
    const offered = withWider ? wider : undefined;
    const lines = questionLines({ ...question, args: withArguments ? args : [], wider: offered }, columns);
    if (lines === undefined) continue;
    const answers = answersLine({ stays: true, never: true, wider: offered ? "offered" : "none" });
    const more = offered && [["wider", offered.words], ["rule", offered.word]]
      .flatMap(([label, value]) => fieldLines(label!, shownValue(value!), columns));
    const all = [...lines, answers, ...(more ? [...more, answers] : [])];
    const height = all.reduce((sum, line) => sum + Math.max(1, Math.ceil(widthOf(line) / columns)), 0);
    if (height < rows) return { lines, wider: more };
  }
  return undefined;
}

/** The lines of a question, without the line of answers; undefined if a part is too long. */
function questionLines({ plugin, args, parts, wider }: Question, columns: number): string[] | undefined {
  const fields: (readonly [label: string, value: string])[] = [["plugin", plugin], ...parts];
  if (wider) fields.push(["wider", wider.words]);
  const values = fields.map(([label, value]): [string, string] => [label, shownValue(value)]);
  if (values.some(([, value]) => value.length > LONGEST)) return undefined;
  const shown = shownArguments(args);
  if (shown !== "") values.splice(1, 0, ["arguments", shown]);
  return [
    "krew-wasm: a plugin asks for what it was not granted",
    ...values.flatMap(([label, value]) => fieldLines(label, value, columns)),
  ];
}

/** The column of values: after the longest label, with two spaces on each side. */
const INDENT = 13;
/** On a terminal with fewer columns, continuation lines of a value are indented less. */
const NARROW = 40;

/** A label and its value. No continuation line begins in the column of labels. */
function fieldLines(label: string, value: string, columns: number): string[] {
  const first = `  ${label.padEnd(INDENT - 4)}  `;
  const indent = " ".repeat(columns < NARROW ? 1 : INDENT);
  const lines: string[] = [];
  let line = first;
  for (const character of value) {
    const full = widthOf(line) + widthOf(character) > columns && line.length > indent.length;
    if (full) {
      lines.push(line);
      line = indent;
    }
    // With the short indent, a leading blank would look like the indent of labels.
    line += full && character === " " && columns < NARROW ? "\\x20" : character;
  }
  return [...lines, line];
}

/** The most columns that a text takes: characters beyond ASCII may be two columns wide. */
function widthOf(text: string): number {
  let width = 0;
  for (const character of text) width += character > "~" ? 2 : 1;
  return width;
}

/** The line of the answers. */
export function answersLine({ stays, never, wider }: Choices): string {
  const choices = [
    ...(wider === "chosen" ? [] : ["[o]nce"]),
    "this [r]un",
    ...(stays ? ["[a]lways"] : []),
    ...(wider === "offered" ? ["something [w]ider"] : []),
    "[n]o",
    ...(never ? ["ne[v]er"] : []),
  ];
  return `Allow ${wider === "chosen" ? "all of that" : "it"}? ${choices.join(", ")}: `;
}

/** The possible answers: whether "always" and "never" are offered, and whether the wider grant is offered or chosen. */
export interface Choices {
  readonly stays: boolean;
  readonly never: boolean;
  readonly wider: "none" | "offered" | "chosen";
}

/**
 * Parses an answer; undefined if it is invalid. "yes" is the smallest grant, once. Only "no" may be in capitals, because a terminal's reports end in capital
 * letters.
 */
export function parseAnswer(line: string, { stays, never, wider }: Choices): Answer | "wider" | undefined {
  const word = line.trim();
  if (["", "n", "N", "no", "No"].includes(word)) return "no";
  if (wider !== "chosen" && ["o", "once", "y", "yes"].includes(word)) return "once";
  if (never && (word === "v" || word === "never")) return "never";
  if (word === "r" || word === "run") return "run";
  if (wider === "offered" && (word === "w" || word === "wider")) return "wider";
  return stays && (word === "a" || word === "always") ? "always" : undefined;
}

/** Lists the letters that {@linkcode parseAnswer} accepts, after an invalid answer. */
export function againLine({ stays, never, wider }: Choices): string {
  const letters = [
    ...(wider === "chosen" ? [] : ["o"]),
    "r",
    ...(stays ? ["a"] : []),
    ...(wider === "offered" ? ["w"] : []),
    ...(never ? ["v"] : []),
  ];
  return `Please answer ${letters.join(", ")} or n: `;
}

/** Right-to-left scripts: a terminal may reorder the text around them. */
const RIGHT_TO_LEFT = /[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc\u{10800}-\u{10fff}\u{1e800}-\u{1efff}]/gu;

/** Whether a terminal may reorder a text or its surroundings. */
export function isRightToLeft(text: string): boolean {
  return text.search(RIGHT_TO_LEFT) >= 0;
}

/**
 * Shows a value unchanged, or escaped if it could be misread. Blanks at its ends or in a row could push the next text to
 * the start of a line.
 */
export function shownValue(text: string): string {
  return printable(text.replaceAll("\\", "\\\\"), Infinity)
    .replace(RIGHT_TO_LEFT, (character) => `\\u{${character.codePointAt(0)!.toString(16)}}`)
    .replace(/^ | $|(?<= ) /g, "\\x20");
}

function shownArguments(args: readonly string[]): string {
  const shown = args.map(shownValue).map((arg) =>
    /^[^\s"']+$/.test(arg) ? arg : `"${arg.replaceAll('"', '\\"')}"`
  ).join(" ");
  return shown.length > LONGEST_ARGUMENTS ? `${shown.slice(0, LONGEST_ARGUMENTS)}…` : shown;
}
