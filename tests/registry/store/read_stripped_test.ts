import assert from "node:assert/strict";
import { fc } from "../../support/fuzz.ts";
import { digestOf } from "../../../registry/oci/digest.ts";
import { isIntact, readStripped } from "../../../registry/store/read_stripped.ts";
import { stripModule } from "../../../registry/compile/strip_module.ts";
import { readSections } from "../../../registry/compile/wasm_reader.ts";
import { leb128 } from "../../../runtime/base/leb128.ts";
import { temporaryDirectory } from "../../support/temporary.ts";

const MODULE = [0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0];
const encoder = new TextEncoder();
const directory = temporaryDirectory();

function custom(name: string, size: number): number[] {
  const text = [...encoder.encode(name)];
  const content = [...leb128(text.length), ...text, ...new Array(size).fill(7)];
  return [0, ...leb128(content.length), ...content];
}

async function strippedOf(bytes: readonly number[]): Promise<Uint8Array> {
  const path = `${directory}/${crypto.randomUUID()}`;
  await Deno.writeFile(path, new Uint8Array(bytes));
  return readStripped(path);
}

const TYPES = [1, 4, 1, 0x60, 0, 0];

Deno.test("readStripped() leaves out only what the compiler strips", async () => {
  const whole = [
    ...MODULE,
    ...custom(".debug_info", 5000),
    ...TYPES,
    ...custom("name", 300),
    ...custom("component-type:world", 20),
    ...custom("x".repeat(500), 10),
    ...custom("", 0),
    ...custom("producers", 200),
  ];
  const stripped = await strippedOf(whole);
  assert.deepEqual(readSections(stripped).map(({ id, name }) => name ?? id), [
    1,
    "name",
    "component-type:world",
  ]);
  assert.deepEqual(stripModule(stripped, "x"), stripModule(new Uint8Array(whole), "x"));
});

Deno.test("readStripped() reads a broken module or another file as a whole", async () => {
  for (
    const bytes of [
      [],
      [1, 2, 3],
      [...MODULE.slice(0, 4), 0x0d, 0, 1, 0, ...custom("x", 10)],
      [...MODULE, 0],
      [...MODULE, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 1],
      [...MODULE, ...custom("x", 10).slice(0, -1)],
    ]
  ) {
    assert.deepEqual(await strippedOf(bytes), new Uint8Array(bytes), String(bytes));
  }
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ maxLength: 300 }), async (rest) => {
      const bytes = [...MODULE, ...rest];
      const stripped = await strippedOf(bytes);
      let strips = true;
      try {
        stripModule(new Uint8Array(bytes), "x");
      } catch {
        strips = false;
      }
      if (strips) assert.deepEqual(stripModule(stripped, "x"), stripModule(new Uint8Array(bytes), "x"));
    }),
    { numRuns: 200 },
  );
});

Deno.test("isIntact() detects a truncated, changed or missing file", async () => {
  const path = `${directory}/blob`;
  const bytes = crypto.getRandomValues(new Uint8Array(60_000));
  const blob = { digest: digestOf(bytes), size: bytes.length };
  assert.ok(!isIntact(path, blob));
  await Deno.writeFile(path, bytes);
  assert.ok(isIntact(path, blob));
  await Deno.writeFile(path, bytes.with(5, bytes[5]! ^ 1));
  assert.ok(!isIntact(path, blob));
  await Deno.writeFile(path, bytes.subarray(1));
  assert.ok(!isIntact(path, blob));
});
