/** The manager's colours. Pure. */

import { Option } from "@commander-js/extra-typings";
import type { ColorMode } from "../../runtime/base/colors.ts";

/** The values of `--color`. */
const COLOR_MODES: readonly ColorMode[] = ["auto", "always", "never"];

/** `--color` */
export function colorOption() {
  return new Option("--color <when>", "colours").choices(COLOR_MODES).hideHelp();
}

/** The value of `--color` among arguments, before they are parsed: their errors have colours, too. */
export function colorModeIn(args: readonly string[]): ColorMode {
  let mode: ColorMode = "auto";
  for (const [at, word] of args.entries()) {
    if (word === "--") break;
    const value = word === "--color" ? args[at + 1] : /^--color=(.*)$/s.exec(word)?.[1];
    mode = COLOR_MODES.find((each) => each === value) ?? mode;
  }
  return mode;
}

const CODES = { red: "1;31", yellow: "33", green: "32", dim: "2" } as const;
export type Style = keyof typeof CODES;

/** Paints a text, or leaves it unchanged. */
export type Paint = (style: Style, text: string) => string;

/** No colours. */
export const plain: Paint = (_, text) => text;

/** With colours. */
export const colored: Paint = (style, text) => text === "" ? "" : `\x1b[${CODES[style]}m${text}\x1b[0m`;

const LABELS: Readonly<Record<string, Style>> = {
  error: "red",
  warning: "yellow",
  hint: "dim",
  note: "dim",
  mended: "green",
};

/** Paints the label at the start of each line of messages: `error:`, `warning:`, `hint:`. */
export function paintLabels(text: string, paint: Paint): string {
  return text.replace(
    /^(error|warning|hint|note|mended):/gm,
    (label, name: string) => paint(LABELS[name]!, label),
  );
}
