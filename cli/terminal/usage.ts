/** Errors and hints for wrong usage, in krew-wasm's words instead of commander's. Pure. */

import { printable } from "../../runtime/base/text.ts";

/** Maximum number of edits between a misspelt word and a suggestion. */
const MAX_EDITS = 3;

/**
 * Rewrites commander's message about a wrong command line in the format of krew-wasm's errors: `error: …`, `hint: …`.
 *
 * @param message commander's message, such as `error: unknown option '--nope'`
 * @param path the command, such as `krew-wasm index add`
 * @param commands names and aliases of its subcommands
 */
export function usageText(message: string, path: string, commands: readonly string[]): string {
  const [, text, meant] = /^error: ([^]*?)(?:\n\(Did you mean (?:one of )?([^]*)\?\))?\s*$/.exec(message) ??
    ["", message, undefined];
  const suggestion = meant === undefined ? undefined : `did you mean ${meant.replaceAll(", ", " or ")}?`;
  const help = `${path} --help`;
  const show = (what: string, hint = suggestion ?? help) =>
    `error: ${printable(what, 500)}\nhint: ${printable(hint, 500)}\n`;
  let match: RegExpExecArray | null;
  if ((match = /^unknown command '([^]*)'$/.exec(text!))) {
    return show(...unknownCommand(match[1]!, path, commands));
  }
  if ((match = /^unknown option '([^]*)'$/.exec(text!))) return show(`Unknown option "${match[1]}"`);
  if ((match = /^missing required argument '(.*)'$/.exec(text!))) {
    return show(`Missing required argument: ${match[1]}`);
  }
  if ((match = /^too many arguments.*Expected (\d+) arguments? but got (\d+): ([^]*)\.$/.exec(text!))) {
    const [, expected, got, all] = match;
    return show(
      `Too many arguments: ${path} takes ${expected === "0" ? "none" : expected}, not ${got}: ${all}`,
    );
  }
  if ((match = /^option '(.*?)' argument missing$/.exec(text!))) {
    return show(`${long(match[1]!)} needs a value`);
  }
  if ((match = /^option '(.*?)' argument '([^]*)' is invalid\. ([^]*?)\.?$/.exec(text!))) {
    return show(`${long(match[1]!)}="${match[2]}" ${reason(match[3]!)}`);
  }
  if ((match = /^command-argument value '([^]*)' is invalid for argument '.*?'\. ([^]*?)\.?$/.exec(text!))) {
    return show(`"${match[1]}" ${reason(match[2]!)}`);
  }
  return show(text!.replace(/^[a-z]/, (first) => first.toUpperCase()).replace(/\.$/, ""));
}

/** The message and the hint for an unknown command. */
export function unknownCommand(
  word: string,
  path: string,
  commands: readonly string[],
): [message: string, hint: string] {
  const near = nearest(word, commands);
  return [
    `Unknown command "${word}"${path.includes(" ") ? ` of ${path}` : ""}`,
    near.length > 0
      ? `did you mean ${near.join(" or ")}?`
      : commands.length > 0
      ? `${path} --help lists the commands`
      : `${path} has none: ${path} --help`,
  ];
}

/** The words closest to `word`, if they are close enough for its length. */
export function nearest(word: string, words: readonly string[]): string[] {
  const near = words.map((each) => ({ each, distance: edits(word, each) }))
    .filter(({ each, distance }) =>
      distance <= MAX_EDITS && distance < 0.6 * Math.max(word.length, each.length)
    );
  const best = Math.min(...near.map(({ distance }) => distance));
  return near.filter(({ distance }) => distance === best).map(({ each }) => each);
}

/** The edit distance with swaps of neighbours (optimal string alignment). */
function edits(from: string, to: string): number {
  if (Math.abs(from.length - to.length) > MAX_EDITS) return Infinity;
  let before: number[] = [];
  let last = Array.from({ length: to.length + 1 }, (_, index) => index);
  for (let i = 1; i <= from.length; i++) {
    const row = [i];
    for (let j = 1; j <= to.length; j++) {
      const same = from[i - 1] === to[j - 1];
      row[j] = Math.min(last[j]! + 1, row[j - 1]! + 1, last[j - 1]! + (same ? 0 : 1));
      if (i > 1 && j > 1 && from[i - 1] === to[j - 2] && from[i - 2] === to[j - 1]) {
        row[j] = Math.min(row[j]!, before[j - 2]! + 1);
      }
    }
    [before, last] = [last, row];
  }
  return last[to.length]!;
}

/** The long flag: `--output` for `-o, --output <format>`. */
function long(flags: string): string {
  return /--[\w-]+/.exec(flags)?.[0] ?? flags;
}

function reason(words: string): string {
  return words.replace(/^Allowed choices are /, "is none of ");
}
