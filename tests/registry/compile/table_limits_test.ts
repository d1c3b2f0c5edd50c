import assert from "node:assert/strict";
import { compilePlugin } from "../../../registry/compile/compile.ts";
import { definesObjects } from "../../../registry/compile/function_types.ts";
import { limitTables } from "../../../registry/compile/table_limits.ts";
import { MemoryLimit } from "../../../runtime/wasi/memory_limit.ts";
import { runBytes, testSandbox, wat } from "../../support/components.ts";

const options = { sanitizeOps: false, sanitizeResources: false };

async function tables(text: string): Promise<WebAssembly.Table[]> {
  const { bytes } = limitTables(await wat(`(module ${text})`));
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(bytes));
  return Object.values(exports) as WebAssembly.Table[];
}

Deno.test("tables keep their initial size and grow up to the limit", options, async () => {
  const [a, b, c, d] = await tables(`(table (export "a") 3 funcref) (table (export "b") 5 7 externref)
    (table (export "c") 30000 funcref) (func $f) (table (export "d") 2 (ref func) (ref.func $f)) (elem declare func $f)`);
  assert.deepEqual([a!.length, b!.length, c!.length, d!.length], [3, 5, 30_000, 2]);
  a!.grow(24_997); // a quarter of 100,000
  assert.throws(() => a!.grow(1), RangeError);
  b!.grow(2);
  assert.throws(() => b!.grow(1), RangeError);
  assert.throws(() => c!.grow(1), RangeError); // it has that size already
  assert.deepEqual(await tables(`(func)`), []);
});

Deno.test("refuses tables with millions of entries", options, async () => {
  const start = `(memory (export "memory") 1) (func (export "_start"))`;
  for (
    const table of [
      "(table 1000001 funcref)",
      "(table 10000000 funcref)".repeat(20),
      "(table 600000 funcref) (table 600000 funcref)",
    ]
  ) {
    await assert.rejects(
      compilePlugin(await wat(`(module ${table} ${start})`)),
      { code: "TOO_LARGE" },
      table,
    );
  }
  await assert.rejects(compilePlugin(await wat(`(module (table i64 10 funcref) ${start})`)), {
    code: "PLUGIN_UNSUPPORTED",
  });
  await compilePlugin(await wat(`(module (table 1000000 funcref) ${start})`));
  const component =
    `(component (core module $m (table 999999 funcref) (func (export "run") (result i32) i32.const 0))
    ${"(core instance (instantiate $m)) ".repeat(11)} (core instance $i (instantiate $m))
    (func $run (result (result)) (canon lift (core func $i "run"))) (instance $c (export "run" (func $run)))
    (export "wasi:cli/run@0.2.0" (instance $c)))`;
  await assert.rejects(compilePlugin(await wat(component)), { code: "TOO_LARGE" });
});

Deno.test("a module that grows its tables runs until the limit", options, async () => {
  const bytes = await wat(`(module (memory (export "memory") 1) (table $t 1 funcref)
    (func (export "_start")
      (if (i32.ne (table.grow $t (ref.null func) (i32.const 1000)) (i32.const 1)) (then unreachable))
      (if (i32.ne (table.grow $t (ref.null func) (i32.const 10000000)) (i32.const -1)) (then unreachable))))`);
  assert.equal(await runBytes(bytes, testSandbox()), 0);
});

Deno.test("refuses GC objects with a memory limit below the default", options, async () => {
  const text = `(module (memory (export "memory") 1) (type $a (array (mut i64)))
    (func (export "_start") (drop (array.new_default $a (i32.const 10)))))`;
  assert.equal(await runBytes(await wat(text), testSandbox()), 0);
  const { files } = await compilePlugin(await wat(text));
  const module = new WebAssembly.Module(files[0]!.bytes);
  assert.throws(() => new MemoryLimit(16 << 20).checkObjects(module), { code: "PLUGIN_UNSUPPORTED" });
  new MemoryLimit(testSandbox().limits.maxMemory).checkObjects(module);
});

Deno.test("exceptions that hold references or many values count as objects", async () => {
  const has = async (text: string) => definesObjects(await wat(`(module ${text})`));
  assert.equal(await has("(tag (param exnref))"), true);
  assert.equal(await has("(tag (param i32 (ref null exn)))"), true);
  assert.equal(await has("(tag (param externref))"), true);
  assert.equal(await has(`(tag (param ${"i64 ".repeat(17)}))`), true);
  assert.equal(await has("(table 1 funcref) (table 1 exnref)"), true);
  assert.equal(await has("(table 1 (ref null exn))"), true);
  assert.equal(
    await has("(type $e (func (param exnref))) (table 0 funcref) (tag (param i32 f64 v128))"),
    false,
  );
  assert.equal(await has("(table 1 2 funcref) (table 1 externref) (tag) (tag (param i64))"), false);
});
