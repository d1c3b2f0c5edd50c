import assert from "node:assert/strict";
import { compilePlugin } from "../../../registry/compile/compile.ts";
import { leb128 } from "../../../runtime/base/leb128.ts";

/** A module with one function. */
function moduleOf(code: Uint8Array): Uint8Array<ArrayBuffer> {
  const body = Uint8Array.from([0, ...code, 0x0b]);
  const name = (text: string) => [text.length, ...new TextEncoder().encode(text)];
  const section = (id: number, content: Iterable<number>) => {
    const bytes = [...content];
    return [id, ...leb128(bytes.length), ...bytes];
  };
  return Uint8Array.from([
    ...[0, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
    ...section(1, [1, 0x60, 0, 0]),
    ...section(3, [1, 0]),
    ...section(5, [1, 0, 1]),
    ...section(7, [2, ...name("_start"), 0, 0, ...name("memory"), 2, 0]),
    ...section(10, [1, ...leb128(body.length), ...body]),
  ]);
}

const nested = (depth: number, times = 1) => {
  const once = [...Array(depth).fill([0x02, 0x40]).flat(), ...Array(depth).fill(0x0b)];
  return Uint8Array.from(Array(times).fill(once).flat());
};

Deno.test("refuses a function with too deeply nested blocks, also in a component", async () => {
  const deep = moduleOf(nested(100_001));
  await assert.rejects(compilePlugin(deep), { code: "TOO_LARGE", message: /nests more than 100000 blocks/ });
  const component = Uint8Array.from([0, 0x61, 0x73, 0x6d, 0x0d, 0, 1, 0, 1, ...leb128(deep.length), ...deep]);
  await assert.rejects(compilePlugin(component), { code: "TOO_LARGE", message: /nests/ });
  // The same number of blocks, one after the other.
  assert.equal((await compilePlugin(moduleOf(nested(1000, 150)))).kind, "preview1");
});

Deno.test("leaves invalid code to the engine at once", async () => {
  const types = [0x1c, 0xff, 0xff, 0xff, 0xff, 0x0f]; // a select of 4 billion types
  for (const start of [types, [0xff], [0x0e, 0xff, 0xff, 0xff, 0xff, 0x0f]]) {
    await assert.rejects(compilePlugin(moduleOf(Uint8Array.from([...start, ...new Uint8Array(400_000)]))), {
      code: "WASM_INVALID",
    });
  }
});
