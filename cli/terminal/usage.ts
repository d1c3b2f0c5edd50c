/** What is wrong with a command line, and the way out, in krew-wasm's words instead of commander's. Pure. */

import { printable } from "../../runtime/base/text.ts";

/** Edits at most by which a word is taken for a misspelling. */
const MAX_EDITS = 3;

/**
 * What commander says of a wrong command line, as every error of krew-wasm is shown: `error: …`, `hint: …`.
 *
 * @param message commander's own, such as `error: unknown option '--nope'`
 * @param path the command, such as `krew-wasm index add`
 * @param commands the names of its subcommands, aliases among them
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

/** The message and the hint for a command that is none. */
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

/** The words that `word` may be a misspelling of: those at the fewest edits, few enough for its length. */
export function nearest(word: string, words: readonly string[]): string[] {
  const near = words.map((each) => ({ each, distance: edits(word, each) }))
    .filter(({ each, distance }) =>
      distance <= MAX_EDITS && distance < 0.6 * Math.max(word.length, each.length)
    );
  const best = Math.min(...near.map(({ distance }) => distance));
  return near.filter(({ distance }) => distance === best).map(({ each }) => each);
}

/** Letters added, left out, changed, or swapped with their neighbour (optimal string alignment). */
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

/** `--output` of `-o, --output <format>`. */
function long(flags: string): string {
  return /--[\w-]+/.exec(flags)?.[0] ?? flags;
}

function reason(words: string): string {
  return words.replace(/^Allowed choices are /, "is none of ");
}
