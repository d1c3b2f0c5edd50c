/** TypeScript programs: WASI 0.2 as they see it, and their memory use. */

import assert from "node:assert/strict";
import { LEAST } from "../../../runtime/grants/grants.ts";
import { buildFixture } from "../../../scripts/fixtures.ts";
import { runBytes, sourceOf, testSandbox } from "../../support/components.ts";
import { temporaryDirectory } from "../../support/temporary.ts";

// jco leaves timers of 10 ms behind.
const jcoLeaves = { sanitizeOps: false, sanitizeResources: false };

// tests/fixtures/wasi.ts calls WASI 0.2 by its own names, in one component.
Deno.test("a TypeScript program sees WASI 0.2 as its interfaces say", jcoLeaves, async () => {
  const component = await Deno.readFile(await buildFixture("wasi-ts"));
  const host = temporaryDirectory();
  try {
    const sandbox = testSandbox({
      args: ["wasi-ts", "7", "a", "", "é"],
      env: [["WORD_B", ""], ["WORD_A", "1"], ["OTHER", "x"]],
      cwd: host,
      stdin: sourceOf(new TextEncoder().encode("what is read, ü")),
      files: { mounts: [{ guest: ".", host, write: true }] },
    });
    const code = await runBytes(component, sandbox);
    assert.equal(sandbox.stderr.text(), "");
    const [words, variables, input, checks] = sandbox.stdout.text().split("\n");
    assert.equal(words, '["a","","é"]');
    assert.equal(variables, '[["WORD_A","1"],["WORD_B",""]]');
    assert.equal(input, "what is read, ü");
    assert.match(checks!, /^\d{2} checks held, 0 did not$/);
    assert.equal(code, 7);
    assert.deepEqual([...Deno.readDirSync(host)], []);
  } finally {
    Deno.removeSync(host, { recursive: true });
  }
});

Deno.test("a TypeScript program prints 30 MB in order within 20 MiB of memory", jcoLeaves, async () => {
  const component = await Deno.readFile(await buildFixture("prints"));
  const limits = { ...LEAST.limits, maxMemory: 20 << 20 };
  const sandbox = testSandbox({ args: ["prints", "30000"], limits });
  assert.equal(await runBytes(component, sandbox), 0);
  const printed = sandbox.stdout.bytes();
  assert.equal(printed.length, 30_000_000 + 9);
  assert.equal(new TextDecoder().decode(printed.subarray(-10)), "\nab\n\nc\0d\ne");
  assert.equal(sandbox.stderr.text(), "größe\nend");
});
