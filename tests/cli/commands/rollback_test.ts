import assert from "node:assert/strict";
import { Manager } from "../../support/manager.ts";
import { makeWasm } from "../../support/store.ts";

async function digest(manager: Manager): Promise<string> {
  return (await manager.json("info", "foo") as { digest: string }).digest;
}

Deno.test("returns to the version before the last upgrade, and forward again", async () => {
  await using manager = new Manager();
  await manager.install("acme/foo:v1");
  const first = await digest(manager);
  await manager.push("acme/foo:v1", makeWasm("newer"));
  await manager.succeed("upgrade");
  const second = await digest(manager);
  assert.notEqual(first, second);
  await manager.succeed("rollback", "foo");
  assert.equal(await digest(manager), first);
  const { manifestDigest } = await manager.json("info", "foo") as { manifestDigest: string };
  await manager.succeed("upgrade", "foo");
  await manager.succeed("rollback", "foo", "--to", manifestDigest.slice(0, 20));
  assert.equal(await digest(manager), first);
});

Deno.test("refuses a version that is not kept, and a plugin without earlier ones", async () => {
  await using manager = new Manager();
  await manager.install("acme/foo:v1");
  await manager.fail(1, "rollback", "foo");
  await manager.fail(1, "rollback", "foo", "--to", "v0");
  await manager.fail(1, "rollback", "nope");
  await manager.fail(2, "rollback");
});
