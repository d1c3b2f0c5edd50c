/**
 * Worlds around every interface that krew-wasm provides. A world compiles if it declares what wit/ declares, and never
 * with anything else, even if JavaScript has a property of that name.
 */

import assert from "node:assert/strict";
import { fc, fuzz } from "../../support/fuzz.ts";
import { compilePlugin } from "../../../registry/compile/compile.ts";
import { SERVED } from "../../../registry/compile/served_interfaces.ts";
import { componentWit } from "@bytecodealliance/jco-transpile/wasm-tools";
import { readSections } from "../../../registry/compile/wasm_reader.ts";
import { AppError } from "../../../runtime/base/errors.ts";
import { dummy } from "../../support/components.ts";

/** The packages of wit/ by file, without comments, in the form of several packages in one file. */
const PACKAGES: readonly string[] = ["kubernetes.wit", ...names("deps").map((name) => `deps/${name}`)]
  .map((path) => {
    const text = Deno.readTextFileSync(new URL(`../../../wit/${path}`, import.meta.url))
      .replace(/\/\/.*/g, "").replace(/@(?:since|deprecated)\([^)]*\)/g, "").replace(/\s+/g, " ");
    // Leaves out unstable parts, worlds too.
    const stable = text.replace(
      /@unstable\([^)]*\) (?:interface [^{]+\{(?:[^{}]|\{[^{}]*\})*\}|[^;{]*(?:\{[^}]*\})?;?)/g,
      "",
    )
      .replace(/world [\w-]+ \{[^}]*\}/g, "");
    const [head, name] = /^ ?package ([^;]+);/.exec(stable)!;
    return `package ${name} {${stable.slice(head.length)}}`;
  });

function names(directory: string): string[] {
  return [...Deno.readDirSync(new URL(`../../../wit/${directory}`, import.meta.url))].map(({ name }) => name)
    .sort();
}

/** A component that imports all of some interfaces, possibly from changed packages. */
function importing(
  interfaces: readonly string[],
  packages: readonly string[],
): Promise<Uint8Array<ArrayBuffer>> {
  return dummy(
    `package t:t; world w { ${
      interfaces.map((name) => `import ${name};`).join(" ")
    } export wasi:cli/run@0.2.12; }\n${packages.join("\n")}`,
  );
}

function full(names: readonly string[]): string[] {
  return names.map((name) => `${name}@${SERVED.get(name)!.version}`);
}

/** A component's declarations by another reader: one line each, with the enclosing blocks. */
async function declared(bytes: Uint8Array): Promise<Set<string>> {
  const lines = new Set<string>();
  const path: string[] = [];
  for (const written of (await componentWit(bytes)).split("\n")) {
    // Patch versions and parameter names do not matter.
    const line = written.trim().replace(/,$/, "").replace(/@0\.(\d+)\.\d+/g, "@0.$1")
      .replace(/\(.*\)/, (list) => list.replaceAll(/(?<=[(,] ?)[\w%-]+(?=:)/g, "_"));
    if (line === "}") path.pop();
    lines.add([...path, line].join(" "));
    if (line.endsWith("{")) path.push(line);
  }
  return lines;
}

/** Names that JavaScript objects have, and names close to real ones. */
const NAMES = [
  ...[
    "constructor",
    "prototype",
    "to-string",
    "value-of",
    "is-prototype-of",
    "has-own-property",
    "bind",
    "call",
  ],
  ...[
    "apply",
    "then",
    "catch",
    "finally",
    "name",
    "length",
    "caller",
    "arguments",
    "to-json",
    "create",
    "assign",
  ],
  ...[
    "entries",
    "from",
    "of",
    "for-each",
    "map",
    "fd",
    "root",
    "node",
    "kind",
    "cause",
    "sink",
    "any",
    "received",
  ],
  ...[
    "lock",
    "parts",
    "close",
    "attempt",
    "readiness",
    "dispose",
    "symbol",
    "function",
    "eval",
    "import",
    "object",
  ],
  ...[
    "open-at2",
    "read2",
    "get",
    "set",
    "delete",
    "proto",
    "define-getter",
    "lookup-getter",
    "watch",
    "x",
    "HTTP",
  ],
] as const;
const TYPES = [
  ...[
    "u8",
    "s8",
    "u16",
    "s16",
    "u32",
    "s32",
    "u64",
    "s64",
    "f32",
    "f64",
    "char",
    "bool",
    "string",
    "list<u8>",
  ],
  ...[
    "list<string>",
    "option<string>",
    "tuple<u32, string>",
    "result<u32, string>",
    "result",
    "list<tuple<u8, u8>>",
  ],
] as const;

/** A function in WIT. */
const FUNCTION = /([\w%-]+): (static )?func\(([^)]*)\)(?: -> ([^;]+))?;/g;
const RESOURCE = /resource ([\w-]+)(?: \{([^}]*)\}|;)/g;
const LABELLED = /(record|variant|enum|flags) ([\w-]+) \{([^}]*)\}/g;

/** Changes to a package's text. Each returns another text, or the same if it does not apply. */
const CHANGES: readonly ((text: string, pick: (below: number) => number) => string)[] = [
  (text, pick) => atOne(text, FUNCTION, pick, (all) => `${all} ${some(NAMES, pick)}: func();`),
  (text, pick) =>
    atOne(
      text,
      FUNCTION,
      pick,
      (all) => `${all} ${some(NAMES, pick)}: func(a: ${some(TYPES, pick)}) -> ${some(TYPES, pick)};`,
    ),
  (text, pick) =>
    atOne(
      text,
      FUNCTION,
      pick,
      (all) => `${all} ${some(NAMES, pick)}: static func(a: ${some(TYPES, pick)});`,
    ),
  (text, pick) =>
    atOne(
      text,
      RESOURCE,
      pick,
      (_, name, body = "") =>
        `resource ${name} { constructor(${pick(2) === 0 ? "" : `n: ${some(TYPES, pick)}`}); ${
          body.replace(/constructor\([^)]*\);/, "")
        } }`,
    ),
  (text, pick) => atOne(text, FUNCTION, pick, (all, name) => all.replace(name, some(NAMES, pick))),
  (text, pick) =>
    atOne(
      text,
      FUNCTION,
      pick,
      (_, name, kind, parameters, result) =>
        `${name}: ${kind === undefined ? "static " : ""}func(${parameters})${
          result === undefined ? "" : ` -> ${result}`
        };`,
    ),
  (text, pick) =>
    atOne(text, FUNCTION, pick, (_, name, kind = "", parameters, result) => {
      const list = parameters === "" ? [] : parameters.split(/, (?=[\w%-]+:)/);
      if (list.length === 0 || pick(3) === 0) list.push(`more: ${some(TYPES, pick)}`);
      else if (pick(2) === 0) list.splice(pick(list.length), 1);
      else {
        const at = pick(list.length);
        list[at] = list[at]!.replace(/: .*/, `: ${some(TYPES, pick)}`);
      }
      return `${name}: ${kind}func(${list.join(", ")})${result === undefined ? "" : ` -> ${result}`};`;
    }),
  (text, pick) =>
    atOne(
      text,
      FUNCTION,
      pick,
      (_, name, kind = "", parameters, result) =>
        `${name}: ${kind}func(${parameters})${
          result === undefined || pick(3) > 0 ? ` -> ${some(TYPES, pick)}` : ""
        };`,
    ),
  (text, pick) => atOne(text, /borrow<([\w-]+)>/g, pick, (_, name) => name),
  (text, pick) =>
    atOne(text, LABELLED, pick, (all, _kind, _name, body) => {
      const parts = body.split(",").map((part) => part.trim()).filter((part) => part !== "");
      const at = pick(parts.length);
      const turn = pick(4);
      if (turn === 0) parts.splice(at, 1);
      else if (turn === 1) parts.splice(at, 0, parts.splice(pick(parts.length), 1)[0]!);
      else if (turn === 2) parts[at] = parts[at]!.replace(/[\w%-]+/, some(NAMES, pick));
      else parts.push(all.startsWith("record") ? `more: ${some(TYPES, pick)}` : "more");
      return all.replace(body, ` ${parts.join(", ")} `);
    }),
  (text, pick) => atOne(text, LABELLED, pick, (_, _kind, name) => `type ${name} = ${some(TYPES, pick)};`),
  (text, pick) => atOne(text, RESOURCE, pick, (_, name) => `type ${name} = ${some(TYPES, pick)};`),
  (text, pick) =>
    atOne(text, /type [\w-]+ = ([^;]+);/g, pick, (all, of) => all.replace(of, some(TYPES, pick))),
  (text, pick) =>
    atOne(text, /interface [\w-]+ \{/g, pick, (all) => `${all} resource ${some(NAMES, pick)} { x: func(); }`),
  (text, pick) =>
    atOne(text, /interface [\w-]+ \{/g, pick, (all) => `${all} ${some(NAMES, pick)}: async func(a: string);`),
];

/** A text without aliases of types. */
function meaning(text: string): string {
  const aliases = [...text.matchAll(/type ([\w-]+) = ([^;]+);/g)].toReversed();
  let plain = text.replace(/type [\w-]+ = [^;]+;/g, (all) => /<|u8>/.test(all) ? all : "");
  for (let turn = 0; turn < 2; turn++) {
    for (const [, name = "", of = ""] of aliases) {
      plain = plain.replaceAll(new RegExp(`(?<![\\w-])${name}(?![\\w-])`, "g"), () => of);
    }
  }
  return plain.replace(/\s+/g, "");
}

function some<T>(of: readonly T[], pick: (below: number) => number): T {
  return of[pick(of.length)]!;
}

/** Replaces one of the matches. */
function atOne(
  text: string,
  pattern: RegExp,
  pick: (below: number) => number,
  change: (...match: string[]) => string,
): string {
  const found = [...text.matchAll(pattern)];
  if (found.length === 0) return text;
  const match = found[pick(found.length)]!;
  return text.slice(0, match.index) + change(...match) + text.slice(match.index + match[0].length);
}

const options = { sanitizeOps: false, sanitizeResources: false };

Deno.test("provides every interface as wit/ declares it", options, async () => {
  const all = full([...SERVED.keys()]);
  for (const interfaces of [all, ...all.map((name) => [name])]) {
    const bytes = await importing(interfaces, PACKAGES);
    assert.equal((await compilePlugin(bytes)).kind, "component", interfaces.join());
  }
});

Deno.test("provides nothing that wit/ lacks, even if JavaScript has the name", options, async () => {
  const whole = await declared(await importing(full([...SERVED.keys()]), PACKAGES));
  let refused = 0;
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(...SERVED.keys()),
      fc.constantFrom(...CHANGES),
      fc.infiniteStream(fc.nat()),
      async (name, change, numbers) => {
        const [pack = "", own = ""] = name.split("/");
        const of = PACKAGES.findIndex((text) => text.startsWith(`package ${pack}@`));
        const text = PACKAGES[of]!;
        const [before] = new RegExp(`interface ${own} \\{(?:[^{}]|\\{[^{}]*\\})*\\}`).exec(text)!;
        const changed = change(before, (below) => numbers.next().value! % below);
        if (meaning(changed) === meaning(before)) return;
        // Imports all interfaces of the package, including the changed one.
        const interfaces = [...SERVED.keys()].filter((each) => each.startsWith(`${pack}/`));
        let bytes;
        try {
          const packages = PACKAGES.with(of, text.replace(before, () => changed));
          bytes = await importing(full(interfaces), packages);
        } catch {
          return; // invalid WIT
        }
        try {
          await compilePlugin(bytes);
        } catch (error) {
          assert.ok(error instanceof AppError && error.code === "PLUGIN_UNSUPPORTED", `${changed}: ${error}`);
          refused++;
          return;
        }
        // An unused part is not imported. Then the component declares no more than wit/ has.
        for (const line of await declared(bytes)) assert.ok(whole.has(line), `${line}: ${changed}`);
      },
    ),
    { numRuns: 500 },
  );
  assert.ok(refused > 200, `${refused} worlds were refused`);
});

Deno.test("ambiguous bytes get nothing that wit/ lacks", options, async () => {
  const whole = await declared(await importing(full([...SERVED.keys()]), PACKAGES));
  const bytes = await importing(full(["wasi:cli/stdout", "wasi:filesystem/types", "wasi:io/poll"]), PACKAGES);
  // The bytes before the first core module: types and imports.
  const end = readSections(bytes).find(({ id }) => id === 1)!.start;
  let compiled = 0;
  await fuzz(
    "component bytes",
    fc.asyncProperty(
      fc.array(fc.tuple(fc.integer({ min: 8, max: end }), fc.nat(255)), { minLength: 1, maxLength: 3 }),
      async (changes) => {
        const changed = bytes.slice();
        for (const [at, value] of changes) changed[at] = value;
        try {
          await compilePlugin(changed);
        } catch (error) {
          assert.ok(error instanceof AppError, `${changes}: ${error}`);
          return;
        }
        compiled++;
        for (const line of await declared(changed)) assert.ok(whole.has(line), `${changes}: ${line}`);
      },
    ),
  );
  assert.ok(compiled > 0);
});
