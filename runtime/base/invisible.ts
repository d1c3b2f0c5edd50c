/** Decides which characters a person sees on a screen, for messages, tables, questions, JSON and YAML. */

/**
 * Characters that show nothing, or that change how others show: controls, formats, unassigned and private ones, lone
 * surrogates (`\p{C}`), spaces and separators except the space itself (`\p{Z}`), characters that Unicode says to ignore
 * (variation selectors, tags, Hangul fillers), and letters and symbols with a blank glyph.
 */
const INVISIBLE =
  /[[\p{C}\p{Z}\p{Default_Ignorable_Code_Point}\u2800\u2d7f\u303f\ufffc\u{1107f}\u{13441}\u{13442}\u{16fe4}\u{1d159}]--[ ]]/v;
const MARK = /\p{M}/u;
/** Characters that can carry a mark. */
const BASE = /[\p{L}\p{N}\p{S}]/u;
/** No script writes more marks on one letter. Piles of marks cover the lines above and below. */
const MAX_MARKS = 3;
const PLAIN = /^[\x20-\x7e]*$/;

/** Replaces each character by its escape if a person cannot see it, or if it would cover others. */
export function escapeInvisible(text: string, escape: (character: string) => string): string {
  if (PLAIN.test(text)) return text;
  let shown = "";
  let marks = MAX_MARKS; // no character before can carry a mark
  for (const character of text) {
    const mark = MARK.test(character);
    const visible = mark ? marks < MAX_MARKS && !INVISIBLE.test(character) : !INVISIBLE.test(character);
    if (visible) marks = mark ? marks + 1 : BASE.test(character) ? 0 : MAX_MARKS;
    else if (!mark) marks = MAX_MARKS;
    shown += visible ? character : escape(character);
  }
  return shown;
}

/** Whether a person sees all of a text as it is. */
export function isVisible(text: string): boolean {
  return escapeInvisible(text, () => "") === text;
}

/**
 * Writes everything invisible in JSON strings as `\uXXXX`. `json` comes from `JSON.stringify`, which already escapes
 * controls below U+0020. Line ends between values stay.
 */
export function visibleJson(json: string): string {
  if (/^[\n\x20-\x7e]*$/.test(json)) return json;
  return json.split("\n").map((line) => escapeInvisible(line, escapeUnits)).join("\n");
}

function escapeUnits(character: string): string {
  let units = "";
  for (let at = 0; at < character.length; at++) {
    units += `\\u${character.charCodeAt(at).toString(16).padStart(4, "0")}`;
  }
  return units;
}
