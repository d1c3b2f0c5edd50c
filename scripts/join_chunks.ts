/**
 * Fewer, larger modules: a bundler that splits at dynamic imports makes a chunk for every set of entries that share some
 * code, dozens of a few hundred bytes, and each costs its load. The chunks that are always loaded together become one. Pure.
 *
 * A chunk becomes a function that returns what the chunk exports, so that names need not be changed. That fits what the
 * bundler (esbuild, minified) writes of this project: imports first, one `export` last, and nothing exported is assigned
 * to later (`export let` is not used). What is of another form is refused.
 */

interface Import {
  readonly statement: string;
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
    imports.push({ statement, names: names === undefined ? [] : pairs(names), from });
    end = IMPORT.lastIndex;
  }
  return { imports, rest: text.slice(end) };
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

/**
 * The files of a bundle with fewer chunks.
 *
 * @param files the bundle's JavaScript by file name
 * @param entry the name of what is loaded first
 * @param often a part that is loaded dynamically, and most often: the beginning of its name
 */
export function joinChunks(
  files: ReadonlyMap<string, string>,
  entry: string,
  often: string,
): Map<string, string> {
  const chunks = new Map([...files].map(([name, text]) => [name, parse(name, text)]));
  const main = [...files.keys()].find((name) => name.startsWith(often));
  if (main === undefined) throw new Error(`The bundle has no ${often}…`);
  const first = closureOf(chunks, entry);
  first.delete(entry);
  const second = new Set([...closureOf(chunks, main)].filter((name) => !first.has(name) && name !== entry));
  const groups = [["base.js", [...first]], [main, [...second]]] as const;
  // Where each chunk is found: a file, and the name of what it exports there.
  const found = new Map<string, { file: string; name: string }>();
  for (const [file, names] of groups) {
    names.forEach((name, index) => found.set(name, { file, name: `$chunk${index}` }));
  }
  // By `import()`, or behind a directive: those keep a chunk that hands over what has moved.
  const isNamed = (name: string) => [...chunks.values()].some(({ rest }) => rest.includes(`"./${name}"`));

  /** Imports of what has moved, as statements of a module or, within the file where it is now, of a function. */
  const header = (
    chunk: Chunk,
    within?: string,
  ): { outside: Map<string, Set<string>>; statements: string; kept: string } => {
    const outside = new Map<string, Set<string>>();
    let statements = "";
    let kept = "";
    for (const { statement, names, from } of chunk.imports) {
      const place = found.get(from.slice(2));
      if (!place) {
        if (within !== undefined) throw new Error(`A chunk that is joined imports ${from}`);
        kept += statement;
        continue;
      }
      if (place.file !== within) {
        const needed = outside.get(place.file) ?? new Set();
        outside.set(place.file, needed.add(place.name));
      }
      const own = place.file === within
        ? place.name
        : `${place.name}$${place.file === "base.js" ? "b" : "r"}`;
      if (names.length > 0) statements += `const{${names.map(([a, b]) => `${a}:${b}`).join(",")}}=${own};`;
    }
    return { outside, statements, kept };
  };
  const importsOf = (outside: ReadonlyMap<string, ReadonlySet<string>>) =>
    [...outside].map(([file, names]) =>
      `import{${
        [...names].map((name) => `${name} as ${name}$${file === "base.js" ? "b" : "r"}`).join(",")
      }}from"./${file}";`
    ).join("");

  const joined = new Map<string, string>();
  for (const [file, names] of groups) {
    const outside = new Map<string, Set<string>>();
    let body = "";
    for (const name of names) {
      const chunk = chunks.get(name)!;
      const own = header(chunk, file);
      for (const [from, needed] of own.outside) {
        outside.set(from, new Set([...outside.get(from) ?? [], ...needed]));
      }
      const { code, exports } = splitExports(name, chunk);
      const result = exports.map(([local, exported]) => `${exported}:${local}`).join(",");
      // In parentheses: V8 compiles it at once, where it would read it through and do so again when it is called.
      body += `const ${found.get(name)!.name}=(()=>{${own.statements}${code}\nreturn{${result}}})();\n`;
    }
    const exports = names.map((name) => found.get(name)!.name).join(",");
    let text = `${importsOf(outside)}\n${body}export{${exports}};\n`;
    // The part itself is imported by what it exports.
    if (file === main) text += reexport(found.get(main)!.name, splitExports(main, chunks.get(main)!).exports);
    joined.set(file, text);
  }
  for (const [name, chunk] of chunks) {
    if (joined.has(name)) continue;
    const place = found.get(name);
    if (place) {
      if (isNamed(name)) {
        joined.set(
          name,
          `import{${place.name}}from"./${place.file}";${
            reexport(place.name, splitExports(name, chunk).exports)
          }`,
        );
      }
      continue;
    }
    const { outside, statements, kept } = header(chunk);
    joined.set(name, `${importsOf(outside)}${kept}${statements}${chunk.rest}`);
  }
  return joined;
}

function reexport(
  name: string,
  exports: readonly (readonly [local: string, exported: string])[],
): string {
  if (exports.length === 0) return "";
  const values = exports.map(([, exported], index) => `${exported}:$export${index}`).join(",");
  return `const{${values}}=${name};export{${
    exports.map(([, exported], index) => `$export${index} as ${exported}`).join(",")
  }};\n`;
}
