/**
 * Separates the keys that a person typed from sequences that the terminal sends. An escape sequence counts as one input,
 * however many pieces it comes in, and however late.
 */

/** A plain key: a printable character of ASCII or a control; `ODD` for everything else. */
export type Key = string;

/** Input that is not a plain key: a sequence, such as an arrow key or a terminal's report; a paste; another character. */
export const ODD: Key = "";

const CTRL_C = "\x03";
const PASTE_END = "\x1b[201~";

/** The state inside a sequence (ECMA-48, 5.4 and 5.6). */
type State = "ground" | "escape" | "csi" | "ss3" | "mouse" | "string" | "string escape" | "paste";

/** Reads keys from bytes. Keeps its state as long as the terminal is read. */
export class KeyReader {
  #decoder = new TextDecoder();
  #state: State = "ground";
  /** A sequence's parameters, or the last characters of a paste. */
  #text = "";
  #left = 0;

  /** The keys in some bytes. */
  read(bytes: Uint8Array): Key[] {
    return [...this.#decoder.decode(bytes, { stream: true })].flatMap((character) => this.#next(character));
  }

  #next(character: string): Key[] {
    if (character === CTRL_C) return this.#end(CTRL_C);
    // Enter ends an incomplete sequence, so that the keyboard never hangs. The line does not count.
    if ((character === "\r" || character === "\n") && this.#state !== "ground" && this.#state !== "paste") {
      return this.#end(ODD, character);
    }
    switch (this.#state) {
      case "ground":
        return this.#ground(character);
      case "escape":
        return this.#escape(character);
      case "csi":
        return this.#csi(character);
      case "ss3":
        return this.#end(ODD);
      case "mouse":
        return --this.#left === 0 ? this.#end(ODD) : [];
      case "paste":
        this.#text = (this.#text + character).slice(-PASTE_END.length);
        return this.#text === PASTE_END ? this.#end(ODD) : [];
      case "string":
        if (character === "\x1b") return this.#to("string escape");
        return character === "\x07" || character === "\x9c" || character === "\x18" ? this.#end(ODD) : [];
      case "string escape":
        return character === "\\" ? this.#end(ODD) : this.#escape(character);
    }
  }

  #ground(character: string): Key[] {
    if (character === "\x1b") return this.#to("escape");
    if (character === "\x9b") return this.#to("csi");
    if (character === "\x8f") return this.#to("ss3");
    if (/[\x90\x98\x9d-\x9f]/.test(character)) return this.#to("string");
    return [character <= "\x7f" ? character : ODD];
  }

  #escape(character: string): Key[] {
    if (character === "\x1b") return this.#to("escape");
    if (character === "[") return this.#to("csi");
    if (character === "O" || character === "N") return this.#to("ss3");
    if (/[\]PX^_]/.test(character)) return this.#to("string");
    return this.#end(ODD);
  }

  #csi(character: string): Key[] {
    if (character === "\x1b") return this.#to("escape");
    if (character >= " " && character <= "?") {
      this.#text = (this.#text + character).slice(0, 64);
      return [];
    }
    if (character === "~" && this.#text === "200") return this.#to("paste");
    if (character === "M" && this.#text === "") {
      this.#left = 3; // a button and a position, three characters in xterm's first mouse mode
      return this.#to("mouse");
    }
    return this.#end(ODD);
  }

  #to(state: State): Key[] {
    this.#state = state;
    this.#text = "";
    return [];
  }

  #end(...keys: Key[]): Key[] {
    this.#to("ground");
    return keys;
  }
}
