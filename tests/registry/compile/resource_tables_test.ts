/** Limits of a component's host resources. Repeated pollables of a stream cost almost nothing. */

import assert from "node:assert/strict";
import { LEAST } from "../../../runtime/grants/grants.ts";
import { RESOURCE_SIZE } from "../../../registry/compile/resource_tables.ts";
import { runBytes, testSandbox, wat } from "../../support/components.ts";

// jco starts timers when it is first imported, and its output leaves timers of 10 ms behind.
const jcoLeaves = { sanitizeOps: false, sanitizeResources: false };

/**
 * A command. `body` may call `$subscribe` (a pollable of stdin), `$stdin`, `$ready`, `$drop` and `$close`. Its locals
 * are `$i`, `$handle`, and the stream `$in`.
 */
function listening(body: string) {
  return wat(`(component
    (import "wasi:io/poll@0.2.0" (instance $poll
      (export "pollable" (type $pollable (sub resource)))
      (export "[method]pollable.ready" (func (param "self" (borrow $pollable)) (result bool)))))
    (alias export $poll "pollable" (type $pollable))
    (import "wasi:io/streams@0.2.0" (instance $streams
      (alias outer 1 $pollable (type $p)) (export "pollable" (type $q (eq $p)))
      (export "input-stream" (type $in (sub resource)))
      (export "[method]input-stream.subscribe" (func (param "self" (borrow $in)) (result (own $q))))))
    (alias export $streams "input-stream" (type $in))
    (import "wasi:cli/stdin@0.2.0" (instance $cli
      (alias outer 1 $in (type $i)) (export "input-stream" (type $j (eq $i)))
      (export "get-stdin" (func (result (own $j))))))
    (core func $stdin (canon lower (func $cli "get-stdin")))
    (core func $subscribe (canon lower (func $streams "[method]input-stream.subscribe")))
    (core func $ready (canon lower (func $poll "[method]pollable.ready")))
    (core func $drop (canon resource.drop $pollable))
    (core func $close (canon resource.drop $in))
    (core module $m
      (import "h" "stdin" (func $stdin (result i32)))
      (import "h" "subscribe" (func $subscribe (param i32) (result i32)))
      (import "h" "ready" (func $ready (param i32) (result i32)))
      (import "h" "drop" (func $drop (param i32)))
      (import "h" "close" (func $close (param i32)))
      (memory 32)
      (func (export "run") (result i32) (local $i i32) (local $handle i32) (local $in i32)
        (local.set $in (call $stdin)) ${body} i32.const 0))
    (core instance $i (instantiate $m (with "h" (instance
      (export "stdin" (func $stdin)) (export "subscribe" (func $subscribe)) (export "ready" (func $ready))
      (export "drop" (func $drop)) (export "close" (func $close))))))
    (func $run (result (result)) (canon lift (core func $i "run")))
    (instance $command (export "run" (func $run)))
    (export "wasi:cli/run@0.2.0" (instance $command)))`);
}

const times = (count: number, body: string) =>
  `(local.set $i (i32.const 0)) (loop $again ${body}
    (br_if $again (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const ${count}))))`;
const subscribed = "(call $subscribe (local.get $in))";
const withMemory = (maxMemory: number) => testSandbox({ limits: { ...LEAST.limits, maxMemory } });
const run = async (body: string, maxMemory = 4 << 20) =>
  assert.equal(await runBytes(await listening(body), withMemory(maxMemory)), 0);
const traps = async (body: string, message: RegExp, maxMemory?: number) =>
  await assert.rejects(
    run(body, maxMemory),
    (error) => error instanceof WebAssembly.RuntimeError && message.test(error.message),
    body,
  );

Deno.test(
  "takes a stream's pollable three million times within 4 MiB",
  jcoLeaves,
  async () => {
    await run(`(local.set $handle ${subscribed}) ${times(3_000_000, `(drop ${subscribed})`)}
    (if (i32.eqz (call $ready (local.get $handle))) (then unreachable))
    (if (i32.eqz (call $ready ${subscribed})) (then unreachable))
    (if (i32.eqz (call $ready (i32.const ${(1 << 28) + 1_234_567}))) (then unreachable))`);
  },
);

Deno.test("a component asks for standard input again and again", jcoLeaves, async () => {
  await run(times(100_000, "(drop (call $stdin))"));
});

Deno.test("a component drops each of a stream's pollables once, in any order", jcoLeaves, async () => {
  const hundred = times(100, `(i32.store (i32.shl (local.get $i) (i32.const 2)) ${subscribed})`);
  const handle = "(i32.load (i32.shl (local.get $i) (i32.const 2)))";
  const forwards = times(100, `(call $drop ${handle})`);
  const backwards = times(
    100,
    `(call $drop (i32.load (i32.sub (i32.const 396) (i32.shl (local.get $i) (i32.const 2)))))`,
  );
  const used = times(99, `(if (i32.eqz (call $ready ${handle})) (then unreachable))`);
  // The next round reuses the dropped handles.
  await run(`${hundred} ${used} ${forwards} ${hundred} ${used} ${backwards} ${hundred}`, 2 << 20);
  // The first is dropped, the others stay.
  await run(`${hundred} (call $drop (i32.load (i32.const 0)))
    (if (i32.eqz (call $ready (i32.load (i32.const 4)))) (then unreachable))
    (if (i32.eqz (call $ready ${subscribed})) (then unreachable))`);
  for (const index of [0, 1, 31, 32, 33, 99]) {
    const one = `(i32.load (i32.const ${index * 4}))`;
    await traps(`${hundred} (call $drop ${one}) (call $drop ${one})`, /unknown handle/);
    await traps(`${hundred} (call $drop ${one}) (drop (call $ready ${one}))`, /unknown handle/);
    await traps(`${hundred} ${forwards} (drop (call $ready ${one}))`, /unknown handle/);
    await traps(`${hundred} ${backwards} (call $drop ${one})`, /unknown handle/);
  }
  for (const handle of [(1 << 28) - 1, (1 << 28) + 99, (1 << 28) + 128, (1 << 29) - 1, 1 << 29]) {
    await traps(`${hundred} (call $drop (i32.const ${handle}))`, /unknown handle/);
  }
});

Deno.test("a stream's pollables outlive it and are ready", jcoLeaves, async () => {
  await run(`(local.set $handle ${subscribed}) (drop ${subscribed}) (call $close (local.get $in))
    (if (i32.eqz (call $ready (local.get $handle))) (then unreachable))`);
});

Deno.test("--max-memory limits the resources that a component holds", jcoLeaves, async () => {
  // Pollables cost little: a million take half a megabyte.
  await traps(times(10_000_000, `(drop ${subscribed})`), /resources .*never dropped/, 2 << 20);
  const others = `(component
    (import "wasi:io/poll@0.2.0" (instance $poll (export "pollable" (type $pollable (sub resource)))))
    (alias export $poll "pollable" (type $pollable))
    (import "wasi:clocks/monotonic-clock@0.2.0" (instance $clock
      (alias outer 1 $pollable (type $p)) (export "pollable" (type (eq $p)))
      (export "subscribe-duration" (func (param "when" u64) (result (own $p))))))
    (core func $subscribe (canon lower (func $clock "subscribe-duration")))
    (core module $m (import "h" "subscribe" (func $subscribe (param i64) (result i32)))
      (func (export "run") (result i32) (local $i i32)
        ${times(1100, "(drop (call $subscribe (i64.const 0)))")} i32.const 0))
    (core instance $i (instantiate $m (with "h" (instance (export "subscribe" (func $subscribe))))))
    (func $run (result (result)) (canon lift (core func $i "run")))
    (instance $command (export "run" (func $run)))
    (export "wasi:cli/run@0.2.0" (instance $command)))`;
  assert.equal(await runBytes(await wat(others), withMemory(1200 * RESOURCE_SIZE)), 0);
  await assert.rejects(
    async () => await runBytes(await wat(others), withMemory(1000 * RESOURCE_SIZE)),
    (error) => error instanceof WebAssembly.RuntimeError && /1000 resources/.test(error.message),
  );
});
