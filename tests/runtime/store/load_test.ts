import assert from "node:assert/strict";
import type { Layout } from "../../../runtime/store/layout.ts";
import { loadPlugin } from "../../../runtime/store/load.ts";
import { TestStore } from "../../support/store.ts";

const never = () => Promise.reject(new Error("nothing is stale"));

/** A store whose compiled form is missing at the first `looks` reads. */
function goneFor(looks: number, layout: Layout): Layout {
  return {
    ...layout,
    compiledDir: (digest, bindgen) =>
      looks-- > 0 ? `${layout.root}/gone` : layout.compiledDir(digest, bindgen),
  };
}

Deno.test("reads a plugin again that is pulled again meanwhile", async () => {
  await using store = TestStore.make();
  await store.push("acme/foo:v1");
  const receipt = await store.install("acme/foo:v1");
  const loaded = await loadPlugin(goneFor(1, store.layout), "foo", never);
  assert.deepEqual(loaded.receipt, receipt);
  assert.deepEqual([...loaded.files.keys()], ["plugin.wasm"]);
});

Deno.test("a broken compiled form is an error; a removed plugin is not installed", async () => {
  await using store = TestStore.make();
  const { layout } = store;
  await store.push("acme/foo:v1");
  await store.install("acme/foo:v1");
  await assert.rejects(loadPlugin(goneFor(1000, layout), "foo", never), { code: "STORE_CORRUPT" });
  await assert.rejects(
    loadPlugin(
      {
        ...layout,
        compiledDir() {
          Deno.removeSync(layout.receipt("foo"));
          return `${layout.root}/gone`;
        },
      },
      "foo",
      never,
    ),
    { code: "NOT_INSTALLED" },
  );
});

Deno.test("meanwhile() gets the bytes, and a wrong digest is refused all the same", async () => {
  await using store = TestStore.make();
  const { layout } = store;
  await store.push("acme/foo:v1");
  const receipt = await store.install("acme/foo:v1");
  const seen: Uint8Array[] = [];
  const note = (kind: string, files: ReadonlyMap<string, Uint8Array<ArrayBuffer>>) => {
    assert.equal(kind, "preview1");
    seen.push(files.get("plugin.wasm")!);
  };
  const { files } = await loadPlugin(layout, "foo", never, note);
  assert.deepEqual(seen, [files.get("plugin.wasm")]);
  const path = `${layout.compiledDir(receipt.digest, receipt.bindgen)}/plugin.wasm`;
  Deno.chmodSync(path, 0o600);
  const wrong = Deno.readFileSync(path);
  wrong[wrong.length - 1]! ^= 1;
  Deno.writeFileSync(path, wrong);
  await assert.rejects(loadPlugin(layout, "foo", never, note), { code: "STORE_CORRUPT" });
  assert.ok(seen.length > 1);
});
