import assert from "node:assert/strict";
import { moduleOf, prepare } from "../../../runtime/run/prepare.ts";

/** `(module)`: the magic number and the version. */
const empty = () => new Uint8Array([0, 0x61, 0x73, 0x6d, 1, 0, 0, 0]);

Deno.test("moduleOf() reuses a prepared module, for the same bytes only", () => {
  const bytes = empty();
  prepare("preview1", new Map([["plugin.wasm", bytes]]));
  assert.equal(moduleOf(bytes), moduleOf(bytes));
  assert.notEqual(moduleOf(empty()), moduleOf(bytes));
});

Deno.test("invalid bytes fail when they are used, not in prepare()", () => {
  const bytes = new TextEncoder().encode("no module");
  prepare("component", new Map([["plugin.js", bytes], ["plugin.core.wasm", bytes]]));
  assert.throws(() => moduleOf(bytes), WebAssembly.CompileError);
});
