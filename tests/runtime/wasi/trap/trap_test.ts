import assert from "node:assert/strict";
import type { AppError } from "../../../../runtime/base/errors.ts";
import { runComponent } from "../../../../runtime/run/component.ts";
import { runPreview1 } from "../../../../runtime/wasi/p1/preview1.ts";
import { describeTrap, reportTrap } from "../../../../runtime/wasi/trap/trap.ts";
import { componentOf, programOf, testSandbox, wat } from "../../../support/components.ts";

// jco starts timers when it is first imported, and its output leaves timers of 10 ms behind.
const jcoLeaves = { sanitizeOps: false, sanitizeResources: false };

// As run.ts sets it before a plugin runs.
Error.stackTraceLimit = 64;

/** The report of a module's trap, alone or in a component. */
async function reportOf(text: string, asComponent = false, verbose = false): Promise<string> {
  const module = await wat(text);
  const program = await programOf(asComponent ? await componentOf(module) : module);
  try {
    if (asComponent) await runComponent(program, testSandbox());
    else await runPreview1(new WebAssembly.Module(await program.read("plugin.wasm")), testSandbox());
  } catch (error) {
    const trap = describeTrap(error);
    assert.ok(trap, String(error));
    return (await reportTrap(trap, program.read, verbose)).message;
  }
  throw new Error("It did not trap");
}

const module = (body: string, more = "") =>
  `(module (memory (export "memory") 1) ${more}
    (func $crash_here ${body})
    (func $"core::fn::<impl X for Y>::call" call $crash_here)
    (func $main (export "_start") call $"core::fn::<impl X for Y>::call"))`;

Deno.test("describeTrap() describes the engine's errors and no others", () => {
  const of = (message: string) => describeTrap(new WebAssembly.RuntimeError(message))?.what;
  assert.match(of("unreachable")!, /abort or panic/);
  assert.equal(of("whatever \x1b[31mcomes"), "whatever \\x1b[31mcomes");
  assert.match(describeTrap(new RangeError("Maximum call stack size exceeded"))!.what, /call stack/);
  const noRoom = new SyntaxError("Invalid regular expression: /a/: Stack overflow");
  assert.match(describeTrap(noRoom)!.what, /call stack/);
  assert.equal(
    describeTrap(new SyntaxError("Invalid regular expression: /(/: Unterminated group")),
    undefined,
  );
  assert.equal(describeTrap(new Error("unreachable")), undefined);
});

Deno.test("a trap's report has function names, for modules and components", jcoLeaves, async () => {
  const cases = [
    ["unreachable", /abort or panic/],
    ["(drop (i32.load (i32.const -1)))", /out of bounds/],
    ["(drop (i32.div_u (i32.const 1) (i32.const 0)))", /divided/],
    ["(drop (i32.trunc_f32_s (f32.const nan)))", /float/],
  ] as const;
  for (const [body, words] of cases) {
    for (const asComponent of [false, true]) {
      const report = await reportOf(module(body), asComponent);
      assert.match(report, words);
      assert.match(
        report,
        /\n {2}at crash_here \([^)]*0x[0-9a-f]+\)\n {2}at core::fn::<impl X for Y>::call \([^)]*\)\n {2}at main \(/,
        body,
      );
      assert.doesNotMatch(report, /\.[jt]s:|function \?/);
    }
  }
});

Deno.test("an endless recursion is one line", jcoLeaves, async () => {
  for (const asComponent of [false, true]) {
    const report = await reportOf(module("call $crash_here"), asComponent);
    assert.match(report, /call stack overflowed\n {2}at crash_here \([^)]*\), \d+ times$/);
  }
});

Deno.test("an uncaught exception is reported as such", jcoLeaves, async () => {
  assert.match(await reportOf(module("(throw $t)", "(tag $t)")), /exception that nothing caught/);
});

Deno.test("a deep stack is cut to its innermost frames, unless -v is given", jcoLeaves, async () => {
  const depth = 40;
  const functions = Array.from(
    { length: depth },
    (_, index) => `(func $f${index} ${index === 0 ? "unreachable" : `call $f${index - 1}`})`,
  );
  const text = `(module (memory (export "memory") 1) ${functions.join("\n")}
    (func $main (export "_start") call $f${depth - 1}))`;
  const short = await reportOf(text);
  assert.match(short, /at f11 \(.*\)\n {2}… 29 more, with -v$/);
  assert.match(await reportOf(text, false, true), /at f39 .*\n {2}at main [^\n]*$/);
});

Deno.test("a module without names shows function indexes", jcoLeaves, async () => {
  const report = await reportOf(`(module (import "wasi_snapshot_preview1" "sched_yield" (func (result i32)))
    (memory (export "memory") 1) (func unreachable) (func (export "_start") call 1))`);
  assert.match(report, /at function 1 \(0x[0-9a-f]+\)\n {2}at function 2 \(/);
});

Deno.test("an unreadable module does not prevent the report", jcoLeaves, async () => {
  const trap = describeTrap(new WebAssembly.RuntimeError("unreachable"))!;
  const report: AppError = await reportTrap(
    { ...trap, frames: [{ module: "plugin.wasm", offset: 3 }] },
    () => Promise.reject(new Error("gone")),
    false,
  );
  assert.match(report.message, /at function \? \(0x3\)$/);
  assert.equal(report.code, "PLUGIN_TRAPPED");
});
