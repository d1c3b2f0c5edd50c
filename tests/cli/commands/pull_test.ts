import assert from "node:assert/strict";
import { Manager } from "../../support/manager.ts";
import { makeWasm, namesIn } from "../../support/store.ts";

Deno.test("installs a plugin under the repository's last part, with a link", async () => {
  await using manager = new Manager();
  const reference = await manager.push("acme/kubectl-foo:v1");
  assert.match(await manager.succeed("pull", reference), /^Installed foo /);
  assert.ok(namesIn(manager.layout.bin).includes("kubectl-foo"));
  assert.equal(await manager.succeed("pull", "-q", await manager.push("acme/bar:v1")), "bar\n");
});

Deno.test("replaces a plugin only with --force, and --name avoids that", async () => {
  await using manager = new Manager();
  await manager.install("acme/foo:v1");
  const other = await manager.push("other/foo:v1");
  await manager.fail(1, "pull", other);
  await manager.succeed("pull", other, "--name", "bar");
  assert.equal(await manager.succeed("list", "-o", "name"), "bar\nfoo\n");
  await manager.succeed("pull", other, "--force");
  assert.equal((await manager.json("info", "foo") as { reference: string }).reference, other);
});

Deno.test("gives the grants of its flags", async () => {
  await using manager = new Manager();
  await manager.install("acme/foo:v1", "--allow-cluster=read-only", "--deny-terminal");
  const { grants } = await manager.json("grants", "foo") as {
    grants: { cluster: unknown; deny: { terminal: boolean } };
  };
  assert.deepEqual([grants.cluster, grants.deny.terminal], ["read-only", true]);
});

Deno.test("installs nothing that is not there, invalid, or refused by a policy", async () => {
  await using manager = new Manager();
  await manager.fail(1, "pull", `${manager.registry.host}/acme/none:v1`);
  await manager.fail(1, "pull", await manager.push("acme/bad:v1", new TextEncoder().encode("no module")));
  await manager.fail(2, "pull", "acme/UPPER:v1");
  await manager.fail(2, "pull", "--keep", "0", `${manager.registry.host}/acme/foo:v1`);
  const reference = await manager.push("acme/foo:v1");
  manager.write("policy.yaml", `rules: [{match: "${manager.registry.host}/**", allow: false}]\n`);
  await manager.fail(1, "pull", reference);
  Deno.removeSync(manager.policy);
  assert.equal(await manager.succeed("list", "-o", "name"), "");
});

Deno.test("installs the others if one of several fails", async () => {
  await using manager = new Manager();
  const foo = await manager.push("acme/foo:v1", makeWasm("foo"));
  const { code } = await manager.run("pull", `${manager.registry.host}/acme/none:v1`, foo);
  assert.equal(code, 1);
  assert.equal(await manager.succeed("list", "-o", "name"), "foo\n");
});
