/** `pull` refuses modules for other hosts and explains how to build them for WASI. */

import assert from "node:assert/strict";
import { AppError } from "../../../runtime/base/errors.ts";
import { compilePlugin } from "../../../registry/compile/compile.ts";
import { isHostFunction } from "../../../registry/compile/function_types.ts";
import { VERSIONS } from "../../../runtime/wasi/p1/abi.ts";
import { Preview1 } from "../../../runtime/wasi/p1/preview1.ts";
import { runBytes, testSandbox, wat } from "../../support/components.ts";

// jco starts timers when it is first imported, and its output leaves timers of 10 ms behind.
const jcoLeaves = { sanitizeOps: false, sanitizeResources: false };

const MEMORY = `(memory (export "memory") 1)`;
const START = `(func (export "_start"))`;

Deno.test("refuses a module for another host and explains how to build it for WASI", jcoLeaves, async () => {
  const cases: [text: string, message: RegExp, hint: RegExp][] = [
    [`(import "wbg" "__wbg_log" (func)) ${MEMORY} ${START}`, /"__wbg_log" of "wbg"/, /wasm-bindgen.*wasip1/],
    [`(import "./x_bg.js" "f" (func)) ${MEMORY} ${START}`, /"\.\/x_bg\.js"/, /wasm-bindgen/],
    [`(import "gojs" "runtime.wasmExit" (func (param i32)))`, /runtime\.wasmExit/, /GOOS=wasip1/],
    [`(import "wasi" "thread-spawn" (func)) ${MEMORY} ${START}`, /thread-spawn/, /no threads/],
    [`(import "wasix_32v1" "fd_dup" (func)) ${MEMORY} ${START}`, /wasix_32v1/, /WASIX/],
    [`(import "env" "emscripten_memcpy_js" (func)) ${MEMORY} ${START}`, /emscripten/, /STANDALONE_WASM/],
    [`(import "env" "curl_easy_init" (func)) ${MEMORY} ${START}`, /curl_easy_init/, /unresolved symbols/],
    [`(import "env" "memory" (memory 1)) (export "memory" (memory 0)) ${START}`, /"memory"/, /import-memory/],
    [
      `(import "wasi_snapshot_preview1" "sock_teleport" (func)) ${MEMORY} ${START}`,
      /sock_teleport/,
      /no such function/,
    ],
    [`(import "wasi_ephemeral_nn" "load" (func)) ${MEMORY} ${START}`, /wasi_ephemeral_nn/, /command/],
    [`${MEMORY} (func (export "add"))`, /exports no _start$/, /not|no host/],
    [START, /exports no memory$/, /build it for WASI/],
    [`(func (export "f"))`, /exports no _start and no memory$/, /wasm32-unknown-unknown/],
    [
      `(import "wasi_snapshot_preview1" "proc_exit" (func (param i32))) ${MEMORY}`,
      /no _start$/,
      /main function/,
    ],
    [`${MEMORY} (func (export "_initialize"))`, /is a reactor/, /mexec-model/],
    [`(memory (export "memory") i64 1) ${START}`, /addresses of 64 bits/, /wasm32/],
    [
      `${MEMORY} (memory i64 1) (func (export "_start") (drop (memory.grow 1 (i64.const 1))))`,
      /64 bits/,
      /wasm32/,
    ],
    [`(memory (export "memory") 1 2 shared) ${START}`, /threads share/, /no threads/],
    [
      `(import "env" "memory" (memory 1 2 shared)) (export "memory" (memory 0)) ${START}`,
      /threads share/,
      /-pthread/,
    ],
  ];
  for (const [text, message, hint] of cases) {
    await assert.rejects(compilePlugin(await wat(`(module ${text})`)), (error) => {
      assert.ok(error instanceof AppError, text);
      assert.equal(error.code, "PLUGIN_UNSUPPORTED", text);
      assert.match(error.message, message, text);
      assert.match(error.hint ?? "", hint, text);
      return true;
    });
  }
});

Deno.test("says that the engine may lack a feature it does not know", jcoLeaves, async () => {
  for (
    const text of [
      `${MEMORY} (type $f (func)) (type $c (cont $f)) (func $g) (elem declare func $g)
        (func (export "_start") (drop (cont.new $c (ref.func $g))))`,
      `(memory (export "memory") 1 (pagesize 1)) ${START}`,
    ]
  ) {
    await assert.rejects(compilePlugin(await wat(`(module ${text})`)), (error) => {
      assert.ok(error instanceof AppError && error.code === "WASM_INVALID");
      assert.match(error.hint ?? "", /this engine, V8 \d+\.\d+, knows$/);
      assert.doesNotMatch(error.message, /WebAssembly\.Module\(\)/);
      return true;
    });
  }
});

Deno.test("accepts the newer WebAssembly features that the engine has", jcoLeaves, async () => {
  const cases: Record<string, string> = {
    simd: `(func (export "_start") (drop (i32x4.add (v128.const i32x4 1 2 3 4) (v128.const i32x4 1 2 3 4))))`,
    "relaxed simd": `(func (export "_start") (drop (f32x4.relaxed_madd
      (v128.const i32x4 1 2 3 4) (v128.const i32x4 1 2 3 4) (v128.const i32x4 1 2 3 4))))`,
    "tail calls": `(func $f) (func (export "_start") return_call $f)`,
    exceptions: `(tag $t) (func (export "_start") (block $h (try_table (catch $t $h) (throw $t))))`,
    "exceptions as they were": `(tag $t) (func (export "_start") try throw $t catch $t end)`,
    "several memories": `(memory 1) (func (export "_start") (i32.store 1 (i32.const 0) (i32.const 0)))`,
    gc: `(type $s (struct (field i32))) (func (export "_start") (drop (struct.new $s (i32.const 1))))`,
    "several values":
      `(func $f (result i32 i32) i32.const 1 i32.const 2) (func (export "_start") call $f drop drop)`,
    "longer constant expressions": `(global i32 (i32.add (i32.const 1) (i32.const 2))) ${START}`,
  };
  for (const [what, text] of Object.entries(cases)) {
    const sandbox = testSandbox();
    assert.equal(await runBytes(await wat(`(module ${MEMORY} ${text})`), sandbox), 0, what);
  }
});

Deno.test("pull knows exactly the preview1 functions that a run provides", () => {
  const sandbox = testSandbox();
  const guest = { bytes: () => new Uint8Array(), view: () => new DataView(new ArrayBuffer(0)), exports: {} };
  const host = new Preview1(sandbox, guest, undefined);
  const names = Object.keys(host.imports(VERSIONS.wasi_snapshot_preview1!));
  assert.equal(names.length, 46);
  assert.deepEqual(names.filter((name) => !isHostFunction("wasi_snapshot_preview1", name)), []);
});
