import assert from "node:assert/strict";
import {
  readComponentNames,
  readLinkNames,
  readSections,
  stripModule,
  wasmKind,
} from "../../../registry/compile/wasm_reader.ts";
import { readFunctionNames } from "../../../runtime/wasi/trap/symbols.ts";
import { wat } from "../../support/components.ts";

const jcoLeaves = { sanitizeOps: false, sanitizeResources: false };
const HEADER = [0, 0x61, 0x73, 0x6d, 1, 0, 0, 0];
const COMPONENT = [0, 0x61, 0x73, 0x6d, 0x0d, 0, 1, 0];

Deno.test("wasmKind() distinguishes modules and components by version and layer", () => {
  assert.equal(wasmKind(new Uint8Array(HEADER)), "module");
  assert.equal(wasmKind(new Uint8Array(COMPONENT)), "component");
  for (const bytes of [[], HEADER.slice(0, 7), [1, ...HEADER.slice(1)], [...HEADER.slice(0, 6), 1, 0]]) {
    assert.throws(() => wasmKind(new Uint8Array(bytes)), { code: "WASM_INVALID" });
  }
});

Deno.test("readSections() finds sections and the names of custom sections", () => {
  const bytes = new Uint8Array([...HEADER, 1, 1, 0, 0, 4, 2, 0x68, 0x69, 9]);
  assert.deepEqual(readSections(bytes).map(({ id, name, start, end }) => ({ id, name, start, end })), [
    { id: 1, name: undefined, start: 8, end: 11 },
    { id: 0, name: "hi", start: 11, end: 17 },
  ]);
});

Deno.test("readSections() refuses lengths beyond the file and numbers over 32 bits", () => {
  for (
    const tail of [
      [1],
      [1, 2, 0],
      [1, 0x80],
      [1, 0xff, 0xff, 0xff, 0xff, 0x0f],
      [1, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01],
      [1, 0x80, 0x80, 0x80, 0x80, 0x10],
      [0, 1, 5],
      [0, 2, 1, 0xff],
    ]
  ) {
    assert.throws(
      () => readSections(new Uint8Array([...HEADER, ...tail])),
      { code: "WASM_INVALID" },
      `${tail}`,
    );
  }
});

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

const NESTED = `(component
  (import "wasi:cli/stdin@0.2.1" (instance))
  (import "f" (func $f (param "x" u8)))
  (import "m" (core module $m (import "inner" "import" (func))))
  (type $t u32)
  (import "t" (type (eq $t)))
  (component $c
    (import "deep" (func $g (param "x" u8)))
    (core module $n (func (export "core-export")))
    (core instance $i (instantiate $n))
    (core instance $j (export "inline" (func $i "core-export")))
    (export "out" (func $g)))
  (instance $made (instantiate $c (with "deep" (func $f))))
  (instance $inline (export "again" (func $f)))
  (alias export $made "out" (func $o))
  (export "a:b/c@1.2.3" (instance $inline))
  (export "g" (func $o)))`;

Deno.test("readComponentNames() reads a component's own imports and exports", jcoLeaves, async () => {
  const bytes = await wat(NESTED);
  assert.deepEqual(readComponentNames(bytes), {
    imports: ["wasi:cli/stdin@0.2.1", "f", "m", "t"],
    exports: ["a:b/c@1.2.3", "g"],
  });
});

Deno.test("readLinkNames() reads names at every depth", jcoLeaves, async () => {
  const bytes = await wat(NESTED);
  const names = readLinkNames(bytes);
  for (const name of ["deep", "core-export", "inline", "out", "again", "f", "g", "wasi:cli/stdin@0.2.1"]) {
    assert.ok(names.has(name), name);
  }
});

Deno.test("readLinkNames() refuses endlessly nested components", () => {
  let bytes = new Uint8Array(COMPONENT);
  const leb = (value: number) => {
    const out = [];
    do {
      out.push(value > 0x7f ? (value & 0x7f) | 0x80 : value);
      value = Math.floor(value / 128);
    } while (value > 0);
    return out;
  };
  for (let depth = 0; depth < 200; depth++) {
    bytes = new Uint8Array([...COMPONENT, 4, ...leb(bytes.length), ...bytes]);
  }
  assert.throws(() => readLinkNames(bytes), { code: "WASM_INVALID" });
});

Deno.test(
  "readComponentNames() never reads beyond a truncated or changed component",
  jcoLeaves,
  async () => {
    const bytes = await wat(NESTED);
    const attempt = (changed: Uint8Array) => {
      try {
        readComponentNames(changed);
        readLinkNames(changed);
      } catch (error) {
        assert.equal((error as { code?: string }).code, "WASM_INVALID", String(error));
      }
    };
    for (let at = 8; at < bytes.length; at++) {
      attempt(bytes.subarray(0, at));
      for (const value of [0, 0x7f, 0x80, 0xff]) {
        const changed = bytes.slice();
        changed[at] = value;
        attempt(changed);
      }
    }
  },
);
