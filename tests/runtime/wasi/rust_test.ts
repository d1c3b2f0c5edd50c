/** tests/fixtures/rust.rs, a program with only Rust's standard library, as a module and as a component. */

import assert from "node:assert/strict";
import { buildFixture } from "../../../scripts/fixtures.ts";
import { describeTrap, reportTrap } from "../../../runtime/wasi/trap/trap.ts";
import { componentOf, programOf, runProgram, sourceOf, testSandbox } from "../../support/components.ts";
import { rustMissing } from "../../support/product.ts";
import type { Program } from "../../../runtime/run/run.ts";
import { temporaryDirectory } from "../../support/temporary.ts";

const options = {
  ignore: rustMissing(),
  // jco leaves timers of 10 ms behind.
  sanitizeOps: false,
  sanitizeResources: false,
};

let programs: Promise<Record<string, Program>> | undefined;

/** The program in both forms. */
function forms(): Promise<Record<string, Program>> {
  return programs ??= (async () => {
    const module = await Deno.readFile(await buildFixture("rust"));
    return { module: await programOf(module), component: await programOf(await componentOf(module)) };
  })();
}

/** Runs both forms; output and exit code must be the same. */
async function run(
  args: readonly string[],
  given: Parameters<typeof testSandbox>[0] = {},
): Promise<{ code: number; stdout: string; stderr: string }> {
  const outcomes = [];
  for (const program of Object.values(await forms())) {
    const sandbox = testSandbox({ args: ["rust", ...args], ...given });
    const code = await runProgram(program, sandbox);
    outcomes.push({ code, stdout: sandbox.stdout.text(), stderr: sandbox.stderr.text() });
  }
  const [first, second] = outcomes;
  assert.deepEqual(second, first);
  return first!;
}

Deno.test("a Rust program sees files as Rust expects", options, async () => {
  const host = temporaryDirectory();
  try {
    const files = { mounts: [{ guest: ".", host, write: true }] };
    const { code, stdout, stderr } = await run(["files"], { files });
    assert.equal(stderr, "");
    assert.match(stdout, /^\d{2} checks held, 0 did not\n$/);
    assert.equal(code, 0);
    assert.deepEqual([...Deno.readDirSync(host)], []);
  } finally {
    Deno.removeSync(host, { recursive: true });
  }
});

Deno.test("a Rust program gets its arguments and variables, also empty ones", options, async () => {
  const env: [string, string][] = [["WORD_A", ""], ["WORD_B", "a=b c"], ["OTHER", "x"], ["WORD_C", "ü"]];
  const { stdout } = await run(["words", "a", "", "é x"], { env });
  assert.equal(
    stdout,
    `["a", "", "é x"]\n[("WORD_A", ""), ("WORD_B", "a=b c"), ("WORD_C", "ü")]\nErr(NotPresent)\n`,
  );
});

Deno.test("a Rust program reads stdin by lines and by bytes", options, async () => {
  const text = "one\n\ntwo ü\nlast";
  for (const [mode, wanted] of [["lines", "eno\n\nü owt\ntsal\n4 lines\n"], ["bytes", text]] as const) {
    // A source can be read once, so each form has its own.
    for (const [form, program] of Object.entries(await forms())) {
      const sandbox = testSandbox({
        args: ["rust", mode],
        stdin: sourceOf(new TextEncoder().encode(text)),
      });
      assert.equal(await runProgram(program, sandbox), 0);
      assert.equal(sandbox.stdout.text(), wanted, form);
    }
  }
});

Deno.test("a Rust program sleeps, and its clocks agree", options, async () => {
  assert.equal((await run(["times"])).stdout, "slept true, passed true, this century true\n");
});

Deno.test("a Rust program ends with its exit code", options, async () => {
  const { module, component } = await forms();
  const args = ["rust", "exit", "77"];
  assert.equal(await runProgram(module!, testSandbox({ args })), 77);
  // The adapter supports only success and failure.
  assert.equal(await runProgram(component!, testSandbox({ args })), 1);
});

Deno.test("a Rust panic is reported with its message and function names", options, async () => {
  const cases = [
    ["message", /^thread 'main' panicked at .*This was to be expected/s, /abort or panic/],
    ["index", /index out of bounds: the len is 3 but the index is 5/, /abort or panic/],
    ["overflow", /^$/, /out of bounds|call stack/],
  ] as const;
  for (const [what, said, words] of cases) {
    for (const program of Object.values(await forms())) {
      const sandbox = testSandbox({ args: ["rust", "panic", what] });
      const trap = describeTrap(
        await runProgram(program, sandbox).then(
          (code) => new Error(`it ended with ${code}`),
          (error) => error,
        ),
      );
      assert.ok(trap);
      const { message } = await reportTrap(trap, program.read, true);
      assert.match(sandbox.stderr.text(), said);
      assert.match(message, words);
      assert.match(
        message,
        what === "overflow" ? /\n {2}at rust::deeper \(.* times$/ : /\n {2}at rust::fall_over \(/,
      );
      assert.match(message, /\n {2}at std::panicking::rust_panic_with_hook \(|deeper/);
      assert.doesNotMatch(message, /_ZN|17h[0-9a-f]{16}E/);
    }
  }
});
