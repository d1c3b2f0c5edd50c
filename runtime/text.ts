/** Text that came from elsewhere, made safe to print. */

// C0 and C1 controls, DEL, line and paragraph separators, and the marks that reorder or hide text
// (Unicode Bidi_Control, zero-width characters, the tag block): all can forge what a terminal shows.
const UNPRINTABLE =
  /[\u0000-\u001f\u007f-\u009f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]|[\u{e0000}-\u{e007f}]|[\ud800-\udfff](?![\udc00-\udfff])(?<![\ud800-\udbff][\udc00-\udfff])/gu;

/**
 * What a registry, a plugin or a cluster sent, for a terminal: control and reordering characters escaped as
 * `\n`, `\x1b` or `\u{202e}`, cut to `limit` UTF-16 units.
 */
export function printable(text: string, limit = 1000): string {
  const cut = text.length > limit ? `${text.slice(0, limit)}…` : text;
  return /^[\x20-\x7e]*$/.test(cut) ? cut : cut.replace(UNPRINTABLE, escapeCharacter);
}

/** A message that goes on after a colon: its first letter small. */
export function lowerFirst(text: string): string {
  return text.charAt(0).toLowerCase() + text.slice(1);
}

/** A word of a command for /bin/sh, whatever it holds. */
export function shellQuoted(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}

/** A word of a command that is shown to be typed: as a shell reads it back, on one line, cut to 500 UTF-16 units. */
export function shellWord(text: string): string {
  const safe = printable(text, 500);
  // What had to be escaped can't be typed so; $'…' of bash, zsh and ksh takes the escapes.
  return safe === text ? shellQuoted(text) : `$'${safe.replaceAll("'", "\\'")}'`;
}

function escapeCharacter(character: string): string {
  if (character === "\n") return "\\n";
  if (character === "\r") return "\\r";
  if (character === "\t") return "\\t";
  const code = character.codePointAt(0)!;
  return code < 0x100 ? `\\x${code.toString(16).padStart(2, "0")}` : `\\u{${code.toString(16)}}`;
}
