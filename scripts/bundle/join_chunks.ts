/**
 * Joins the chunks that are loaded together into one file. A bundler that splits at dynamic imports makes dozens of chunks
 * of a few hundred bytes. Loading each costs time, and an `import()` costs more than a millisecond. Pure.
 *
 * A chunk becomes a function that returns the chunk's exports, so that its names stay. This relies on the form of this
 * project's bundle (esbuild, minified):
 *
 * - Imports come first, except those of Node's modules.
 * - One `export` comes last.
 * - No export is assigned again (`export let` is not used).
 *
 * Other forms are an error.
 */

interface Import {
  readonly statement: string;
  /** The text between `import` and `from`. */
  readonly clause: string | undefined;
  readonly names: readonly (readonly [exported: string, local: string])[];
  readonly from: string;
}

/** A parsed chunk. */
interface Chunk {
  readonly imports: readonly Import[];
  /** The code after the imports. */
  readonly rest: string;
}

/** Separates a chunk's code from its exports. */
function splitExports(name: string, { rest }: Chunk): {
  readonly code: string;
  readonly exports: readonly (readonly [local: string, exported: string])[];
} {
  const exported = EXPORT.exec(rest);
  const code = rest.slice(0, exported?.index);
  if (/[;}]export\{/.test(code)) throw new Error(`${name} exports in a way that is not known`);
  return { code, exports: exported ? pairs(exported[1]!) : [] };
}

const IMPORT = /import(?:\s*([\w$*{][^"']*?)\s*from\s*)?"([^"]+)";/y;
const INLINE = /(?<=^|[;}\n])import(?:\s*([\w$*{][^"'();]*?)\s*from)?"(node:[^"]+)";/g;
const EXPORT = /export\{([^}]*)\};?\s*$/;

function pairs(list: string): [string, string][] {
  return list.split(",").filter((part) => part !== "").map((part) => {
    const [first = "", second = first, ...rest] = part.trim().split(" as ");
    if (rest.length > 0 || !/^[\w$]+$/.test(first) || !/^[\w$]+$/.test(second)) {
      throw new Error(`"${part}" is no import or export that is known`);
    }
    return [first, second];
  });
}

function parse(name: string, text: string): Chunk {
  const imports: Import[] = [];
  IMPORT.lastIndex = 0;
  let end = 0;
  for (let match = IMPORT.exec(text); match; match = IMPORT.exec(text)) {
    const [statement, clause, from = ""] = match;
    const names = /^\{([^}]*)\}$/.exec(clause ?? "{}")?.[1];
    if (names === undefined && from.startsWith("./")) {
      throw new Error(`${name} imports ${clause} from ${from}`);
    }
    imports.push({ statement, clause, names: names === undefined ? [] : pairs(names), from });
    end = IMPORT.lastIndex;
  }
  // Imports of Node's modules are in the middle, where their package's code begins.
  const rest = text.slice(end).replaceAll(INLINE, (statement, clause, from) => {
    imports.push({ statement, clause, names: [], from });
    return "";
  });
  return { imports, rest };
}

/** Statements that declare an import's names, for an outside module whose namespace is in the variable `module`. */
function declare(clause: string | undefined, module: string): string {
  if (clause === undefined) return "";
  const [, only, named, all] = /^([\w$]+)?,?\s*(?:\{([^}]*)\}|\*\s*as ([\w$]+))?\s*$/.exec(clause) ?? [];
  if (only === undefined && named === undefined && all === undefined) {
    throw new Error(`"${clause}" is no import that is known`);
  }
  const list = pairs(named ?? "").map(([exported, local]) => `${exported}:${local}`);
  return [
    ...only === undefined ? [] : [`const ${only}=${module}.default;`],
    ...all === undefined ? [] : [`const ${all}=${module};`],
    ...list.length === 0 ? [] : [`const{${list.join(",")}}=${module};`],
  ].join("");
}

/** The chunks that `name` loads, itself last. */
function closureOf(chunks: ReadonlyMap<string, Chunk>, name: string, seen = new Set<string>()): Set<string> {
  if (seen.has(name)) return seen;
  for (const { from } of chunks.get(name)?.imports ?? []) {
    if (chunks.has(from.slice(2))) closureOf(chunks, from.slice(2), seen);
  }
  seen.add(name);
  return seen;
}

/** The chunks that entries load, each after those that it needs. */
function neededBy(chunks: ReadonlyMap<string, Chunk>, entries: readonly string[]): Set<string> {
  const needed = new Set<string>();
  for (const beginning of entries) {
    const named = [...chunks.keys()].filter((name) => name.startsWith(beginning));
    if (named.length === 0) throw new Error(`The bundle has no ${beginning}…`);
    for (const name of named) for (const each of closureOf(chunks, name)) needed.add(each);
  }
  return needed;
}

/** Some dynamic entries with all chunks that they need, joined into one file. */
export interface Part {
  /** The name of the joined file. */
  readonly file: string;
  /** Prefixes of the entries' chunk names. */
  readonly entries: readonly string[];
  /** Loads no other part. The chunks that it shares with earlier parts go into the file of every start. */
  readonly alone?: boolean;
}

/** The file with the chunks of every start. */
export const BASE = "base.js";

/** The new place of a chunk. */
interface Place {
  /** The file. */
  readonly file: string;
  /** The name that the file exports for the chunk. */
  readonly exported: string;
  /** An expression for the chunk's exports, in files that import {@linkcode exported}. */
  readonly value: string;
  /** An expression for the chunk's exports within its part. */
  readonly own: string;
  /** Index of the chunk's part; -1 for the chunks of every start. */
  readonly part: number;
}

/**
 * Joins the chunks of a bundle.
 *
 * The first part should be the most frequent one. It becomes a function in the file of every start. That saves a load; runs
 * that don't need it pay only for parsing it.
 *
 * @param files the bundle's JavaScript by file name
 * @param entry the name of the entry file
 * @param parts the dynamic parts; a chunk that several need goes into the first of them, if none of them loads alone
 * @throws Error for a bundle of another form, and for a part without chunks
 */
export function joinChunks(
  files: ReadonlyMap<string, string>,
  entry: string,
  parts: readonly Part[],
): Map<string, string> {
  const chunks = new Map([...files].map(([name, text]) => [name, parse(name, text)]));
  const found = new Map<string, Place>();
  const first = [...closureOf(chunks, entry)].filter((name) => name !== entry);
  first.forEach((name, index) => {
    const own = `$base${index}`;
    found.set(name, { file: BASE, exported: own, value: own, own, part: -1 });
  });
  const needed = parts.map(({ entries }) => neededBy(chunks, entries));
  parts.forEach(({ alone }, part) => {
    if (!alone) return;
    const earlier = needed.slice(1, part);
    for (const name of needed[part]!) if (earlier.some((names) => names.has(name))) needed[0]!.add(name);
  });
  const members = parts.map(({ file }, part) => {
    const own = [...needed[part]!].filter((name) => name !== entry && !found.has(name));
    own.forEach((name, index) => {
      const local = `$part${part}_${index}`;
      found.set(
        name,
        part === 0
          ? { file: BASE, exported: "$first", value: `$first().${local}`, own: local, part }
          : { file, exported: local, value: local, own: local, part },
      );
    });
    return own;
  });

  /** Replaces imports of moved chunks: which names to import from which file, and constants for the original names. */
  const header = (
    chunk: Chunk,
    within?: { readonly file: string; readonly part: number },
  ): {
    outside: Map<string, Set<string>>;
    foreign: Map<string, string>;
    statements: string;
    kept: string;
  } => {
    const outside = new Map<string, Set<string>>();
    const foreign = new Map<string, string>();
    let statements = "";
    let kept = "";
    for (const { statement, clause, names, from } of chunk.imports) {
      const place = found.get(from.slice(2));
      if (!place) {
        if (!within) {
          kept += statement;
          continue;
        }
        // The code of every start may import nothing from outside of the bundle.
        if (from.startsWith("./") || within.part <= 0) {
          throw new Error(`A chunk that is joined imports ${from}`);
        }
        const local = `$${from.replaceAll(/\W/g, "_")}`;
        foreign.set(from, local);
        statements += declare(clause, local);
        continue;
      }
      if (place.file !== within?.file) {
        outside.set(place.file, (outside.get(place.file) ?? new Set()).add(place.exported));
      }
      const value = place.part === within?.part ? place.own : place.value;
      // An import without names needs no constant: loading the file runs the chunk.
      if (names.length > 0) statements += `const{${names.map(([a, b]) => `${a}:${b}`).join(",")}}=${value};`;
    }
    return { outside, foreign, statements, kept };
  };
  const importsOf = (outside: ReadonlyMap<string, ReadonlySet<string>>) =>
    [...outside].map(([file, names]) => `import{${[...names].join(",")}}from"./${file}";`).join("");
  const exportsOf = (name: string) => splitExports(name, chunks.get(name)!).exports;

  /** Redirects each `import()` of a moved chunk to its new file. Chunks of every start need no import. */
  const redirected = (code: string, outside: Map<string, Set<string>>, file?: string): string =>
    code.replace(/import\("\.\/([^"]+)"\)/g, (text, name) => {
      const place = found.get(name);
      if (!place) return text;
      if (exportsOf(name).some(([, exported]) => exported === "then")) {
        throw new Error(`${name} exports "then", which import() would call`);
      }
      if (place.file !== BASE) return `import("./${place.file}").then($=>$.${place.exported})`;
      if (file !== BASE) outside.set(BASE, (outside.get(BASE) ?? new Set()).add(place.exported));
      return `Promise.resolve().then(()=>${place.value})`;
    });

  /** The chunks of a part as statements, and their imports from other files. */
  const bodyOf = (names: readonly string[], within: { readonly file: string; readonly part: number }) => {
    const outside = new Map<string, Set<string>>();
    const foreign = new Map<string, string>();
    let body = "";
    for (const name of names) {
      const chunk = chunks.get(name)!;
      const own = header(chunk, within);
      for (const [from, local] of own.foreign) foreign.set(from, local);
      for (const [from, needed] of own.outside) {
        outside.set(from, new Set([...outside.get(from) ?? [], ...needed]));
      }
      const { code, exports } = splitExports(name, chunk);
      const moved = redirected(code, outside, within.file);
      const result = exports.map(([local, exported]) => `${exported}:${local}`).join(",");
      // V8 compiles a function in parentheses at once, instead of parsing it twice.
      body += `const ${found.get(name)!.own}=(()=>{${own.statements}${moved}\nreturn{${result}}})();\n`;
    }
    return { outside, foreign, body };
  };
  const ownNames = (names: readonly string[]) => names.map((name) => found.get(name)!.own).join(",");

  const joined = new Map<string, string>();
  let base = bodyOf(first, { file: BASE, part: -1 }).body;
  const exported = [ownNames(first)];
  members.forEach((names, part) => {
    if (part === 0) {
      const { body } = bodyOf(names, { file: BASE, part });
      base += `let $made;const $run=(()=>{${body}return{${
        ownNames(names)
      }}});const $first=()=>$made??=$run();\n`;
      exported.push("$first");
      return;
    }
    const { file } = parts[part]!;
    const { outside, foreign, body } = bodyOf(names, { file, part });
    const wholes = [...foreign].map(([from, local]) => `import*as ${local} from"${from}";`).join("");
    joined.set(file, `${importsOf(outside)}${wholes}\n${body}export{${ownNames(names)}};\n`);
  });
  joined.set(BASE, `${base}export{${exported.filter((names) => names !== "").join(",")}};\n`);
  for (const [name, chunk] of chunks) {
    if (found.has(name)) continue;
    const { outside, statements, kept } = header(chunk);
    const rest = redirected(chunk.rest, outside);
    joined.set(name, `${importsOf(outside)}${kept}${statements}${rest}`);
  }
  // Imports after a directive ("use …") are not rewritten. Their file stays and re-exports the moved chunk.
  const texts = [...joined.values()];
  for (const [name, { file, exported, value }] of found) {
    if (!texts.some((text) => text.includes(`"./${name}"`))) continue;
    joined.set(name, `import{${exported}}from"./${file}";${reexport(value, exportsOf(name))}`);
  }
  for (const [name, text] of joined) {
    for (const [, wanted = ""] of text.matchAll(/(?:from|import)\s*\(?"\.\/([^"]+\.js)"/g)) {
      if (!joined.has(wanted)) throw new Error(`${name} imports ${wanted}, which is not there any more`);
    }
  }
  return joined;
}

function reexport(
  value: string,
  exports: readonly (readonly [local: string, exported: string])[],
): string {
  if (exports.length === 0) return "";
  const values = exports.map(([, exported], index) => `${exported}:$export${index}`).join(",");
  const named = exports.map(([, exported], index) => `$export${index} as ${exported}`).join(",");
  return `const{${values}}=${value};export{${named}};\n`;
}
