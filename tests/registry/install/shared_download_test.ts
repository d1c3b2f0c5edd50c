/** Several installations of the same bytes at the same time. */

import assert from "node:assert/strict";
import { examineStore } from "../../../registry/fleet/store_checks.ts";
import { digestOf } from "../../../registry/oci/digest.ts";
import { isDownloadLock, lockDownload } from "../../../registry/store/download_lock.ts";
import { createStore, openForWriting } from "../../../registry/store/open.ts";
import { checkStore } from "../../../runtime/store/check.ts";
import { STORE_VERSION } from "../../../runtime/store/layout.ts";
import { readReceipts } from "../../../runtime/store/read.ts";
import { BINARY, makeWasm, namesIn, TestStore } from "../../support/store.ts";

const WASM = makeWasm("shared");

/** A store whose registry delays downloads of {@linkcode WASM} until it is released, and then gives `answers`. */
async function setUp() {
  const store = TestStore.make();
  for (const name of ["foo", "bar"]) await store.push(`acme/${name}:v1`, WASM);
  const reached = Promise.withResolvers<void>();
  const release = Promise.withResolvers<void>();
  const downloads: string[] = [];
  const answers: Response[] = [];
  store.registry.hook = async (_request, url) => {
    if (!url.pathname.endsWith(`/blobs/${digestOf(WASM)}`)) return undefined;
    downloads.push(url.pathname);
    reached.resolve();
    await release.promise;
    return answers.shift();
  };
  return {
    store,
    layout: store.layout,
    downloads,
    answers,
    reached: reached.promise,
    release: release.resolve,
  };
}

/** Installs `acme/foo:v1` under a name. `waits` resolves when it waits for another download. */
function install(store: TestStore, name: string, reference = "acme/foo:v1") {
  const waiting = Promise.withResolvers<string>();
  const done = store.install(reference, { name, notice: waiting.resolve });
  done.catch(() => {});
  return { done, waits: waiting.promise };
}

Deno.test("parallel installations of one plugin download it once", async () => {
  const { store, layout, downloads, reached, release } = await setUp();
  await using _ = store;
  const first = install(store, "one");
  await reached;
  const others = ["two", "three"].map((name) => install(store, name));
  for (const { waits } of others) {
    assert.match(await waits, /^waiting for krew-wasm pull \S+\/acme\/foo:v1 \(process \d+\) to finish$/);
  }
  release();
  for (const { done } of [first, ...others]) await done;
  assert.deepEqual(downloads.length, 1);
  assert.deepEqual(readReceipts(layout).receipts.map(({ name }) => name), ["one", "three", "two"]);
  assert.deepEqual(namesIn(layout.stage), []);
});

Deno.test("downloads by itself if the download that it waited for fails", async () => {
  const { store, layout, downloads, answers, reached, release } = await setUp();
  await using _ = store;
  const first = install(store, "one");
  await reached;
  const second = install(store, "two");
  await second.waits;
  answers.push(new Response(null, { status: 403 }));
  release();
  await assert.rejects(first.done, { code: "REGISTRY_FORBIDDEN" });
  assert.equal((await second.done).name, "two");
  assert.equal(downloads.length, 2);
  assert.deepEqual(namesIn(layout.stage), []);
});

Deno.test("does not wait for another repository's download of the same bytes", async () => {
  const { store, downloads, reached, release } = await setUp();
  await using _ = store;
  const slow = install(store, "one");
  await reached;
  const hook = store.registry.hook;
  store.registry.hook = undefined;
  assert.equal((await store.install("acme/bar:v1", { notice: assert.fail })).name, "bar");
  store.registry.hook = hook;
  release();
  await slow.done;
  assert.deepEqual(downloads.length, 1);
});

Deno.test("keeps the lock of a download in stage/ for a day", async () => {
  await using store = TestStore.make();
  const { layout } = store;
  await createStore(layout, { task: "test" });
  const lock = await lockDownload(layout, "registry.example/acme/foo@sha256:0", "test", () => {});
  const [name = ""] = namesIn(layout.stage);
  const change = async () => (await openForWriting(layout, { task: "test" }))[Symbol.dispose]();
  await change();
  assert.deepEqual([namesIn(layout.stage), isDownloadLock(layout, name)], [[name], true]);
  const leftovers = () => examineStore(layout, BINARY).find(({ check }) => check === "leftovers")?.level;
  assert.equal(leftovers(), "ok");
  const old = Date.now() / 1000 - 25 * 3600;
  Deno.utimeSync(`${layout.stage}/${name}`, old, old);
  assert.equal(leftovers(), "warning");
  await change();
  assert.deepEqual(namesIn(layout.stage), []);
  lock[Symbol.dispose](); // its file is gone
});

Deno.test("a failed first installation leaves a complete, empty store", async () => {
  await using store = TestStore.make();
  const { layout } = store;
  await assert.rejects(store.install("acme/gone:v1"), { code: "REGISTRY_NOT_FOUND" });
  assert.equal(checkStore(layout), STORE_VERSION);
  assert.deepEqual(Deno.readTextFileSync(layout.version), `{"format":${STORE_VERSION}}\n`);
  assert.deepEqual(readReceipts(layout), { receipts: [], broken: [] });
  assert.deepEqual(namesIn(layout.stage), []);
});
