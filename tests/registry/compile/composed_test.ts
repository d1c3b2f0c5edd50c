import assert from "node:assert/strict";
import { runBytes, testSandbox, wat } from "../../support/components.ts";

/** Compositions whose components pass resources to each other; rewrite_jco_output.ts changes jco's code for that. */

const options = { sanitizeOps: false, sanitizeResources: false };

/**
 * A command of two components. One holds a pollable of the host, lends it and passes it on to the other.
 *
 * @param body may call `$subscribe` (returns a handle), `$ready`, `$use` (lends it), `$take` (passes it on) and `$drop`
 * @param other the other component's use of a borrowed handle; may call `$ready`
 */
function lending(body: string, other = "(call $ready (local.get 0))") {
  return wat(`(component
    (import "wasi:io/poll@0.2.0" (instance $poll
      (export "pollable" (type $pollable (sub resource)))
      (export "[method]pollable.ready" (func (param "self" (borrow $pollable)) (result bool)))))
    (alias export $poll "pollable" (type $pollable))
    (import "wasi:clocks/monotonic-clock@0.2.0" (instance $clock
      (alias outer 1 $pollable (type $p)) (export "pollable" (type (eq $p)))
      (export "subscribe-duration" (func (param "when" u64) (result (own $p))))))
    (component $other
      (import "pollable" (type $p (sub resource)))
      (import "ready" (func $ready (param "self" (borrow $p)) (result bool)))
      (core func $ready (canon lower (func $ready)))
      (core func $drop (canon resource.drop $p))
      (core module $m
        (import "h" "ready" (func $ready (param i32) (result i32)))
        (import "h" "drop" (func $drop (param i32)))
        (func (export "use") (param i32) (result i32) ${other} (call $drop (local.get 0)))
        (func (export "take") (param i32) (call $drop (local.get 0))))
      (core instance $i (instantiate $m (with "h" (instance
        (export "ready" (func $ready)) (export "drop" (func $drop))))))
      (func (export "use") (param "p" (borrow $p)) (result bool) (canon lift (core func $i "use")))
      (func (export "take") (param "p" (own $p)) (canon lift (core func $i "take"))))
    (instance $other (instantiate $other
      (with "pollable" (type $pollable)) (with "ready" (func $poll "[method]pollable.ready"))))
    (component $main
      (import "pollable" (type $p (sub resource)))
      (import "ready" (func $ready (param "self" (borrow $p)) (result bool)))
      (import "subscribe" (func $subscribe (param "when" u64) (result (own $p))))
      (import "use" (func $use (param "p" (borrow $p)) (result bool)))
      (import "take" (func $take (param "p" (own $p))))
      (core func $ready (canon lower (func $ready)))
      (core func $subscribe (canon lower (func $subscribe)))
      (core func $use (canon lower (func $use)))
      (core func $take (canon lower (func $take)))
      (core func $drop (canon resource.drop $p))
      (core module $m
        (import "h" "ready" (func $ready (param i32) (result i32)))
        (import "h" "subscribe" (func $subscribe (param i64) (result i32)))
        (import "h" "use" (func $use (param i32) (result i32)))
        (import "h" "take" (func $take (param i32)))
        (import "h" "drop" (func $drop (param i32)))
        (func (export "run") (result i32) (local $p i32) (local $i i32) ${body}))
      (core instance $i (instantiate $m (with "h" (instance
        (export "ready" (func $ready)) (export "subscribe" (func $subscribe)) (export "use" (func $use))
        (export "take" (func $take)) (export "drop" (func $drop))))))
      (func (export "run") (result (result)) (canon lift (core func $i "run"))))
    (instance $main (instantiate $main
      (with "pollable" (type $pollable)) (with "ready" (func $poll "[method]pollable.ready"))
      (with "subscribe" (func $clock "subscribe-duration"))
      (with "use" (func $other "use")) (with "take" (func $other "take"))))
    (instance $command (export "run" (func $main "run")))
    (export "wasi:cli/run@0.2.0" (instance $command)))`);
}

Deno.test("a component lends and passes host resources to another one", options, async () => {
  const bytes = await lending(`
    (local.set $p (call $subscribe (i64.const 0)))
    (loop $again
      (if (i32.eqz (call $use (local.get $p))) (then unreachable))
      (br_if $again (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 100000))))
    (call $take (local.get $p))
    (i32.const 0)`);
  assert.equal(await runBytes(bytes, testSandbox()), 0);
});

const traps = async (body: string, other?: string) =>
  await assert.rejects(
    async () => await runBytes(await lending(body, other), testSandbox()),
    (error) => error instanceof WebAssembly.RuntimeError && /unknown handle/.test(error.message),
    body,
  );

Deno.test("a resource that was passed on, only lent, or another component's traps", options, async () => {
  const subscribe = "(local.set $p (call $subscribe (i64.const 0)))";
  await traps(`${subscribe} (call $take (local.get $p)) (drop (call $use (local.get $p))) (i32.const 0)`);
  await traps(`${subscribe} (call $take (local.get $p)) (call $take (local.get $p)) (i32.const 0)`);
  await traps(`${subscribe} (call $take (i32.or (local.get $p) (i32.const 0x40000000))) (i32.const 0)`);
  await traps(`(call $take (i32.const 7)) (i32.const 0)`);
  await traps(`(drop (call $use (i32.const -1))) (i32.const 0)`);
  // The other component drops its borrowed handle and cannot use it afterwards. It cannot use a handle that it did not
  // get.
  await traps(
    `${subscribe} (drop (call $use (local.get $p))) (i32.const 0)`,
    "(call $drop (local.get 0)) (call $ready (local.get 0))",
  );
  await traps(
    `${subscribe} ${subscribe} ${subscribe} (drop (call $use (local.get $p))) (i32.const 0)`,
    "(call $ready (i32.const 2))",
  );
});

Deno.test("a component calls methods of another component's resource", options, async () => {
  const bytes = await wat(`(component
    (component $defines
      (type $r' (resource (rep i32)))
      (export $r "r" (type $r'))
      (core func $new (canon resource.new $r'))
      (core func $rep (canon resource.rep $r'))
      (core module $m
        (import "h" "new" (func $new (param i32) (result i32)))
        (import "h" "rep" (func $rep (param i32) (result i32)))
        (func (export "make") (param i32) (result i32) (call $new (local.get 0)))
        (func (export "get") (param i32) (result i32) (local.get 0)) ;; what is lent is its representation here
        (func (export "end") (param i32) (result i32) (call $rep (local.get 0))))
      (core instance $i (instantiate $m (with "h" (instance (export "new" (func $new)) (export "rep" (func $rep))))))
      (func (export "make") (param "x" u32) (result (own $r)) (canon lift (core func $i "make")))
      (func (export "get") (param "r" (borrow $r)) (result u32) (canon lift (core func $i "get")))
      (func (export "end") (param "r" (own $r)) (result u32) (canon lift (core func $i "end"))))
    (instance $defines (instantiate $defines))
    (alias export $defines "r" (type $r))
    (component $uses
      (import "r" (type $r (sub resource)))
      (import "make" (func $make (param "x" u32) (result (own $r))))
      (import "get" (func $get (param "r" (borrow $r)) (result u32)))
      (import "end" (func $end (param "r" (own $r)) (result u32)))
      (core func $make (canon lower (func $make)))
      (core func $get (canon lower (func $get)))
      (core func $end (canon lower (func $end)))
      (core module $m
        (import "h" "make" (func $make (param i32) (result i32)))
        (import "h" "get" (func $get (param i32) (result i32)))
        (import "h" "end" (func $end (param i32) (result i32)))
        (func $is (param i32 i32) (if (i32.ne (local.get 0) (local.get 1)) (then unreachable)))
        (func (export "run") (result i32) (local $a i32) (local $b i32)
          (local.set $a (call $make (i32.const 7)))
          (local.set $b (call $make (i32.const -8))) ;; of 32 bits
          (call $is (call $get (local.get $a)) (i32.const 7))
          (call $is (call $get (local.get $b)) (i32.const -8))
          (call $is (call $end (local.get $a)) (i32.const 7))
          (call $is (call $end (local.get $b)) (i32.const -8))
          (i32.const 0)))
      (core instance $i (instantiate $m (with "h" (instance
        (export "make" (func $make)) (export "get" (func $get)) (export "end" (func $end))))))
      (func (export "run") (result (result)) (canon lift (core func $i "run"))))
    (instance $uses (instantiate $uses
      (with "r" (type $r)) (with "make" (func $defines "make")) (with "get" (func $defines "get"))
      (with "end" (func $defines "end"))))
    (instance $command (export "run" (func $uses "run")))
    (export "wasi:cli/run@0.2.0" (instance $command)))`);
  assert.equal(await runBytes(bytes, testSandbox()), 0);
});
