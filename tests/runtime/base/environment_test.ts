import assert from "node:assert/strict";
import { environment } from "../../../runtime/base/environment.ts";

Deno.test("a variable with a usual name is in the environment", () => {
  Deno.env.set("KREW_WASM_TEST_VARIABLE", "value");
  try {
    assert.equal(environment().KREW_WASM_TEST_VARIABLE, "value");
  } finally {
    Deno.env.delete("KREW_WASM_TEST_VARIABLE");
  }
});

Deno.test("cmd.exe's variables for the directories of drives are left out", () => {
  const toObject = Deno.env.toObject;
  Deno.env.toObject = () => ({ "=C:": "C:\\Users", PATH: "/bin" });
  try {
    assert.deepEqual(environment(), { PATH: "/bin" });
  } finally {
    Deno.env.toObject = toObject;
  }
});
