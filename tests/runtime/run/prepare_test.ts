import assert from "node:assert/strict";
import { prepare } from "../../../runtime/run/prepare.ts";

/** `(module)`: the magic number and the version. */
const EMPTY = new Uint8Array([0, 0x61, 0x73, 0x6d, 1, 0, 0, 0]);

Deno.test("prepare() compiles each module of a plugin", () => {
  const script = new TextEncoder().encode("a script");
  const modules = prepare("component", new Map([["plugin.js", script], ["plugin.core.wasm", EMPTY]]));
  assert.deepEqual([...modules.keys()], ["plugin.core.wasm"]);
  assert.ok(modules.get("plugin.core.wasm") instanceof WebAssembly.Module);
});

Deno.test("prepare() leaves out a module with errors", () => {
  const bytes = new TextEncoder().encode("no module");
  assert.deepEqual([...prepare("preview1", new Map([["plugin.wasm", bytes]]))], []);
});
