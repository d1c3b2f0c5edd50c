import assert from "node:assert/strict";
import { leb128, readLeb128, signedLeb128 } from "../../../runtime/base/leb128.ts";
import { wasmSections } from "../../../runtime/base/wasm_sections.ts";

Deno.test("leb128() and readLeb128() agree on all lengths", () => {
  for (const value of [0, 1, 127, 128, 300, 16_383, 16_384, 2 ** 31, 2 ** 32 - 1]) {
    const bytes = new Uint8Array([9, ...leb128(value), 9]);
    assert.deepEqual(readLeb128(bytes, 1), { value, next: bytes.length - 1 });
    assert.equal(readLeb128(bytes, 1, bytes.length - 2), undefined, "it ends too early");
  }
  assert.equal(readLeb128(new Uint8Array(leb128(2 ** 32)), 0), undefined);
  assert.deepEqual(signedLeb128(64), [0xc0, 0]);
  assert.deepEqual(signedLeb128(63), [63]);
});

Deno.test("wasmSections() lists sections and refuses one that leaves the bytes", () => {
  const bytes = new Uint8Array([0, 0x61, 0x73, 0x6d, 1, 0, 0, 0, 1, 1, 0, 3, 2, 0, 0]);
  assert.deepEqual([...wasmSections(bytes)], [
    { id: 1, start: 8, content: 10, end: 11 },
    { id: 3, start: 11, content: 13, end: 15 },
  ]);
  assert.throws(() => [...wasmSections(bytes.subarray(0, 14))], RangeError);
  assert.throws(() => [...wasmSections(new Uint8Array([1]), 0)], RangeError);
});
