import assert from "node:assert/strict";
import { Manager } from "../../support/manager.ts";

Deno.test("saves installed plugins, and loads them without a registry", async () => {
  await using manager = new Manager();
  await manager.install("acme/foo:v1");
  await manager.install("acme/bar:v1");
  const file = `${manager.home}/plugins.tar`;
  await manager.succeed("bundle", "save", file);
  await manager.succeed("rm", "foo", "bar");
  await manager.registry[Symbol.asyncDispose]();
  await manager.succeed("bundle", "load", file, "foo");
  assert.equal(await manager.succeed("list", "-o", "name"), "foo\n");
  assert.equal(await manager.succeed("bundle", "load", "-q", file, "bar"), "bar\n");
});

Deno.test("replaces installed plugins only with --force", async () => {
  await using manager = new Manager();
  await manager.install("acme/foo:v1");
  const file = `${manager.home}/plugins.tar`;
  await manager.succeed("bundle", "save", file, "foo");
  await manager.succeed("rm", "foo");
  await manager.install("other/foo:v1");
  await manager.fail(1, "bundle", "load", file);
  await manager.succeed("bundle", "load", "--force", file);
});

Deno.test("loads grants only if asked to", async () => {
  await using manager = new Manager();
  await manager.install("acme/foo:v1", "--allow-home");
  const file = `${manager.home}/plugins.tar`;
  await manager.succeed("bundle", "save", file);
  const home = async () => (await manager.json("grants", "foo") as { grants: { home: boolean } }).grants.home;
  await manager.succeed("rm", "foo");
  await manager.succeed("bundle", "load", file);
  assert.equal(await home(), false);
  await manager.succeed("bundle", "load", "--force", "--with-grants", file);
  assert.equal(await home(), true);
});

Deno.test("refuses an invalid bundle, and plugins that are not installed", async () => {
  await using manager = new Manager();
  const file = `${manager.home}/plugins.tar`;
  await manager.fail(1, "bundle", "save", file, "nope");
  await manager.fail(1, "bundle", "load", manager.write("text.tar", "text"));
  await manager.fail(1, "bundle", "load", `${manager.home}/none.tar`);
  await manager.fail(2, "bundle", "pack", file);
  assert.throws(() => Deno.statSync(file), Deno.errors.NotFound, "writes no half of a bundle");
});
