import assert from "node:assert/strict";
import { RegistryClient } from "../../../registry/oci/registry_client.ts";
import type { Compiled } from "../../../registry/compile/compile.ts";
import { digestOf } from "../../../registry/oci/digest.ts";
import { recompilePlugin } from "../../../registry/install/recompile.ts";
import { parseReference } from "../../../registry/oci/mirrored_reference.ts";
import { removePlugins } from "../../../registry/store/commit.ts";
import type { LinkTarget } from "../../../registry/store/links.ts";
import { AppError } from "../../../runtime/base/errors.ts";
import { layoutAt } from "../../../runtime/store/layout.ts";
import type { Signature } from "../../../runtime/policy/provenance.ts";
import { readReceipt, readReceipts } from "../../../runtime/store/read.ts";
import { makeArtifact, push } from "../../../scripts/servers/artifacts.ts";
import { TestRegistry } from "../../../scripts/servers/oci_registry.ts";
import { install as installWith, type InstallChange, TestStore } from "../../support/store.ts";
import { temporaryDirectory } from "../../support/temporary.ts";

const WASM = new Uint8Array([0, 0x61, 0x73, 0x6d, 1, 0, 0, 0]);
const OTHER = new Uint8Array([0, 0x61, 0x73, 0x6d, 1, 0, 0, 0, 0, 2, 1, 0x78]);
const BINARY: LinkTarget = { kind: "binary", path: "/opt/krew-wasm" };

/** A store and a registry with two plugins. */
async function setUp() {
  const root = temporaryDirectory();
  const registry = TestRegistry.start();
  await push(
    registry.origin,
    "acme/foo",
    "v1",
    makeArtifact(WASM, "cncf", { "org.opencontainers.image.version": "1.0" }),
  );
  await push(registry.origin, "acme/foo", "v2", makeArtifact(OTHER));
  await push(registry.origin, "acme/get", "v1", makeArtifact(WASM));
  const layout = layoutAt(`${root}/store`);
  let compilations = 0;
  const compile = (bytes: Uint8Array<ArrayBuffer>): Promise<Compiled> => {
    compilations++;
    return Promise.resolve({ kind: "preview1", files: [{ name: "plugin.wasm", bytes }] });
  };
  const install = (reference = "acme/foo:v1", change: InstallChange = {}) =>
    installWith({
      layout,
      reference: parseReference(`${registry.host}/${reference}`),
      force: false,
      target: BINARY,
      client: new RegistryClient({ credentials: () => Promise.resolve(undefined) }),
      compile,
      now: () => new Date("2026-01-01T00:00:00.123Z"),
      ...change,
    });
  return {
    root,
    layout,
    registry,
    install,
    compile,
    compilations: () => compilations,
    async [Symbol.asyncDispose]() {
      await registry[Symbol.asyncDispose]();
      await Deno.remove(root, { recursive: true });
    },
  };
}

const names = (path: string) => [...Deno.readDirSync(path)].map(({ name }) => name).sort();

Deno.test("installPlugin() writes blob, compiled form, links and receipt for the user alone", async () => {
  await using store = await setUp();
  const receipt = await store.install();
  const { layout } = store;
  assert.deepEqual(readReceipt(layout, "foo"), receipt);
  assert.deepEqual([receipt.version, receipt.installedAt, receipt.size], ["1.0", "2026-01-01T00:00:00Z", 8]);
  assert.deepEqual(Deno.readFileSync(layout.blob(receipt.digest)), WASM);
  assert.equal(
    digestOf(Deno.readFileSync(`${layout.compiledDir(receipt.digest, receipt.bindgen)}/plugin.wasm`)),
    receipt.compiled[0]!.digest,
  );
  assert.equal(Deno.readLinkSync(layout.link("foo")), "krew-wasm");
  assert.equal(Deno.readLinkSync(layout.self), "/opt/krew-wasm");
  assert.equal(Deno.statSync(layout.root).mode! & 0o777, 0o700);
  assert.equal(Deno.statSync(layout.receipt("foo")).mode! & 0o777, 0o600);
  assert.deepEqual(names(layout.stage), []);
});

Deno.test("installPlugin() refuses an installed name before any request without --force", async () => {
  await using store = await setUp();
  await store.install();
  store.registry.requests.length = 0;
  await assert.rejects(store.install("acme/foo:v2"), { code: "ALREADY_INSTALLED", message: /acme\/foo:v1/ });
  assert.deepEqual(store.registry.requests, []);
  const replaced = await store.install("acme/foo:v2", { force: true });
  assert.equal(readReceipt(store.layout, "foo").digest, replaced.digest);
  assert.ok(names(store.layout.blobs).includes(replaced.digest.slice(7)));
});

Deno.test("a failed replacement leaves the old plugin unchanged", async () => {
  await using store = await setUp();
  const before = await store.install();
  const failing = store.install("acme/foo:v2", {
    force: true,
    compile: () => Promise.reject(new AppError("PLUGIN_UNSUPPORTED", "It is no plugin")),
  });
  await assert.rejects(failing, { code: "PLUGIN_UNSUPPORTED" });
  assert.deepEqual(readReceipt(store.layout, "foo"), before);
  assert.ok(!names(store.layout.blobs).includes(digestOf(OTHER).slice(7)));
  await assert.rejects(store.install("acme/foo:gone", { force: true }), { code: "REGISTRY_NOT_FOUND" });
  assert.deepEqual(readReceipt(store.layout, "foo"), before);
});

Deno.test("installPlugin() downloads no blob that the store has", async () => {
  await using store = await setUp();
  await store.install();
  store.registry.requests.length = 0;
  await store.install("acme/foo:v1", { name: "bar" });
  assert.ok(!store.registry.requests.some((request) => request.includes("/blobs/")));
  assert.equal(names(store.layout.blobs).length, 3, "manifest, config and WebAssembly");
  assert.equal(names(store.layout.compiled).length, 1);
  assert.equal(store.compilations(), 1);
});

Deno.test("installPlugin() repairs a changed blob", async () => {
  await using store = await setUp();
  const { digest } = await store.install();
  Deno.writeFileSync(store.layout.blob(digest), OTHER);
  await store.install("acme/foo:v1", { force: true });
  assert.deepEqual(Deno.readFileSync(store.layout.blob(digest)), WASM);
});

Deno.test("refuses names of kubectl's commands and names that leave bin/", async () => {
  await using store = await setUp();
  await assert.rejects(store.install("acme/get:v1"), { code: "NAME_INVALID" });
  for (const name of ["..", "a/b", "get", "\x1b[2J", ""]) {
    await assert.rejects(store.install("acme/foo:v1", { name }), { code: "NAME_INVALID" });
  }
  assert.equal((await store.install("acme/get:v1", { name: "got" })).name, "got");
});

Deno.test("does not overwrite a file of somebody else in bin/", async () => {
  await using store = await setUp();
  Deno.mkdirSync(store.layout.bin, { recursive: true });
  Deno.writeTextFileSync(store.layout.link("foo"), "mine");
  await assert.rejects(store.install(), { code: "STORE_FAILED" });
  assert.equal(Deno.readTextFileSync(store.layout.link("foo")), "mine");
});

Deno.test("bin/krew-wasm of a source checkout runs the plugin whose link called it", async () => {
  await using store = await setUp();
  const target: LinkTarget = { kind: "launcher", command: ["/bin/echo", "it's"] };
  await store.install("acme/foo:v1", { name: "foo-bar", target });
  const call = (path: string, ...args: string[]) =>
    new TextDecoder().decode(new Deno.Command(path, { args }).outputSync().stdout);
  const link = store.layout.link("foo-bar");
  assert.equal(Deno.readLinkSync(link), "krew-wasm");
  assert.equal(call(link, "a b", "--", "$x"), "it's run foo_bar -- a b -- $x\n");
  assert.equal(call(store.layout.self, "list"), "it's list\n");
  await store.install("acme/foo:v1", { name: "foo-bar", force: true });
  assert.equal(Deno.readLinkSync(store.layout.self), "/opt/krew-wasm");
});

Deno.test("removePlugins() removes the installed plugins and reports the others", async () => {
  await using store = await setUp();
  const { layout } = store;
  await store.install();
  await store.install("acme/foo:v2", { name: "bar" });
  Deno.mkdirSync(layout.dataDir("foo"));
  const removed = await removePlugins(layout, ["foo", "nope", "../../etc", "bar"]);
  assert.deepEqual(removed.map(({ error }) => (error as { code?: string } | undefined)?.code), [
    undefined,
    "NOT_INSTALLED",
    "NOT_INSTALLED",
    undefined,
  ]);
  for (const directory of [layout.receipts, layout.history, layout.blobs, layout.compiled, layout.data]) {
    assert.deepEqual(names(directory), []);
  }
  assert.deepEqual(names(layout.bin), ["krew-wasm"]);
});

Deno.test("removePlugins() reports a missing store and does not create it", async () => {
  const root = temporaryDirectory();
  const [removal] = await removePlugins(layoutAt(`${root}/none`), ["foo"]);
  assert.equal((removal?.error as { code: string }).code, "NOT_INSTALLED");
  assert.deepEqual(names(root), []);
});

Deno.test("a broken receipt hides no other plugin and can be replaced or removed", async () => {
  await using store = await setUp();
  const { layout } = store;
  await store.install();
  for (
    const [file, text] of [["README.txt", "x"], ["Bad Name.json", "{}"], ["broken.json", "{"], [
      "other.json",
      '{"format":1}',
    ]]
  ) {
    Deno.writeTextFileSync(`${layout.receipts}/${file}`, text!);
  }
  Deno.mkdirSync(`${layout.receipts}/directory.json`);
  const { receipts, broken } = readReceipts(layout);
  assert.deepEqual(receipts.map(({ name }) => name), ["foo"]);
  assert.deepEqual(broken.map(({ name }) => name), ["broken", "other"]);
  await assert.rejects(store.install("acme/foo:v1", { name: "broken" }), { code: "ALREADY_INSTALLED" });
  await store.install("acme/foo:v1", { name: "broken", force: true });
  assert.equal(readReceipt(layout, "broken").name, "broken");
  const [removal] = await removePlugins(layout, ["other"]);
  assert.equal(removal?.error, undefined);
});

Deno.test("recompilePlugin() compiles the form of another version again", async () => {
  await using store = await setUp();
  const { layout } = store;
  const receipt = await store.install();
  Deno.writeTextFileSync(
    layout.receipt("foo"),
    Deno.readTextFileSync(layout.receipt("foo")).replace(
      `"bindgen": "${receipt.bindgen}"`,
      '"bindgen": "0-old"',
    ),
  );
  const renewed = await recompilePlugin(layout, "foo", store.compile);
  assert.equal(renewed.bindgen, receipt.bindgen);
  assert.equal(store.compilations(), 2);
  await recompilePlugin(layout, "foo", store.compile);
  assert.equal(store.compilations(), 2);
  Deno.writeTextFileSync(
    layout.receipt("foo"),
    Deno.readTextFileSync(layout.receipt("foo")).replace(
      `"bindgen": "${receipt.bindgen}"`,
      '"bindgen": "0-old"',
    ),
  );
  Deno.removeSync(layout.blob(receipt.digest));
  await assert.rejects(recompilePlugin(layout, "foo", store.compile), { code: "STORE_CORRUPT" });
});

Deno.test("two writers take turns", async () => {
  await using store = await setUp();
  const results = await Promise.allSettled([
    store.install(),
    store.install("acme/foo:v2"),
    store.install("acme/foo:v2", { name: "bar" }),
  ]);
  assert.deepEqual(results.map(({ status }) => status).sort(), ["fulfilled", "fulfilled", "rejected"]);
  assert.deepEqual(readReceipts(store.layout).receipts.map(({ name }) => name), ["bar", "foo"]);
});

Deno.test("installPlugin() verifies before the download and records the signers", async () => {
  const { layout, registry, install } = await setUp();
  await using _ = registry;
  registry.requests.length = 0;
  const refused = install("acme/foo:v1", {
    verify: () => Promise.reject(new AppError("SIGNATURE_MISSING", "It is not signed")),
  });
  await assert.rejects(refused, { code: "SIGNATURE_MISSING" });
  assert.deepEqual(registry.requests, ["GET /v2/acme/foo/manifests/v1"]);
  const signature: Signature = {
    kind: "key",
    key: digestOf(WASM),
    publicKey: "AAAA",
    repository: `${registry.host}/acme/foo`,
    names: undefined,
  };
  await install("acme/foo:v1", { verify: () => Promise.resolve([signature]) });
  assert.deepEqual(readReceipt(layout, "foo").signatures, [signature]);
});

Deno.test("refuses a pinned digest that the reference does not name", async () => {
  await using store = TestStore.make();
  await store.push("acme/good:v1");
  await store.push("acme/good:evil");
  const [good, evil] = await Promise.all(
    ["acme/good:v1", "acme/good:evil"].map((name, each) =>
      store.install(name, { name: `p${each}` }).then(({ manifestDigest }) => manifestDigest)
    ),
  );
  const wasm = (digest: string) => ({
    mediaType: "application/vnd.oci.image.manifest.v1+json",
    digest,
    size: new TextEncoder().encode(Deno.readTextFileSync(store.layout.blob(digest))).length,
  });
  const type = "application/vnd.oci.image.index.v1+json";
  const text = JSON.stringify({ schemaVersion: 2, mediaType: type, manifests: [wasm(good!)] });
  store.registry.putManifest("acme/good", "index", text, type);
  const index = digestOf(new TextEncoder().encode(text));
  const install = (digest: string, pin: string, pinnedIndex?: string) =>
    store.install(`acme/good:v1@${digest}`, { name: "foo", pin, pinnedIndex });
  for (
    const [digest, pin, pinnedIndex] of [[good, evil], [index, evil, index], [index, evil]] as [
      string,
      string,
      string?,
    ][]
  ) {
    await assert.rejects(install(digest, pin, pinnedIndex), {
      code: "DIGEST_MISMATCH",
      message: /its reference names/,
    });
  }
  assert.equal((await install(good!, good!)).indexDigest, undefined);
  assert.equal((await install(index, good!, index)).indexDigest, index);
  assert.equal((await install(index, good!)).indexDigest, index);
});
