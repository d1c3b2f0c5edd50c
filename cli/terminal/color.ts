/** Colours for people: none in pipes, with NO_COLOR or with --color=never. Pure, except for {@linkcode colorsOf}. */

import { Option } from "@commander-js/extra-typings";

/** The values of `--color`. */
const COLOR_MODES = ["auto", "always", "never"] as const;
export type ColorMode = typeof COLOR_MODES[number];

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

/**
 * Whether to use colours on a stream (https://no-color.org, https://bixense.com/clicolors).
 *
 * @param env the user's environment
 * @param isTerminal whether the stream is a terminal
 */
export function useColors(
  mode: ColorMode,
  env: (name: string) => string | undefined,
  isTerminal: boolean,
): boolean {
  if (mode !== "auto") return mode === "always";
  if (env("NO_COLOR")) return false;
  const force = env("CLICOLOR_FORCE");
  if (force && force !== "0") return true;
  return isTerminal && env("TERM") !== "dumb" && env("CLICOLOR") !== "0";
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
