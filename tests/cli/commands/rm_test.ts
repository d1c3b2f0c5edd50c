import assert from "node:assert/strict";
import { Manager } from "../../support/manager.ts";
import { namesIn } from "../../support/store.ts";

Deno.test("removes plugins with their links", async () => {
  await using manager = new Manager();
  for (const name of ["foo", "bar", "kept"]) await manager.install(`acme/${name}:v1`);
  await manager.succeed("rm", "foo", "bar");
  assert.equal(await manager.succeed("list", "-o", "name"), "kept\n");
  assert.deepEqual(namesIn(manager.layout.bin).filter((name) => /foo|bar/.test(name)), []);
});

Deno.test("removes the others if one of several is not installed", async () => {
  await using manager = new Manager();
  await manager.install("acme/foo:v1");
  assert.equal((await manager.run("rm", "nope", "foo")).code, 1);
  assert.equal(await manager.succeed("list", "-o", "name"), "");
});

Deno.test("refuses a name that is not installed, or is no name", async () => {
  await using manager = new Manager();
  assert.match(await manager.fail(1, "rm", "nope"), /"nope"/);
  await manager.fail(1, "rm", "../foo");
  await manager.fail(2, "rm");
});
