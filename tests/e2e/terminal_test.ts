/** Plugins at a terminal behave as native programs, and leave the terminal restored. */

import assert from "node:assert/strict";
import { buildFixture } from "../../scripts/fixtures.ts";
import { wat } from "../support/components.ts";
import { binaryUnderTest, clangMissing, Product } from "../support/product.ts";
import { atTerminal, ptyMissing, type Step, type TerminalFlag } from "../support/pty.ts";

// jco leaves timers of 10 ms behind.
const options = { ignore: clangMissing() || ptyMissing(), sanitizeOps: false, sanitizeResources: false };
const COOKED: TerminalFlag[] = ["echo", "icanon", "icrnl", "isig"];

async function setUp() {
  const product = Product.make();
  const wasm = await buildFixture("terminal");
  return {
    product,
    run: (args: readonly string[], steps: readonly Step[], more: readonly string[] = []) =>
      atTerminal([product.command, "run", ...more, wasm, "--", ...args], steps, {
        env: product.env(),
        cwd: product.home,
        columns: 100,
        rows: 30,
      }),
    [Symbol.dispose]: () => product[Symbol.dispose](),
  };
}

Deno.test("isatty() is true for a terminal and false for a pipe", options, async () => {
  using it = await setUp();
  assert.match((await it.run(["isatty"], [])).output, /^1 1 1\r\n$/);
  assert.match((await it.run(["isatty"], [], ["--deny-terminal"])).output, /^0 0 0\r\n$/);
  const wasm = await buildFixture("terminal");
  assert.equal((await it.product.run("run", wasm, "isatty")).stdout, "0 0 0\n");
  assert.match((await it.run(["size"], [])).output, /^100x30\r\n$/);
  const piped = await it.product.run("run", wasm, "password");
  assert.deepEqual([piped.code, piped.stderr], [1, "set_mode: Not a tty\n"]);
  assert.equal((await it.product.run("run", wasm, "wrong")).code, 0);
});

Deno.test("a plugin reads a typed and edited line", options, async () => {
  using it = await setUp();
  const { output, code, after } = await it.run(["prompt"], [{ expect: "name? " }, { send: "Adx\x7fa\r" }]);
  assert.match(output, /hello Ada\r\n$/);
  assert.equal(code, 0);
  assert.deepEqual(after, COOKED);
});

Deno.test("a password is hidden and editable, and the terminal is restored", options, async () => {
  using it = await setUp();
  const typed: [string, string][] = [
    ["secret\r", "6 characters: <secret>"],
    ["wrong\x15se\u00fc\x7fcret\r", "6 characters: <secret>"],
    ["one two  \x17three\r", "9 characters: <one three>"],
  ];
  for (const [keys, shown] of typed) {
    const { output, code, after, failed } = await it.run(["password"], [
      { expect: "password? " },
      { mode: ["isig"] },
      { send: keys },
      { expect: shown },
    ]);
    assert.equal(failed, null);
    assert.equal(output, `password? \r\n${shown}\r\n`);
    assert.equal(code, 0);
    assert.deepEqual(after, COOKED);
  }
  const ended = await it.run(["password"], [{ expect: "? " }, { mode: ["isig"] }, { send: "\x04" }]);
  assert.equal(ended.code, 3);
  assert.deepEqual(ended.after, COOKED);
});

Deno.test(
  "raw mode returns each key, Ctrl-C included; an exit restores the terminal",
  options,
  async () => {
    using it = await setUp();
    const { output, code, after, failed } = await it.run(["keys"], [
      { expect: "raw" },
      { mode: [] },
      { send: "a" },
      { expect: "61 " },
      { send: "\x03\x1b[A\r" },
      { expect: "03 1b 5b 41 0d " },
      { send: "q" },
    ]);
    assert.equal(failed, null);
    assert.equal(code, 7);
    assert.match(output, /71 $/);
    assert.deepEqual(after, COOKED);
  },
);

Deno.test("a crash in raw mode restores the terminal before the report", options, async () => {
  using it = await setUp();
  const { output, code, after } = await it.run(["keys"], [{ expect: "raw" }, { send: "!" }]);
  assert.equal(code, 134);
  assert.match(output, /error: The plugin crashed: .*\r\n {2}at main /);
  assert.deepEqual(after, COOKED);
});

Deno.test("a killed plugin in raw mode leaves the terminal restored", {
  ...options,
  ignore: options.ignore || !binaryUnderTest(),
}, async () => {
  using it = await setUp();
  for (const what of ["keys", "spin"]) {
    for (const signal of ["TERM", "HUP", "INT", "KILL"] as const) {
      const outcome = await it.run([what], [{ expect: "raw" }, { mode: [] }, { signal }]);
      assert.deepEqual([outcome.failed, outcome.signal], [null, `SIG${signal}`], `${what} ${signal}`);
      assert.deepEqual(outcome.after, COOKED, `${what} ${signal}`);
    }
  }
});

Deno.test("Ctrl-C ends a plugin at once while it computes or reads a password", {
  ...options,
  ignore: options.ignore || !binaryUnderTest(),
}, async () => {
  using it = await setUp();
  const { signal, after } = await it.run(["password"], [
    { expect: "? " },
    { mode: ["isig"] },
    { send: "se\x03" },
  ]);
  assert.equal(signal, "SIGINT");
  assert.deepEqual(after, COOKED);
});

/** A component that reads a password: sets the mode, reads a line, resets the mode, and prints the line. */
const COMPONENT = `(component
  (import "wasi:io/error@0.2.0" (instance $error (export "error" (type (sub resource)))))
  (alias export $error "error" (type $error))
  (import "wasi:io/streams@0.2.0" (instance $streams
    (alias outer 1 $error (type $e)) (export "error" (type $err (eq $e)))
    (type $stream-error (variant (case "last-operation-failed" (own $err)) (case "closed")))
    (export "stream-error" (type $se (eq $stream-error)))
    (export "input-stream" (type $in (sub resource)))
    (export "output-stream" (type $out (sub resource)))
    (export "[method]input-stream.blocking-read"
      (func (param "self" (borrow $in)) (param "len" u64) (result (result (list u8) (error $se)))))
    (export "[method]output-stream.blocking-write-and-flush"
      (func (param "self" (borrow $out)) (param "contents" (list u8)) (result (result (error $se)))))))
  (alias export $streams "input-stream" (type $input))
  (alias export $streams "output-stream" (type $output))
  (import "wasi:cli/stdin@0.2.0" (instance $stdin
    (alias outer 1 $input (type $i)) (export "input-stream" (type $in (eq $i)))
    (export "get-stdin" (func (result (own $in))))))
  (import "wasi:cli/stdout@0.2.0" (instance $stdout
    (alias outer 1 $output (type $o)) (export "output-stream" (type $out (eq $o)))
    (export "get-stdout" (func (result (own $out))))))
  (import "krew-wasm:terminal/control@0.1.0" (instance $control
    (type $m (enum "line" "hidden" "raw")) (export "mode" (type $mode (eq $m)))
    (type $x (enum "not-a-terminal")) (export "error" (type $error (eq $x)))
    (export "set-mode" (func (param "mode" $mode) (result (result (error $error)))))))
  (core module $memory
    (memory (export "memory") 1)
    (global $free (mut i32) (i32.const 1024))
    (func (export "realloc") (param i32 i32 i32 i32) (result i32)
      (global.get $free) (global.set $free (i32.add (global.get $free) (local.get 3)))))
  (core instance $memory (instantiate $memory))
  (alias core export $memory "memory" (core memory $mem))
  (alias core export $memory "realloc" (core func $realloc))
  (core func $get-stdin (canon lower (func $stdin "get-stdin")))
  (core func $get-stdout (canon lower (func $stdout "get-stdout")))
  (core func $read (canon lower (func $streams "[method]input-stream.blocking-read") (memory $mem) (realloc $realloc)))
  (core func $write (canon lower (func $streams "[method]output-stream.blocking-write-and-flush") (memory $mem)))
  (core func $set-mode (canon lower (func $control "set-mode") (memory $mem)))
  (core module $main
    (import "h" "memory" (memory 1))
    (import "h" "get-stdin" (func $get-stdin (result i32)))
    (import "h" "get-stdout" (func $get-stdout (result i32)))
    (import "h" "read" (func $read (param i32 i64 i32)))
    (import "h" "write" (func $write (param i32 i32 i32 i32)))
    (import "h" "set-mode" (func $set-mode (param i32 i32)))
    (data (i32.const 0) "password? ")
    (func (export "run") (result i32) (local $out i32)
      (local.set $out (call $get-stdout))
      (call $write (local.get $out) (i32.const 0) (i32.const 10) (i32.const 64))
      (call $set-mode (i32.const 1) (i32.const 64))
      (if (i32.load8_u (i32.const 64)) (then (return (i32.const 1))))
      (call $read (call $get-stdin) (i64.const 100) (i32.const 64))
      (call $set-mode (i32.const 0) (i32.const 96))
      (call $write (local.get $out) (i32.load (i32.const 68)) (i32.load (i32.const 72)) (i32.const 96))
      (i32.const 0)))
  (core instance $main (instantiate $main (with "h" (instance
    (export "memory" (memory $mem)) (export "get-stdin" (func $get-stdin)) (export "get-stdout" (func $get-stdout))
    (export "read" (func $read)) (export "write" (func $write)) (export "set-mode" (func $set-mode))))))
  (func $run (result (result)) (canon lift (core func $main "run")))
  (instance $command (export "run" (func $run)))
  (export "wasi:cli/run@0.2.0" (instance $command)))`;

Deno.test("a component controls the terminal", options, async () => {
  using product = Product.make();
  const path = `${product.home}/password.wasm`;
  await Deno.writeFile(path, await wat(COMPONENT));
  const { output, code, after, failed } = await atTerminal([product.command, "run", path], [
    { expect: "password? " },
    { mode: ["isig"] },
    { send: "wro\x15secret\r" },
    { expect: "secret" },
  ], { env: product.env(), cwd: product.home });
  assert.equal(failed, null);
  assert.equal(output, "password? secret\r\n");
  assert.equal(code, 0);
  assert.deepEqual(after, COOKED);
  assert.equal((await product.run("run", path)).code, 1);
});

/** A component that waits only for a change of the terminal's size; fails unless it then is 100 columns. */
const RESIZED = `(component
  (import "wasi:io/error@0.2.0" (instance $error (export "error" (type (sub resource)))))
  (alias export $error "error" (type $error))
  (import "wasi:io/poll@0.2.0" (instance $poll
    (export "pollable" (type $p (sub resource)))
    (export "[method]pollable.block" (func (param "self" (borrow $p))))))
  (alias export $poll "pollable" (type $pollable))
  (import "wasi:io/streams@0.2.0" (instance $streams
    (alias outer 1 $error (type $e)) (export "error" (type $err (eq $e)))
    (type $stream-error (variant (case "last-operation-failed" (own $err)) (case "closed")))
    (export "stream-error" (type $se (eq $stream-error)))
    (export "output-stream" (type $out (sub resource)))
    (export "[method]output-stream.blocking-write-and-flush"
      (func (param "self" (borrow $out)) (param "contents" (list u8)) (result (result (error $se)))))))
  (alias export $streams "output-stream" (type $output))
  (import "wasi:cli/stdout@0.2.0" (instance $stdout
    (alias outer 1 $output (type $o)) (export "output-stream" (type $out (eq $o)))
    (export "get-stdout" (func (result (own $out))))))
  (import "krew-wasm:terminal/control@0.1.0" (instance $control
    (alias outer 1 $pollable (type $q)) (export "pollable" (type $p (eq $q)))
    (type $s (record (field "columns" u16) (field "rows" u16))) (export "size" (type $size (eq $s)))
    (type $x (enum "not-a-terminal")) (export "error" (type $error (eq $x)))
    (export "get-size" (func (result (result $size (error $error)))))
    (export "subscribe-size" (func (result (own $p))))))
  (core module $memory (memory (export "memory") 1))
  (core instance $memory (instantiate $memory))
  (alias core export $memory "memory" (core memory $mem))
  (core func $block (canon lower (func $poll "[method]pollable.block")))
  (core func $get-stdout (canon lower (func $stdout "get-stdout")))
  (core func $write (canon lower (func $streams "[method]output-stream.blocking-write-and-flush") (memory $mem)))
  (core func $get-size (canon lower (func $control "get-size") (memory $mem)))
  (core func $subscribe (canon lower (func $control "subscribe-size")))
  (core module $main
    (import "h" "memory" (memory 1))
    (import "h" "block" (func $block (param i32)))
    (import "h" "get-stdout" (func $get-stdout (result i32)))
    (import "h" "write" (func $write (param i32 i32 i32 i32)))
    (import "h" "get-size" (func $get-size (param i32)))
    (import "h" "subscribe" (func $subscribe (result i32)))
    (data (i32.const 0) "waiting")
    (func (export "run") (result i32) (local $changed i32)
      (call $get-size (i32.const 32))
      (local.set $changed (call $subscribe))
      (call $write (call $get-stdout) (i32.const 0) (i32.const 7) (i32.const 64))
      (call $block (local.get $changed))
      (call $get-size (i32.const 32))
      (i32.ne (i32.load16_u (i32.const 34)) (i32.const 100))))
  (core instance $main (instantiate $main (with "h" (instance
    (export "memory" (memory $mem)) (export "block" (func $block)) (export "get-stdout" (func $get-stdout))
    (export "write" (func $write)) (export "get-size" (func $get-size)) (export "subscribe" (func $subscribe))))))
  (func $run (result (result)) (canon lift (core func $main "run")))
  (instance $command (export "run" (func $run)))
  (export "wasi:cli/run@0.2.0" (instance $command)))`;

Deno.test(
  "a plugin may wait for the terminal to change its size, and for nothing else",
  options,
  async () => {
    using product = Product.make();
    const path = `${product.home}/resized.wasm`;
    await Deno.writeFile(path, await wat(RESIZED));
    const { output, code, failed } = await atTerminal([product.command, "run", path], [
      { expect: "waiting" },
      { resize: [100, 40] },
    ], { env: product.env(), cwd: product.home });
    assert.deepEqual([failed, output, code], [null, "waiting", 0]);
  },
);
