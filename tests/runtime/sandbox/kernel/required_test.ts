/** Requires the kernel's restrictions. */

import assert from "node:assert/strict";
import { checkStanding, wallsRequiredBy } from "../../../../runtime/sandbox/kernel/required.ts";

const required = (value: string | undefined) =>
  wallsRequiredBy((name) => name === "KREW_WASM_REQUIRE_WALLS" ? value : undefined);

Deno.test("the variable accepts kernel and nothing else", () => {
  assert.equal(required(undefined), undefined);
  assert.equal(required(""), undefined);
  assert.equal(required("kernel"), "KREW_WASM_REQUIRE_WALLS");
  for (const value of ["Kernel", "kernel,", "all", "1", "none"]) {
    assert.throws(() => required(value), { code: "USAGE" }, value);
  }
});

Deno.test("a required wall must stand in full", async () => {
  for (const standing of ["full", "partial", "none"] as const) await checkStanding(undefined, standing);
  await checkStanding("the test", "full");
  for (const standing of ["partial", "none"] as const) {
    await assert.rejects(checkStanding("the test", standing), { code: "WALL_MISSING" });
  }
});
