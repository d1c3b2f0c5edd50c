import assert from "node:assert/strict";
import { runBytes, testSandbox, wat } from "../../../support/components.ts";

/** A component that makes the host allocate more than its limit ends with a trap. */

const options = { sanitizeOps: false, sanitizeResources: false };

/** A command with a memory of 2 MiB, zero except for "a" at 8, that calls its imports. */
function command(
  imports: string,
  lowered: string,
  core: string,
  given: string,
  body: string,
): Promise<Uint8Array<ArrayBuffer>> {
  return wat(`(component ${imports}
    (core module $libc (memory (export "memory") 32) (data (i32.const 8) "a")
      (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 65536)))
    (core instance $libc (instantiate $libc))
    (alias core export $libc "memory" (core memory $memory))
    (alias core export $libc "realloc" (core func $realloc))
    ${lowered}
    (core module $m (import "h" "memory" (memory 32)) ${core}
      (func (export "run") (result i32) (local $i i32) ${body} (i32.const 0)))
    (core instance $i (instantiate $m (with "h" (instance (export "memory" (memory $memory)) ${given}))))
    (func $run (result (result)) (canon lift (core func $i "run")))
    (instance $command (export "run" (func $run)))
    (export "wasi:cli/run@0.2.0" (instance $command)))`);
}

const loop = (times: number, body: string) =>
  `(loop $again ${body} (br_if $again (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const ${times}))))`;

async function traps(bytes: Uint8Array<ArrayBuffer>, message: RegExp): Promise<void> {
  await assert.rejects(
    async () => await runBytes(bytes, testSandbox()),
    (error) => {
      assert.ok(error instanceof WebAssembly.RuntimeError, String(error));
      assert.match(error.message, message);
      return true;
    },
  );
}

const random = (length: string) =>
  command(
    `(import "wasi:random/random@0.2.0" (instance $random
      (export "get-random-bytes" (func (param "len" u64) (result (list u8))))))`,
    `(core func $get (canon lower (func $random "get-random-bytes") (memory $memory) (realloc $realloc)))`,
    `(import "h" "get" (func $get (param i64 i32)))`,
    `(export "get" (func $get))`,
    `(call $get (i64.const ${length}) (i32.const 16))`,
  );

Deno.test("random bytes are limited to the component's memory and 64 MiB", options, async () => {
  assert.equal(await runBytes(await random("1000000"), testSandbox()), 0);
  for (const length of ["67108865", "0x3fffffff", "-1"]) {
    await traps(await random(length), /random bytes at once, more than 67108864/);
  }
  const limits = { ...testSandbox().limits, maxMemory: 4 << 20 };
  await assert.rejects(
    async () => await runBytes(await random("5000000"), testSandbox({ limits })),
    (error) => error instanceof WebAssembly.RuntimeError && /more than 4194304/.test(error.message),
  );
  // The component has no space for the host's bytes.
  await assert.rejects(async () => await runBytes(await random("2090000"), testSandbox()), {
    message: "memory access out of bounds",
  });
});

const POLL = `(import "wasi:io/poll@0.2.0" (instance $poll
    (export "pollable" (type $pollable (sub resource)))
    (export "poll" (func (param "in" (list (borrow $pollable))) (result (list u32))))))
  (alias export $poll "pollable" (type $pollable))
  (import "wasi:clocks/monotonic-clock@0.2.0" (instance $clock
    (alias outer 1 $pollable (type $p)) (export "pollable" (type (eq $p)))
    (export "subscribe-duration" (func (param "when" u64) (result (own $p))))))`;
const poll = (body: string) =>
  command(
    POLL,
    `(core func $poll (canon lower (func $poll "poll") (memory $memory) (realloc $realloc)))
     (core func $subscribe (canon lower (func $clock "subscribe-duration")))`,
    `(import "h" "poll" (func $poll (param i32 i32 i32))) (import "h" "subscribe" (func $subscribe (param i64) (result i32)))`,
    `(export "poll" (func $poll)) (export "subscribe" (func $subscribe))`,
    body,
  );

Deno.test(
  "a list has no more than 65536 of anything, and no place outside of the memory",
  options,
  async () => {
    const fill = (count: number) =>
      loop(
        count,
        `(i32.store (i32.add (i32.const 1024) (i32.shl (local.get $i) (i32.const 2))) (i32.const 1))`,
      );
    const subscribe = "(drop (call $subscribe (i64.const 0)))";
    const list = (count: number | string) =>
      `(call $poll (i32.const 1024) (i32.const ${count}) (i32.const 16))`;
    assert.equal(await runBytes(await poll(`${subscribe} ${fill(65536)} ${list(65536)}`), testSandbox()), 0);
    for (const count of ["65537", "0x40000000", "0x7fffffff", "-1"]) {
      await traps(await poll(`${subscribe} ${fill(65537)} ${list(count)}`), /a list of \d+, more than 65536/);
    }
    await traps(
      await poll(`${subscribe} (call $poll (i32.const 1025) (i32.const 1) (i32.const 16))`),
      /not aligned/,
    );
    await traps(await poll(`(call $poll (i32.const -16) (i32.const 4) (i32.const 16))`), /out of bounds/);
    await traps(
      await poll(`${subscribe} ${fill(2)} (call $poll (i32.const 1024) (i32.const 1) (i32.const -4))`),
      /out of bounds/,
    );
  },
);

const HTTP = `(import "wasi:http/types@0.2.0" (instance $http
    (type $e' (variant (case "invalid-syntax") (case "forbidden") (case "immutable")))
    (export "header-error" (type $e (eq $e')))
    (export "fields" (type $f (sub resource)))
    (export "[constructor]fields" (func (result (own $f))))
    (export "[static]fields.from-list" (func
      (param "entries" (list (tuple string (list u8)))) (result (result (own $f) (error $e)))))
    (export "[method]fields.append" (func (param "self" (borrow $f)) (param "name" string) (param "value" (list u8))
      (result (result (error $e)))))))
  (alias export $http "fields" (type $fields))`;
const http = (body: string) =>
  command(
    HTTP,
    `(core func $make (canon lower (func $http "[constructor]fields")))
     (core func $list (canon lower (func $http "[static]fields.from-list") (memory $memory)))
     (core func $append (canon lower (func $http "[method]fields.append") (memory $memory)))
     (core func $drop (canon resource.drop $fields))`,
    `(import "h" "make" (func $make (result i32))) (import "h" "list" (func $list (param i32 i32 i32)))
     (import "h" "append" (func $append (param i32 i32 i32 i32 i32 i32))) (import "h" "drop" (func $drop (param i32)))`,
    `(export "make" (func $make)) (export "list" (func $list)) (export "append" (func $append))
     (export "drop" (func $drop))`,
    body,
  );

Deno.test("the same bytes can't be passed thousands of times at once", options, async () => {
  // Headers named "a" with values of `length` zeroes, which no value may contain.
  const entries = (count: number, length: number) =>
    loop(
      count,
      `(i32.store (i32.add (i32.const 65536) (i32.shl (local.get $i) (i32.const 4))) (i32.const 8))
       (i32.store offset=4 (i32.add (i32.const 65536) (i32.shl (local.get $i) (i32.const 4))) (i32.const 1))
       (i32.store offset=8 (i32.add (i32.const 65536) (i32.shl (local.get $i) (i32.const 4))) (i32.const 1048576))
       (i32.store offset=12 (i32.add (i32.const 65536) (i32.shl (local.get $i) (i32.const 4))) (i32.const ${length}))`,
    ) + `(call $list (i32.const 65536) (i32.const ${count}) (i32.const 16))`;
  assert.equal(await runBytes(await http(entries(2, 500_000)), testSandbox()), 0);
  await traps(await http(entries(20_000, 1_000_000)), /more at once than its memory holds/);
  await traps(await http(entries(3, -1)), /more at once than its memory holds/);
});

Deno.test(
  "a component's data in the host is limited and freed when dropped",
  options,
  async () => {
    const append =
      `(call $append (local.get $i) (i32.const 8) (i32.const 1) (i32.const 1048576) (i32.const 1000000) (i32.const 16))`;
    // A header's value must be printable.
    const printable = `(memory.fill (i32.const 1048576) (i32.const 97) (i32.const 1000000))`;
    await traps(
      await http(`${printable} ${loop(100, `(local.set $i (call $make)) ${append}`)}`),
      /more than 64 MiB with the host/,
    );
    const dropped = loop(
      200,
      `(if (i32.ne (call $make) (i32.const 1)) (then unreachable))
    (call $append (i32.const 1) (i32.const 8) (i32.const 1) (i32.const 1048576) (i32.const 1000000) (i32.const 16))
    (call $drop (i32.const 1))`,
    );
    assert.equal(await runBytes(await http(`${printable} ${dropped}`), testSandbox()), 0);
  },
);
