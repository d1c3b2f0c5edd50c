/**
 * Quotes commands that krew-wasm suggests to the user. A word may come from a plugin, a publisher or a registry, and the
 * user may paste it into any shell. No shell must see an end of its quotes. Pure.
 */

import { escapeInvisible, isVisible } from "./invisible.ts";

/** No shell gives these characters a meaning, at any position. A leading `=` or `%` has a meaning in zsh and fish. */
const HARMLESS = /^[\w@+:,./-][\w@%+=:,./-]*$/;

/**
 * A command for the user's shell, on one line, without invisible characters.
 *
 * @returns undefined if a word cannot be quoted the same way for all shells of the system
 */
export function shellCommand(
  words: readonly string[],
  windows = Deno.build.os === "windows",
): string | undefined {
  const quoted = words.map(windows ? windowsWord : posixWord);
  return quoted.includes(undefined) ? undefined : quoted.join(" ");
}

/**
 * Quotes a word so that bash, zsh, dash, ksh and fish read it alike. Quotes and backslashes stand outside of quotes, since
 * fish reads a backslash inside as an escape. Invisible characters need `$'…'`, which bash, zsh and ksh know. Inside it
 * every quote becomes an escape of digits. dash reads `$'…'` as a `$` and a quoted word, and fish refuses it, but neither
 * sees an early end.
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
 * Quotes a word so that cmd.exe, PowerShell and the programs after them read it alike. In double quotes cmd.exe expands `%`
 * and `!`, and PowerShell `$` and a backtick. Both end at a quote (PowerShell at a curly one, too). A program reads a
 * backslash at the end as an escape.
 */
function windowsWord(word: string): string | undefined {
  if (/^(?:[\w.][\w\\/.:-]*|-[\w=-]*)$/.test(word)) return word;
  return isVisible(word) && !/["%!$`\u201c-\u201f]|\\$/.test(word) ? `"${word}"` : undefined;
}
