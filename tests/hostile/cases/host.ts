import assert from "node:assert/strict";
import { wat } from "../../support/components.ts";
import type { Case, Group } from "../case.ts";
import { runFile } from "./code.ts";

/** A module whose failure the host must report and survive. */
function module(tries: string, text: string, code: string, shown: string): Case {
  return {
    tries,
    async run(stage) {
      const { saw, text: said } = await runFile(stage, await wat(text));
      assert.match(said, /^error: /m);
      assert.doesNotMatch(said, /defect of krew-wasm|\.(ts|js):\d|\x1b/);
      return saw;
    },
    sees: code,
    shown,
  };
}

const MEMORY = '(memory (export "memory") 1)';

const POLL =
  '(import "wasi_snapshot_preview1" "poll_oneoff" (func $poll (param i32 i32 i32 i32) (result i32)))';

/** A component with handles of the terminal's pollable. */
function handles(body: string): string {
  return `(component
    (import "wasi:io/poll@0.2.0" (instance $poll
      (export "pollable" (type $p (sub resource)))
      (export "[method]pollable.block" (func (param "self" (borrow $p))))))
    (alias export $poll "pollable" (type $pollable))
    (import "krew-wasm:terminal/control@0.1.0" (instance $control
      (alias outer 1 $pollable (type $outer))
      (export "pollable" (type $p (eq $outer)))
      (export "subscribe-size" (func (result (own $p))))))
    (core func $subscribe (canon lower (func $control "subscribe-size")))
    (core func $block (canon lower (func $poll "[method]pollable.block")))
    (core func $drop (canon resource.drop $pollable))
    (core module $main
      (import "host" "subscribe" (func $subscribe (result i32)))
      (import "host" "block" (func $block (param i32)))
      (import "host" "drop" (func $drop (param i32)))
      (func (export "run") (result i32) ${body} (i32.const 0)))
    (core instance $host
      (export "subscribe" (func $subscribe)) (export "block" (func $block)) (export "drop" (func $drop)))
    (core instance $main (instantiate $main (with "host" (instance $host))))
    (func $run (result (result)) (canon lift (core func $main "run")))
    (instance $cli (export "run" (func $run)))
    (export "wasi:cli/run@0.2.0" (instance $cli)))`;
}

/** A component with 2 MiB of memory that calls its imports. */
function calling(imports: string, lowered: string, core: string, given: string, body: string): string {
  return `(component ${imports}
    (core module $libc (memory (export "memory") 32) (data (i32.const 8) "a")
      (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 1024)))
    (core instance $libc (instantiate $libc))
    (alias core export $libc "memory" (core memory $memory))
    (alias core export $libc "realloc" (core func $realloc))
    ${lowered}
    (core module $m (import "h" "memory" (memory 32)) ${core}
      (func (export "run") (result i32) (local $i i32) ${body} (i32.const 0)))
    (core instance $m (instantiate $m (with "h" (instance (export "memory" (memory $memory)) ${given}))))
    (func $run (result (result)) (canon lift (core func $m "run")))
    (instance $cli (export "run" (func $run)))
    (export "wasi:cli/run@0.2.0" (instance $cli)))`;
}

function randomBytes(length: string): string {
  return calling(
    `(import "wasi:random/insecure@0.2.0" (instance $random
      (export "get-insecure-random-bytes" (func (param "len" u64) (result (list u8))))))`,
    `(core func $get (canon lower (func $random "get-insecure-random-bytes") (memory $memory) (realloc $realloc)))`,
    `(import "h" "get" (func $get (param i64 i32)))`,
    `(export "get" (func $get))`,
    `(call $get (i64.const ${length}) (i32.const 16))`,
  );
}

const headers = (body: string) =>
  calling(
    `(import "wasi:http/types@0.2.0" (instance $http
      (type $e' (variant (case "invalid-syntax") (case "forbidden") (case "immutable")))
      (export "header-error" (type $e (eq $e'))) (export "fields" (type $f (sub resource)))
      (export "[constructor]fields" (func (result (own $f))))
      (export "[static]fields.from-list" (func
        (param "entries" (list (tuple string (list u8)))) (result (result (own $f) (error $e)))))
      (export "[method]fields.append" (func
        (param "self" (borrow $f)) (param "name" string) (param "value" (list u8)) (result (result (error $e)))))))`,
    `(core func $make (canon lower (func $http "[constructor]fields")))
     (core func $list (canon lower (func $http "[static]fields.from-list") (memory $memory)))
     (core func $append (canon lower (func $http "[method]fields.append") (memory $memory)))`,
    `(import "h" "make" (func $make (result i32))) (import "h" "list" (func $list (param i32 i32 i32)))
     (import "h" "append" (func $append (param i32 i32 i32 i32 i32 i32)))`,
    `(export "make" (func $make)) (export "list" (func $list)) (export "append" (func $append))`,
    body,
  );

/** Exhausting resources, and crashing the host. */
export const HOST: Group = {
  title: "the host itself",
  cases: [
    {
      tries: "call every function of preview1 with odd arguments, thousands of times",
      attack: ["odd", "", ",", "print", "alive"],
      component: false,
      sees: "all calls returned; alive",
    },
    {
      tries: "the same with a granted directory",
      granted: "--allow-read=$WORK",
      attack: ["odd", "", ",", "print", "alive"],
      component: false,
      sees: "all calls returned; alive",
    },
    {
      tries: "read outside of its memory",
      attack: [
        "odd",
        "fd_write",
        ",",
        "odd",
        "random_get",
        ",",
        "odd",
        "fd_readdir",
        ",",
        "odd",
        "poll_oneoff",
      ],
      component: false,
      sees: "all calls returned; all calls returned; all calls returned; all calls returned",
      shown: "an error",
    },
    {
      tries: "recurse without end",
      attack: ["recurse"],
      code: 134,
      sees: "",
      shown: "ended, exit code 134",
    },
    {
      tries: "take more memory than it may",
      granted: "--max-memory=16Mi",
      attack: ["memory", "64", ",", "print", "alive"],
      code: 134,
      sees: "",
      shown: "ended, exit code 134, the limit named",
    },
    {
      tries: "use up the descriptors",
      attack: ["descriptors", "$OWN/tmp/f", ",", "print", "alive"],
      component: "ENOMEM after many, then ok; alive",
      sees: "EMFILE after many, then ok; alive",
    },
    {
      tries: "fill the disk",
      async run(stage) {
        // The shell's limit on file sizes stands for a full disk.
        const { stdout } = await stage.product.shell(
          `ulimit -f 256; trap '' XFSZ; kubectl-attack fill ${stage.own("preview1")}/tmp/f , print alive`,
        );
        return stdout.trim().replaceAll("\n", "; ");
      },
      sees: "EFBIG; alive",
      shown: "an error, and continues",
    },
    {
      tries: "write beyond any file size, and create a file of exabytes",
      attack: [
        "far",
        "$OWN/tmp/f",
        ",",
        "truncate",
        "$OWN/tmp/f",
        "9223372036854775807",
        ",",
        "print",
        "alive",
      ],
      sees: "EFBIG; EFBIG; alive",
      component: "EFBIG; EFBIG; alive",
      shown: "an error, and continues",
    },
    {
      tries: "pass endless paths",
      attack: [
        "read",
        `$OWN/${"a/".repeat(3000)}x`,
        ",",
        "mkdir",
        `$OWN/${"x".repeat(300)}`,
        ",",
        "read",
        `$OWN/${"../".repeat(1500)}etc/passwd`,
      ],
      sees: "ENAMETOOLONG; ENAMETOOLONG; ENAMETOOLONG",
      shown: "an error",
    },
    {
      tries: "hide a crash report behind escape sequences",
      async run(stage) {
        const { saw, text } = await runFile(
          stage,
          await wat(
            `(module ${MEMORY} (func (@name "\\1b[2J\\1b[1;1Hall is well\\0d\\0a") (export "_start") unreachable))`,
          ),
        );
        assert.doesNotMatch(text, /\x1b|\r/);
        assert.match(text, /crashed/);
        return saw;
      },
      sees: "134",
      shown: "a report, exit code 134, its name escaped",
    },
    module(
      "declare more memory than allowed",
      `(module (memory (export "memory") 65536) (func (export "_start") (drop (i32.load8_u (i32.const -1))) (drop (memory.grow (i32.const 65536))) unreachable))`,
      "134",
      "what wasm32 can address, then it crashes by itself: 134",
    ),
    {
      tries: "use memory that --max-memory does not count: WebAssembly objects",
      granted: "--max-memory=16Mi",
      async run(stage) {
        const objects = `(module ${MEMORY} (type $a (array (mut i64)))
          (type $l (struct (field (ref null $a)) (field (ref null $l)))) (global $g (mut (ref null $l)) (ref.null $l))
          (func (export "_start") (loop $again (global.set $g
            (struct.new $l (array.new_default $a (i32.const 1000000)) (global.get $g))) (br $again))))`;
        const { saw, text } = await runFile(stage, await wat(objects), ["--max-memory=16Mi"]);
        assert.match(text, /can't be held to a limit of 16 MiB/);
        return saw;
      },
      sees: "125",
      shown: "refused with that flag, exit code 125",
    },
    {
      tries: "use memory that --max-memory does not count: linked exceptions",
      granted: "--max-memory=16Mi",
      async run(stage) {
        const exceptions =
          `(module ${MEMORY} (tag $e (param exnref i64)) (global $g (mut exnref) (ref.null exn))
          (func (export "_start") (loop $again (global.set $g (block $caught (result exnref)
            (try_table (catch_all_ref $caught) (throw $e (global.get $g) (i64.const 42))) unreachable)) (br $again))))`;
        const { saw, text } = await runFile(stage, await wat(exceptions), ["--max-memory=16Mi"]);
        assert.match(text, /can't be held to a limit of 16 MiB/);
        return saw;
      },
      sees: "125",
      shown: "refused with that flag, exit code 125",
    },
    module(
      "use memory that --max-memory does not count: tables of millions",
      `(module ${"(table 10000000 funcref)".repeat(20)} ${MEMORY} (func (export "_start")))`,
      "125",
      "refused, exit code 125",
    ),
    {
      tries: "the same with table.grow",
      granted: "--max-memory=16Mi",
      async run(stage) {
        const grows =
          `(module (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32))) ${MEMORY}
          (table $t 0 funcref) (func (export "_start")
            (call $exit (i32.and (i32.const 7) (table.grow $t (ref.null func) (i32.const 10000000))))))`;
        return (await runFile(stage, await wat(grows), ["--max-memory=16Mi"])).saw;
      },
      sees: "7",
      shown: "-1: no more room",
    },
    module(
      "unfold into gigabytes when compiled: nested instances, 2^30 in 2 KB",
      `(component $root (component $c0 (core module $m (func (export "f"))) (core instance (instantiate $m)))
        ${
        Array.from(
          { length: 30 },
          (_, at) =>
            `(component $c${
              at + 1
            } (alias outer $root $c${at} (component $x)) (instance (instantiate $x)) (instance (instantiate $x)))`,
        ).join(" ")
      }
        (instance (instantiate $c30))
        (core module $main (func (export "run") (result i32) (i32.const 0)))
        (core instance $main (instantiate $main))
        (func $run (result (result)) (canon lift (core func $main "run")))
        (instance $cli (export "run" (func $run))) (export "wasi:cli/run@0.2.0" (instance $cli)))`,
      "125",
      "refused, exit code 125",
    ),
    {
      tries: "take minutes to parse: twenty million empty sections",
      async run(stage) {
        const bytes = new Uint8Array(60_000_008).map((_, index) => (index - 8) % 3 === 1 ? 1 : 0);
        bytes.set([0, 0x61, 0x73, 0x6d, 1, 0, 0, 0]);
        const { saw, text } = await runFile(stage, bytes);
        assert.match(text, /more than 100000 sections/);
        return saw;
      },
      sees: "125",
      shown: "refused, exit code 125",
    },
    module(
      "run before its main function: a start function that never ends",
      `(module ${MEMORY} (func $f call $f) (start $f) (func (export "_start")))`,
      "134",
      "ended, exit code 134",
    ),
    module(
      "import an internal name of the host",
      `(module (import "Deno" "exit" (func (param i32))) ${MEMORY} (func (export "_start")))`,
      "125",
      "refused, exit code 125",
    ),
    module(
      "import a property of every JavaScript object",
      `(module (import "wasi_snapshot_preview1" "constructor" (func)) (import "wasi_snapshot_preview1" "__proto__" (func)) ${MEMORY} (func (export "_start") call 0))`,
      "125",
      "refused, exit code 125",
    ),
    module(
      "write outside of its memory at its start",
      `(module ${MEMORY} (data (i32.const 70000) "x") (func (export "_start")))`,
      "134",
      "ended, exit code 134",
    ),
    module(
      "export something else as its memory",
      `(module (global (export "memory") i32 (i32.const 0)) (func (export "_start")))`,
      "125",
      "refused, exit code 125",
    ),
    module(
      "declare the host's functions with wrong types",
      `(module (import "wasi_snapshot_preview1" "fd_write" (func (param externref i64 f64) (result i64))) ${MEMORY} (func (export "_start")))`,
      "125",
      "refused, exit code 125",
    ),
    module(
      "declare parameters of its main function",
      `(module ${MEMORY} (func (export "_start") (param i64 externref)))`,
      "125",
      "refused, exit code 125",
    ),
    module(
      "share its memory with threads, to change what the host reads of it",
      `(module (memory (export "memory") 1 2 shared) (func (export "_start")))`,
      "125",
      "refused, exit code 125",
    ),
    module(
      "wait in a start function, before its main function",
      `(module ${POLL} ${MEMORY} (func $s (drop (call $poll (i32.const 0) (i32.const 64) (i32.const 1) (i32.const 128)))) (start $s) (func (export "_start")))`,
      "125",
      "ended, exit code 125",
    ),
    {
      tries: "make the host write to its memory before it exists, in a start function",
      run: async (stage) =>
        (await runFile(
          stage,
          await wat(
            `(module (import "wasi_snapshot_preview1" "random_get" (func $random (param i32 i32) (result i32)))
            (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
            (global $got (mut i32) (i32.const 0)) ${MEMORY}
            (func $s (global.set $got (call $random (i32.const 0) (i32.const 8)))) (start $s)
            (func (export "_start") (call $exit (global.get $got))))`,
          ),
        )).saw,
      sees: "29",
      shown: "EIO",
    },
    {
      tries: "run on after exit, by catching the exception",
      async run(stage) {
        const { saw, text } = await runFile(
          stage,
          await wat(`(module (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32))) ${MEMORY}
            (func (export "_start") (block $caught (try_table (catch_all $caught) (call $exit (i32.const 3))))))`),
        );
        return saw + text;
      },
      sees: "3",
      shown: "the exit code of its exit",
    },
    module(
      "use a resource by a handle that it was never given",
      handles("(call $block (i32.const 7))"),
      "134",
      "ended, exit code 134",
    ),
    module(
      "use a resource after it dropped it",
      handles(
        "(local $p i32) (local.set $p (call $subscribe)) (call $drop (local.get $p)) (call $block (local.get $p))",
      ),
      "134",
      "ended, exit code 134",
    ),
    module(
      "drop a handle beyond all of its resources, to get more than the limit",
      handles(
        `(local $i i32) (loop $again
          (call $drop (i32.add (i32.const 1000000) (local.get $i))) (drop (call $subscribe))
          (br_if $again (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 2000000))))`,
      ),
      "134",
      "ended, exit code 134",
    ),
    module(
      "drop a resource by a larger number with the same lower bits",
      handles("(call $drop (i32.or (call $subscribe) (i32.const 0x40000000)))"),
      "134",
      "ended, exit code 134",
    ),
    module(
      "use a resource by a negative number",
      handles("(call $block (i32.or (call $subscribe) (i32.const 0x80000000)))"),
      "134",
      "ended, exit code 134",
    ),
    module(
      "hold more resources than it may",
      handles("(loop $again (drop (call $subscribe)) (br $again))"),
      "134",
      "ended, exit code 134, the number named",
    ),
    module(
      "request a gigabyte of random bytes",
      randomBytes("0x3fffffff"),
      "134",
      "ended, exit code 134",
    ),
    module("request 2^64 - 1 random bytes", randomBytes("-1"), "134", "ended, exit code 134"),
    module(
      "pass the same megabyte 60,000 times in one list",
      headers(
        `(loop $again
          (i32.store (i32.add (i32.const 65536) (i32.shl (local.get $i) (i32.const 4))) (i32.const 8))
          (i32.store offset=4 (i32.add (i32.const 65536) (i32.shl (local.get $i) (i32.const 4))) (i32.const 1))
          (i32.store offset=8 (i32.add (i32.const 65536) (i32.shl (local.get $i) (i32.const 4))) (i32.const 1048576))
          (i32.store offset=12 (i32.add (i32.const 65536) (i32.shl (local.get $i) (i32.const 4))) (i32.const 1048576))
          (br_if $again (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 60000))))
        (call $list (i32.const 65536) (i32.const 60000) (i32.const 16))`,
      ),
      "134",
      "ended, exit code 134",
    ),
    module(
      "leave a thousand megabytes of headers with the host",
      headers(
        `(memory.fill (i32.const 1048576) (i32.const 97) (i32.const 1000000))
        (loop $again
          (call $append (call $make) (i32.const 8) (i32.const 1) (i32.const 1048576) (i32.const 1000000) (i32.const 16))
          (br_if $again (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 1000))))`,
      ),
      "134",
      "ended, exit code 134",
    ),
    module(
      "drop a resource twice",
      handles(
        "(local $p i32) (local.set $p (call $subscribe)) (call $drop (local.get $p)) (call $drop (local.get $p))",
      ),
      "134",
      "ended, exit code 134",
    ),
  ],
};
