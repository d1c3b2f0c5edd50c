import assert from "node:assert/strict";
import { readComponentNames, readLinkNames } from "../../../registry/compile/import_names.ts";
import { leb128 } from "../../../runtime/base/leb128.ts";
import { wat } from "../../support/components.ts";

const jcoLeaves = { sanitizeOps: false, sanitizeResources: false };
const COMPONENT = [0, 0x61, 0x73, 0x6d, 0x0d, 0, 1, 0];

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
  for (let depth = 0; depth < 200; depth++) {
    bytes = new Uint8Array([...COMPONENT, 4, ...leb128(bytes.length), ...bytes]);
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
