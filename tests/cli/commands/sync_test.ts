import assert from "node:assert/strict";
import { Manager } from "../../support/manager.ts";

Deno.test("installs what the lock file has, and --prune removes the rest", async () => {
  await using manager = new Manager();
  await manager.install("acme/foo:v1");
  const lock = manager.write("plugins.lock", await manager.succeed("list", "-o", "lock"));
  await manager.succeed("rm", "foo");
  await manager.install("acme/bar:v1");
  await manager.succeed("sync", lock);
  assert.equal(await manager.succeed("list", "-o", "name"), "bar\nfoo\n");
  await manager.succeed("sync", "--prune", lock);
  assert.equal(await manager.succeed("list", "-o", "name"), "foo\n");
});

Deno.test("--check and --dry-run change nothing; only --check exits with 1", async () => {
  await using manager = new Manager();
  await manager.install("acme/foo:v1");
  const lock = manager.write("plugins.lock", await manager.succeed("list", "-o", "lock"));
  await manager.succeed("rm", "foo");
  const check = await manager.run("sync", "--check", lock);
  assert.equal(check.code, 1);
  assert.match(check.stdout, /foo/);
  assert.equal(await manager.succeed("sync", "--dry-run", lock), check.stdout);
  assert.equal(await manager.succeed("list", "-o", "name"), "");
});

Deno.test("grants more only with --yes if there is no terminal", async () => {
  await using manager = new Manager();
  await manager.install("acme/foo:v1", "--allow-home");
  const lock = manager.write("plugins.lock", await manager.succeed("list", "-o", "lock"));
  await manager.succeed("rm", "foo");
  await manager.fail(1, "sync", lock);
  assert.equal(await manager.succeed("list", "-o", "name"), "");
  await manager.succeed("sync", "--yes", lock);
  const { grants } = await manager.json("grants", "foo") as { grants: { home: boolean } };
  assert.equal(grants.home, true);
});

Deno.test("refuses an invalid lock file", async () => {
  await using manager = new Manager();
  await manager.fail(1, "sync", manager.write("plugins.lock", "{}"));
  await manager.fail(1, "sync", `${manager.home}/none.lock`);
  await manager.fail(2, "sync");
});
