import assert from "node:assert/strict";
import { Manager } from "../../support/manager.ts";

Deno.test("prints a script for each shell", async () => {
  await using manager = new Manager();
  for (const shell of ["bash", "zsh", "fish", "powershell"]) {
    assert.match(await manager.succeed("completion", shell), /krew-wasm __complete/, shell);
  }
});

Deno.test("completes commands, options and installed plugins", async () => {
  await using manager = new Manager();
  await manager.install("acme/foo:v1");
  const completed = async (...words: string[]) =>
    (await manager.succeed("__complete", "--", ...words)).split("\n").map((line) => line.split("\t")[0]);
  assert.ok((await completed("roll")).includes("rollback"));
  assert.ok((await completed("list", "--no")).includes("--no-headers"));
  assert.ok((await completed("info", "")).includes("foo"));
});

Deno.test("refuses an unknown shell", async () => {
  await using manager = new Manager();
  await manager.fail(2, "completion", "tcsh");
});
