import assert from "node:assert/strict";
import { compilePlugin } from "../../../registry/compile/compile.ts";
import { checkExportNames } from "../../../registry/compile/export_names.ts";
import { HELPERS, TABLE_FUNCTIONS } from "../../../registry/compile/resource_tables.ts";
import { declaredNames, splitStatements } from "../../../registry/compile/statements.ts";
import { wat } from "../../support/components.ts";

/** A script in jco's form whose exports are `exported`. */
const script = (exported: string) =>
  `"use strict";\nconst instantiate = (function instantiate(getCoreModule, imports) {\nconst A = 1, B = 2;\n` +
  `function helper() {\nlet local;\n}\nclass Table {\n}\nconst { poll, Pollable: P } = imports['wasi:io/poll'];\n` +
  `let gen= (function* _initGenerator () {\n${exported}\n})();\n});\n`;

Deno.test("refuses exports that would replace what the script uses", () => {
  for (const name of ["A", "B", "helper", "Table", "poll", "P", "Promise", "Symbol", "imports", "console"]) {
    for (
      const exported of [`function ${name}() {\n}`, `async function ${name}() {\n}`, `class ${name}{\n}`]
    ) {
      assert.throws(() => checkExportNames(script(exported)), { code: "PLUGIN_UNSUPPORTED" }, exported);
    }
  }
  assert.throws(() => checkExportNames(script("function a() {\n}\nclass a{\n}")), {
    code: "PLUGIN_UNSUPPORTED",
  });
  for (const name of ["local", "run", "takeText", "run$1"]) {
    checkExportNames(script(`function ${name}() {\n}`));
  }
  assert.throws(() => checkExportNames(script("").replace("_initGenerator", "_init")), { code: "INTERNAL" });
});

Deno.test("no name in WIT can become the name of a helper", () => {
  const names = declaredNames(splitStatements(HELPERS));
  assert.ok(names.has("$takeText") && names.has("$repOf"), [...names].join(" "));
  for (const name of names) assert.match(name, /^\$[A-Za-z]/);
  for (const body of Object.values(TABLE_FUNCTIONS)) {
    assert.doesNotMatch(body, /(?<![\w$.'])(?:trap|wrong|hold|held|repOf|addHandle|isRepeat)\(/);
  }
});

/** A command that exports one more function or resource under a name. */
async function exporting(name: string): Promise<Uint8Array<ArrayBuffer>> {
  return await wat(`(component
    (core module $m
      (func (export "run") (result i32) i32.const 0) (func (export "f") (result i32) i32.const 0))
    (core instance $i (instantiate $m))
    (func $run (result (result)) (canon lift (core func $i "run")))
    (instance $r (export "run" (func $run)))
    (export "wasi:cli/run@0.2.0" (instance $r))
    (func $f (result u32) (canon lift (core func $i "f")))
    (instance $x (export "${name}" (func $f)))
    (export "x:y/z" (instance $x)))`);
}

Deno.test("a component's exports never run in place of a helper", async () => {
  for (
    const name of ["take-text", "take-bytes", "rep-of", "trap", "hold", "held", "unknown-handle", "other"]
  ) {
    assert.equal((await compilePlugin(await exporting(name))).kind, "component", name);
  }
  for (const name of ["parse-int", "is-finite"]) {
    await assert.rejects(exporting(name).then(compilePlugin), { code: "PLUGIN_UNSUPPORTED" }, name);
  }
});
