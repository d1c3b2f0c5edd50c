/**
 * Puts names and strings at every place of a component where jco writes them into its JavaScript. krew-wasm must refuse
 * the plugin, or the name must stay text between quotes.
 */

import assert from "node:assert/strict";
import { fc } from "../../support/fuzz.ts";
import { compilePlugin } from "../../../registry/compile/compile.ts";
import { AppError } from "../../../runtime/base/errors.ts";
import { dummy, wat } from "../../support/components.ts";

/** A component's declaration of wasi:cli/exit. */
const EXIT = `(export "exit-with-code" (func (param "status-code" u8)))`;

/**
 * The places of names. Each name has eight characters, so that another of the same length can replace it in the binary.
 */
const PLACES: Readonly<Record<string, string>> = {
  "a core module's import": `(component
    (core module $a (func (export "f") (result i32) i32.const 0)) (core instance $a (instantiate $a))
    (core module $b (import "NAMENAME" "f" (func $f (result i32))) (func (export "run") (result i32) call $f))
    (core instance $b (instantiate $b (with "NAMENAME" (instance $a))))
    (func $run (result (result)) (canon lift (core func $b "run")))
    (instance $c (export "run" (func $run))) (export "wasi:cli/run@0.2.0" (instance $c)))`,
  "a core module's field": `(component
    (core module $a (func (export "NAMENAME") (result i32) i32.const 0)) (core instance $a (instantiate $a))
    (core module $b (import "a" "NAMENAME" (func $f (result i32))) (func (export "run") (result i32) call $f))
    (core instance $b (instantiate $b (with "a" (instance $a))))
    (func $run (result (result)) (canon lift (core func $b "run")))
    (instance $c (export "run" (func $run))) (export "wasi:cli/run@0.2.0" (instance $c)))`,
  "a core module's export": `(component
    (core module $b (func (export "NAMENAME") (result i32) i32.const 0)) (core instance $b (instantiate $b))
    (func $run (result (result)) (canon lift (core func $b "NAMENAME")))
    (instance $c (export "run" (func $run))) (export "wasi:cli/run@0.2.0" (instance $c)))`,
  "a core module's memory": `(component
    (core module $b (memory (export "NAMENAME") 1) (func (export "run") (result i32) i32.const 0))
    (core instance $b (instantiate $b)) (alias core export $b "NAMENAME" (core memory $m))
    (func $run (result (result)) (canon lift (core func $b "run") (memory $m)))
    (instance $c (export "run" (func $run))) (export "wasi:cli/run@0.2.0" (instance $c)))`,
  "a core instance's export": `(component
    (core module $a (func (export "f") (result i32) i32.const 0)) (core instance $a (instantiate $a))
    (core instance $bag (export "NAMENAME" (func $a "f")))
    (core module $b (import "m" "NAMENAME" (func $f (result i32))) (func (export "run") (result i32) call $f))
    (core instance $b (instantiate $b (with "m" (instance $bag))))
    (func $run (result (result)) (canon lift (core func $b "run")))
    (instance $c (export "run" (func $run))) (export "wasi:cli/run@0.2.0" (instance $c)))`,
  "an export of the component": `(component
    (core module $b (func (export "run") (result i32) i32.const 0)) (core instance $b (instantiate $b))
    (func $run (result (result)) (canon lift (core func $b "run")))
    (instance $c (export "run" (func $run))) (export "wasi:cli/run@0.2.0" (instance $c)) (export "namename" (func $run)))`,
  "an export of its program": `(component
    (core module $b (func (export "run") (result i32) i32.const 0)) (core instance $b (instantiate $b))
    (func $run (result (result)) (canon lift (core func $b "run")))
    (instance $c (export "run" (func $run)) (export "namename" (func $run))) (export "wasi:cli/run@0.2.0" (instance $c)))`,
  "an import of the component": importing(EXIT, "namename"),
  "a parameter of an import": importing(EXIT.replace("status-code", "namename")),
  "a function of an import": importing(`${EXIT} (export "namename" (func))`),
  "a type of an import": importing(`${EXIT} (type $t u8) (export "namename" (type (eq $t)))`),
  "a resource of an import": importing(`${EXIT} (export "namename" (type (sub resource)))`),
  "a method of an import": importing(
    `${EXIT} (export "res" (type $r (sub resource))) (export "[method]res.namename" (func (param "self" (borrow $r))))`,
  ),
  "an interface": importing(EXIT, "wasi:cli/namename@0.2.0"),
  "a package": importing(EXIT, "wasi:namename/exit@0.2.0"),
  "a version": importing(EXIT, "wasi:cli/exit@0.2.0-namename"),
};

/** The places of names in a component's exports, as WIT. */
const EXPORTED: Readonly<Record<string, string>> = {
  "a record's field": "record r { namename: u32 } f: func(p: r);",
  "a variant's case": "variant r { namename, other(string) } f: func(p: r) -> r;",
  "an enum's case": "enum r { namename, other } f: func(p: r) -> r;",
  "a flag": "flags r { namename, other } f: func(p: r) -> r;",
  "a type": "record namename { x: u32 } f: func(p: namename);",
  "a function": "namename: func(p: string) -> string;",
  "a parameter": "f: func(namename: string);",
  "a resource": "resource namename { constructor(); g: func(); } f: func(p: namename) -> namename;",
  "a method": "resource r { namename: func(p: string) -> string; } f: func(p: borrow<r>);",
  "a static function": "resource r { namename: static func(p: string) -> string; } f: func(p: borrow<r>);",
};

/** A component that imports an interface and calls a function of it. */
function importing(wit: string, name = "wasi:cli/exit@0.2.0"): string {
  return `(component
    (import "${name}" (instance $e ${wit}))
    (core func $f (canon lower (func $e "exit-with-code")))
    (core module $m
      (import "h" "f" (func $f (param i32))) (func (export "run") (result i32) i32.const 0 call $f i32.const 0))
    (core instance $i (instantiate $m (with "h" (instance (export "f" (func $f))))))
    (func $run (result (result)) (canon lift (core func $i "run")))
    (instance $c (export "run" (func $run)))
    (export "wasi:cli/run@0.2.0" (instance $c)))`;
}

/** A component that exports an interface. */
function exporting(wit: string, name: string): Promise<Uint8Array<ArrayBuffer>> {
  return dummy(
    `package a:b; interface ${name} { ${wit} } world w { export ${name}; export wasi:cli/run@0.2.0; }
    package wasi:cli@0.2.0 { interface run { run: func() -> result; } }`,
  );
}

/** Characters that begin or end something in JavaScript, and their neighbors in a name. */
const FRAGMENTS = [
  ...[
    "'",
    '"',
    "`",
    "\\",
    "\n",
    "\r",
    "\u2028",
    "${",
    "}",
    "*/",
    "/*",
    "//",
    "-->",
    "<!--",
    ";",
    ",",
    ")",
    "(",
    "]",
    "[",
    "{",
    "+",
    "=",
    ":",
  ],
  ...[
    "pwn()",
    "pwn",
    "a",
    "-",
    "_",
    ".",
    "$",
    "@",
    "#",
    "/",
    " ",
    "\0",
    "\u202e",
    "ü",
    "1",
    "constructor",
    "__proto__",
    "await",
    "x'+pwn()+'",
  ],
] as const;

const NAME = fc.oneof(
  fc.array(fc.constantFrom(...FRAGMENTS), { minLength: 1, maxLength: 6 }).map((parts) => parts.join("")),
  fc.string({ unit: "binary", minLength: 1, maxLength: 8 }),
);

/** The name's UTF-8, truncated or padded to eight bytes. */
function eightBytes(name: string): Uint8Array {
  const bytes = new TextEncoder().encode(name).subarray(0, 8);
  return Uint8Array.from({ length: 8 }, (_, index) => bytes[index] ?? 0x78);
}

/** The binary with another name in these places. */
function renamed(bytes: Uint8Array, to: Uint8Array): Uint8Array<ArrayBuffer> {
  const copy = bytes.slice();
  for (let at = 0; at + 8 <= copy.length; at++) {
    if (/^(?:NAMENAME|namename)$/.test(String.fromCharCode(...copy.subarray(at, at + 8)))) copy.set(to, at);
  }
  return copy;
}

const CODES = new Set(["WASM_INVALID", "PLUGIN_UNSUPPORTED", "COMPILE_FAILED", "TOO_LARGE"]);

/** Whether a place in a script is inside of quotes or a comment. The rest of the line must have no quotes. */
function isText(script: string, at: number): boolean {
  const line = script.slice(script.lastIndexOf("\n", at) + 1, at);
  if (/^\s*(?:\/\/|\*|\/\*)/.test(line) || line.includes("// ")) return true;
  return ["'", '"', "`"].some((quote) => line.split(quote).length % 2 === 0);
}

// compile.ts starts to load jco when it is imported.
Deno.test("no name of a component becomes code, in any place", {
  sanitizeOps: false,
  sanitizeResources: false,
}, async () => {
  const made = new Map<string, Uint8Array>();
  for (const [place, text] of Object.entries(PLACES)) made.set(place, await wat(text));
  for (const [place, wit] of Object.entries(EXPORTED)) made.set(place, await exporting(wit, "i"));
  made.set("an interface that is exported", await exporting("f: func(p: string);", "namename"));
  // The places are valid: most components compile unchanged.
  let compiled = 0;
  for (const bytes of made.values()) {
    await compilePlugin(bytes.slice() as Uint8Array<ArrayBuffer>).then(() => compiled++, () => {});
  }
  assert.ok(compiled >= 16, `${compiled} of ${made.size} compile`);
  let accepted = 0;
  await fc.assert(
    fc.asyncProperty(fc.constantFrom(...made.keys()), NAME, async (place, name) => {
      const bytes = eightBytes(name);
      let script: string;
      try {
        const { files } = await compilePlugin(renamed(made.get(place)!, bytes));
        script = new TextDecoder().decode(files.find(({ name }) => name === "plugin.js")!.bytes);
      } catch (error) {
        assert.ok(error instanceof AppError && CODES.has(error.code), `${place}: ${error}`);
        return;
      }
      accepted++;
      const text = new TextDecoder().decode(bytes);
      assert.doesNotMatch(text, /['"`\\\n\r\u2028\u2029]|\$\{|\*\//, `${place}: "${text}" was let through`);
      // Only an identifier's characters may stand in code (as a local variable).
      if (/^[\w$-]+$/.test(text)) return;
      for (let at = script.indexOf(text); at >= 0; at = script.indexOf(text, at + 1)) {
        assert.ok(isText(script, at), `${place}: ${script.slice(at - 80, at + 80)}`);
      }
    }),
    { numRuns: 400 },
  );
  assert.ok(accepted > 10, `${accepted} names were let through: what is fuzzed is too wild`);
});

Deno.test("a component's JavaScript reaches only its arguments", {
  sanitizeOps: false,
  sanitizeResources: false,
}, async () => {
  // Every free name of the generated code is known: none comes from a plugin.
  const { files } = await compilePlugin(
    await wat(PLACES["a core module's import"]!.replaceAll("NAMENAME", "constructor")) as Uint8Array<
      ArrayBuffer
    >,
  );
  const script = new TextDecoder().decode(files.find(({ name }) => name === "plugin.js")!.bytes);
  assert.doesNotMatch(script, /\beval\b|\bDeno\b|\bfetch\b|\bimport\(|\bFunction\(/);
});
