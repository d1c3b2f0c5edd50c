import assert from "node:assert/strict";
import type { Compiled } from "../../../registry/compile/compile.ts";
import { digestOf } from "../../../registry/oci/digest.ts";
import { sweepCache } from "../../../registry/store/cached_forms.ts";
import { cacheForm, findCached } from "../../../registry/store/form_cache.ts";
import { openForWriting } from "../../../registry/store/open.ts";
import { BINDGEN } from "../../../runtime/store/bindgen.ts";
import { checkStore } from "../../../runtime/store/check.ts";
import { type Layout, layoutAt } from "../../../runtime/store/layout.ts";
import { namesIn, NOTHING } from "../../support/store.ts";
import { temporaryDirectory } from "../../support/temporary.ts";

const windows = Deno.build.os === "windows";
const DAY = 24 * 3_600_000;

/** A compiled component. */
const FORM: Compiled = {
  kind: "component",
  files: [
    { name: "plugin.js", bytes: new TextEncoder().encode("// script") },
    { name: "plugin.core.wasm", bytes: NOTHING },
    { name: "plugin.core.wasm.names", bytes: new Uint8Array([1]) },
  ],
};
const digestFor = (text: string) => digestOf(new TextEncoder().encode(text));

async function withLayout(test: (layout: Layout) => Promise<void>): Promise<void> {
  const root = temporaryDirectory();
  try {
    await test(layoutAt(`${root}/store`));
  } finally {
    Deno.removeSync(root, { recursive: true });
  }
}

const find = (layout: Layout, digest: string) => findCached(layout, digest, () => {});

Deno.test("keeps the compiled form of a file for the same bytes, for the user alone", async () => {
  await withLayout(async (layout) => {
    const digest = digestFor("a");
    assert.equal(await find(layout, digest), undefined);
    cacheForm(layout, digest, FORM);
    const form = (await find(layout, digest))!;
    assert.equal(form.kind, "component");
    assert.deepEqual([...form.files.keys()], ["plugin.js", "plugin.core.wasm"]);
    assert.deepEqual(form.files.get("plugin.core.wasm"), NOTHING);
    assert.deepEqual(await form.names("plugin.core.wasm.names"), new Uint8Array([1]));
    assert.equal(await find(layout, digestFor("b")), undefined);
    if (windows) return;
    assert.equal(Deno.statSync(form.directory).mode! & 0o777, 0o700);
    for (const name of namesIn(form.directory)) {
      assert.equal(Deno.statSync(`${form.directory}/${name}`).mode! & 0o777, 0o600);
    }
  });
});

Deno.test("does not run a changed form, and removes it", async () => {
  const changes: ((directory: string) => void)[] = [
    (directory) => Deno.writeTextFileSync(`${directory}/plugin.js`, "// another"),
    (directory) => Deno.removeSync(`${directory}/plugin.core.wasm`),
    (directory) => Deno.removeSync(`${directory}/form.json`),
    (directory) => Deno.writeTextFileSync(`${directory}/form.json`, "{"),
    (directory) => {
      const path = `${directory}/form.json`;
      Deno.writeTextFileSync(path, Deno.readTextFileSync(path).replace("plugin.js", "../plugin.js"));
    },
    (directory) => {
      const path = `${directory}/form.json`;
      Deno.writeTextFileSync(path, Deno.readTextFileSync(path).replace('"format":1', '"format":2'));
    },
  ];
  for (const [index, change] of changes.entries()) {
    await withLayout(async (layout) => {
      const digest = digestFor("a");
      cacheForm(layout, digest, FORM);
      change(layout.cachedDir(digest, BINDGEN));
      assert.equal(await find(layout, digest), undefined, String(index));
      assert.deepEqual(namesIn(layout.cache), []);
      cacheForm(layout, digest, FORM);
      assert.ok(await find(layout, digest));
    });
  }
});

Deno.test("uses no store that others may write to", { ignore: windows }, async () => {
  await withLayout(async (layout) => {
    const digest = digestFor("a");
    cacheForm(layout, digest, FORM);
    Deno.chmodSync(layout.root, 0o777);
    assert.throws(() => checkStore(layout), { code: "STORE_UNSAFE" });
    assert.equal(await find(layout, digest), undefined);
    cacheForm(layout, digestFor("b"), FORM);
    assert.equal(namesIn(layout.cache).length, 1);
  });
});

Deno.test("writes nothing to a directory that is no store", async () => {
  await withLayout((layout) => {
    Deno.mkdirSync(layout.root);
    Deno.writeTextFileSync(`${layout.root}/passwd`, "");
    cacheForm(layout, digestFor("a"), FORM);
    assert.deepEqual(namesIn(layout.root), ["passwd"]);
    return Promise.resolve();
  });
});

Deno.test("two runs that cache the same form leave one", async () => {
  await withLayout(async (layout) => {
    const digest = digestFor("a");
    cacheForm(layout, digest, FORM);
    cacheForm(layout, digest, FORM);
    assert.equal(namesIn(layout.cache).length, 1);
    assert.ok(await find(layout, digest));
  });
});

Deno.test("removes forms that are old, of another compiler, or half written", async () => {
  await withLayout(async (layout) => {
    cacheForm(layout, digestFor("a"), FORM);
    const at = (name: string) => `${layout.cache}/${"0".repeat(64)}-${name}`;
    Deno.mkdirSync(at("another"));
    Deno.mkdirSync(at(`${BINDGEN}.staged`));
    sweepCache(layout);
    assert.equal(namesIn(layout.cache).length, 3);
    sweepCache(layout, Date.now() + 2 * 3_600_000);
    assert.equal(namesIn(layout.cache).length, 1);
    sweepCache(layout, Date.now() + 29 * DAY);
    assert.equal(namesIn(layout.cache).length, 1);
    const form = `${layout.cachedDir(digestFor("a"), BINDGEN)}/form.json`;
    const old = new Date(Date.now() - 31 * DAY);
    Deno.utimeSync(form, old, old);
    assert.ok(await find(layout, digestFor("a"))); // the use is recorded
    sweepCache(layout);
    assert.equal(namesIn(layout.cache).length, 1);
    Deno.utimeSync(form, old, old);
    (await openForWriting(layout, { task: "test" }))[Symbol.dispose]();
    assert.deepEqual(namesIn(layout.cache), []);
  });
});

Deno.test("removes the least recently used forms above the limit of space", async () => {
  await withLayout(async (layout) => {
    for (const [index, name] of ["old", "older", "new"].entries()) {
      cacheForm(layout, digestFor(name), FORM);
      const used = new Date(Date.now() - [2, 3, 1][index]! * DAY);
      Deno.utimeSync(`${layout.cachedDir(digestFor(name), BINDGEN)}/form.json`, used, used);
    }
    const size = FORM.files.reduce((sum, { bytes }) => sum + bytes.length, 0);
    sweepCache(layout, Date.now(), 2 * size);
    assert.ok(await find(layout, digestFor("new")));
    assert.ok(await find(layout, digestFor("old")));
    assert.equal(await find(layout, digestFor("older")), undefined);
  });
});
