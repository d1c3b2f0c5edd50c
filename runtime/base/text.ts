/** Makes text from elsewhere safe to print. */

import { escapeInvisible } from "./invisible.ts";

/**
 * Prepares text from a registry, a plugin or a cluster for a terminal: escapes invisible characters (invisible.ts) as `\n`,
 * `\x1b` or `\u{202e}`, and cuts it to `limit` UTF-16 units.
 */
export function printable(text: string, limit = 1000): string {
  return escapeInvisible(text.length > limit ? `${text.slice(0, limit)}…` : text, escapeCharacter);
}

/** Like {@linkcode printable}, but keeps line ends. */
export function printableLines(text: string, limit = 1000): string {
  return text.split("\n").map((line) => printable(line, limit)).join("\n");
}

/** Lower-cases the first letter of a message, to continue after a colon. */
export function lowerFirst(text: string): string {
  return text.charAt(0).toLowerCase() + text.slice(1);
}

/** Quotes any text as one word for /bin/sh. */
export function shellQuoted(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}

function escapeCharacter(character: string): string {
  if (character === "\n") return "\\n";
  if (character === "\r") return "\\r";
  if (character === "\t") return "\\t";
  const code = character.codePointAt(0)!;
  return code < 0x100 ? `\\x${code.toString(16).padStart(2, "0")}` : `\\u{${code.toString(16)}}`;
}
