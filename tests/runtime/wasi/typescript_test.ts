/** tests/fixtures/wasi.ts, a program in TypeScript that calls WASI 0.2 by its own names: one component that does all. */

import assert from "node:assert/strict";
import { buildFixture } from "../../../scripts/fixtures.ts";
import { runBytes, sourceOf, testSandbox } from "../../support/components.ts";
import { temporaryDirectory } from "../../support/temporary.ts";

Deno.test("a program in TypeScript finds WASI 0.2 as its interfaces say", {
  // jco leaves timers of 10 ms behind in what it makes.
  sanitizeOps: false,
  sanitizeResources: false,
}, async () => {
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
