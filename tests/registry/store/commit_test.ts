import assert from "node:assert/strict";
import { removePlugins, rollbackPlugin } from "../../../registry/store/commit.ts";
import { dataAside } from "../../../registry/store/data.ts";
import { parseHistory, readHistory } from "../../../runtime/store/history.ts";
import { readReceipt, readReceipts } from "../../../runtime/store/read.ts";
import type { Receipt } from "../../../runtime/store/receipt.ts";
import { LEAST } from "../../../runtime/grants/grants.ts";
import { nestDirectories } from "../../support/deep.ts";
import { namesIn, TestStore } from "../../support/store.ts";

async function setUp(versions = 5) {
  const store = TestStore.make();
  for (let version = 1; version <= versions; version++) {
    await store.push(`acme/foo:v${version}`, undefined, {
      "org.opencontainers.image.version": `${version}.0`,
    });
  }
  return store;
}

const versionsKept = (store: TestStore) => readHistory(store.layout, "foo").map(({ version }) => version);

const windows = Deno.build.os === "windows";

Deno.test("keeps the last three versions with their bytes", async () => {
  await using store = await setUp();
  for (const tag of ["v1", "v2", "v3", "v4"]) await store.install(`acme/foo:${tag}`);
  assert.deepEqual(versionsKept(store), ["3.0", "2.0"]);
  assert.equal(namesIn(store.layout.blobs).length, 3 * 3);
  assert.equal(namesIn(store.layout.compiled).length, 3);
});

Deno.test("keeps the number of versions that --keep names", async () => {
  await using store = await setUp();
  for (const tag of ["v1", "v2", "v3", "v4"]) await store.install(`acme/foo:${tag}`, { keep: 10 });
  assert.deepEqual(versionsKept(store), ["3.0", "2.0", "1.0"]);
  await store.install("acme/foo:v5", { keep: 1 });
  assert.deepEqual(versionsKept(store), []);
  assert.equal(namesIn(store.layout.blobs).length, 3);
  await assert.rejects(rollbackPlugin(store.layout, "foo", {}), { code: "VERSION_UNKNOWN" });
});

Deno.test("adds nothing to the history for the same version", async () => {
  await using store = await setUp();
  await store.install("acme/foo:v1");
  await store.install("acme/foo:v1");
  assert.deepEqual(namesIn(store.layout.history), []);
});

Deno.test("rollbacks go back step by step and an upgrade goes forward again", async () => {
  await using store = await setUp();
  const { layout } = store;
  for (const tag of ["v1", "v2", "v3"]) await store.install(`acme/foo:${tag}`);
  const first = await rollbackPlugin(layout, "foo", {});
  assert.deepEqual([first.from.version, first.to.version], ["3.0", "2.0"]);
  assert.equal(readReceipt(layout, "foo").version, "2.0");
  await rollbackPlugin(layout, "foo", {});
  assert.equal(readReceipt(layout, "foo").version, "1.0");
  await assert.rejects(rollbackPlugin(layout, "foo", {}), { code: "VERSION_UNKNOWN" });
  await store.install("acme/foo:v4");
  // The version before 4 is the one that the user had before 4, not the one that was rolled back.
  assert.equal((await rollbackPlugin(layout, "foo", {})).to.version, "1.0");
});

Deno.test("a rollback finds a version by name, tag or digest prefix", async () => {
  await using store = await setUp();
  const { layout } = store;
  const receipts = [];
  for (const tag of ["v1", "v2", "v3"]) receipts.push(await store.install(`acme/foo:${tag}`));
  assert.equal((await rollbackPlugin(layout, "foo", { to: "1.0" })).to.version, "1.0");
  assert.equal((await rollbackPlugin(layout, "foo", { to: "v3" })).to.version, "3.0");
  assert.equal(
    (await rollbackPlugin(layout, "foo", { to: receipts[1]!.digest.slice(0, 19) })).to.version,
    "2.0",
  );
  assert.equal((await rollbackPlugin(layout, "foo", { to: receipts[0]!.manifestDigest })).to.version, "1.0");
  for (const to of ["9.0", "", "sha256:", "../x"]) {
    await assert.rejects(rollbackPlugin(layout, "foo", { to }), { code: "VERSION_UNKNOWN" }, to);
  }
  await assert.rejects(rollbackPlugin(layout, "none", {}), { code: "NOT_INSTALLED" });
});

Deno.test("a rollback keeps current grants within the same repository only", async () => {
  await using store = await setUp();
  await store.push("other/foo:v1");
  const { layout } = store;
  await store.install("acme/foo:v1");
  const granted = { ...LEAST, home: true };
  await store.install("acme/foo:v2", { grants: granted });
  assert.equal((await rollbackPlugin(layout, "foo", {})).to.grants.home, true);
  await store.install("other/foo:v1", { grants: granted });
  await store.install("acme/foo:v3", { grants: LEAST });
  assert.equal((await rollbackPlugin(layout, "foo", {})).to.grants.home, true);
  assert.equal(readReceipt(layout, "foo").reference, `${store.registry.host}/other/foo:v1`);
});

Deno.test("a rollback to missing bytes changes nothing", async () => {
  await using store = await setUp();
  const { digest } = await store.install("acme/foo:v1");
  const current = await store.install("acme/foo:v2");
  Deno.removeSync(store.layout.blob(digest));
  await assert.rejects(rollbackPlugin(store.layout, "foo", {}), { code: "STORE_CORRUPT", hint: /@sha256:/ });
  assert.deepEqual(readReceipt(store.layout, "foo"), current);
});

Deno.test("a broken history blocks nothing and loses no bytes", async () => {
  await using store = await setUp();
  const { layout } = store;
  await store.install("acme/foo:v1");
  await store.install("acme/foo:v2");
  const blobs = namesIn(layout.blobs).length;
  Deno.writeTextFileSync(layout.historyOf("foo"), "{");
  await assert.rejects(rollbackPlugin(layout, "foo", {}), { code: "RECEIPT_INVALID" });
  await store.install("acme/foo:v2", { name: "bar" });
  assert.equal(namesIn(layout.blobs).length, blobs);
  await store.install("acme/foo:v3");
  assert.deepEqual(versionsKept(store), ["2.0"]);
  await removePlugins(layout, ["foo"]);
  assert.deepEqual(namesIn(layout.history), []);
});

Deno.test("parseHistory() refuses an invalid history", () => {
  for (
    const text of [
      "",
      "null",
      "[]",
      "{}",
      '{"format":3,"versions":[]}',
      '{"format":2,"versions":[],"more":1}',
      '{"format":1}',
      '{"format":1,"versions":[{}]}',
    ]
  ) {
    assert.throws(() => parseHistory(text, "foo"), { code: "RECEIPT_INVALID" }, text);
  }
  assert.deepEqual(parseHistory('{"format":1,"versions":[]}', "foo"), []);
  assert.deepEqual(parseHistory('{"format":2,"versions":[]}', "foo"), []);
});

Deno.test("two plugins of one digest share bytes until the last one is removed", async () => {
  await using store = await setUp();
  const { layout } = store;
  await store.install("acme/foo:v1");
  await store.install("acme/foo:v1", {
    name: "bar",
    compile: () => Promise.reject(new Error("compiled twice")),
  });
  assert.equal(namesIn(layout.compiled).length, 1);
  await removePlugins(layout, ["foo"]);
  assert.equal(namesIn(layout.blobs).length, 3);
  await removePlugins(layout, ["bar"]);
  assert.deepEqual([namesIn(layout.blobs), namesIn(layout.compiled)], [[], []]);
});

Deno.test("a plugin of another repository gets an empty private directory", async () => {
  await using store = await setUp(2);
  await store.push("evil/foo:v1");
  const { layout } = store;
  const secret = `${layout.dataDir("foo")}/config/token`;
  await store.install("acme/foo:v1");
  Deno.mkdirSync(`${layout.dataDir("foo")}/config`, { recursive: true });
  Deno.writeTextFileSync(secret, "secret");
  await store.install("acme/foo:v2");
  assert.equal(Deno.readTextFileSync(secret), "secret", "a newer version keeps it");
  await store.install("evil/foo:v1");
  assert.throws(() => Deno.statSync(layout.dataDir("foo")), Deno.errors.NotFound);
  Deno.mkdirSync(layout.dataDir("foo"));
  await rollbackPlugin(layout, "foo", {});
  assert.throws(() => Deno.statSync(layout.dataDir("foo")), Deno.errors.NotFound);
  // The owner is unknown.
  Deno.mkdirSync(layout.dataDir("foo"));
  Deno.writeTextFileSync(layout.receipt("foo"), "{");
  await store.install("evil/foo:v1");
  assert.throws(() => Deno.statSync(layout.dataDir("foo")), Deno.errors.NotFound);
});

Deno.test("puts a private directory back after a failed replacement", async () => {
  await using store = await setUp(1);
  const { layout } = store;
  const receipt = await store.install("acme/foo:v1");
  const token = `${layout.dataDir("foo")}/token`;
  const putAside = (next: Receipt) => {
    Deno.mkdirSync(layout.dataDir("foo"), { recursive: true });
    Deno.writeTextFileSync(token, "secret");
    Deno.renameSync(layout.dataDir("foo"), dataAside(layout, next));
    Deno.mkdirSync(layout.dataDir("foo")); // made by a run in between
  };
  putAside({ ...receipt, manifestDigest: `sha256:${"0".repeat(64)}` });
  await removePlugins(layout, ["none"]);
  assert.equal(Deno.readTextFileSync(token), "secret");
  putAside(receipt); // its receipt was written
  await removePlugins(layout, ["none"]);
  assert.deepEqual([namesIn(layout.dataDir("foo")), namesIn(layout.stage)], [[], []]);
});

Deno.test("does not report a receipt as broken that was just removed", async () => {
  await using store = await setUp(1);
  const { layout } = store;
  await store.install("acme/foo:v1");
  Deno.symlinkSync("gone.json", `${layout.receipts}/bar.json`); // looks like a receipt that was removed after the directory was read
  assert.deepEqual(readReceipts(layout).broken, []);
  const read = Deno.readTextFileSync;
  try {
    Deno.readTextFileSync = (path) => {
      Deno.removeSync(layout.receipt("foo"));
      return read(path);
    };
    assert.deepEqual(readReceipts(layout), { receipts: [], broken: [] });
  } finally {
    Deno.readTextFileSync = read;
  }
});

Deno.test(
  "removes and replaces a private directory of thousands of levels",
  { ignore: windows },
  async () => {
    await using store = await setUp(1);
    await store.push("evil/foo:v1");
    const { layout } = store;
    const deepen = () => {
      Deno.mkdirSync(layout.dataDir("foo"));
      nestDirectories(layout.dataDir("foo"), 3000);
    };
    await store.install("acme/foo:v1");
    deepen();
    await store.install("evil/foo:v1");
    assert.deepEqual([namesIn(layout.data), namesIn(layout.stage)], [[], []]);
    deepen();
    assert.deepEqual(await removePlugins(layout, ["foo"]), [{ name: "foo", error: undefined }]);
    assert.deepEqual([namesIn(layout.data), namesIn(layout.stage)], [[], []]);
  },
);

Deno.test("rm says what stays, and other commands go on", { ignore: windows }, async () => {
  await using store = await setUp(1);
  const { layout } = store;
  await store.install("acme/foo:v1");
  await store.install("acme/foo:v1", { name: "bar" });
  Deno.mkdirSync(`${layout.dataDir("foo")}/config`, { recursive: true });
  Deno.writeTextFileSync(`${layout.dataDir("foo")}/config/token`, "secret");
  const { removeSync } = Deno;
  Deno.removeSync = (path, options) => {
    if (String(path).endsWith("/token")) {
      throw Object.assign(new Error("Input/output error"), { code: "EIO" });
    }
    removeSync(path, options);
  };
  const warnings: string[] = [];
  try {
    const [removal] = await removePlugins(layout, ["foo"]);
    assert.match(
      (removal!.error as Error).message,
      /"foo" is removed, its private directory .*foo can't be: /,
    );
    assert.equal(namesIn(layout.receipts).join(), "bar.json");
    const [other] = await removePlugins(layout, ["bar"], (line) => warnings.push(line));
    assert.equal(other!.error, undefined);
  } finally {
    Deno.removeSync = removeSync;
  }
  assert.match(warnings.join("\n"), /^warning: Cannot remove .*\/stage\/left-.*: /);
  assert.notDeepEqual(namesIn(layout.stage), []);
  await removePlugins(layout, ["none"]);
  assert.deepEqual([namesIn(layout.stage), namesIn(layout.receipts)], [[], []]);
});
