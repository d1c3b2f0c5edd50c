/** Resets a terminal's screen before a question, since a plugin may have changed it in any way. Pure. */

/** The colours that OSC sets, by the codes that reset them: palette, special, text, background, cursor, selection. */
const COLOURS = [104, 105, 110, 111, 112, 113, 114, 117, 118, 119];

/**
 * Ends every mode that a plugin can leave its terminal in, without moving the cursor. No such mode may hide a question,
 * change its look, or make the terminal type for the person. Terminals ignore sequences that they do not know. The visible
 * screen stays, the alternate one too. From ECMA-48, DEC STD 070, xterm's ctlseqs, and the protocols of kitty, iTerm2 and
 * the Linux console.
 */
const RESET = [
  "\x18\x1b\\", // CAN and ST: an unfinished sequence or string
  "\x1b\x03\x1b<", // from Tektronix's and VT52's modes
  "\x1b[4i\x1b[?4i", // printer mode
  "\x1b F\x1b%G", // answers in 7 bits, UTF-8
  "\x1b[!p", // DECSTR: attributes, margins, origin, insert and keypad modes, character sets
  "\x1b[4l\x1b[20l\x1b[?4l\x1b[?5l\x1b[?7h\x1b[?45l", // insert, line feeds, smooth scroll, reverse screen, wrapping
  "\x1b>\x1b[?1l\x1b[?66l\x1b[?67l", // keys of the keypad, cursor and backspace
  ...[9, 1000, 1001, 1002, 1003, 1004, 1005, 1006, 1015, 1016].map((mode) => `\x1b[?${mode}l`), // mouse and focus
  "\x1b[0'z", // locator
  "\x1b[?2026l\x1b[?2031l\x1b[?2048l", // synchronized output, unrequested reports
  "\x1b7", // the following may move the cursor
  "\x1b[=0;1u\x1b[<99u", // kitty's keys
  "\x1b[>4;0m\x1b[>4m\x1b[>m\x1b[>f", // modifyOtherKeys and similar modes
  "\x1b[0$}\x1b[?69l\x1b[r", // the status line, margins
  "\x1b8",
  '\x1bW\x1b[0"q', // protection from erasure
  "\x1b(B\x1b)B\x1b*B\x1b+B\x0f\x1b~\x1b[?42l", // character sets
  "\x1b[8h\x1b[0 k\x1b[?2500l\x1b[?2501l", // right-to-left lines
  "\x1b]8;;\x1b\\", // a link
  ...COLOURS.map((code) => `\x1b]${code}\x1b\\`),
  "\x1b]R\x1b\\", // the palette of the Linux console
  "\x1b_Ga=d,d=A,q=2\x1b\\", // pictures above the text
  "\x1b[0m\x1b[?25h\x1b[0 q", // attributes; a visible cursor
].join("");

/** Inserts new lines for the question: empty, and of normal width. */
export const FRESH_LINES = "\r\n\x1b[999L\x1b[J";

/** Marks pastes, so that they can be distinguished from keys. */
export const PASTE_MARKS = "\x1b[?2004h";

/** Restores the terminal's own settings after a question. */
export const AFTER_QUESTION = "\x1b[0m\x1b[?2004l";

/** How to draw a question on a terminal. */
export interface Screen {
  /** Sent before the question. */
  readonly reset: string;
  /** White on black, independent of the terminal's own colours. */
  readonly colours: string;
}

/**
 * What a terminal supports, by the user's environment. Colours are direct, from a fixed table, or from 16, as the terminal
 * allows.
 *
 * @returns undefined if the terminal knows no escape sequences
 */
export function screenOf(env: (name: string) => string | undefined): Screen | undefined {
  const term = env("TERM") ?? "";
  if (term === "dumb") return undefined;
  const many = /256color|direct/.test(term) ? "\x1b[38;5;231;48;5;16m" : "";
  const byValue = /^(?:truecolor|24bit)$/.test(env("COLORTERM") ?? "")
    ? "\x1b[38;2;255;255;255;48;2;0;0;0m"
    : "";
  return { reset: RESET + aroundMultiplexer(env), colours: `\x1b[0;37;40;97m${many}${byValue}` };
}

/**
 * Resets the colours of the outer terminal too. A plugin reaches it through GNU screen, and through tmux if tmux allows
 * that.
 */
function aroundMultiplexer(env: (name: string) => string | undefined): string {
  // With both, only the outer variable counts: screen's sequence shows nothing in tmux.
  const escape = env("STY") ? "\x1bP" : env("TMUX") ? "\x1bPtmux;\x1b" : undefined;
  return escape === undefined ? "" : COLOURS.map((code) => `${escape}\x1b]${code}\x07\x1b\\`).join("");
}

/** A line of the question, in its colours to the end of the line. */
export function inColours({ colours }: Screen, line: string): string {
  return `\x1b#5${colours}${line}\x1b[K`;
}
