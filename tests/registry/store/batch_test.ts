import assert from "node:assert/strict";
import { StoreBatch } from "../../../registry/store/batch.ts";
import { removePlugins } from "../../../registry/store/commit.ts";
import { readHistory } from "../../../runtime/store/history.ts";
import { readReceipt, readReceipts } from "../../../runtime/store/read.ts";
import { readSummaries, SUMMARY_FROM } from "../../../runtime/store/summary.ts";
import { namesIn, TestStore } from "../../support/store.ts";

/** Counts the receipts that a store's functions read. */
function countingReads(store: TestStore): { readonly read: () => number } & Disposable {
  const { readTextFileSync } = Deno;
  let count = 0;
  Deno.readTextFileSync = (path, ...rest) => {
    if (String(path).startsWith(`${store.layout.receipts}/`)) count++;
    return readTextFileSync(path, ...rest);
  };
  return {
    read: () => count,
    [Symbol.dispose]() {
      Deno.readTextFileSync = readTextFileSync;
    },
  };
}

/** Installs `count` plugins in one batch. */
async function installMany(store: TestStore, count: number, wasm?: Uint8Array): Promise<void> {
  await using batch = new StoreBatch(store.layout, { task: "test" });
  for (let index = 0; index < count; index++) {
    await store.push(`acme/p${index}:v1`, wasm);
    await store.install(`acme/p${index}:v1`, { batch });
  }
}

Deno.test("a batch reads each receipt a constant number of times", async () => {
  const perPlugin: number[] = [];
  for (const count of [10, 40]) {
    await using store = TestStore.make();
    using counting = countingReads(store);
    await installMany(store, count);
    perPlugin.push(counting.read() / count);
    // Again: the bytes and compiled forms are there.
    const before = counting.read();
    await installMany(store, count);
    perPlugin.push((counting.read() - before) / count);
  }
  const [few, fewAgain, many, manyAgain] = perPlugin;
  assert.ok(many! <= few! + 0.5 && manyAgain! <= fewAgain! + 0.5, perPlugin.join(", "));
});

Deno.test("one installation reads the other receipts once", async () => {
  await using store = TestStore.make();
  await installMany(store, 20);
  await store.push("acme/one:v1");
  using counting = countingReads(store);
  await store.install("acme/one:v1");
  assert.ok(counting.read() < 30, `${counting.read()} receipts were read`);
});

Deno.test("plugins of one digest share a compiled form that is compiled once", async () => {
  await using store = TestStore.make();
  let compiled = 0;
  const wasm = new Uint8Array([0, 0x61, 0x73, 0x6d, 1, 0, 0, 0]);
  await using batch = new StoreBatch(store.layout, { task: "test" });
  for (const name of ["a", "b", "c"]) {
    await store.push(`acme/${name}:v1`, wasm);
    await store.install(`acme/${name}:v1`, {
      batch,
      compile: (bytes) => {
        compiled++;
        return Promise.resolve({ kind: "preview1", files: [{ name: "plugin.wasm", bytes }] });
      },
    });
  }
  assert.equal(compiled, 1);
});

Deno.test("a batch removes replaced versions at its end", async () => {
  await using store = TestStore.make();
  const { layout } = store;
  await store.push("acme/foo:v1");
  await store.push("acme/foo:v2");
  {
    await using batch = new StoreBatch(layout, { task: "test" });
    await store.install("acme/foo:v1", { batch, keep: 1 });
    await store.install("acme/foo:v2", { batch, keep: 1 });
    assert.equal(namesIn(layout.compiled).length, 2);
  }
  assert.equal(namesIn(layout.compiled).length, 1);
  assert.ok(namesIn(layout.compiled)[0]!.startsWith(readReceipt(layout, "foo").digest.slice(7)));
});

Deno.test("list shows the plugins of a batch before and after its end", async () => {
  await using store = TestStore.make();
  const { layout } = store;
  await installMany(store, SUMMARY_FROM);
  assert.ok(Deno.statSync(layout.summaries).isFile);
  const names = () => readSummaries(layout).summaries.map(({ name }) => name);
  await store.push("acme/one:v1");
  {
    await using batch = new StoreBatch(layout, { task: "test" });
    await store.install("acme/one:v1", { batch });
    assert.throws(() => Deno.statSync(layout.summaries), Deno.errors.NotFound);
    assert.ok(names().includes("one"));
  }
  assert.ok(Deno.statSync(layout.summaries).isFile);
  assert.ok(names().includes("one"));
});

Deno.test("rm of many reads the receipts once", async () => {
  await using store = TestStore.make();
  await installMany(store, 20);
  using counting = countingReads(store);
  const names = readReceipts(store.layout).receipts.map(({ name }) => name);
  const before = counting.read();
  await removePlugins(store.layout, names.slice(5));
  assert.ok(counting.read() - before <= 10, `${counting.read() - before} receipts were read`);
  assert.equal(namesIn(store.layout.compiled).length, 5);
});

Deno.test("a new plugin gets no history that a killed rm left", async () => {
  await using store = TestStore.make();
  const { layout } = store;
  for (const tag of ["v1", "v2"]) {
    await store.push(`acme/foo:${tag}`);
    await store.install(`acme/foo:${tag}`);
  }
  assert.equal(readHistory(layout, "foo").length, 1);
  Deno.removeSync(layout.receipt("foo")); // the process is killed before its sweep
  await store.push("acme/other/foo:v1");
  await using batch = new StoreBatch(layout, { task: "test" });
  await store.install("acme/other/foo:v1", { batch });
  assert.deepEqual(readHistory(layout, "foo"), []);
});
