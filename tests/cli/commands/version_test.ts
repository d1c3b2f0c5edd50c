import assert from "node:assert/strict";
import { Manager } from "../../support/manager.ts";

Deno.test("prints the version of krew-wasm and of its engine", async () => {
  await using manager = new Manager();
  assert.match(await manager.succeed("version"), /^krew-wasm \d+\.\d+\.\d+\S* \(.*Deno .*V8 .*\)\n$/);
});

Deno.test("prints an object with the walls of this system", async () => {
  await using manager = new Manager();
  const printed = await manager.json("version") as Record<string, unknown>;
  for (const key of ["version", "deno", "v8", "platform", "walls"]) assert.ok(key in printed, key);
  assert.deepEqual(Object.keys(printed.walls as object), ["sandbox", "permissions", "kernel"]);
});

Deno.test("refuses another format, and an argument", async () => {
  await using manager = new Manager();
  await manager.fail(2, "version", "-o", "wide");
  await manager.fail(2, "version", "now");
});
