import assert from "node:assert/strict";
import { Manager } from "../../support/manager.ts";

Deno.test("shows a plugin's origin, digest and grants", async () => {
  await using manager = new Manager();
  const reference = await manager.install("acme/foo:v1");
  const shown = await manager.succeed("info", "foo");
  assert.match(shown, /^name\s+foo$/m);
  assert.ok(shown.includes(reference));
  assert.match(shown, /^digest\s+sha256:[0-9a-f]{64}$/m);
});

Deno.test("prints a plugin as an object, with its state in the store", async () => {
  await using manager = new Manager();
  const reference = await manager.install("acme/foo:v1");
  const printed = await manager.json("info", "foo") as Record<string, unknown>;
  assert.deepEqual([printed.name, printed.reference, printed.intact, printed.compiled, printed.earlier], [
    "foo",
    reference,
    true,
    "ready",
    [],
  ]);
  assert.deepEqual([printed.link, printed.data], [
    `${manager.layout.bin}/kubectl-foo`,
    manager.layout.dataDir("foo"),
  ]);
});

Deno.test("says that a plugin's bytes have changed", async () => {
  await using manager = new Manager();
  await manager.install("acme/foo:v1");
  const { digest } = await manager.json("info", "foo") as { digest: string };
  Deno.chmodSync(manager.layout.blob(digest), 0o600);
  Deno.writeTextFileSync(manager.layout.blob(digest), "changed");
  const { stdout } = await manager.run("info", "foo", "-o", "json");
  assert.equal(JSON.parse(stdout).intact, false);
});

Deno.test("refuses a name that is not installed, or is no name", async () => {
  await using manager = new Manager();
  assert.match(await manager.fail(1, "info", "nope"), /"nope"/);
  await manager.fail(2, "info", "../foo");
  await manager.fail(2, "info");
});
