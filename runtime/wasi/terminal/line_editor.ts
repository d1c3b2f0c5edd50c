/**
 * Edits a typed line as a terminal does in POSIX's canonical mode. For hidden input the terminal passes on single keys,
 * so that it shows none. Pure.
 */

import { concatBytes } from "../../base/bytes.ts";

const END_OF_FILE = 0x04; // Ctrl-D
const BACKSPACE = 0x08;
const NEWLINE = 0x0a;
const RETURN = 0x0d;
const KILL = 0x15; // Ctrl-U
const ERASE_WORD = 0x17; // Ctrl-W
const SPACE = 0x20;
const DELETE = 0x7f;

/** The longest line, with its end: Linux's limit. Further characters are dropped. */
const LONGEST = 4096;

/** Collects lines; Backspace, Ctrl-U and Ctrl-W edit them, Enter or Ctrl-D ends them. */
export class LineEditor {
  #line: number[] = [];
  #done: Uint8Array[] = [];

  /** Adds typed bytes. */
  push(bytes: Uint8Array): void {
    for (const byte of bytes) this.#key(byte);
  }

  /** The next line with its end; empty for the end of input; undefined if no line is complete. */
  next(): Uint8Array | undefined {
    return this.#done.shift();
  }

  /** Typed bytes that nobody has taken. */
  rest(): Uint8Array {
    const parts = [...this.#done, Uint8Array.from(this.#line)];
    this.#done = [];
    this.#line = [];
    return concatBytes(parts);
  }

  #key(byte: number): void {
    const line = this.#line;
    switch (byte) {
      case RETURN:
      case NEWLINE:
        line.push(NEWLINE);
        this.#end();
        return;
      case END_OF_FILE:
        this.#end();
        return;
      case BACKSPACE:
      case DELETE:
        erase(line);
        return;
      case KILL:
        line.length = 0;
        return;
      case ERASE_WORD:
        while (line.at(-1) === SPACE) line.pop();
        while (line.length > 0 && line.at(-1) !== SPACE) line.pop();
        return;
      default:
        if (line.length < LONGEST - 1) line.push(byte);
    }
  }

  #end(): void {
    this.#done.push(Uint8Array.from(this.#line));
    this.#line = [];
  }
}

/** Removes a character, which may have several bytes in UTF-8. */
function erase(line: number[]): void {
  while (line.length > 0 && (line.pop()! & 0xc0) === 0x80);
}
