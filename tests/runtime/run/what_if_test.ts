import assert from "node:assert/strict";
import { whatIfOf } from "../../../runtime/run/what_if.ts";

const of = (value: string | undefined) =>
  whatIfOf((name) => name === "KREW_WASM_WHAT_IF" ? value : undefined);

Deno.test("KREW_WASM_WHAT_IF asks for what-if, unless it is empty or 0", () => {
  for (const value of [undefined, "", "0"]) assert.equal(of(value), undefined);
  for (const value of ["1", "text", "yes", "false"]) {
    assert.deepEqual(of(value), { format: "text", color: "auto" });
  }
  assert.deepEqual(of("json"), { format: "json", color: "auto" });
});
