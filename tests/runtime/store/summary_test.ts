import assert from "node:assert/strict";
import {
  removePlugins,
  rollbackPlugin,
  updateReceipt,
  writeReceipt,
} from "../../../registry/store/commit.ts";
import { openForWriting } from "../../../registry/store/open.ts";
import { formatReceipt } from "../../../runtime/store/receipt.ts";
import { readReceipt } from "../../../runtime/store/read.ts";
import {
  formatSummaries,
  parseSummaries,
  readSummaries,
  receiptsStamp,
  SUMMARY_FROM,
} from "../../../runtime/store/summary.ts";
import { TestStore } from "../../support/store.ts";

async function setUp(count = SUMMARY_FROM) {
  const store = TestStore.make();
  for (const tag of ["v1", "v2"]) {
    await store.push(`acme/foo:${tag}`, undefined, { "org.opencontainers.image.version": tag });
  }
  const receipt = await store.install("acme/foo:v1");
  {
    using _lock = await openForWriting(store.layout, { task: "test" });
    for (let index = 1; index < count; index++) writeReceipt(store.layout, { ...receipt, name: `p${index}` });
  }
  return store;
}

/** `list` shows what the receipts say, and reads it from the summary. */
function assertTrue({ layout }: TestStore): void {
  const { summaries, broken } = readSummaries(layout);
  assert.deepEqual(broken, []);
  for (const summary of summaries) {
    const receipt = readReceipt(layout, summary.name);
    assert.deepEqual(
      [summary.version, summary.reference],
      [receipt.version, receipt.reference],
      summary.name,
    );
  }
  const copy = parseSummaries(Deno.readTextFileSync(layout.summaries), receiptsStamp(layout)!);
  assert.deepEqual(copy, JSON.parse(JSON.stringify(summaries)));
}

Deno.test("the summary follows every change", async () => {
  await using store = await setUp();
  const { layout } = store;
  assertTrue(store);
  await store.install("acme/foo:v2");
  assertTrue(store);
  assert.equal(readSummaries(layout).summaries.find(({ name }) => name === "foo")?.version, "v2");
  await rollbackPlugin(layout, "foo", {});
  assertTrue(store);
  await updateReceipt(layout, "p1", (receipt) => ({ ...receipt, version: "mine" }));
  assertTrue(store);
  await removePlugins(layout, ["p2"]);
  assert.throws(() => Deno.statSync(layout.summaries), Deno.errors.NotFound, "there are few now");
  assert.equal(readSummaries(layout).summaries.length, SUMMARY_FROM - 1);
});

Deno.test("the summary sees two changes in one tick of the clock", async () => {
  await using store = await setUp();
  const { layout } = store;
  const stamp = new Date(receiptsStamp(layout)!);
  {
    using _lock = await openForWriting(layout, { task: "test" });
    writeReceipt(layout, { ...readReceipt(layout, "p1"), version: "new" });
    Deno.utimeSync(layout.receipts, stamp, stamp);
  }
  assertTrue(store);
  assert.equal(readSummaries(layout).summaries.find(({ name }) => name === "p1")?.version, "new");
});

Deno.test("ignores an old summary of a killed process, and a broken one", async () => {
  await using store = await setUp();
  const { layout } = store;
  const stamp = receiptsStamp(layout)!;
  Deno.writeTextFileSync(
    `${layout.receipts}/staged`,
    formatReceipt({ ...readReceipt(layout, "p1"), version: "new" }),
  );
  Deno.renameSync(`${layout.receipts}/staged`, layout.receipt("p1"));
  Deno.utimeSync(layout.receipts, new Date(), new Date(stamp + 1)); // within one millisecond the stamp would be equal
  assert.equal(readSummaries(layout).summaries.find(({ name }) => name === "p1")?.version, "new");
  for (
    const text of [
      "",
      "{",
      "null",
      "[]",
      '{"format":1,"stamp":0,"plugins":[]}',
      `{"format":1,"stamp":${stamp + 1},"plugins":[1]}`,
    ]
  ) {
    Deno.writeTextFileSync(layout.summaries, text);
    assert.equal(readSummaries(layout).summaries.length, SUMMARY_FROM, text);
  }
});

Deno.test("reports every broken receipt", async () => {
  await using store = await setUp();
  Deno.writeTextFileSync(`${store.layout.receipts}/broken.json`, "{");
  assert.deepEqual(readSummaries(store.layout).broken.map(({ name }) => name), ["broken"]);
  (await openForWriting(store.layout, { task: "test" }))[Symbol.dispose]();
  assert.deepEqual(readSummaries(store.layout).broken.map(({ name }) => name), ["broken"]);
});

Deno.test("parseSummaries() reads what formatSummaries() wrote, for that stamp only", async () => {
  await using store = await setUp(1);
  const receipt = readReceipt(store.layout, "foo");
  const text = formatSummaries([receipt], 7);
  assert.equal(parseSummaries(text, 7)?.[0]?.name, "foo");
  assert.equal(parseSummaries(text, 8), undefined);
});
