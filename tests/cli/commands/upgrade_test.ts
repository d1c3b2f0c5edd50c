import assert from "node:assert/strict";
import { Manager } from "../../support/manager.ts";
import { makeWasm } from "../../support/store.ts";

async function manifestDigest(manager: Manager, name = "foo"): Promise<string> {
  return (await manager.json("info", name) as { manifestDigest: string }).manifestDigest;
}

Deno.test("installs what a tag points to now, for one plugin or all", async () => {
  await using manager = new Manager();
  for (const name of ["foo", "bar"]) await manager.install(`acme/${name}:v1`);
  for (const name of ["foo", "bar"]) await manager.push(`acme/${name}:v1`, makeWasm(`newer ${name}`));
  const before = await manifestDigest(manager);
  assert.equal(await manager.succeed("upgrade", "-q", "foo"), "foo\n");
  assert.notEqual(await manifestDigest(manager), before);
  assert.equal(await manager.succeed("upgrade", "-q"), "bar\n");
  assert.equal(await manager.succeed("upgrade", "-q"), "");
});

Deno.test("--dry-run changes nothing", async () => {
  await using manager = new Manager();
  await manager.install("acme/foo:v1");
  await manager.push("acme/foo:v1", makeWasm("newer"));
  const before = await manifestDigest(manager);
  assert.match(await manager.succeed("upgrade", "--dry-run"), /foo/);
  assert.equal(await manifestDigest(manager), before);
});

Deno.test("--to follows another tag from then on", async () => {
  await using manager = new Manager();
  await manager.install("acme/foo:v1");
  const reference = await manager.push("acme/foo:v2", makeWasm("two"));
  await manager.succeed("upgrade", "foo", "--to", "v2");
  assert.equal((await manager.json("info", "foo") as { reference: string }).reference, reference);
});

Deno.test("refuses a plugin or a tag that is not there, and changes nothing", async () => {
  await using manager = new Manager();
  await manager.install("acme/foo:v1");
  const before = await manifestDigest(manager);
  await manager.fail(1, "upgrade", "nope");
  await manager.fail(1, "upgrade", "foo", "--to", "v9");
  await manager.fail(2, "upgrade", "--to", "v2");
  assert.equal(await manifestDigest(manager), before);
});
