/**
 * Parses the plain block style in which kubectl and most clouds' tools write a kubeconfig. Loading the YAML parser
 * would take a third of the time to a plugin's first answer. Anything that is not surely plain goes to the YAML
 * parser. Pure.
 */

interface Line {
  readonly indent: number;
  readonly text: string;
}

/** Thrown for a text that is not surely plain. */
class NotPlain extends Error {}

const KEY = /^([A-Za-z][A-Za-z0-9_.\/-]*):(?: +(.*))?$/;
/** Starts with no indicator, contains no comment or quotation. */
const PLAIN = /^(?:--?[A-Za-z]|[A-Za-z0-9\/])[A-Za-z0-9 _.\/:@+=,~()[\]-]*$/;
/** Words that some YAML version does not read as a string. */
const TYPED =
  /^(?:true|false|null|yes|no|on|off|y|n|[-+]?(?:\.?[0-9][0-9_,]*(?:\.[0-9_]*)?(?:e[-+]?[0-9]+)?|0[xob][0-9a-f_]+|[0-9][0-9_]*(?::[0-5]?[0-9])+(?:\.[0-9_]*)?)|[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}.*)$/i;

/** The document as the YAML parser would return it; undefined if only that parser can read it. */
export function parsePlainYaml(text: string): unknown {
  try {
    const lines = linesOf(text);
    if (lines.length === 0 || lines[0]!.indent !== 0) return undefined;
    const reader = new Reader(lines);
    const value = reader.mapping(0);
    return reader.atEnd ? value : undefined;
  } catch (error) {
    if (error instanceof NotPlain) return undefined;
    throw error;
  }
}

function linesOf(text: string): Line[] {
  // deno-lint-ignore no-control-regex
  if (/[^\n\x20-\x7e]/.test(text)) throw new NotPlain();
  const lines: Line[] = [];
  for (const line of text.split("\n")) {
    const content = line.trim();
    if (content === "" || content.startsWith("#")) continue;
    if (/^(?:---|\.\.\.|%)/.test(content)) throw new NotPlain();
    lines.push({ indent: line.length - line.trimStart().length, text: content });
  }
  return lines;
}

class Reader {
  #at = 0;

  constructor(private readonly lines: Line[]) {}

  get atEnd(): boolean {
    return this.#at === this.lines.length;
  }

  mapping(indent: number): Record<string, unknown> {
    const mapping: Record<string, unknown> = {};
    for (let line = this.lines[this.#at]; line?.indent === indent; line = this.lines[this.#at]) {
      const [, key, value] = KEY.exec(line.text) ?? [];
      if (key === undefined || Object.hasOwn(mapping, key) || key === "__proto__") {
        if (isItem(line)) break; // the item belongs to the sequence around this mapping
        throw new NotPlain();
      }
      if (TYPED.test(key)) throw new NotPlain();
      this.#at++;
      mapping[key] = value === undefined ? this.#below(indent) : scalar(value);
    }
    this.#noDeeper(indent);
    return mapping;
  }

  /** The value below a key without one on its line. */
  #below(indent: number): unknown {
    const next = this.lines[this.#at];
    if (next === undefined) return null;
    if (next.indent > indent) return isItem(next) ? this.#sequence(next.indent) : this.mapping(next.indent);
    return next.indent === indent && isItem(next) ? this.#sequence(indent) : null;
  }

  #sequence(indent: number): unknown[] {
    const items: unknown[] = [];
    for (
      let line = this.lines[this.#at];
      line?.indent === indent && isItem(line);
      line = this.lines[this.#at]
    ) {
      const rest = line.text.slice(2);
      if (KEY.test(rest)) {
        // The mapping's first key follows the dash; its other keys are below it.
        this.lines[this.#at] = { indent: indent + 2, text: rest };
        items.push(this.mapping(indent + 2));
      } else {
        this.#at++;
        items.push(scalar(rest));
      }
    }
    this.#noDeeper(indent);
    return items;
  }

  /** A deeper line would continue a value, or be an error. */
  #noDeeper(indent: number): void {
    const next = this.lines[this.#at];
    if (next !== undefined && next.indent > indent) throw new NotPlain();
  }
}

function isItem({ text }: Line): boolean {
  return text.startsWith("- ");
}

function scalar(text: string): unknown {
  if (text === "true" || text === "false") return text === "true";
  if (text === "null") return null;
  if (text === "{}") return {};
  if (text === "[]") return [];
  const quoted = /^"([^"\\]*)"$|^'([^']*)'$/.exec(text);
  if (quoted) return quoted[1] ?? quoted[2];
  if (!PLAIN.test(text) || TYPED.test(text) || /: |:$/.test(text)) throw new NotPlain();
  return text;
}
