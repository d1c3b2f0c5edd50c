import assert from "node:assert/strict";
import type { Grants } from "../../../runtime/grants/grants.ts";
import { Manager } from "../../support/manager.ts";

interface Printed {
  readonly name: string;
  readonly grants: Grants;
}

Deno.test("shows the grants of one plugin, and of all", async () => {
  await using manager = new Manager();
  await manager.install("acme/foo:v1");
  await manager.install("acme/bar:v1");
  assert.match(await manager.succeed("grants", "foo"), /^NAME\s+GRANT\s+MAY\s+RISK\nfoo\s+cluster/);
  const all = await manager.succeed("grants");
  assert.match(all, /^foo /m);
  assert.match(all, /^bar /m);
});

Deno.test("adds and takes back grants, and keeps them", async () => {
  await using manager = new Manager();
  await manager.install("acme/foo:v1");
  const { name, grants } = await manager.json(
    ...["grants", "foo", `--allow-read=${manager.home}`, "--allow-cluster=read-only"],
  ) as Printed;
  assert.equal(name, "foo");
  assert.deepEqual(grants.files.map(({ host, write }) => ({ host, write })), [
    { host: manager.home, write: false },
  ]);
  assert.equal(grants.cluster, "read-only");
  assert.deepEqual((await manager.json("grants", "foo") as Printed).grants, grants);
  const denied = await manager.json("grants", "foo", `--deny-read=${manager.home}`) as Printed;
  assert.deepEqual([denied.grants.files, denied.grants.deny.read], [[], [manager.home]]);
});

Deno.test("a refused change changes nothing", async () => {
  await using manager = new Manager();
  await manager.install("acme/foo:v1");
  const before = await manager.json("grants", "foo");
  await manager.fail(2, "grants", "foo", "--allow-home", "--allow-cluster=bogus!");
  assert.deepEqual(await manager.json("grants", "foo"), before);
});

Deno.test("refuses a plugin that is not installed, and a change without a name", async () => {
  await using manager = new Manager();
  await manager.fail(1, "grants", "nope");
  await manager.fail(1, "grants", "nope", "--allow-home");
  await manager.fail(2, "grants", "--allow-home");
});
