import assert from "node:assert/strict";
import { Manager } from "../../support/manager.ts";

Deno.test("refuses a directory without a Go program", async () => {
  await using manager = new Manager();
  assert.match(await manager.fail(1, "build", `${manager.home}/none`), /none/);
  assert.equal([...Deno.readDirSync(manager.home)].some(({ name }) => name.endsWith(".wasm")), false);
});
