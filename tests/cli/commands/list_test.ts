import assert from "node:assert/strict";
import { Manager } from "../../support/manager.ts";

Deno.test("lists plugins by name, and says if there are none", async () => {
  await using manager = new Manager();
  const empty = await manager.run("list");
  assert.deepEqual([empty.code, empty.stdout], [0, ""]);
  assert.notEqual(empty.stderr, "");
  const reference = await manager.install("acme/foo:v1");
  await manager.install("acme/bar:v1");
  const [header, ...lines] = (await manager.succeed("list")).trimEnd().split("\n");
  assert.match(header!, /^NAME\s+KIND\s+SIZE\s+AGE\s+REFERENCE$/);
  assert.deepEqual(lines.map((line) => line.split(/\s+/)[0]), ["bar", "foo"]);
  assert.ok(lines[1]!.endsWith(reference));
  assert.equal((await manager.succeed("list", "--no-headers")).split("\n").length, lines.length + 1);
  assert.equal(await manager.succeed("list", "-o", "name"), "bar\nfoo\n");
});

Deno.test("prints every plugin as an object", async () => {
  await using manager = new Manager();
  assert.deepEqual(await manager.json("list"), { plugins: [] });
  const reference = await manager.install("acme/foo:v1");
  const { plugins: [plugin] } = await manager.json("list") as { plugins: Record<string, unknown>[] };
  const { manifestDigest, digest, size, grants, ...rest } = plugin!;
  assert.match(`${manifestDigest} ${digest}`, /^sha256:[0-9a-f]{64} sha256:[0-9a-f]{64}$/);
  assert.deepEqual([typeof size, typeof grants], ["number", "object"]);
  assert.deepEqual(rest, {
    name: "foo",
    reference,
    kind: "preview1",
    source: { kind: "registry" },
    signatures: [],
    installedAt: "2026-01-01T00:00:01Z",
  });
});

Deno.test("prints a lock file that sync accepts", async () => {
  await using manager = new Manager();
  await manager.install("acme/foo:v1");
  const lock = manager.write("plugins.lock", await manager.succeed("list", "-o", "lock"));
  await manager.succeed("sync", "--check", lock);
});

Deno.test("refuses another format, and an argument", async () => {
  await using manager = new Manager();
  await manager.fail(2, "list", "-o", "table");
  await manager.fail(2, "list", "foo");
});

Deno.test("lists the sound plugins, and warns about a broken receipt", async () => {
  await using manager = new Manager();
  await manager.install("acme/foo:v1");
  Deno.writeTextFileSync(manager.layout.receipt("bar"), "{");
  const { code, stdout, stderr } = await manager.run("list", "-o", "name");
  assert.deepEqual([code, stdout], [0, "foo\n"]);
  assert.match(stderr, /bar/);
});
