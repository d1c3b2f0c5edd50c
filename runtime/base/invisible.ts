/** Which characters a person sees on a screen. The one place that decides it, for messages, tables, questions, JSON and YAML. */

/**
 * Characters that show nothing, or that change how others show: controls, formats, unassigned and private ones, lone surrogates
 * (`\p{C}`), spaces and separators but the space itself (`\p{Z}`), what Unicode says to ignore (variation selectors, tags,
 * Hangul fillers), and letters and symbols that are drawn as a blank.
 */
const INVISIBLE =
  /[[\p{C}\p{Z}\p{Default_Ignorable_Code_Point}\u2800\u2d7f\u303f\ufffc\u{1107f}\u{13441}\u{13442}\u{16fe4}\u{1d159}]--[ ]]/v;
const MARK = /\p{M}/u;
/** What a mark is drawn on. */
const BASE = /[\p{L}\p{N}\p{S}]/u;
/** No script writes more marks on one letter; piles of them cover the lines above and below. */
const MAX_MARKS = 3;
const PLAIN = /^[\x20-\x7e]*$/;

/** A text in which each character that a person can't see, or that would draw over others, is replaced by its escape. */
export function escapeInvisible(text: string, escape: (character: string) => string): string {
  if (PLAIN.test(text)) return text;
  let shown = "";
  let marks = MAX_MARKS; // at the beginning there is nothing to draw one on
  for (const character of text) {
    const mark = MARK.test(character);
    const visible = mark ? marks < MAX_MARKS && !INVISIBLE.test(character) : !INVISIBLE.test(character);
    if (visible) marks = mark ? marks + 1 : BASE.test(character) ? 0 : MAX_MARKS;
    else if (!mark) marks = MAX_MARKS;
    shown += visible ? character : escape(character);
  }
  return shown;
}

/** Whether a person sees all of a text, as it is. */
export function isVisible(text: string): boolean {
  return escapeInvisible(text, () => "") === text;
}

/**
 * The same JSON, with everything invisible in its strings written as `\uXXXX`. `json` is what `JSON.stringify` makes, which
 * escapes controls below U+0020 itself; line ends between its values stay.
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
