import assert from "node:assert/strict";
import { Manager } from "../../support/manager.ts";
import { makeWasm } from "../../support/store.ts";

Deno.test("finds the plugins whose tag moved", async () => {
  await using manager = new Manager();
  await manager.install("acme/foo:v1");
  await manager.install("acme/bar:v1");
  assert.deepEqual(await manager.json("outdated"), { plugins: [] });
  await manager.push("acme/foo:v1", makeWasm("newer"));
  const { plugins } = await manager.json("outdated") as { plugins: Record<string, unknown>[] };
  assert.deepEqual(plugins.map(({ name }) => name), ["foo"]);
  assert.match(await manager.succeed("outdated"), /^foo\s/m);
});

Deno.test("fails for a plugin whose registry does not answer, and shows the others", async () => {
  await using manager = new Manager();
  await manager.install("acme/foo:v1");
  await manager.registry[Symbol.asyncDispose]();
  const { code, stderr } = await manager.run("outdated");
  assert.equal(code, 1);
  assert.match(stderr, /foo/);
});

Deno.test("refuses another format", async () => {
  await using manager = new Manager();
  await manager.fail(2, "outdated", "-o", "lock");
});
