/** Files of plugins for their users: a pulled plugin, called through its link, in the user's directory. */

import assert from "node:assert/strict";
import { buildFixture } from "../../scripts/fixtures.ts";
import { componentOf, wat } from "../support/components.ts";
import { makeArtifact, push } from "../../scripts/servers/artifacts.ts";
import { clangMissing, Product, rustMissing } from "../support/product.ts";
import { testBinary } from "../support/test_binary.ts";
import { TestRegistry } from "../../scripts/servers/oci_registry.ts";

/** An installation with pulled plugins, and an empty current directory. */
async function setUp(plugins: Record<string, Uint8Array>) {
  const registry = TestRegistry.start();
  const product = Product.make();
  for (const [local, wasm] of Object.entries(plugins)) {
    await push(registry.origin, `plugins/${local}`, "v1", makeArtifact(wasm));
    const { code, stderr } = await product.run("pull", `${registry.host}/plugins/${local}:v1`);
    assert.equal(code, 0, stderr);
  }
  const cwd = `${product.home}/here`;
  Deno.mkdirSync(cwd);
  return {
    product,
    cwd,
    async [Symbol.asyncDispose]() {
      product[Symbol.dispose]();
      await registry[Symbol.asyncDispose]();
    },
  };
}

// jco leaves timers of 10 ms behind.
const options = { ignore: clangMissing(), sanitizeOps: false, sanitizeResources: false };

testBinary("relative paths mean the user's directory, and files are as POSIX has them", options, async () => {
  const module = await Deno.readFile(await buildFixture("posix"));
  await using it = await setUp({ posix: module, "posix-component": await componentOf(module) });
  for (const line of ["posix .", "posix-component . component", `posix ${it.cwd}`]) {
    const [name, ...args] = line.split(" ");
    const run = await it.product.run("grants", name!, "--allow-write", it.cwd);
    assert.equal(run.code, 0, run.stderr);
    const { code, stdout, stderr } = await it.product.shell(
      `kubectl-${name!.replace("-", "_")} ${args.join(" ")}`,
      { cwd: it.cwd },
    );
    // A failed check may look like a missing grant, so each prints its own line.
    assert.equal(code, 0, stderr);
    assert.doesNotMatch(stderr, /^line \d+/m);
    assert.match(stdout, /^\d{3} checks held, 0 did not\n$/);
    assert.deepEqual([...Deno.readDirSync(it.cwd)], []);
  }
});

testBinary("a Rust plugin sees files as Rust expects, and its panic shows function names", {
  ...options,
  ignore: rustMissing(),
}, async () => {
  const module = await Deno.readFile(await buildFixture("rust"));
  await using it = await setUp({ rust: module, "rust-component": await componentOf(module) });
  for (const name of ["rust", "rust-component"]) {
    const run = await it.product.run("grants", name, "--allow-write", it.cwd);
    assert.equal(run.code, 0, run.stderr);
    const command = `kubectl-${name.replace("-", "_")}`;
    const files = await it.product.shell(`${command} files`, { cwd: it.cwd });
    assert.equal(files.code, 0, files.stderr);
    assert.doesNotMatch(files.stderr, /^line \d+/m);
    assert.match(files.stdout, /^\d{2} checks held, 0 did not\n$/);
    assert.deepEqual([...Deno.readDirSync(it.cwd)], []);
    const panic = await it.product.shell(`${command} panic message`);
    assert.deepEqual([panic.code, panic.stdout], [134, ""]);
    assert.match(panic.stderr, /^thread 'main' panicked at [^\n]*This was to be expected/);
    assert.match(panic.stderr, /\nerror: The plugin crashed: [^\n]*panic\)\n[^]*\n {2}at rust::fall_over \(/);
  }
});

testBinary("a plugin in TypeScript finds files, streams and clocks as WASI 0.2 says", {
  sanitizeOps: false,
  sanitizeResources: false,
}, async () => {
  await using it = await setUp({ "wasi-ts": await Deno.readFile(await buildFixture("wasi-ts")) });
  const run = await it.product.run("grants", "wasi-ts", "--allow-write", it.cwd);
  assert.equal(run.code, 0, run.stderr);
  const { code, stdout } = await it.product.shell("printf 'in ü' | WORD_A= kubectl-wasi_ts 7 a '' é", {
    cwd: it.cwd,
  });
  assert.match(stdout, /^\["a","","é"\]\n\[\["WORD_A",""\]\]\nin ü\n\d{2} checks held, 0 did not\n$/);
  assert.equal(code, 7);
  assert.deepEqual([...Deno.readDirSync(it.cwd)], []);
});

/** Opens the same file until that fails, and exits with the errno. */
const LEAK = `(module
  (import "wasi_snapshot_preview1" "path_open" (func $open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  (memory (export "memory") 1)
  (data (i32.const 100) ".")
  (func (export "_start")
    (local $errno i32)
    (loop $again
      (local.set $errno
        (call $open (i32.const 3) (i32.const 0) (i32.const 100) (i32.const 1) (i32.const 0)
          (i64.const 0) (i64.const 0) (i32.const 0) (i32.const 0)))
      (br_if $again (i32.eqz (local.get $errno))))
    (call $exit (local.get $errno))))`;

testBinary("a plugin that leaks descriptors gets EMFILE, and the host survives", {
  ignore: Deno.build.os === "windows",
}, async () => {
  await using it = await setUp({ leak: await wat(LEAK) });
  for (const limit of ["unlimited", "4096", "300"]) {
    const { code, stdout, stderr } = await it.product.shell(
      `${limit === "unlimited" ? "" : `ulimit -n ${limit};`} kubectl-leak`,
    );
    // preview1's EMFILE.
    assert.deepEqual([code, stdout, stderr], [33, "", ""], limit);
  }
});
