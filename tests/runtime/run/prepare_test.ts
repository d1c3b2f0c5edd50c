import assert from "node:assert/strict";
import { moduleOf, prepare } from "../../../runtime/run/prepare.ts";

/** `(module)`: the magic number and the version. */
const empty = () => new Uint8Array([0, 0x61, 0x73, 0x6d, 1, 0, 0, 0]);

Deno.test("a module that was prepared is not compiled again, and only that one's bytes lead to it", () => {
  const bytes = empty();
  prepare("preview1", new Map([["plugin.wasm", bytes]]));
  assert.equal(moduleOf(bytes), moduleOf(bytes));
  assert.notEqual(moduleOf(empty()), moduleOf(bytes));
});

Deno.test("bytes that are no module are told of when they are used, not when they are prepared", () => {
  const bytes = new TextEncoder().encode("no module");
  prepare("component", new Map([["plugin.js", bytes], ["plugin.core.wasm", bytes]]));
  assert.throws(() => moduleOf(bytes), WebAssembly.CompileError);
});
