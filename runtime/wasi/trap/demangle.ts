/**
 * Demangles Rust's function names. rustc writes mangled names of two schemes into a module's name section; lld writes
 * C++'s names unmangled.
 *
 * Returns undefined for other names. The plugin chooses the names, so their depth and the size of their back
 * references are limited.
 */

/** The maximum length of a demangled name. */
const MAX_LENGTH = 1000;
const MAX_DEPTH = 100;

/**
 * `_ZN4core9panicking9panic_fmt17h768731f43edd91bfE` as `core::panicking::panic_fmt`; undefined if it is no Rust
 * name. Pure.
 */
export function rustName(name: string): string | undefined {
  // Remove the suffix of a copy that LLVM made of a function.
  const symbol = name.replace(/\.llvm\.\w+$/, "");
  if (symbol.startsWith("_ZN")) return legacyName(symbol);
  if (!/^_R[A-Z][\w]*$/.test(symbol)) return undefined;
  try {
    return new V0(symbol.slice(2)).name();
  } catch {
    return undefined;
  }
}

const ESCAPES: Readonly<Record<string, string>> = {
  SP: "@",
  BP: "*",
  RF: "&",
  LT: "<",
  GT: ">",
  LP: "(",
  RP: ")",
  C: ",",
};

/** The scheme until 2025: `_ZN`, identifiers with their lengths, the last one a hash, `E`. */
function legacyName(symbol: string): string | undefined {
  const hash = /17h[0-9a-f]{16}E$/.exec(symbol);
  if (!hash) return undefined;
  const parts: string[] = [];
  for (let at = 3; at < hash.index;) {
    const digits = /^\d+/.exec(symbol.slice(at, at + 6))?.[0];
    if (digits === undefined) return undefined;
    const start = at + digits.length;
    at = start + Number(digits);
    if (at > hash.index) return undefined;
    parts.push(unescaped(symbol.slice(start, at)));
  }
  return parts.join("::") || undefined;
}

function unescaped(part: string): string {
  return part
    .replace(/^_(?=\$)/, "")
    .replaceAll("..", "::")
    .replace(/\$(?:u([0-9a-f]{1,6})|([A-Z]+))\$/g, (all, code: string | undefined, word: string) => {
      if (code === undefined) return ESCAPES[word] ?? all;
      const point = parseInt(code, 16);
      return point <= 0x10ffff ? String.fromCodePoint(point) : all;
    });
}

const BASIC: Readonly<Record<string, string>> = {
  a: "i8",
  b: "bool",
  c: "char",
  d: "f64",
  e: "str",
  f: "f32",
  h: "u8",
  i: "isize",
  j: "usize",
  l: "i32",
  m: "u32",
  n: "i128",
  o: "u128",
  p: "_",
  s: "i16",
  t: "u16",
  u: "()",
  v: "...",
  x: "i64",
  y: "u64",
  z: "!",
};

/** The scheme since 2025: https://doc.rust-lang.org/rustc/symbol-mangling/v0.html. Throws for a malformed symbol. */
class V0 {
  #text: string;
  #at = 0;
  #depth = 0;
  #out = "";
  /** True while parsing parts that are not printed. */
  #silent = false;

  constructor(text: string) {
    this.#text = text;
  }

  name(): string {
    this.#path();
    return this.#out;
  }

  #put(text: string): void {
    if (this.#silent) return;
    this.#out += text;
    if (this.#out.length > MAX_LENGTH) throw new RangeError("too long");
  }

  #next(): string {
    const letter = this.#text[this.#at++];
    if (letter === undefined) throw new SyntaxError("cut short");
    return letter;
  }

  #eat(letter: string): boolean {
    if (this.#text[this.#at] !== letter) return false;
    this.#at++;
    return true;
  }

  #match(pattern: RegExp): string {
    pattern.lastIndex = this.#at;
    const found = pattern.exec(this.#text)?.[0];
    if (found === undefined) throw new SyntaxError("unexpected");
    this.#at += found.length;
    return found;
  }

  /** `_` is 0, `0_` is 1. */
  #base62(): number {
    const digits = this.#match(/[0-9a-zA-Z]*_/y).slice(0, -1);
    let value = 0;
    for (const digit of digits) {
      value = value * 62 + "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ".indexOf(digit);
    }
    return digits === "" ? 0 : value + 1;
  }

  /** A number after a letter, or 0 without the letter. */
  #optional(letter: string): number {
    return this.#eat(letter) ? this.#base62() + 1 : 0;
  }

  #identifier(): { text: string; disambiguator: number } {
    const disambiguator = this.#optional("s");
    const punycode = this.#eat("u");
    const length = Number(this.#match(/0|[1-9]\d{0,4}/y));
    this.#eat("_");
    const text = this.#text.slice(this.#at, this.#at + length);
    if (text.length < length) throw new SyntaxError("cut short");
    this.#at += length;
    return { text: punycode ? `punycode{${text}}` : text, disambiguator };
  }

  /** Runs `parse` one level deeper. */
  #within(parse: () => void): void {
    if (++this.#depth > MAX_DEPTH) throw new RangeError("too deep");
    parse();
    this.#depth--;
  }

  /** Parses an earlier part of the symbol again. */
  #back(parse: () => void): void {
    const start = this.#at - 1;
    const to = this.#base62();
    if (to >= start) throw new SyntaxError("a reference forward");
    if (this.#silent) return;
    const here = this.#at;
    this.#at = to;
    this.#within(parse);
    this.#at = here;
  }

  #path(): void {
    this.#within(() => {
      const kind = this.#next();
      if (kind === "C") this.#put(this.#identifier().text);
      else if (kind === "M" || kind === "X") {
        // The path of the implementation is not printed.
        this.#optional("s");
        const silent = this.#silent;
        this.#silent = true;
        this.#path();
        this.#silent = silent;
        this.#put("<");
        this.#type();
        if (kind === "X") {
          this.#put(" as ");
          this.#path();
        }
        this.#put(">");
      } else if (kind === "Y") {
        this.#put("<");
        this.#type();
        this.#put(" as ");
        this.#path();
        this.#put(">");
      } else if (kind === "N") {
        const namespace = this.#next();
        this.#path();
        const { text, disambiguator } = this.#identifier();
        if (/[a-z]/.test(namespace)) this.#put(text === "" ? "" : `::${text}`);
        else {
          const what = { C: "closure", S: "shim" }[namespace] ?? namespace;
          this.#put(`::{${what}${text === "" ? "" : `:${text}`}#${disambiguator}}`);
        }
      } else if (kind === "I") {
        this.#path();
        this.#put("<");
        this.#list(() => this.#argument());
        this.#put(">");
      } else if (kind === "B") this.#back(() => this.#path());
      else throw new SyntaxError("no path");
    });
  }

  #list(parse: () => void): number {
    let count = 0;
    for (; !this.#eat("E"); count++) {
      if (count > 0) this.#put(", ");
      parse();
    }
    return count;
  }

  #argument(): void {
    if (this.#eat("L")) this.#lifetime();
    else if (this.#eat("K")) this.#constant();
    else this.#type();
  }

  /** Lifetimes of `for<'a>` have no names here. */
  #lifetime(): void {
    this.#base62();
    this.#put("'_");
  }

  #type(): void {
    this.#within(() => {
      const kind = this.#next();
      const basic = BASIC[kind];
      if (basic !== undefined) this.#put(basic);
      else if (kind === "A" || kind === "S") {
        this.#put("[");
        this.#type();
        if (kind === "A") {
          this.#put("; ");
          this.#constant();
        }
        this.#put("]");
      } else if (kind === "T") {
        this.#put("(");
        if (this.#list(() => this.#type()) === 1) this.#put(",");
        this.#put(")");
      } else if (kind === "R" || kind === "Q") {
        this.#put("&");
        if (this.#eat("L")) this.#base62();
        if (kind === "Q") this.#put("mut ");
        this.#type();
      } else if (kind === "P" || kind === "O") {
        this.#put(kind === "P" ? "*const " : "*mut ");
        this.#type();
      } else if (kind === "F") this.#function();
      else if (kind === "D") {
        this.#put("dyn ");
        this.#optional("G");
        let count = 0;
        for (; !this.#eat("E"); count++) {
          if (count > 0) this.#put(" + ");
          this.#path();
          while (this.#eat("p")) {
            this.#put(`<${this.#identifier().text} = `);
            this.#type();
            this.#put(">");
          }
        }
        if (!this.#eat("L")) throw new SyntaxError("no lifetime");
        this.#base62();
      } else if (kind === "B") this.#back(() => this.#type());
      else {
        this.#at--;
        this.#path();
      }
    });
  }

  #function(): void {
    this.#optional("G");
    if (this.#eat("U")) this.#put("unsafe ");
    if (this.#eat("K")) {
      this.#put(`extern "${this.#eat("C") ? "C" : this.#identifier().text.replaceAll("_", "-")}" `);
    }
    this.#put("fn(");
    this.#list(() => this.#type());
    this.#put(")");
    if (this.#eat("u")) return;
    this.#put(" -> ");
    this.#type();
  }

  #constant(): void {
    this.#within(() => {
      if (this.#eat("p")) return this.#put("_");
      if (this.#eat("B")) return this.#back(() => this.#constant());
      const type = this.#next();
      if (BASIC[type] === undefined) throw new SyntaxError("a constant of another kind");
      const negative = this.#eat("n");
      const value = BigInt(`0x0${this.#match(/[0-9a-f]*_/y).slice(0, -1)}`);
      if (type === "b") this.#put(value === 1n ? "true" : "false");
      else if (type === "c") this.#put(`'${String.fromCodePoint(Number(value))}'`);
      else this.#put(`${negative ? "-" : ""}${value}`);
    });
  }
}
