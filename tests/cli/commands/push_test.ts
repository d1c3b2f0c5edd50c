import assert from "node:assert/strict";
import { Manager } from "../../support/manager.ts";
import { makeWasm } from "../../support/store.ts";

Deno.test("publishes a plugin that pull installs, under each tag", async () => {
  await using manager = new Manager();
  const file = manager.write("foo.wasm", makeWasm("foo"));
  const repository = `${manager.registry.host}/acme/foo`;
  await manager.succeed("push", file, `${repository}:v1`, "--tag", "latest");
  const { tags } = await manager.json("tags", repository) as { tags: string[] };
  assert.deepEqual(tags.sort(), ["latest", "v1"]);
  await manager.succeed("pull", `${repository}:latest`);
});

Deno.test("prints the digest as an object, or with the reference", async () => {
  await using manager = new Manager();
  const file = manager.write("foo.wasm", makeWasm("foo"));
  const reference = `${manager.registry.host}/acme/foo:v1`;
  const printed = await manager.json("push", file, reference) as Record<string, unknown>;
  const inspected = await manager.json("inspect", reference) as Record<string, unknown>;
  assert.ok(JSON.stringify(printed).includes(String(inspected.manifestDigest)), JSON.stringify(printed));
  assert.match(await manager.succeed("push", "-q", file, reference), /@sha256:[0-9a-f]{64}\n$/);
});

Deno.test("publishes annotations", async () => {
  await using manager = new Manager();
  const file = manager.write("foo.wasm", makeWasm("foo"));
  const reference = `${manager.registry.host}/acme/foo:v1`;
  await manager.succeed("push", file, reference, "-a", "com.example.team=a=b");
  const { annotations } = await manager.json("inspect", reference) as {
    annotations: Record<string, string>;
  };
  assert.equal(annotations["com.example.team"], "a=b");
});

Deno.test("publishes nothing that krew-wasm cannot run", async () => {
  await using manager = new Manager();
  const reference = `${manager.registry.host}/acme/foo:v1`;
  await manager.fail(1, "push", manager.write("text.wasm", "text"), reference);
  await manager.fail(1, "push", `${manager.home}/none.wasm`, reference);
  const file = manager.write("foo.wasm", makeWasm("foo"));
  await manager.fail(2, "push", file, reference, "-a", "without a value");
  await manager.fail(2, "push", file, "acme/UPPER");
  await manager.fail(2, "push", file);
  await manager.fail(1, "tags", `${manager.registry.host}/acme/foo`);
});
