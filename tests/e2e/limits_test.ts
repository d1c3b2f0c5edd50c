/** Crashes and limits of modules and components in the compiled binary: messages and exit codes. */

import assert from "node:assert/strict";
import { buildFixture } from "../../scripts/fixtures.ts";
import { componentOf, wat } from "../support/components.ts";
import { makeArtifact, push } from "../../scripts/servers/artifacts.ts";
import { clangMissing, Product } from "../support/product.ts";
import { testBinary } from "../support/test_binary.ts";
import { TestRegistry } from "../../scripts/servers/oci_registry.ts";

/** An installation with pulled plugins. */
async function setUp(plugins: Record<string, Uint8Array>, ...flags: string[]) {
  const registry = TestRegistry.start();
  const product = Product.make();
  for (const [local, wasm] of Object.entries(plugins)) {
    await push(registry.origin, `plugins/${local}`, "v1", makeArtifact(wasm));
    const { code, stderr } = await product.run("pull", `${registry.host}/plugins/${local}:v1`, ...flags);
    assert.equal(code, 0, stderr);
  }
  return {
    product,
    async [Symbol.asyncDispose]() {
      product[Symbol.dispose]();
      await registry[Symbol.asyncDispose]();
    },
  };
}

// jco leaves timers of 10 ms behind.
const options = { ignore: clangMissing(), sanitizeOps: false, sanitizeResources: false };

testBinary(
  "a crash names the functions, of a module and of a component, and exits with 134",
  options,
  async () => {
    const module = await Deno.readFile(await buildFixture("trap"));
    await using it = await setUp({ trap: module, "trap-component": await componentOf(module) });
    for (const plugin of ["kubectl-trap", "kubectl-trap_component"]) {
      const { code, stdout, stderr } = await it.product.shell(`${plugin} unreachable`);
      assert.deepEqual([code, stdout], [134, ""]);
      assert.match(
        stderr,
        /^error: The plugin crashed: [^\n]*\(an abort or panic\)\n {2}at crash_here \([^)]*\)\n {2}at main /,
      );
      assert.doesNotMatch(stderr, /\.[jt]s:|wasm:\/\/|RuntimeError|function \?/);
      const stack = await it.product.shell(`${plugin} stack`);
      assert.equal(stack.code, 134);
      assert.match(stack.stderr, /its call stack overflowed\n {2}at overflow \([^)]*\), \d+ times/);
      const verbose = await it.product.shell(`KREW_WASM_VERBOSE=1 ${plugin} unreachable`);
      assert.match(verbose.stderr, /RuntimeError: unreachable\n/);
    }
  },
);

testBinary("a plugin calls itself 30,000 times, whether it may wait or not", options, async () => {
  const recursive = (imports: string) =>
    wat(`(module ${imports} (memory (export "memory") 1)
      (func $deep (param i32) (result i32)
        (if (result i32) (local.get 0)
          (then (i32.add (i32.const 1) (call $deep (i32.sub (local.get 0) (i32.const 1)))))
          (else (i32.const 0))))
      (func (export "_start") (if (i32.ne (call $deep (i32.const 30000)) (i32.const 30000)) (then unreachable))))`);
  const poll = `(import "wasi_snapshot_preview1" "poll_oneoff" (func (param i32 i32 i32 i32) (result i32)))`;
  await using it = await setUp({ runs: await recursive(""), waits: await recursive(poll) });
  for (const plugin of ["kubectl-runs", "kubectl-waits"]) {
    assert.deepEqual(await it.product.shell(plugin), { code: 0, stdout: "", stderr: "" });
  }
});

/** A component that grows its memory by 20 MiB, a page at a time. */
const GROWING = `(component
  (core module $m (memory 1)
    (func $allocate_one (drop (memory.grow (i32.const 1))))
    (func (export "run") (result i32)
      (local $i i32)
      (loop $again
        (call $allocate_one)
        (br_if $again (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 320))))
      i32.const 0))
  (core instance $i (instantiate $m))
  (func $run (result (result)) (canon lift (core func $i "run")))
  (instance $command (export "run" (func $run)))
  (export "wasi:cli/run@0.2.0" (instance $command)))`;

testBinary("--max-memory holds at pull and at run", options, async () => {
  await using it = await setUp({
    grow: await Deno.readFile(await buildFixture("grow")),
    component: await wat(GROWING),
  }, "--max-memory=16Mi");
  const { product } = it;
  for (
    const [enough, tooMuch, small] of [
      ["krew-wasm run --max-memory=32Mi grow 20", "kubectl-grow 20", "--max-memory=64Ki grow 1"],
      ["krew-wasm run --max-memory=32Mi component", "kubectl-component", undefined],
    ]
  ) {
    assert.equal((await product.shell(enough!)).code, 0);
    const { code, stdout, stderr } = await product.shell(tooMuch!);
    assert.deepEqual([code, stdout], [134, ""]);
    assert.match(
      stderr,
      /^error: The plugin crashed: its memory would have grown past the limit of 16 MiB\n {2}at /,
    );
    assert.match(stderr, /\n {2}at allocate_one /);
    assert.match(stderr, /\nhint: --max-memory sets the limit\n$/);
    if (small === undefined) continue;
    const start = await product.shell(`krew-wasm run ${small}`);
    assert.deepEqual([start.code, start.stdout], [125, ""]);
    assert.match(start.stderr, /from the start, its limit 64 KiB/);
  }
});
