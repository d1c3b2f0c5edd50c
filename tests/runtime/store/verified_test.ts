import assert from "node:assert/strict";
import { loadPlugin } from "../../../runtime/store/load.ts";
import type { Receipt } from "../../../runtime/store/receipt.ts";
import { LARGE } from "../../../runtime/store/verified.ts";
import { NOTHING, TestStore } from "../../support/store.ts";

const never = () => Promise.reject(new Error("nothing is stale"));
const windows = Deno.build.os === "windows";

/** A module with a custom section that makes it large. */
function makeLarge(size: number): Uint8Array<ArrayBuffer> {
  const length = [size & 0x7f | 0x80, size >>> 7 & 0x7f | 0x80, size >>> 14 & 0x7f | 0x80, size >>> 21];
  const wasm = new Uint8Array(NOTHING.length + 5 + size);
  wasm.set([...NOTHING, 0, ...length, 1, 0x78]);
  return wasm;
}

/** A store with one large plugin. */
async function withPlugin(
  size: number,
  test: (load: () => Promise<number>, path: string, store: TestStore, receipt: Receipt) => Promise<void>,
): Promise<void> {
  await using store = TestStore.make();
  await store.push("acme/foo:v1");
  const receipt = await store.install("acme/foo:v1", {
    compile: () =>
      Promise.resolve({ kind: "preview1", files: [{ name: "plugin.wasm", bytes: makeLarge(size) }] }),
  });
  const path = `${store.layout.compiledDir(receipt.digest, receipt.bindgen)}/plugin.wasm`;
  /** Loads the plugin, and returns how many digests that took. */
  const load = async () => {
    const { digest } = crypto.subtle;
    let count = 0;
    crypto.subtle.digest = (...args) => {
      count++;
      return digest.apply(crypto.subtle, args);
    };
    try {
      const { files } = await loadPlugin(store.layout, "foo", never, (_, files) => {
        WebAssembly.validate(files.get("plugin.wasm")!);
      });
      assert.deepEqual(files.get("plugin.wasm"), Deno.readFileSync(path));
      return count;
    } finally {
      crypto.subtle.digest = digest;
    }
  };
  await test(load, path, store, receipt);
}

/** Runs `work` at another time of the clock. */
async function later<T>(milliseconds: number, work: () => Promise<T>): Promise<T> {
  const { now } = Date;
  Date.now = () => now() + milliseconds;
  try {
    return await work();
  } finally {
    Date.now = now;
  }
}

/** Deno tells when a file last changed in seconds. Outside of tests, a remembered file is older than that. */
const anotherSecond = () => new Promise((done) => setTimeout(done, 1100));

Deno.test("hashes a large module once", { ignore: windows }, async () => {
  await withPlugin(LARGE, async (load, path) => {
    assert.equal(await later(10_000, load), 1);
    assert.equal(await load(), 0);
    assert.equal(await load(), 0);
    assert.equal(Deno.statSync(path.replace("plugin.wasm", "verified.json")).mode! & 0o777, 0o600);
  });
});

Deno.test("hashes a small module at every run", async () => {
  await withPlugin(1000, async (load) => {
    assert.equal(await later(10_000, load), 1);
    assert.equal(await load(), 1);
  });
});

Deno.test("does not remember a module that changed a moment ago, or in the future", async () => {
  await withPlugin(LARGE, async (load) => {
    assert.equal(await load(), 1);
    assert.equal(await later(-3_600_000, load), 1);
    assert.equal(await load(), 1);
  });
});

Deno.test("refuses a changed module, whatever its times say", { ignore: windows }, async () => {
  await withPlugin(LARGE, async (load, path) => {
    await later(10_000, load);
    await anotherSecond();
    const { atime, mtime } = Deno.statSync(path);
    const bytes = Deno.readFileSync(path);
    bytes[bytes.length - 1]! ^= 1;
    Deno.writeFileSync(path, bytes);
    Deno.utimeSync(path, atime!, mtime!);
    await assert.rejects(load(), { code: "STORE_CORRUPT" });
    await assert.rejects(later(10_000, load), { code: "STORE_CORRUPT" });
    await assert.rejects(load(), { code: "STORE_CORRUPT" });
  });
});

Deno.test("hashes a module again that was replaced, copied or touched", { ignore: windows }, async () => {
  await withPlugin(LARGE, async (load, path) => {
    await later(10_000, load);
    const { atime, mtime } = Deno.statSync(path);
    Deno.copyFileSync(path, `${path}.copy`);
    Deno.utimeSync(`${path}.copy`, atime!, mtime!);
    Deno.renameSync(`${path}.copy`, path);
    assert.equal(await later(10_000, load), 1);
    assert.equal(await load(), 0);
    await anotherSecond();
    Deno.utimeSync(path, atime!, mtime!);
    assert.equal(await load(), 1);
  });
});

Deno.test("a receipt with another digest or size is not satisfied", { ignore: windows }, async () => {
  await withPlugin(LARGE, async (load, _, { layout }, { compiled: [form] }) => {
    await later(10_000, load);
    const text = Deno.readTextFileSync(layout.receipt("foo"));
    const { compiled, ...rest } = JSON.parse(text);
    const write = (change: object) =>
      Deno.writeTextFileSync(
        layout.receipt("foo"),
        JSON.stringify({ ...rest, compiled: [{ ...compiled[0], ...change }] }),
      );
    write({ digest: `sha256:${"0".repeat(64)}` });
    await assert.rejects(load(), { code: "STORE_CORRUPT" });
    write({ size: form!.size + 100 });
    assert.equal(await load(), 1);
  });
});

Deno.test("ignores a broken record of verified files", { ignore: windows }, async () => {
  await withPlugin(LARGE, async (load, path) => {
    await later(10_000, load);
    const record = path.replace("plugin.wasm", "verified.json");
    const text = Deno.readTextFileSync(record);
    for (
      const broken of ["", "null", "[]", "{", text.slice(0, -5), '{"format":2,"files":[]}', '{"format":1}']
    ) {
      Deno.writeTextFileSync(record, broken);
      assert.equal(await load(), 1, broken);
    }
    await later(10_000, load);
    assert.equal(await load(), 0);
  });
});

Deno.test("runs from a store that cannot be written", { ignore: windows }, async () => {
  await withPlugin(LARGE, async (load, path) => {
    Deno.mkdirSync(path.replace("plugin.wasm", "verified.json"));
    assert.equal(await later(10_000, load), 1);
    assert.equal(await load(), 1);
  });
});
