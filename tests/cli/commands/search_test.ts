import assert from "node:assert/strict";
import { Manager } from "../../support/manager.ts";

async function addIndex(manager: Manager): Promise<void> {
  const plugins = [await manager.push("acme/foo:v1"), await manager.push("acme/decoder:v1")];
  const file = manager.write("index.json", await manager.succeed("index", "build", ...plugins));
  await manager.succeed("index", "push", file, `${manager.registry.host}/acme/index`);
  await manager.succeed("index", "add", `${manager.registry.host}/acme/index`);
}

Deno.test("finds plugins of an index by a part of their name", async () => {
  await using manager = new Manager();
  await addIndex(manager);
  assert.match(await manager.succeed("search"), /decoder[^]*foo/);
  assert.equal(await manager.succeed("search", "deco", "-o", "name"), "decoder\n");
  const { plugins: [plugin] } = await manager.json("search", "foo") as { plugins: Record<string, unknown>[] };
  assert.deepEqual([plugin!.name, plugin!.index, plugin!.reference], [
    "foo",
    "acme",
    `${manager.registry.host}/acme/foo:v1`,
  ]);
});

Deno.test("--offline asks no registry", async () => {
  await using manager = new Manager();
  await addIndex(manager);
  await manager.registry[Symbol.asyncDispose]();
  assert.equal(await manager.succeed("search", "foo", "--offline", "-o", "name"), "foo\n");
});

Deno.test("refuses to search without an index, or in an unknown one", async () => {
  await using manager = new Manager();
  await manager.fail(1, "search", "foo");
  await addIndex(manager);
  await manager.fail(1, "search", "foo", "--index", "nope");
  await manager.fail(2, "search", "foo", "-o", "wide");
});
