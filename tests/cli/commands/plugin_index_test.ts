import assert from "node:assert/strict";
import { Manager } from "../../support/manager.ts";

/** Publishes an index of one plugin. Returns its reference. */
async function publish(manager: Manager): Promise<string> {
  const plugin = await manager.push("acme/foo:v1");
  const file = manager.write("index.json", await manager.succeed("index", "build", plugin));
  const reference = `${manager.registry.host}/acme/index:latest`;
  await manager.succeed("index", "push", file, reference);
  return reference;
}

Deno.test("builds, publishes, adds, lists and removes an index", async () => {
  await using manager = new Manager();
  const reference = await publish(manager);
  await manager.succeed("index", "add", reference);
  const { indexes: [index] } = await manager.json("index", "list") as { indexes: Record<string, unknown>[] };
  const { manifestDigest, fetchedAt, ...rest } = index!;
  assert.match(`${manifestDigest} ${fetchedAt}`, /^sha256:[0-9a-f]{64} 2026-01-01T00:00:\d\dZ$/);
  assert.deepEqual(rest, { name: "acme", reference, plugins: 1 });
  assert.equal(await manager.succeed("index", "list", "-o", "name"), "acme\n");
  await manager.succeed("pull", "foo");
  await manager.succeed("index", "remove", "acme");
  assert.deepEqual(await manager.json("index", "list"), { indexes: [] });
  assert.equal(await manager.succeed("list", "-o", "name"), "foo\n", "its plugins stay");
});

Deno.test("an index names its plugins, and --from keeps the others", async () => {
  await using manager = new Manager();
  const [foo, bar] = [await manager.push("acme/foo:v1"), await manager.push("acme/bar:v1")];
  const from = manager.write("index.json", await manager.succeed("index", "build", `other=${foo}`));
  const { plugins } = JSON.parse(await manager.succeed("index", "build", bar, "--from", from));
  assert.deepEqual(
    plugins.map(({ name, reference }: Record<string, unknown>) => [name, reference]),
    [["bar", bar], ["other", foo]],
  );
});

Deno.test("refuses an invalid index, duplicate names, and a digest to push to", async () => {
  await using manager = new Manager();
  const foo = await manager.push("acme/foo:v1");
  await manager.fail(1, "index", "add", foo);
  await manager.fail(1, "index", "add", `${manager.registry.host}/acme/none`);
  await manager.fail(1, "index", "remove", "nope");
  await manager.fail(1, "index", "build", `a=${foo}`, `a=${foo}`);
  const target = `${manager.registry.host}/acme/index@sha256:${"0".repeat(64)}`;
  await manager.fail(2, "index", "push", manager.write("index.json", "{}"), target);
  await manager.fail(
    1,
    "index",
    "push",
    manager.write("index.json", "{}"),
    `${manager.registry.host}/acme/i`,
  );
});
