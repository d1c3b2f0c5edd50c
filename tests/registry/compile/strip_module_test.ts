import assert from "node:assert/strict";
import { stripModule } from "../../../registry/compile/strip_module.ts";
import { readFunctionNames } from "../../../runtime/wasi/trap/symbols.ts";
import { wat } from "../../support/components.ts";

const jcoLeaves = { sanitizeOps: false, sanitizeResources: false };

Deno.test(
  "stripModule() keeps a module's behavior and its functions' names",
  jcoLeaves,
  async () => {
    const bytes = await wat(
      `(module (@custom "producers" "x") (func $named (export "f") (result i32) i32.const 7))`,
    );
    const { bytes: stripped, names } = stripModule(bytes, "plugin.wasm");
    const module = new WebAssembly.Module(stripped);
    assert.equal((new WebAssembly.Instance(module).exports.f as () => number)(), 7);
    assert.equal(WebAssembly.Module.customSections(module, "producers").length, 0);
    const [own] = WebAssembly.Module.customSections(module, "name");
    assert.equal(new TextDecoder().decode(own).slice(3), "plugin.wasm");
    assert.deepEqual([...readFunctionNames(names!)], [[0, "named"]]);
    assert.equal(stripModule(await wat("(module (func))"), "plugin.wasm").names, undefined);
  },
);
