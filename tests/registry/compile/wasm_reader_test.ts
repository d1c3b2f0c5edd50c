import assert from "node:assert/strict";
import { readSections, wasmKind } from "../../../registry/compile/wasm_reader.ts";

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
