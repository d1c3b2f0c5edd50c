/** An installation downloads and asks without the store's lock, and looks again at what it decided once it has that. */

import assert from "node:assert/strict";
import { RegistryClient } from "../../../registry/oci/registry_client.ts";
import type { DecideGrants } from "../../../registry/install/install.ts";
import { lockStore } from "../../../registry/store/store_lock.ts";
import { removePlugins, updateReceipt } from "../../../registry/store/commit.ts";
import { isIntact } from "../../../registry/store/read_stripped.ts";
import { findOrphans } from "../../../registry/store/sweep.ts";
import { AppError } from "../../../runtime/base/errors.ts";
import { LEAST } from "../../../runtime/grants/grants.ts";
import { readReceipt, readReceipts } from "../../../runtime/store/read.ts";
import type { Receipt } from "../../../runtime/store/receipt.ts";
import { compileNothing, makeWasm, namesIn, TestStore } from "../../support/store.ts";

/** A store whose registry lets the blobs of `acme/slow` wait until it is told to go on. */
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

/** Nothing is left over, and all that is installed is whole. */
function assertSound({ layout }: TestStore): void {
  assert.deepEqual([namesIn(layout.stage), findOrphans(layout)], [[], []]);
  for (const receipt of readReceipts(layout).receipts) {
    assert.ok(isIntact(layout.blob(receipt.digest), receipt), receipt.name);
  }
}

Deno.test("others change the store while a download stalls, and it is installed all the same", async () => {
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

Deno.test("a name that another process took meanwhile is refused, and nothing is left of what was downloaded", async () => {
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

Deno.test("what was granted, removed or replaced meanwhile is decided upon anew", async () => {
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

Deno.test("a receipt that changes time and again is decided upon under the lock in the end", async () => {
  const { store, layout, release } = await setUp();
  await using _ = store;
  release();
  await store.install("acme/foo:v1");
  let asked = 0;
  const grants: DecideGrants = async (_plugin, replaced) => {
    asked++;
    assert.equal(replaced?.description, asked === 1 ? undefined : "x".repeat(asked - 1));
    // The last time is under the lock, where nobody else can.
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

Deno.test("a plugin that was removed while its upgrade was on its way is not brought back", async () => {
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

Deno.test("what was there when it was looked for, and is removed by the time of the lock, is fetched again", async () => {
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

Deno.test("many pulls of one digest at once, beside removals, end with a store in which everything is right", async () => {
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

Deno.test("what turns out not to be a plugin, or can't be downloaded, never was in the store", async () => {
  const { store, layout, release } = await setUp();
  await using _ = store;
  release();
  const waits = await lockStore(
    layout.lock,
    "test",
    () => {},
    () => Deno.mkdirSync(layout.root, { mode: 0o700 }),
  );
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
  // Nobody else was waited for: it was told while another had the lock.
  assert.deepEqual([namesIn(layout.blobs), namesIn(layout.receipts), namesIn(layout.stage)], [[], [], []]);
  waits[Symbol.dispose]();
});
