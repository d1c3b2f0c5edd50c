/**
 * Fewer, larger modules: a bundler that splits at dynamic imports makes a chunk for every set of entries that share some
 * code, dozens of a few hundred bytes, and each costs its load, an `import()` more than a millisecond. The chunks that are
 * loaded together become one file. Pure.
 *
 * A chunk becomes a function that returns what the chunk exports, so that names need not be changed. That fits what the
 * bundler (esbuild, minified) writes of this project: imports first, but for those of Node's modules; one `export` last, and
 * nothing exported is assigned to later (`export let` is not used). What is of another form is refused.
 */

interface Import {
  readonly statement: string;
  /** What stands between `import` and `from`. */
  readonly clause: string | undefined;
  readonly names: readonly (readonly [exported: string, local: string])[];
  readonly from: string;
}

/** A chunk, taken apart. */
interface Chunk {
  readonly imports: readonly Import[];
  /** What follows the imports. */
  readonly rest: string;
}

/** A chunk's code, and what it exports. */
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
  // Those of modules that are none of the bundle's stand where their package's code begins.
  const rest = text.slice(end).replaceAll(INLINE, (statement, clause, from) => {
    imports.push({ statement, clause, names: [], from });
    return "";
  });
  return { imports, rest };
}

/** What an import of a module that is none of the bundle's declares, by statements of who has all of it as `module`. */
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

/** The chunks that loading `name` loads, itself last. */
function closureOf(chunks: ReadonlyMap<string, Chunk>, name: string, seen = new Set<string>()): Set<string> {
  if (seen.has(name)) return seen;
  for (const { from } of chunks.get(name)?.imports ?? []) {
    if (chunks.has(from.slice(2))) closureOf(chunks, from.slice(2), seen);
  }
  seen.add(name);
  return seen;
}

/** What is loaded dynamically and often: the chunks of some entries, with all that these need. */
export interface Part {
  /** The name of the file that they become. */
  readonly file: string;
  /** Each the beginning of the name of a chunk, or of several. */
  readonly entries: readonly string[];
}

/** Where the chunks that are loaded at every start become one. */
export const BASE = "base.js";

/** Where a chunk has gone. */
interface Place {
  /** The file. */
  readonly file: string;
  /** What that file exports for it. */
  readonly exported: string;
  /** What the chunk exports, as an expression for who imports {@linkcode exported}. */
  readonly value: string;
  /** The same within its part. */
  readonly own: string;
  /** Number of its part; -1 for what is loaded first. */
  readonly part: number;
}

/**
 * The files of a bundle with fewer chunks.
 *
 * The first part, the one that is loaded most often, becomes a function in the file that is loaded first: that saves a
 * load, and costs those who don't call it the parsing of it.
 *
 * @param files the bundle's JavaScript by file name
 * @param entry the name of what is loaded first
 * @param parts what is loaded dynamically; a chunk that several need is in the first of them
 * @throws Error for a bundle of another form, and a part that is not there
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
  const members = parts.map(({ file, entries }, part) => {
    const needed = new Set<string>();
    for (const beginning of entries) {
      const named = [...chunks.keys()].filter((name) => name.startsWith(beginning));
      if (named.length === 0) throw new Error(`The bundle has no ${beginning}…`);
      for (const name of named) for (const each of closureOf(chunks, name)) needed.add(each);
    }
    const own = [...needed].filter((name) => name !== entry && !found.has(name));
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

  /** What has moved, for a file (within: of a part) that imports it: what to import of which file, and the names as constants. */
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
        // What every start loads has to be the bundle's own.
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
      // What is imported for its effects alone is run by whoever imports its file, or has been.
      if (names.length > 0) statements += `const{${names.map(([a, b]) => `${a}:${b}`).join(",")}}=${value};`;
    }
    return { outside, foreign, statements, kept };
  };
  const importsOf = (outside: ReadonlyMap<string, ReadonlySet<string>>) =>
    [...outside].map(([file, names]) => `import{${[...names].join(",")}}from"./${file}";`).join("");
  const exportsOf = (name: string) => splitExports(name, chunks.get(name)!).exports;

  /** `import()` of what has moved: from the file where it is now, or without one for what is there from the start. */
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

  /** The chunks of a part as statements, and what they import of other files. */
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
      // In parentheses: V8 compiles it at once, where it would read it through and do so again when it is called.
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
  // Imports behind a directive ("use …") are not rewritten: what they name stays, and hands over what has moved.
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
