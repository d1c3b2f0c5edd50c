/** Text that came from elsewhere, made safe to print. */

import { escapeInvisible } from "./invisible.ts";

/**
 * What a registry, a plugin or a cluster sent, for a terminal: what can't be seen (invisible.ts) escaped as `\n`, `\x1b` or
 * `\u{202e}`, cut to `limit` UTF-16 units.
 */
export function printable(text: string, limit = 1000): string {
  return escapeInvisible(text.length > limit ? `${text.slice(0, limit)}…` : text, escapeCharacter);
}

/** As {@linkcode printable}, for a text of several lines, which stay. */
export function printableLines(text: string, limit = 1000): string {
  return text.split("\n").map((line) => printable(line, limit)).join("\n");
}

/** A message that goes on after a colon: its first letter small. */
export function lowerFirst(text: string): string {
  return text.charAt(0).toLowerCase() + text.slice(1);
}

/** A word of a command for /bin/sh, whatever it holds. */
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
