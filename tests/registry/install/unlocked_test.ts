/** An installation downloads and asks without the store's lock. Under the lock it checks its decisions again. */

import assert from "node:assert/strict";
import { RegistryClient } from "../../../registry/oci/registry_client.ts";
import type { DecideGrants } from "../../../registry/install/install_plan.ts";
import { lockStore } from "../../../registry/store/store_lock.ts";
import { removePlugins, updateReceipt } from "../../../registry/store/commit.ts";
import { createStore } from "../../../registry/store/open.ts";
import { isIntact } from "../../../registry/store/read_stripped.ts";
import { findOrphans } from "../../../registry/store/sweep.ts";
import { AppError } from "../../../runtime/base/errors.ts";
import { LEAST } from "../../../runtime/grants/grants.ts";
import { readReceipt, readReceipts } from "../../../runtime/store/read.ts";
import type { Receipt } from "../../../runtime/store/receipt.ts";
import { compileNothing, makeWasm, namesIn, TestStore } from "../../support/store.ts";

/** A store whose registry delays the blobs of `acme/slow` until it is released. */
async function setUp() {
  const store = TestStore.make();
  for (const name of ["foo", "bar", "slow"]) await store.push(`acme/${name}:v1`);
  const reached = Promise.withResolvers<void>();
  const release = Promise.withResolvers<void>();
  store.registry.hook = async (_request, url) => {
    if (!url.pathname.includes("/acme/slow/blobs/")) return undefined;
    reached.resolve();
    await release.promise;
    return undefined;
  };
  return { store, layout: store.layout, reached: reached.promise, release: release.resolve };
}

/** Nothing is left over, and every installed plugin is complete. */
function assertSound({ layout }: TestStore): void {
  assert.deepEqual([namesIn(layout.stage), findOrphans(layout)], [[], []]);
  for (const receipt of readReceipts(layout).receipts) {
    assert.ok(isIntact(layout.blob(receipt.digest), receipt), receipt.name);
  }
}

Deno.test("installs a plugin although others change the store during the download", async () => {
  const { store, layout, reached, release } = await setUp();
  await using _ = store;
  await store.install("acme/foo:v1");
  const slow = store.install("acme/slow:v1");
  await reached;
  const waits = (line: string) => assert.fail(line);
  await store.install("acme/bar:v1", { notice: waits });
  await updateReceipt(layout, "bar", (receipt) => receipt, { notice: waits });
  await removePlugins(layout, ["foo"], waits);
  release();
  await slow;
  assert.deepEqual(readReceipts(layout).receipts.map(({ name }) => name), ["bar", "slow"]);
  assertSound(store);
});

Deno.test("refuses a name taken during the download and leaves no files", async () => {
  const { store, layout, reached, release } = await setUp();
  await using _ = store;
  const slow = store.install("acme/slow:v1", { name: "foo", force: false });
  await reached;
  const foo = await store.install("acme/foo:v1", { force: false });
  release();
  await assert.rejects(slow, { code: "ALREADY_INSTALLED", message: /acme\/foo:v1/ });
  assert.deepEqual(readReceipts(layout).receipts, [foo]);
  assertSound(store);
});

Deno.test("decides grants again after a change during the download", async () => {
  const home = { ...LEAST, home: true } as typeof LEAST;
  const changes: [what: string, change: (store: TestStore) => Promise<unknown>][] = [
    ["nothing", () => Promise.resolve()],
    ["granted", ({ layout }) => updateReceipt(layout, "foo", (receipt) => ({ ...receipt, grants: home }))],
    ["removed", ({ layout }) => removePlugins(layout, ["foo"])],
    ["replaced", (store) => store.install("acme/bar:v1", { name: "foo" })],
  ];
  for (const [what, change] of changes) {
    const { store, layout, reached, release } = await setUp();
    await using _ = store;
    const first = await store.install("acme/foo:v1");
    const seen: (Receipt | undefined)[] = [];
    const slow = store.install("acme/slow:v1", {
      name: "foo",
      grants: (_plugin, replaced) => {
        seen.push(replaced);
        return replaced?.grants ?? LEAST;
      },
    });
    await reached;
    await change(store);
    const now = readReceipts(layout).receipts.at(0);
    release();
    const installed = await slow;
    assert.deepEqual(seen, what === "nothing" ? [first] : [first, now], what);
    assert.deepEqual(installed.grants, now?.grants ?? LEAST);
    assertSound(store);
  }
});

Deno.test("decides grants under the lock if the receipt keeps changing", async () => {
  const { store, layout, release } = await setUp();
  await using _ = store;
  release();
  await store.install("acme/foo:v1");
  let asked = 0;
  const grants: DecideGrants = async (_plugin, replaced) => {
    asked++;
    assert.equal(replaced?.description, asked === 1 ? undefined : "x".repeat(asked - 1));
    // The last decision happens under the lock, where no other process can change the receipt.
    if (asked < 4) {
      await updateReceipt(layout, "foo", (receipt) => ({ ...receipt, description: "x".repeat(asked) }));
    }
    return LEAST;
  };
  assert.equal(
    (await store.install("acme/slow:v1", { name: "foo", grants })).reference.includes("slow"),
    true,
  );
  assert.equal(asked, 4);
  assertSound(store);
});

Deno.test("an upgrade does not bring back a plugin that was removed meanwhile", async () => {
  const { store, layout, reached, release } = await setUp();
  await using _ = store;
  await store.install("acme/foo:v1");
  const slow = store.install("acme/slow:v1", { name: "foo", upgrades: true });
  await reached;
  await removePlugins(layout, ["foo"]);
  release();
  await assert.rejects(slow, { code: "NOT_INSTALLED" });
  assert.deepEqual(readReceipts(layout).receipts, []);
  assertSound(store);
});

Deno.test("fetches a blob again that was removed before the lock", async () => {
  const { store, layout, release } = await setUp();
  await using _ = store;
  release();
  const { digest } = await store.install("acme/foo:v1");
  for (const lost of ["blob", "compiled form", "both"]) {
    const held = await lockStore(layout.lock, "test", () => {});
    const waiting = Promise.withResolvers<void>();
    const again = store.install("acme/foo:v1", { name: "bar", notice: () => waiting.resolve() });
    await waiting.promise;
    if (lost !== "compiled form") Deno.removeSync(layout.blob(digest));
    if (lost !== "blob") {
      const { digest, bindgen } = readReceipt(layout, "foo");
      Deno.removeSync(layout.compiledDir(digest, bindgen), { recursive: true });
    }
    held[Symbol.dispose]();
    assert.equal((await again).digest, digest, lost);
    assert.equal(namesIn(layout.compiled).length, 1);
    assertSound(store);
  }
});

Deno.test("parallel pulls and removals of one digest leave a valid store", async () => {
  const { store, layout, release } = await setUp();
  await using _ = store;
  release();
  const names = Array.from({ length: 12 }, (_, index) => `p${index}`);
  await Promise.all(names.map(async (name, index) => {
    await store.install("acme/slow:v1", { name });
    if (index % 3 === 0) await removePlugins(layout, [name]);
  }));
  assert.deepEqual(
    readReceipts(layout).receipts.map(({ name }) => name),
    names.filter((_, index) => index % 3 !== 0).sort(),
  );
  assert.equal(namesIn(layout.blobs).length, 3, "manifest, config and WebAssembly");
  assertSound(store);
});

Deno.test("a failed download or compilation leaves nothing in the store", async () => {
  const { store, layout, release } = await setUp();
  await using _ = store;
  release();
  await createStore(layout, { task: "test" });
  const waits = await lockStore(layout.lock, "test", () => {});
  const refused = store.install("acme/slow:v1", {
    compile: () => Promise.reject(new AppError("WASM_INVALID", "It is no WebAssembly")),
  });
  await assert.rejects(refused, { code: "WASM_INVALID", message: /^Cannot install .*: it is no/ });
  const client = new RegistryClient({
    credentials: () => Promise.resolve(undefined),
    sleep: () => Promise.resolve(),
  });
  store.registry.hook = (_request, url) =>
    url.pathname.includes("/blobs/") ? new Response(makeWasm("acme/slow:v2")) : undefined;
  await assert.rejects(store.install("acme/slow:v1", { client, compile: compileNothing }), {
    code: "DIGEST_MISMATCH",
  });
  // It did not wait for the lock, which another process had.
  assert.deepEqual([namesIn(layout.blobs), namesIn(layout.receipts), namesIn(layout.stage)], [[], [], []]);
  waits[Symbol.dispose]();
});
