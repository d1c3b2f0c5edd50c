import assert from "node:assert/strict";
import { AppError } from "../../../runtime/base/errors.ts";
import { LEAST } from "../../../runtime/grants/grants.ts";
import { LIMIT_EXPORT, MemoryExceeded } from "../../../runtime/wasi/memory_limit.ts";
import { compilePlugin } from "../../../registry/compile/compile.ts";
import { countGrowth } from "../../../registry/compile/count_memory_growth.ts";
import { runBytes, testSandbox, wat } from "../../support/components.ts";

// jco starts timers when it is first imported, and its output leaves timers of 10 ms behind.
const jcoLeaves = { sanitizeOps: false, sanitizeResources: false };

const PAGE = 65536;
const withLimit = (maxMemory: number) => testSandbox({ limits: { ...LEAST.limits, maxMemory } });

async function counted(text: string, pages?: number) {
  const x = {
    f() {},
    g: new WebAssembly.Global({ value: "i32" }, 0),
    t: new WebAssembly.Table({ element: "anyfunc", initial: 1, maximum: 2 }),
    tag: new (WebAssembly as unknown as { Tag: new (type: object) => WebAssembly.ImportValue }).Tag({
      parameters: [],
    }),
  };
  const instance = new WebAssembly.Instance(new WebAssembly.Module(countGrowth(await wat(text))), { x });
  if (pages !== undefined) (instance.exports[LIMIT_EXPORT] as WebAssembly.Global).value = pages;
  return instance.exports as Record<string, (...args: unknown[]) => number>;
}

Deno.test("leaves a module unchanged that does not grow its memory", jcoLeaves, async () => {
  const bytes = await wat(`(module (memory 1) (func (result i32) memory.size i32.const 64))`);
  assert.equal(countGrowth(bytes), bytes);
});

Deno.test("memory grows up to its limit and traps beyond it", jcoLeaves, async () => {
  for (const pages of [1, 65536, -1]) {
    const exports = await counted(
      `(module (memory 1)
        (func (export "grow") (param i32) (result i32) (memory.grow (local.get 0)))
        (func (export "size") (result i32) memory.size))`,
      10,
    );
    const { grow, size } = exports;
    const limit = exports[LIMIT_EXPORT] as unknown as WebAssembly.Global;
    assert.equal(grow!(9), 1);
    assert.equal(grow!(0), 10);
    assert.equal(limit.value, 10);
    assert.throws(() => grow!(pages), WebAssembly.RuntimeError);
    assert.equal(size!(), 10);
    assert.equal(limit.value, -1);
  }
});

Deno.test("a memory's own maximum below the limit returns -1", jcoLeaves, async () => {
  const { grow } = await counted(
    `(module (memory 1 3) (func (export "grow") (param i32) (result i32) (memory.grow (local.get 0))))`,
    10,
  );
  assert.equal(grow!(5), -1);
  assert.equal(grow!(2), 1);
});

Deno.test("finds memory.grow among every kind of instruction and section", jcoLeaves, async () => {
  const { test } = await counted(
    `(module
      (rec (type $s (struct (field (mut i32)) (field i8))) (type $a (array (mut i64))))
      (type $sub (sub (struct (field i32))))
      (type $f (func (param i32) (result i32)))
      (import "x" "f" (func $imported (param i32 i32 i32)))
      (import "x" "g" (global $imported i32)) (import "x" "t" (table $imported 1 2 funcref))
      (import "x" "tag" (tag $imported))
      (memory 1) (memory $second 1)
      (table $own 2 funcref) (tag $t (param i32))
      (global $g (mut i32) (i32.const 0))
      (elem (table $own) (i32.const 0) func $callee) (elem $e func $callee)
      (data $d "abc")
      (func $callee (param i32) (result i32) local.get 0)
      (func (export "test") (result i32) (local i32 i64 f32 f64 v128 funcref (ref null $s) (ref null extern))
        (block (br_table 0 0 0 (i32.const 1)))
        (block (result i32) (i32.const 64)) drop
        (i32.const 1) (loop (param i32) (result i32) nop) drop
        (drop (f32.const 64.0)) (drop (f64.const 64.0)) (drop (i64.const -64)) (drop (i32.const 0x4000))
        (drop (v128.const i32x4 0x40004000 0x40004000 0x40004000 0x40004000))
        (drop (i8x16.shuffle 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 (local.get 4) (local.get 4)))
        (drop (i8x16.extract_lane_u 5 (local.get 4)))
        (drop (v128.load offset=64 (i32.const 0))) (v128.store8_lane 3 (i32.const 0) (local.get 4))
        (drop (i32.load offset=64 (i32.const 0))) (i64.store offset=16448 (i32.const 0) (i64.const 1))
        (i32.store $second offset=64 (i32.const 0) (i32.const 1))
        (memory.fill (i32.const 0) (i32.const 0) (i32.const 1)) (memory.copy (i32.const 0) (i32.const 0) (i32.const 1))
        (memory.init $d (i32.const 0) (i32.const 0) (i32.const 1)) (data.drop $d)
        (table.init $own $e (i32.const 1) (i32.const 0) (i32.const 1)) (elem.drop $e)
        (drop (i32.trunc_sat_f32_s (f32.const 1))) (drop (table.grow $own (ref.null func) (i32.const 0)))
        (drop (call_indirect $own (type $f) (i32.const 7) (i32.const 0)))
        (drop (select (result i32) (i32.const 1) (i32.const 2) (i32.const 1)))
        (drop (ref.is_null (ref.null func))) (drop (ref.func $callee))
        (drop (struct.get $s 0 (struct.new $s (i32.const 1) (i32.const 64))))
        (drop (array.get $a (array.new_fixed $a 2 (i64.const 1) (i64.const 2)) (i32.const 0)))
        (drop (ref.test (ref $s) (local.get 6)))
        (drop (i31.get_s (ref.i31 (i32.const 64))))
        (drop (block $caught (result i32) (try_table (catch $t $caught) (throw $t (i32.const 64))) i32.const 0))
        (drop (memory.grow $second (i32.const 1)))
        (drop (memory.grow (i32.const 2)))
        (i32.add (i32.mul (memory.size) (i32.const 100)) (memory.size $second))))`,
  );
  assert.equal(test!(), 302);
});

Deno.test("refuses a module that exports the limit's name itself", jcoLeaves, async () => {
  const bytes = await wat(`(module (memory (export "memory") 1) (func (export "_start"))
    (global (export "${LIMIT_EXPORT}") (mut i32) (i32.const 0)))`);
  await assert.rejects(
    compilePlugin(bytes),
    (error) => error instanceof AppError && error.code === "PLUGIN_UNSUPPORTED",
  );
});

/** Grows by `pages`, one page at a time. */
const growing = (pages: number, exports: string) =>
  `(memory (export "memory") 1)
   (func ${exports}
     (local $i i32)
     (loop $again
       (drop (memory.grow (i32.const 1)))
       (br_if $again (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const ${pages}))))`;

Deno.test("a preview1 plugin traps when its memory would exceed --max-memory", jcoLeaves, async () => {
  const bytes = await wat(`(module ${growing(100, '(export "_start")')}))`);
  assert.equal(await runBytes(bytes, withLimit(101 * PAGE)), 0);
  assert.equal(await runBytes(bytes, testSandbox()), 0);
  await assert.rejects(runBytes(bytes, withLimit(100 * PAGE)), MemoryExceeded);
});

Deno.test("a component traps when its memory would exceed --max-memory", jcoLeaves, async () => {
  const bytes = await wat(`(component
    (core module $m ${growing(100, '(export "run") (result i32)')} i32.const 0))
    (core instance $i (instantiate $m))
    (func $run (result (result)) (canon lift (core func $i "run")))
    (instance $command (export "run" (func $run)))
    (export "wasi:cli/run@0.2.0" (instance $command)))`);
  assert.equal(await runBytes(bytes, withLimit(101 * PAGE)), 0);
  await assert.rejects(runBytes(bytes, withLimit(100 * PAGE)), MemoryExceeded);
});

Deno.test("refuses to run a component with too large an initial memory", jcoLeaves, async () => {
  const bytes = await wat(`(component
    (core module $m (memory 101) (func (export "run") (result i32) i32.const 0))
    (core instance $i (instantiate $m))
    (func $run (result (result)) (canon lift (core func $i "run")))
    (instance $command (export "run" (func $run)))
    (export "wasi:cli/run@0.2.0" (instance $command)))`);
  assert.equal(await runBytes(bytes, withLimit(101 * PAGE)), 0);
  await assert.rejects(
    runBytes(bytes, withLimit(100 * PAGE)),
    (error) => error instanceof AppError && error.code === "PLUGIN_UNSUPPORTED",
  );
});
