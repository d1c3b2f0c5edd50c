import assert from "node:assert/strict";
import { compilePlugin } from "../../../registry/compile/compile.ts";
import { componentScript } from "../../../registry/compile/rewrite_jco_output.ts";
import { runBytes, testSandbox, wat } from "../../support/components.ts";

// jco starts timers when it is first imported, and its output leaves timers of 10 ms behind.
const jcoLeaves = { sanitizeOps: false, sanitizeResources: false };

Deno.test("compilePlugin() removes jco's debugging code and module syntax", jcoLeaves, async () => {
  const { files } = await compilePlugin(
    await wat(`(component
      (import "wasi:cli/exit@0.2.0" (instance $e (export "exit-with-code" (func (param "status-code" u8)))))
      (core func $f (canon lower (func $e "exit-with-code")))
      (core module $m
        (import "h" "f" (func $f (param i32))) (func (export "run") (result i32) i32.const 0 call $f i32.const 0))
      (core instance $i (instantiate $m (with "h" (instance (export "f" (func $f))))))
      (func $run (result (result)) (canon lift (core func $i "run")))
      (instance $command (export "run" (func $run)))
      (export "wasi:cli/run@0.2.0" (instance $command)))`),
  );
  const script = new TextDecoder().decode(files.find(({ name }) => name === "plugin.js")!.bytes);
  assert.doesNotMatch(
    script,
    /JCO_DEBUG|createNewCurrentTask|AsyncTask|process\.env|import\.meta|\bDeno\b|^export /m,
  );
});

Deno.test("componentScript() refuses output with an unknown form", () => {
  const known = `"use components";\nexport function instantiate(a) {\n  const _debugLog = (...args) => {\n` +
    `    if (!globalThis?.process?.env?.JCO_DEBUG) { return; }\n    console.debug(...args);\n  };\n` +
    `    if (message !== undefined) { err.message = message; }\nconst module0 = getCoreModule('plugin.core.wasm');\n` +
    `let gen= (function* _initGenerator () {\n})();\n}\nexport const _util = {\n  \n}\n`;
  assert.match(
    componentScript(known, "wasi:cli/run@0.2.0", []),
    /^"use strict";\nconst instantiate = \(function instantiate\(a\)/,
  );
  for (
    const changed of [
      known.replace("instantiate", "init"),
      known.replace("JCO_DEBUG", "JCO_TRACE"),
      known.replace("err.message", "e.message"),
      known.replace("console.debug(...args);", "if (process.env.JCO_DEBUG) {}"),
      known.replace("const module0", "import.meta.url;\nconst module0"),
      known.replace("const module0", "import('x');\nconst module0"),
      known.replace("_initGenerator", "_init"),
      `import x from "x";\n${known}`,
      known.replace("export const _util", "export const x = 1;\nexport const _util"),
    ]
  ) {
    assert.throws(() => componentScript(changed, "wasi:cli/run@0.2.0", []), { code: "INTERNAL" }, changed);
  }
});

/** A command that holds pollables. `body` may call `$subscribe` (returns a handle) and `$drop`. */
function holding(body: string) {
  return wat(`(component
    (import "wasi:io/poll@0.2.0" (instance $poll
      (export "pollable" (type $pollable (sub resource)))
      (export "[method]pollable.ready" (func (param "self" (borrow $pollable)) (result bool)))))
    (alias export $poll "pollable" (type $pollable))
    (import "wasi:clocks/monotonic-clock@0.2.0" (instance $clock
      (alias outer 1 $pollable (type $p)) (export "pollable" (type (eq $p)))
      (export "subscribe-duration" (func (param "when" u64) (result (own $p))))))
    (core func $subscribe (canon lower (func $clock "subscribe-duration")))
    (core func $ready (canon lower (func $poll "[method]pollable.ready")))
    (core func $drop (canon resource.drop $pollable))
    (core module $m
      (import "h" "subscribe" (func $subscribe (param i64) (result i32)))
      (import "h" "ready" (func $ready (param i32) (result i32)))
      (import "h" "drop" (func $drop (param i32)))
      (func (export "run") (result i32) (local $i i32) (local $handle i32) ${body} i32.const 0))
    (core instance $i (instantiate $m (with "h" (instance
      (export "subscribe" (func $subscribe)) (export "ready" (func $ready)) (export "drop" (func $drop))))))
    (func $run (result (result)) (canon lift (core func $i "run")))
    (instance $command (export "run" (func $run)))
    (export "wasi:cli/run@0.2.0" (instance $command)))`);
}

const MANY = 100_000;

Deno.test("a component that drops its resources may take any number of them", jcoLeaves, async () => {
  const bytes = await holding(`(loop $again
    (call $drop (call $subscribe (i64.const 1000000000000)))
    (br_if $again (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const ${MANY}))))`);
  const program = await compilePlugin(bytes);
  assert.equal(program.kind, "component");
  assert.equal(await runBytes(bytes, testSandbox()), 0);
});

Deno.test(
  "using or dropping an unknown, dropped or foreign handle traps",
  jcoLeaves,
  async () => {
    const subscribe = "(local.set $handle (call $subscribe (i64.const 0)))";
    const uses = (handle: string) => [`(drop (call $ready ${handle}))`, `(call $drop ${handle})`];
    for (
      const body of [
        // 0, beyond the table, far beyond, negative
        ...[0, 1, 2, 7, 1_000_000, 2 ** 29, 2 ** 30, 2 ** 31 - 1, -1, -(2 ** 31)].flatMap((handle) =>
          uses(`(i32.const ${handle})`)
        ),
        // another number with the same table index
        ...[0x40000000, 0x80000000, 0xc0000000].flatMap((bit) =>
          uses(`(i32.or (local.get $handle) (i32.const ${bit}))`).map((use) => subscribe + use)
        ),
        // after the drop, when no resource has the number
        ...uses("(local.get $handle)").map((use) => `${subscribe} (call $drop (local.get $handle)) ${use}`),
        // the second of three, dropped twice in another order
        `(drop (call $subscribe (i64.const 0))) ${subscribe} (drop (call $subscribe (i64.const 0)))
       (call $drop (local.get $handle)) (call $drop (i32.const 1)) (call $drop (local.get $handle))`,
      ]
    ) {
      await assert.rejects(
        async () => await runBytes(await holding(body), testSandbox()),
        (error) => error instanceof WebAssembly.RuntimeError && /unknown handle/.test(error.message),
        body,
      );
    }
  },
);

Deno.test("reuses the numbers of dropped handles, each once", jcoLeaves, async () => {
  const bytes = await holding(`(local.set $handle (call $subscribe (i64.const 0)))
    (if (i32.ne (call $subscribe (i64.const 0)) (i32.const 2)) (then unreachable))
    (call $drop (local.get $handle))
    (call $drop (i32.const 2))
    (if (i32.ne (call $subscribe (i64.const 0)) (i32.const 2)) (then unreachable))
    (if (i32.ne (call $subscribe (i64.const 0)) (i32.const 1)) (then unreachable))
    (if (i32.ne (call $subscribe (i64.const 0)) (i32.const 3)) (then unreachable))
    (if (i32.eqz (call $ready (i32.const 1))) (then unreachable))`);
  assert.equal(await runBytes(bytes, testSandbox()), 0);
});

Deno.test("stores an empty string where the component allocates it", jcoLeaves, async () => {
  const bytes = await wat(`(component
    (import "wasi:cli/environment@0.2.0" (instance $e (export "get-arguments" (func (result (list string))))))
    (core module $memory
      (memory (export "memory") 1)
      (global $next (mut i32) (i32.const 64))
      (func (export "realloc") (param i32 i32 i32 i32) (result i32)
        (global.get $next)
        (global.set $next (i32.add (global.get $next) (local.get 3)))))
    (core instance $memory (instantiate $memory))
    (alias core export $memory "memory" (core memory $mem))
    (alias core export $memory "realloc" (core func $realloc))
    (core func $arguments
      (canon lower (func $e "get-arguments") (memory $mem) (realloc (core func $realloc))))
    (core module $m
      (import "h" "arguments" (func $arguments (param i32)))
      (import "h" "memory" (memory 1))
      (func (export "run") (result i32)
        (call $arguments (i32.const 8))
        ;; the list, 16 bytes, is at 64, its strings follow: 1 where the second is anywhere else
        (i32.ne (i32.load (i32.add (i32.load (i32.const 8)) (i32.const 8))) (i32.const 86))))
    (core instance $i (instantiate $m (with "h" (instance
      (export "arguments" (func $arguments)) (export "memory" (memory $mem))))))
    (func $run (result (result)) (canon lift (core func $i "run")))
    (instance $command (export "run" (func $run)))
    (export "wasi:cli/run@0.2.0" (instance $command)))`);
  assert.equal(await runBytes(bytes, testSandbox({ args: ["plugin", ""] })), 0);
});
