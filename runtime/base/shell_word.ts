/**
 * Commands that are shown to be typed or pasted. A word holds what a plugin, a publisher or a registry chose, and whoever
 * pastes it may use any shell: no word ends its quotes in any of them. Pure.
 */

import { escapeInvisible, isVisible } from "./invisible.ts";

/** No shell gives these a meaning, wherever in a word they stand. A `=` or `%` in front has one in zsh and fish. */
const HARMLESS = /^[\w@+:,./-][\w@%+=:,./-]*$/;

/**
 * A command line for the user's shell, on one line, all of it visible.
 *
 * @returns undefined where a word can't be written so that every shell of the system takes it, and nothing else, from it
 */
export function shellCommand(
  words: readonly string[],
  windows = Deno.build.os === "windows",
): string | undefined {
  const quoted = words.map(windows ? windowsWord : posixWord);
  return quoted.includes(undefined) ? undefined : quoted.join(" ");
}

/**
 * A word as bash, zsh, dash, ksh and fish read it alike: quotes and backslashes stand outside of quotes, since fish takes a
 * backslash inside for an escape. What can't be seen takes `$'…'`, which bash, zsh and ksh know. There every quote is an
 * escape of digits, so that dash, which takes it for a `$` and a quoted word, and fish, which refuses it, find no end before
 * its end.
 */
function posixWord(word: string): string | undefined {
  if (word.includes("\0") || !word.isWellFormed()) return undefined;
  if (HARMLESS.test(word)) return word;
  if (!isVisible(word)) {
    return `$'${escapeInvisible(word.replaceAll("\\", "\\\\"), octal).replace(/['!]/g, octal)}'`;
  }
  return word === ""
    ? "''"
    : word.replace(/(['\\])|[^'\\]+/g, (part, special) => special ? `\\${part}` : `'${part}'`);
}

/** The bytes of a character, as an octal escape each. */
function octal(character: string): string {
  return [...new TextEncoder().encode(character)].map((byte) => `\\${byte.toString(8).padStart(3, "0")}`)
    .join("");
}

/**
 * A word that cmd.exe and PowerShell read alike, and programs after them: in double quotes, where cmd.exe expands `%` and `!`,
 * PowerShell `$` and a backtick, both end at a quote (PowerShell at a curly one, too), and a program takes a backslash at the
 * end for an escape.
 */
function windowsWord(word: string): string | undefined {
  if (/^(?:[\w.][\w\\/.:-]*|-[\w=-]*)$/.test(word)) return word;
  return isVisible(word) && !/["%!$`\u201c-\u201f]|\\$/.test(word) ? `"${word}"` : undefined;
}
