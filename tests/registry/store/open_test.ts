import assert from "node:assert/strict";
import { updateReceipt } from "../../../registry/store/commit.ts";
import { lockStore } from "../../../registry/store/store_lock.ts";
import { makeDirectory } from "../../../registry/store/disk.ts";
import { narrow } from "../../../registry/store/migrate.ts";
import { Incoming } from "../../../registry/store/incoming.ts";
import { openForReading, openForWriting, prepareStore } from "../../../registry/store/open.ts";
import { checkStore, parseStoreVersion } from "../../../runtime/store/check.ts";
import { readHistory } from "../../../runtime/store/history.ts";
import { layoutAt, STORE_VERSION } from "../../../runtime/store/layout.ts";
import { readReceipt, readReceipts } from "../../../runtime/store/read.ts";
import { formerReceipt } from "../../support/former.ts";
import { namesIn, TestStore } from "../../support/store.ts";
import { temporaryDirectory } from "../../support/temporary.ts";

const windows = Deno.build.os === "windows";
const mode = (path: string) => Deno.statSync(path).mode! & 0o777;

/** Every directory and file of a store except bin/, which is on PATH. */
function* walk(path: string): Generator<string> {
  yield path;
  if (!Deno.lstatSync(path).isDirectory) return;
  for (const name of namesIn(path)) yield* walk(`${path}/${name}`);
}

Deno.test("creates a store with modes 0700 and 0600", { ignore: windows }, async () => {
  await using store = TestStore.make();
  await store.push("acme/foo:v1");
  await store.push("acme/foo:v2");
  await store.install("acme/foo:v1");
  await store.install("acme/foo:v2");
  let seen = 0;
  for (const path of walk(store.layout.root)) {
    const info = Deno.lstatSync(path);
    if (info.isSymlink) continue;
    assert.equal(info.mode! & 0o777, info.isDirectory ? 0o700 : 0o600, path);
    seen++;
  }
  assert.ok(seen > 15, String(seen));
});

Deno.test("narrows the mode of an existing root", { ignore: windows }, async () => {
  await using store = TestStore.make();
  Deno.mkdirSync(store.layout.root);
  Deno.chmodSync(store.layout.root, 0o775); // the mode that mkdir gives with umask 002
  (await openForWriting(store.layout, { task: "test" }))[Symbol.dispose]();
  assert.equal(mode(store.layout.root), 0o700);
  assert.equal(checkStore(store.layout), STORE_VERSION);
});

Deno.test("refuses another directory as a store and keeps its mode", async () => {
  await using store = TestStore.make();
  const { root } = store.layout;
  Deno.mkdirSync(root);
  Deno.writeTextFileSync(`${root}/passwd`, "");
  Deno.mkdirSync(`${root}/bin`);
  if (!windows) Deno.chmodSync(root, 0o755);
  await assert.rejects(openForWriting(store.layout, { task: "test" }), {
    code: "STORE_UNSAFE",
    message: /other files, such as "passwd"$/,
  });
  if (!windows) assert.equal(mode(root), 0o755);
  assert.deepEqual(namesIn(root).sort(), ["bin", "passwd"]);
});

Deno.test("accepts a store that another first command is creating", async () => {
  await using store = TestStore.make();
  (await openForWriting(store.layout, { task: "the other" }))[Symbol.dispose]();
  assert.ok(namesIn(store.layout.root).includes("store.json"));
  for (let late = 1; late <= 4; late++) {
    let looks = 0;
    // The store appears at this check.
    const seen = (path: string) => ++looks < late ? `${path}-not-yet` : path;
    const busy = {
      ...store.layout,
      get version() {
        return seen(store.layout.version);
      },
      get receipts() {
        return seen(store.layout.receipts);
      },
    };
    (await openForWriting(busy, { task: "test" }))[Symbol.dispose]();
  }
});

Deno.test("accepts a directory with leftovers of the user, system or a killed command", async () => {
  for (const names of [["registries.yaml", "acme-ca.pem"], ["lost+found", ".snapshot"], ["bin", "lock"]]) {
    await using store = TestStore.make();
    Deno.mkdirSync(store.layout.root);
    for (const name of names) Deno.writeTextFileSync(`${store.layout.root}/${name}`, "");
    if (names.includes("bin")) Deno.removeSync(store.layout.bin);
    (await openForWriting(store.layout, { task: "test" }))[Symbol.dispose]();
    assert.equal(checkStore(store.layout), STORE_VERSION);
  }
});

Deno.test("reports a store path that is a file or below one", async () => {
  await using store = TestStore.make();
  Deno.writeTextFileSync(store.layout.root, "");
  for (const root of [store.layout.root, `${store.layout.root}/store`]) {
    assert.throws(() => checkStore(layoutAt(root)), { code: "STORE_FAILED", message: /no directory$/ });
  }
});

Deno.test(
  "readers and writers refuse a store that others may write to",
  { ignore: windows },
  async () => {
    await using store = TestStore.make();
    await store.push("acme/foo:v1");
    await store.install("acme/foo:v1");
    for (const unsafe of [0o770, 0o702]) {
      Deno.chmodSync(store.layout.root, unsafe);
      assert.throws(() => checkStore(store.layout), { code: "STORE_UNSAFE", message: /mode 7/ });
      await assert.rejects(openForWriting(store.layout, { task: "test" }), { code: "STORE_UNSAFE" });
    }
  },
);

Deno.test(
  "refuses another user's store, also for root",
  { ignore: windows || Deno.uid() !== 0 },
  async () => {
    await using store = TestStore.make();
    await store.push("acme/foo:v1");
    await store.install("acme/foo:v1");
    try {
      Deno.chownSync(store.layout.root, 65534, 65534);
    } catch (error) {
      // deno-lint-ignore no-console -- the reader of the test output should know
      return console.warn(`no file can be given to another user here: ${error}`); // a user namespace of one user
    }
    assert.throws(() => checkStore(store.layout), { code: "STORE_UNSAFE", message: /uid 65534/ });
    await assert.rejects(openForWriting(store.layout, { task: "test" }), { code: "STORE_UNSAFE" });
    await assert.rejects(store.install("acme/foo:v1"), { code: "STORE_UNSAFE" });
  },
);

Deno.test("refuses a newer store with a hint and leaves it unchanged", async () => {
  await using store = TestStore.make();
  await store.push("acme/foo:v1");
  await store.install("acme/foo:v1");
  Deno.writeTextFileSync(store.layout.version, `{"format":${STORE_VERSION + 1},"more":[]}`);
  const before = [...walk(store.layout.root)];
  const refused = { code: "STORE_NEWER", hint: /KREW_WASM_ROOT/ };
  assert.throws(() => checkStore(store.layout), refused);
  await assert.rejects(store.install("acme/foo:v1"), refused);
  await assert.rejects(updateReceipt(store.layout, "foo", (receipt) => receipt), refused);
  assert.deepEqual([...walk(store.layout.root)], before);
});

Deno.test("parseStoreVersion() refuses other text", () => {
  assert.equal(parseStoreVersion('{"format":2}', "/r"), 2);
  for (const text of ["", "2", "null", "[]", "{}", '{"format":"2"}', '{"format":1}', '{"format":2.5}']) {
    assert.throws(() => parseStoreVersion(text, "/r"), { code: "STORE_CORRUPT" }, text);
  }
});

Deno.test("a missing store has version 0 and is not created by reading it", () => {
  const root = temporaryDirectory();
  assert.equal(checkStore(layoutAt(`${root}/none`)), 0);
  assert.deepEqual(namesIn(root), []);
  Deno.removeSync(root);
});

Deno.test("reads a version 1 store, and migrates it at the first write", async () => {
  await using store = TestStore.make();
  const { layout } = store;
  await store.push("acme/foo:v1");
  await store.push("acme/bar:v1");
  await store.install("acme/foo:v1");
  await store.install("acme/bar:v1");
  // A store of the first krew-wasm: no version, no history, receipts of format 1 without config, wider modes.
  Deno.removeSync(layout.version);
  for (const directory of [layout.history, layout.indexes, layout.log]) Deno.removeSync(directory);
  for (const name of ["foo", "bar"]) {
    const { config: _, ...receipt } = readReceipt(layout, name);
    Deno.writeTextFileSync(layout.receipt(name), JSON.stringify(formerReceipt(receipt, 1)));
    Deno.chmodSync(layout.receipt(name), 0o644);
  }
  Deno.writeTextFileSync(`${layout.receipts}/broken.json`, '{"format":1}');
  Deno.chmodSync(layout.receipts, 0o755);
  const before = readReceipts(layout).receipts;
  assert.equal(checkStore(layout), 1);

  const changed = await updateReceipt(layout, "foo", (receipt) => ({ ...receipt, description: "new" }));
  assert.equal(checkStore(layout), STORE_VERSION);
  const after = readReceipts(layout);
  assert.deepEqual(after.receipts, [before[0], changed]);
  assert.equal(JSON.parse(Deno.readTextFileSync(layout.receipt("bar"))).format, 3);
  assert.equal(Deno.readTextFileSync(`${layout.receipts}/broken.json`), '{"format":1}');
  if (!windows) assert.deepEqual([mode(layout.receipts), mode(layout.receipt("foo"))], [0o700, 0o600]);
  assert.deepEqual(namesIn(layout.stage), []);
});

Deno.test("migrates a version 2 store with its history and keeps broken files", async () => {
  await using store = TestStore.make();
  const { layout } = store;
  for (const tag of ["v1", "v2"]) {
    await store.push(`acme/foo:${tag}`);
    await store.install(`acme/foo:${tag}`);
  }
  const [receipt, history] = [readReceipt(layout, "foo"), readHistory(layout, "foo")];
  assert.equal(history.length, 1);
  const wrecked = { ...formerReceipt(receipt), grants: {} };
  const as2 = () => {
    Deno.writeTextFileSync(layout.version, '{"format":2}');
    Deno.writeTextFileSync(layout.receipt("foo"), JSON.stringify(formerReceipt(receipt)));
    const versions = history.map((version) => formerReceipt(version));
    Deno.writeTextFileSync(layout.historyOf("foo"), JSON.stringify({ format: 1, versions }));
    Deno.writeTextFileSync(layout.receipt("wreck"), JSON.stringify({ ...wrecked, name: "wreck" }));
    const broken = JSON.stringify({ format: 1, versions: [wrecked] });
    Deno.writeTextFileSync(layout.historyOf("wreck"), broken);
  };
  as2();
  assert.equal(checkStore(layout), 2);
  assert.deepEqual([readReceipt(layout, "foo"), readHistory(layout, "foo")], [receipt, history]);
  assert.throws(() => readReceipt(layout, "wreck"), {
    code: "RECEIPT_INVALID",
    message: /grants\.files is missing/,
  });
  const file = () => JSON.parse(Deno.readTextFileSync(layout.historyOf("foo")));
  (await openForWriting(layout, { task: "test" }))[Symbol.dispose]();
  assert.equal(checkStore(layout), STORE_VERSION);
  assert.deepEqual([file().format, file().versions[0].format], [2, 3]);
  assert.deepEqual([readReceipt(layout, "foo"), readHistory(layout, "foo")], [receipt, history]);
  assert.deepEqual(JSON.parse(Deno.readTextFileSync(layout.receipt("wreck"))), { ...wrecked, name: "wreck" });
});

Deno.test("updateReceipt() changes one receipt, or nothing", async () => {
  await using store = TestStore.make();
  const { layout } = store;
  await assert.rejects(updateReceipt(layout, "foo", (receipt) => receipt), { code: "NOT_INSTALLED" });
  assert.throws(() => Deno.statSync(layout.root), Deno.errors.NotFound);
  await store.push("acme/foo:v1");
  const before = await store.install("acme/foo:v1");
  const failing = updateReceipt(layout, "foo", () => {
    throw new Error("no");
  });
  await assert.rejects(failing, { message: "no" });
  assert.deepEqual(readReceipt(layout, "foo"), before);
  await Promise.all(
    Array.from({ length: 5 }, () =>
      updateReceipt(layout, "foo", (receipt) => ({
        ...receipt,
        description: `${receipt.description ?? ""}x`,
      }))),
  );
  assert.equal(readReceipt(layout, "foo").description, "xxxxx");
});

Deno.test("keeps a download alive while another process empties stage/", async () => {
  await using store = TestStore.make();
  const { layout } = store;
  prepareStore(layout);
  using incoming = Incoming.open(layout);
  if (!windows) assert.deepEqual(namesIn(layout.stage), []);
  incoming.write(new TextEncoder().encode("too much of it"));
  incoming.restart();
  incoming.write(new TextEncoder().encode("half"));
  (await openForWriting(layout, { task: "test" }))[Symbol.dispose]();
  incoming.write(new TextEncoder().encode(", and the rest"));
  for (const name of ["one", "two"]) {
    incoming.copyTo(`${layout.root}/${name}`);
    assert.equal(Deno.readTextFileSync(`${layout.root}/${name}`), "half, and the rest");
    if (!windows) assert.equal(mode(`${layout.root}/${name}`), 0o600);
  }
});

Deno.test("starts a download in a store that is removed meanwhile", async () => {
  await using store = TestStore.make();
  const { layout } = store;
  prepareStore(layout);
  const open = Deno.openSync;
  try {
    let left = 3;
    Deno.openSync = (path, options) => {
      if (left-- > 0) Deno.removeSync(layout.root, { recursive: true });
      return open(path, options);
    };
    using incoming = Incoming.open(layout);
    incoming.write(new Uint8Array(5));
    assert.equal(incoming.file.statSync().size, 5);
  } finally {
    Deno.openSync = open;
  }
});

Deno.test("empties stage/ although a file in it loses its name meanwhile", async () => {
  await using store = TestStore.make();
  const { layout } = store;
  prepareStore(layout);
  for (const name of ["incoming-1", "blob"]) Deno.writeTextFileSync(`${layout.stage}/${name}`, "x");
  Deno.mkdirSync(`${layout.stage}/compiled/deep`, { recursive: true });
  const remove = Deno.removeSync;
  try {
    Deno.removeSync = (path, options) => {
      if (String(path).startsWith(`${layout.stage}/`)) remove(path, options);
      remove(path, options); // the file is already gone
    };
    (await openForWriting(layout, { task: "test" }))[Symbol.dispose]();
  } finally {
    Deno.removeSync = remove;
  }
  assert.deepEqual(namesIn(layout.stage), []);
});

Deno.test("keeps placeholders of the file system for removed open files", async () => {
  await using store = TestStore.make();
  const { layout } = store;
  prepareStore(layout);
  const names = [
    ".nfs000000000000002a00000001",
    ".fuse_hidden0000000a00000001",
    ".ghost-ntfs-3g-00000000000000000006",
  ];
  for (const name of names) Deno.writeTextFileSync(`${layout.stage}/${name}`, "x");
  (await openForWriting(layout, { task: "test" }))[Symbol.dispose]();
  assert.deepEqual(namesIn(layout.stage).sort(), names.sort());
});

Deno.test("clears stage/ after a failed command except a plugin's private directory", async () => {
  await using store = TestStore.make();
  const { layout } = store;
  {
    using _lock = await openForWriting(layout, { task: "test" });
    for (const name of ["incoming-1", "blob", "receipt"]) {
      Deno.writeTextFileSync(`${layout.stage}/${name}`, "x");
    }
    Deno.mkdirSync(`${layout.stage}/data-foo-${"0".repeat(64)}/cache`, { recursive: true });
  }
  assert.deepEqual(namesIn(layout.stage), [`data-foo-${"0".repeat(64)}`]);
  using _lock = await openForWriting(layout, { task: "test" });
  assert.deepEqual(namesIn(layout.stage), []);
});

Deno.test("replaces a stage/ that is a link or file and keeps the link's target", {
  ignore: windows,
}, async () => {
  await using store = TestStore.make();
  const { layout } = store;
  prepareStore(layout);
  Deno.mkdirSync(`${store.directory}/mine`);
  Deno.writeTextFileSync(`${store.directory}/mine/file`, "mine");
  Deno.removeSync(layout.stage);
  Deno.symlinkSync(`${store.directory}/mine`, layout.stage);
  (await openForWriting(layout, { task: "test" }))[Symbol.dispose]();
  assert.deepEqual(namesIn(`${store.directory}/mine`), ["file"]);
  assert.equal(Deno.lstatSync(layout.stage).isDirectory, true);
  Deno.removeSync(layout.stage);
  Deno.writeTextFileSync(layout.stage, "a file");
  // A file stands where a directory belongs.
  (await openForWriting(layout, { task: "test" }))[Symbol.dispose]();
  assert.equal(Deno.lstatSync(layout.stage).isDirectory, true);
});

Deno.test("sweeps stage/ although a running plugin adds files to it", {
  ignore: windows,
}, async () => {
  await using store = TestStore.make();
  const { layout } = store;
  (await openForWriting(layout, { task: "test" }))[Symbol.dispose]();
  const data = `${layout.stage}/data-foo`;
  Deno.mkdirSync(data);
  const remove = Deno.removeSync;
  let filled = 0;
  try {
    Deno.removeSync = (path, options) => {
      if (path === data && filled++ < 3) {
        // The system's error for a directory that was filled after it was emptied.
        Deno.writeTextFileSync(`${data}/late`, "");
        remove(data);
      }
      remove(path, options);
    };
    (await openForWriting(layout, { task: "test" }))[Symbol.dispose]();
  } finally {
    Deno.removeSync = remove;
  }
  assert.equal(filled, 4);
  assert.deepEqual(namesIn(layout.stage), []);
});

Deno.test("a waiting process continues after one killed while sweeping stage/", async () => {
  await using store = TestStore.make();
  const { layout } = store;
  (await openForWriting(layout, { task: "test" }))[Symbol.dispose]();
  const before = await lockStore(layout.lock, "before", () => {});
  const waiting = openForWriting(layout, { task: "test" });
  Deno.removeSync(layout.stage);
  before[Symbol.dispose]();
  (await waiting)[Symbol.dispose]();
  assert.deepEqual(namesIn(layout.stage), []);
});

Deno.test("a waiting process creates the store again if it was removed", {
  ignore: windows,
}, async () => {
  await using store = TestStore.make();
  const { layout } = store;
  (await openForWriting(layout, { task: "test" }))[Symbol.dispose]();
  const before = await lockStore(layout.lock, "before", () => {});
  const waiting = openForWriting(layout, { task: "who waited" });
  Deno.removeSync(layout.root, { recursive: true });
  before[Symbol.dispose]();
  using _lock = await waiting;
  assert.match(Deno.readTextFileSync(layout.lock), /who waited/);
  assert.equal(checkStore(layout), STORE_VERSION);
});

Deno.test("readers wait for a writer, but not for each other", async () => {
  await using store = TestStore.make();
  const { layout } = store;
  (await openForReading(layout, () => {}))[Symbol.dispose]();
  assert.deepEqual(namesIn(store.directory), [], "nothing is made by reading");
  const writer = await openForWriting(layout, { task: "pull it" });
  const told = Promise.withResolvers<string>();
  let open = false;
  const reading = openForReading(layout, told.resolve).then((still) => {
    open = true;
    return still;
  });
  assert.match(await told.promise, /^waiting for krew-wasm pull it /);
  assert.equal(open, false);
  writer[Symbol.dispose]();
  using _one = await reading;
  using _two = await openForReading(layout, () => {});
});

Deno.test("creates a directory that others create and remove meanwhile", () => {
  const root = temporaryDirectory();
  const mkdir = Deno.mkdirSync;
  const failures = [new Deno.errors.AlreadyExists(), new Deno.errors.NotFound()];
  try {
    Deno.mkdirSync = (path, options) => {
      const failure = failures.pop();
      if (failure) throw failure;
      mkdir(path, options);
    };
    makeDirectory(`${root}/a/b`);
  } finally {
    Deno.mkdirSync = mkdir;
  }
  assert.deepEqual(namesIn(`${root}/a`), ["b"]);
  narrow(`${root}/none`, 2); // removed after it was listed
  Deno.removeSync(root, { recursive: true });
});
