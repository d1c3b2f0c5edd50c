import assert from "node:assert/strict";
import { checkFunctionTypes } from "../../../registry/compile/function_types.ts";
import { buildFixture } from "../../../scripts/fixtures.ts";
import { wat } from "../../support/components.ts";
import { clangMissing } from "../../support/product.ts";

const jcoLeaves = { sanitizeOps: false, sanitizeResources: false };
const imported = (name: string, type: string, module = "wasi_snapshot_preview1") =>
  wat(`(module (import "${module}" "${name}" (func ${type})) (func (export "_start")))`);

Deno.test(
  "checkFunctionTypes() accepts WASI's real types and unknown functions",
  jcoLeaves,
  async () => {
    for (
      const [name, type, module] of [
        ["fd_write", "(param i32 i32 i32 i32) (result i32)"],
        ["fd_seek", "(param i32 i64 i32 i32) (result i32)", "wasi_unstable"],
        ["proc_exit", "(param i32)"],
        ["sched_yield", "(result i32)"],
        ["constructor", "(param f64)"],
        ["get_size", "(param i32 i32) (result i32)", "krew_wasm_terminal"],
        ["close", "(param i32 i32 i32 i32) (result i32)", "krew_wasm_kubernetes"],
      ] as const
    ) checkFunctionTypes(await imported(name, type, module));
  },
);

Deno.test("checkFunctionTypes() refuses wrong types and names the function", jcoLeaves, async () => {
  for (
    const [name, type, module] of [
      ["fd_write", "(param i32 i32 i32) (result i32)"],
      ["fd_write", "(param i32 i32 i32 i64) (result i32)"],
      ["fd_write", "(param i32 i32 i32 i32) (result i64)"],
      ["fd_seek", "(param i32 i32 i32 i32) (result i32)"],
      ["proc_exit", "(param externref)"],
      ["proc_exit", "(param i32) (result i32)"],
      ["sched_yield", "(param (ref null func)) (result i32)"],
      ["request", "(param i64)", "wasi-outbound-http"],
      ["request", "(param i32 i32)", "wasi-outbound-http"],
      ["close", "(param i32 i32 i32) (result i32)", "krew_wasm_kubernetes"],
      ["close", "(param i32 i32 i32 i32)", "krew_wasm_kubernetes"],
      ["set_mode", "(param f32) (result i32)", "krew_wasm_terminal"],
    ] as const
  ) {
    const bytes = await imported(name, type, module);
    assert.throws(() => checkFunctionTypes(bytes), {
      code: "PLUGIN_UNSUPPORTED",
      message: new RegExp(`"${name}"`),
    });
  }
  const start = await wat(`(module (func (export "_start") (param i64)))`);
  assert.throws(() => checkFunctionTypes(start), { code: "PLUGIN_UNSUPPORTED", message: /_start/ });
});

Deno.test("checkFunctionTypes() reads types of the GC proposal, also in groups", jcoLeaves, async () => {
  const types = `(type $a (array (mut i8)))
    (rec (type $s (sub (struct (field i64) (field (mut (ref null $a)))))) (type $t (sub final $s (struct (field i64) (field (mut (ref null $a)))))))
    (type $f (func (param i32 i64 i32 i32) (result i32)))`;
  const declaring = (type: string) =>
    wat(
      `(module ${types} (import "wasi_snapshot_preview1" "fd_seek" (func (type ${type}))) (func (export "_start")))`,
    );
  checkFunctionTypes(await declaring("$f"));
  const other = await wat(
    `(module ${types} (type $g (func (param (ref null $s)))) (import "wasi_snapshot_preview1" "fd_seek" (func (type $g))))`,
  );
  assert.throws(() => checkFunctionTypes(other), { code: "PLUGIN_UNSUPPORTED" });
});

Deno.test("checkFunctionTypes() accepts a program that imports all of preview1", {
  ...jcoLeaves,
  ignore: clangMissing(),
}, async () => {
  checkFunctionTypes(await Deno.readFile(await buildFixture("attack")));
  checkFunctionTypes(await Deno.readFile(await buildFixture("attack-network")));
});
