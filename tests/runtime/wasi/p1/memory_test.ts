import assert from "node:assert/strict";
import { Memory } from "../../../../runtime/wasi/p1/memory.ts";

function memoryOf(size: number): { memory: Memory; view: DataView<ArrayBuffer> } {
  const bytes = new Uint8Array(size);
  const view = new DataView(bytes.buffer);
  return { memory: new Memory({ bytes: () => bytes, view: () => view, exports: {} }), view };
}

Deno.test("setWhole() equals setUint64() up to 2^53 - 1", () => {
  for (
    const value of [0, 1, 2 ** 31, 2 ** 32 - 1, 2 ** 32, 2 ** 32 + 1, 1.5 * 2 ** 52, Number.MAX_SAFE_INTEGER]
  ) {
    const [whole, big] = [memoryOf(16), memoryOf(16)];
    whole.memory.setWhole(4, value);
    big.memory.setUint64(4, BigInt(value));
    assert.deepEqual(new Uint8Array(whole.view.buffer), new Uint8Array(big.view.buffer), String(value));
  }
});

Deno.test("setWhole() past the end of the memory writes nothing", () => {
  const { memory, view } = memoryOf(8);
  assert.throws(() => memory.setWhole(4, 2 ** 40 + 7), RangeError);
  assert.throws(() => memory.setWhole(-4, 7), RangeError);
  assert.deepEqual(new Uint8Array(view.buffer), new Uint8Array(8));
});

Deno.test("slice() and vector() stay in the memory for any numbers", () => {
  const { memory } = memoryOf(64);
  assert.equal(memory.slice(60, 4).length, 4);
  assert.equal(memory.slice(64, 0).length, 0);
  for (
    const [pointer, length] of [[60, 5], [65, 0], [-1, 1], [0, -1], [-4, 4], [2 ** 31, 2 ** 31]] as const
  ) {
    assert.throws(() => memory.slice(pointer, length), { errno: "fault" }, `${pointer} ${length}`);
  }
  for (const count of [65537, -1]) {
    assert.throws(() => memory.vector(0, count), { errno: "invalid" }, String(count));
  }
  assert.throws(() => memory.vector(60, 1), RangeError);
});
