/** Questions and answers as text. What comes from a plugin is escaped, and stands on lines of its own. Pure. */

import type { Answer, Question } from "./permission_request_types.ts";
import { printable } from "../base/text.ts";

/**
 * What a plugin names has to be shown whole, since it is what is granted: nobody is asked about a longer one. UTF-16 units,
 * escaped.
 */
const LONGEST = 600;
/** Of the arguments, which nothing is granted by. */
const LONGEST_ARGUMENTS = 200;

/** The size of a terminal in characters. */
export interface Size {
  readonly columns: number;
  readonly rows: number;
}

/** What of a question is shown. */
export interface Shown {
  readonly lines: readonly string[];
  /** The lines that follow where the wider choice is made; undefined where it is not offered. */
  readonly wider: readonly string[] | undefined;
}

/**
 * The lines of a question, as many as a terminal has room for: the arguments and the wider choice are left out before it is
 * not asked at all. What is granted is shown whole.
 *
 * @param size of the terminal, where it has one
 * @returns undefined where there is no room
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
    const answers = answersLine({ stays: true, wider: offered ? "offered" : "none" });
    const more = offered && [["wider", offered.words], ["rule", offered.word]]
      .flatMap(([label, value]) => fieldLines(label!, shownValue(value!), columns));
    const all = [...lines, answers, ...(more ? [...more, answers] : [])];
    const height = all.reduce((sum, line) => sum + Math.max(1, Math.ceil(widthOf(line) / columns)), 0);
    if (height < rows) return { lines, wider: more };
  }
  return undefined;
}

/** The lines of a question, without that of the answers; undefined where a part is too long. */
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

/** Where values begin: behind the longest label, with two spaces on each side. */
const INDENT = 13;
/** Where there are fewer columns, the lines of a long value are indented less. */
const NARROW = 40;

/** A label and its value. No line that the value goes on in begins where labels do. */
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
    // Where the indent is short, a blank behind it would make it that of labels.
    line += full && character === " " && columns < NARROW ? "\\x20" : character;
  }
  return [...lines, line];
}

/** How many columns a text takes at most: characters beyond ASCII may be two wide. */
function widthOf(text: string): number {
  let width = 0;
  for (const character of text) width += character > "~" ? 2 : 1;
  return width;
}

/** The line of the answers. */
export function answersLine({ stays, wider }: Choices): string {
  const choices = [
    wider === "chosen" ? "Allow all of that for this [r]un" : "Allow it [o]nce, for this [r]un",
    ...(stays ? ["[a]lways"] : []),
    ...(wider === "offered" ? ["something [w]ider"] : []),
  ];
  return `${choices.join(", ")}, or [N]ot? `;
}

/** What may be answered: whether "always"; whether more than is asked for is offered, or was chosen. */
export interface Choices {
  readonly stays: boolean;
  readonly wider: "none" | "offered" | "chosen";
}

/**
 * What a line means; undefined for what is no answer. In small letters, save for no: the last letters of what a terminal
 * reports are capitals.
 */
export function parseAnswer(line: string, { stays, wider }: Choices): Answer | "wider" | undefined {
  const word = line.trim();
  if (["", "n", "N", "no", "No", "not", "Not"].includes(word)) return "no";
  if (wider !== "chosen" && (word === "o" || word === "once")) return "once";
  if (word === "r" || word === "run") return "run";
  if (wider === "offered" && (word === "w" || word === "wider")) return "wider";
  return stays && (word === "a" || word === "always") ? "always" : undefined;
}

/** The letters that {@linkcode parseAnswer} takes, for who typed others. */
export function againLine({ stays, wider }: Choices): string {
  const letters = [
    ...(wider === "chosen" ? [] : ["o"]),
    "r",
    ...(stays ? ["a"] : []),
    ...(wider === "offered" ? ["w"] : []),
  ];
  return `Please answer ${letters.join(", ")} or n: `;
}

/** Scripts that are written from right to left: a terminal may show what stands around them in another order. */
const RIGHT_TO_LEFT = /[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc\u{10800}-\u{10fff}\u{1e800}-\u{1efff}]/gu;

/** Whether a terminal may show a text, or what stands around it, in another order than it has. */
export function isRightToLeft(text: string): boolean {
  return text.search(RIGHT_TO_LEFT) >= 0;
}

/**
 * A value as it is, unless something in it could be read as something else: then that is escaped. Blanks at its ends or in a
 * row could carry what follows to where a line begins.
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
