/** Large plugins: their parts must not be spread into a call's arguments, nor walked by recursion. */

import assert from "node:assert/strict";
import { readComponentNames, readModuleNames } from "../../../registry/compile/import_names.ts";
import { latin1 } from "../../../runtime/wasi/files/linux/byte_paths.ts";
import { runBytes, testSandbox, wat } from "../../support/components.ts";

// jco starts timers when it is first imported, and its output leaves timers of 10 ms behind.
const jcoLeaves = { sanitizeOps: false, sanitizeResources: false };

/** More than the arguments of a call, and four times the functions of a plugin with client-go. */
const MANY = 200_000;

const growing = `(memory (export "memory") 1)\n${"(func (drop (memory.grow (i32.const 0))))\n".repeat(MANY)}`;

Deno.test("a module of 200,000 functions runs", jcoLeaves, async () => {
  const bytes = await wat(`(module ${growing} (func (export "_start") (drop (memory.grow (i32.const 1)))))`);
  assert.equal(await runBytes(bytes, testSandbox()), 0);
});

Deno.test("a component of 200,000 functions runs", jcoLeaves, async () => {
  const bytes = await wat(`(component
    (core module $m ${growing} (func (export "run") (result i32) (i32.and (memory.grow (i32.const 1)) (i32.const 0))))
    (core instance $i (instantiate $m))
    (func $run (result (result)) (canon lift (core func $i "run")))
    (instance $command (export "run" (func $run)))
    (export "wasi:cli/run@0.2.0" (instance $command)))`);
  assert.equal(await runBytes(bytes, testSandbox()), 0);
});

Deno.test("a module with 200,000 grouped types, imports and exports runs", jcoLeaves, async () => {
  const bytes = await wat(`(module (rec ${"(type (func))".repeat(MANY)})
    ${'(import "wasi_snapshot_preview1" "sched_yield" (func (result i32)))'.repeat(MANY)}
    (memory (export "memory") 1)
    (func $start (export "_start") (drop (memory.grow (i32.const 1))))
    ${Array.from({ length: MANY }, (_, index) => `(export "${index}" (func $start))`).join("\n")})`);
  assert.equal(await runBytes(bytes, testSandbox()), 0);
  const { imports, exports } = readModuleNames(bytes);
  assert.deepEqual([imports.length, exports.length], [MANY, MANY + 2]);
});

Deno.test("readComponentNames() reads 200,000 imports in one section", () => {
  const name = new TextEncoder().encode("wasi:cli/stdin@0.2.0");
  const one = [0, name.length, ...name, 5, 0];
  const count = [MANY & 127 | 128, MANY >> 7 & 127 | 128, MANY >> 14];
  const size = count.length + MANY * one.length;
  const header = [0, 0x61, 0x73, 0x6d, 0x0d, 0, 1, 0, 10];
  const sized = [size & 127 | 128, size >> 7 & 127 | 128, size >> 14 & 127 | 128, size >> 21];
  const bytes = new Uint8Array(header.length + sized.length + size);
  bytes.set([...header, ...sized, ...count]);
  for (let at = header.length + sized.length + count.length; at < bytes.length; at += one.length) {
    bytes.set(one, at);
  }
  assert.equal(readComponentNames(bytes).imports.length, MANY);
});

Deno.test("latin1() accepts a path of any length", () => {
  assert.equal(latin1(new Uint8Array(1_000_000).fill(0xe4)), "ä".repeat(1_000_000));
});
