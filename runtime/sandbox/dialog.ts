/**
 * A dialog with a person at the terminal. Everything here is synchronous: the plugin is stopped and writes nothing until
 * the answer is complete.
 */

import type { Terminal } from "./controlling_terminal.ts";
import type { Size } from "./question.ts";
import { AFTER_QUESTION, FRESH_LINES, inColours, PASTE_MARKS } from "./screen.ts";
import { KeyReader, ODD } from "./terminal_keys.ts";

/** Ctrl-C at a question. The run ends as by the signal. */
export class Interrupted extends Error {}

/** After this much silence, the terminal has answered everything that a plugin wrote. Milliseconds. */
const QUIET = 100;
/** Keys count after this much silence: a person who types when the question appears has not read it. Milliseconds. */
const SHOWN = 500;
/** Limit on waiting for silence. Inputs. */
const MOST_INPUTS = 300;
/** A typed line; `odd` if it contained other input than plain keys, `end` at the end of the input. */
export type Line = { readonly text: string } | "odd" | "end";

/** The part of a line that was typed so far. */
interface Typed {
  readonly text: string;
  readonly odd: boolean;
}

const EMPTY: Typed = { text: "", odd: false };

/** A longer line is no answer. UTF-16 units. */
const MAX_LINE = 20;

/** A dialog with a person, in visible lines, on a terminal that was reset. Must be closed. */
export class Dialog implements Disposable {
  #terminal: Terminal;
  #keys = new KeyReader();
  #said: string[] = [];

  private constructor(terminal: Terminal) {
    this.#terminal = terminal;
    terminal.setRaw(true);
    this.#begin();
  }

  /** undefined if nobody can be asked: in the background. */
  static open(terminal: Terminal): Dialog | undefined {
    return terminal.claim() ? new Dialog(terminal) : undefined;
  }

  /** Shows lines, and shows them again after a stop (Ctrl-Z). */
  say(lines: readonly string[]): void {
    this.#said.push(...lines);
    this.#draw(lines);
  }

  /**
   * Asks for a line, with backspace for editing. Ignores earlier input, and the terminal's
   * own answers to a plugin's escape sequences.
   *
   * @throws Interrupted
   */
  ask(prompt: string): Line {
    this.#settle(SHOWN);
    this.#write(prompt);
    let typed = EMPTY;
    for (;;) {
      const bytes = this.#terminal.read();
      if (bytes === undefined) return "end";
      for (const key of this.#keys.read(bytes)) {
        if (key === "\r" || key === "\n") {
          this.#newLine("");
          return typed.odd ? "odd" : { text: typed.text };
        }
        if (key === "\x03") this.#interrupt();
        if (key === "\x04") {
          this.#newLine("");
          return "end";
        }
        if (key === "\x1a") {
          this.#stop();
          this.#write(prompt);
          typed = EMPTY;
        } else typed = this.#edit(typed, key);
      }
    }
  }

  /** Applies a key to the typed line, and shows it. */
  #edit({ text, odd }: Typed, key: string): Typed {
    if (key === "\x7f" || key === "\b") {
      if (text !== "") this.#terminal.write("\b \b");
      return { text: text.slice(0, -1), odd };
    }
    if (key === ODD || key < " " || text.length >= MAX_LINE) return { text, odd: true };
    this.#terminal.write(key);
    return { text: text + key, odd };
  }

  get size(): Size | undefined {
    return this.#terminal.size();
  }

  [Symbol.dispose](): void {
    if (this.#terminal.screen) this.#terminal.write(AFTER_QUESTION);
    this.#terminal.setRaw(false);
    this.#terminal.release();
  }

  #begin(): void {
    const { screen } = this.#terminal;
    this.#terminal.write(screen ? screen.reset + PASTE_MARKS + FRESH_LINES : "\r\n");
    this.#settle(QUIET);
  }

  /** Discards input until there is silence. Waits for the end of an incomplete escape sequence. */
  #settle(silence: number): void {
    let silent = 0;
    for (let inputs = 0; silent < silence && inputs < MOST_INPUTS; inputs++) {
      const bytes = this.#terminal.read(QUIET);
      if (bytes === undefined) return;
      silent = bytes.length === 0 ? silent + QUIET : 0;
      if (this.#keys.read(bytes).includes("\x03")) this.#interrupt();
    }
  }

  #interrupt(): never {
    this.#newLine("^C");
    throw new Interrupted("Interrupted at a question");
  }

  #draw(lines: readonly string[]): void {
    for (const line of lines) {
      this.#write(line);
      this.#newLine("");
    }
  }

  #write(text: string): void {
    const { screen } = this.#terminal;
    this.#terminal.write(screen ? inColours(screen, text) : text);
  }

  #newLine(text: string): void {
    this.#terminal.write(this.#terminal.screen ? `${text}\x1b[0m\r\n` : `${text}\r\n`);
  }

  #stop(): void {
    this.#newLine("^Z");
    if (this.#terminal.screen) this.#terminal.write(AFTER_QUESTION);
    this.#terminal.setRaw(false);
    this.#terminal.suspend();
    this.#terminal.setRaw(true);
    this.#begin();
    this.#draw(this.#said);
    this.#settle(SHOWN);
  }
}
