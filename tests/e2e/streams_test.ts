/** A plugin's streams and their cost: it reads no byte too many, and memory stays constant. */

import assert from "node:assert/strict";
import { buildFixture } from "../../scripts/fixtures.ts";
import { componentOf, wat } from "../support/components.ts";
import { peakMissing, peakOf } from "../support/peak.ts";
import { binaryUnderTest, clangMissing, Product } from "../support/product.ts";

// jco leaves timers of 10 ms behind.
const options = { ignore: clangMissing(), sanitizeOps: false, sanitizeResources: false };
const measured = { ...options, ignore: options.ignore || peakMissing() || !binaryUnderTest() };

/** A program as a module and as a component: the paths of both. */
async function both(product: Product, name: string): Promise<string[]> {
  const module = await buildFixture(name);
  const component = `${product.home}/${name}-component.wasm`;
  await Deno.writeFile(component, await componentOf(await Deno.readFile(module)));
  return [module, component];
}

Deno.test("a plugin that reads one byte leaves the next to other readers", options, async () => {
  using product = Product.make();
  for (const path of await both(product, "waiting")) {
    const { stdout } = await product.shell(
      `printf abc | { krew-wasm run ${path} read > /dev/null; cat; }`,
    );
    assert.equal(stdout, "bc");
  }
});

Deno.test("output does not accumulate when the reader is slow", measured, async () => {
  using product = Product.make();
  const where = { env: product.env(), cwd: product.home };
  for (const path of await both(product, "cat")) {
    const command = [product.command, "run", path];
    const little = await peakOf(command, { ...where, bytes: 1 });
    const much = await peakOf(command, { ...where, bytes: 400 << 20 });
    assert.deepEqual([little.code, much.code], [0, 0]);
    // Far below the 400 MB that would accumulate. The engine's garbage depends on the machine's load and on the
    // component's compilation: more than 150 MB have been seen, whatever the amount of output.
    assert.ok(much.peak - little.peak < 300, `${path}: ${little.peak} MiB, then ${much.peak} MiB`);
  }
});

Deno.test(
  "100,000 files opened and closed leave memory as it is, and a leak meets a limit",
  measured,
  async () => {
    using product = Product.make();
    const where = { env: product.env(), cwd: product.home };
    Deno.writeTextFileSync(`${product.home}/f`, "x");
    for (const path of await both(product, "files")) {
      const run = (...args: string[]) => [product.command, "run", "--allow-read=.", path, "--", ...args];
      const few = await peakOf(run("reopen", "f", "1000"), where);
      const many = await peakOf(run("reopen", "f", "100000"), where);
      assert.deepEqual([few.code, many.code], [0, 0]);
      assert.ok(many.peak - few.peak < 80, `${path}: ${few.peak} MiB, then ${many.peak} MiB`);
      const { code, stderr } = await product.exec(product.command, run("leak", "f", "100000").slice(1));
      assert.equal(code, 1);
      // The adapter's own table is full before ours.
      assert.match(stderr, /^f: (No file descriptors available|Too many open files|Out of memory)$/m);
    }
  },
);

Deno.test("100,000 pollables of a component leave memory constant", measured, async () => {
  using product = Product.make();
  const where = { env: product.env(), cwd: product.home };
  const peakWith = async (count: number) => {
    const path = `${product.home}/${count}.wasm`;
    await Deno.writeFile(
      path,
      await wat(`(component
        (import "wasi:io/poll@0.2.0" (instance $poll
          (export "pollable" (type $pollable (sub resource)))
          (export "[method]pollable.block" (func (param "self" (borrow $pollable))))))
        (alias export $poll "pollable" (type $pollable))
        (import "wasi:clocks/monotonic-clock@0.2.0" (instance $clock
          (alias outer 1 $pollable (type $p)) (export "pollable" (type (eq $p)))
          (export "subscribe-duration" (func (param "when" u64) (result (own $p))))))
        (core func $subscribe (canon lower (func $clock "subscribe-duration")))
        (core func $block (canon lower (func $poll "[method]pollable.block")))
        (core func $drop (canon resource.drop $pollable))
        (core module $m
          (import "h" "subscribe" (func $subscribe (param i64) (result i32)))
          (import "h" "block" (func $block (param i32)))
          (import "h" "drop" (func $drop (param i32)))
          (func (export "run") (result i32) (local $i i32) (local $handle i32)
            (loop $again
              (local.set $handle (call $subscribe (i64.const 0)))
              (call $block (local.get $handle))
              (call $drop (local.get $handle))
              (br_if $again
                (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const ${count}))))
            i32.const 0))
        (core instance $i (instantiate $m (with "h" (instance
          (export "subscribe" (func $subscribe)) (export "block" (func $block)) (export "drop" (func $drop))))))
        (func $run (result (result)) (canon lift (core func $i "run")))
        (instance $command (export "run" (func $run)))
        (export "wasi:cli/run@0.2.0" (instance $command)))`),
    );
    const { code, peak } = await peakOf([product.command, "run", path], where);
    assert.equal(code, 0);
    return peak;
  };
  const few = await peakWith(1000);
  const many = await peakWith(100_000);
  assert.ok(many - few < 50, `${few} MiB, then ${many} MiB`);
});
