import assert from "node:assert/strict";
import { pullCommand } from "../../../cli/commands/pull.ts";
import { type Context, processContext } from "../../../cli/context.ts";
import { readReceipts } from "../../../runtime/store/read.ts";
import { makeWasm, TestStore } from "../../support/store.ts";

/** The number of reads of each file, by path, while `run` runs. */
async function readsDuring(run: () => Promise<unknown>): Promise<Map<string, number>> {
  const reads = new Map<string, number>();
  const { readTextFileSync } = Deno;
  Deno.readTextFileSync = (path) => {
    reads.set(String(path), (reads.get(String(path)) ?? 0) + 1);
    return readTextFileSync(path);
  };
  try {
    await run();
  } finally {
    Deno.readTextFileSync = readTextFileSync;
  }
  return reads;
}

Deno.test("a pull of several plugins reads each policy once", async () => {
  await using store = TestStore.make();
  const { layout, directory, registry } = store;
  const names = ["one", "two", "three"];
  for (const name of names) await store.push(`acme/${name}:v1`, makeWasm(name));
  const policyPath = `${directory}/policy.yaml`;
  Deno.mkdirSync(layout.root, { mode: 0o700 });
  const rules = `rules: [{match: "${registry.host}/acme/**", maximum: {home: false}}]`;
  Deno.writeTextFileSync(policyPath, rules);
  Deno.writeTextFileSync(layout.policy, `rules: [{match: "${registry.host}/**", verify: false}]`);
  let told = "";
  const context: Context = {
    ...processContext(),
    env: (name) => name === "HOME" ? directory : undefined,
    layout: () => layout,
    policyPath,
    stdout: () => {},
    stderr: (text) => void (told += text),
  };
  const references = names.map((name) => `${registry.host}/acme/${name}:v1`);
  const reads = await readsDuring(async () => {
    const exit = { code: 0 };
    await pullCommand(context, exit).parseAsync(["--quiet", "--allow-home", ...references], { from: "user" });
    assert.equal(exit.code, 0, told);
  });
  assert.deepEqual([reads.get(policyPath), reads.get(layout.policy)], [1, 1]);
  assert.equal(told.match(/does not allow it to/g)?.length, 3, told);
  const { receipts } = readReceipts(layout);
  assert.deepEqual(receipts.map(({ name, grants }) => [name, grants.home]), [
    ["one", false],
    ["three", false],
    ["two", false],
  ]);
});
