import assert from "node:assert/strict";
import { Manager } from "../../support/manager.ts";

Deno.test("fetches the indexes again", async () => {
  await using manager = new Manager();
  const reference = `${manager.registry.host}/acme/index`;
  const publish = async (...plugins: string[]) => {
    const file = manager.write("index.json", await manager.succeed("index", "build", ...plugins));
    await manager.succeed("index", "push", file, reference);
  };
  const foo = await manager.push("acme/foo:v1");
  await publish(foo);
  await manager.succeed("index", "add", reference);
  await publish(foo, await manager.push("acme/bar:v1"));
  await manager.succeed("update");
  assert.equal(await manager.succeed("search", "--offline", "-o", "name"), "bar\nfoo\n");
});

Deno.test("refuses an unknown index, and does nothing without any", async () => {
  await using manager = new Manager();
  const { code, stdout } = await manager.run("update");
  assert.deepEqual([code, stdout], [0, ""]);
  await manager.fail(1, "update", "nope");
});
