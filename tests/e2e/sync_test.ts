/** Copies one machine's plugins to another: with a lock file, and without network with a bundle. */

import assert from "node:assert/strict";
import { RegistryClient } from "../../registry/oci/registry_client.ts";
import { lockStore } from "../../registry/store/store_lock.ts";
import { parseReference } from "../../registry/oci/mirrored_reference.ts";
import { readSigningKey, signable, signArtifact } from "../../registry/signing/sign_artifact.ts";
import { layoutAt } from "../../runtime/store/layout.ts";
import { makeArtifact, push } from "../../scripts/servers/artifacts.ts";
import { Product } from "../support/product.ts";
import { testBinary } from "../support/test_binary.ts";
import { findProgram, missing } from "../support/programs.ts";
import { TestRegistry } from "../../scripts/servers/oci_registry.ts";
import { makeKeyPair } from "../support/sigstore.ts";
import { makeExiting } from "../support/store.ts";

const skopeoMissing = missing(
  "skopeo",
  findProgram("skopeo") !== undefined,
  "Debian: apt-get install skopeo",
);

/** Two machines, and a registry with plugins that exit with different codes. The first machine has foo and bar. */
async function setUp() {
  const registry = TestRegistry.start();
  const publish = (name: string, tag: string, code: number) =>
    push(
      registry.origin,
      `acme/${name}`,
      tag,
      makeArtifact(makeExiting(code), "cncf", { "org.opencontainers.image.version": `${code}.0` }),
    );
  await publish("foo", "v1", 1);
  await publish("bar", "v1", 2);
  await publish("extra", "v1", 3);
  const [one, other] = [Product.make(), Product.make()];
  for (const args of [["foo:v1", "--allow-read=~/manifests"], ["bar:v1", "--name", "bar-baz"]]) {
    const { code, stderr } = await one.run("pull", `${registry.host}/acme/${args[0]}`, ...args.slice(1));
    assert.equal(code, 0, stderr);
  }
  const lock = (await one.run("list", "-o", "lock")).stdout;
  Deno.writeTextFileSync(`${other.home}/plugins.lock`, lock);
  return {
    registry,
    publish,
    one,
    other,
    lock,
    plugin: async (product: Product, name: string) =>
      (await product.exec(`${product.store}/bin/kubectl-${name}`, [])).code,
    async [Symbol.asyncDispose]() {
      one[Symbol.dispose]();
      other[Symbol.dispose]();
      await registry[Symbol.asyncDispose]();
    },
  };
}

testBinary("sync copies a machine's plugins by digest and then asks no registry", async () => {
  await using it = await setUp();
  const { other, registry } = it;
  await it.publish("foo", "v1", 9); // the tag moves; the lock file's digest does not
  await other.run("pull", `${registry.host}/acme/extra:v1`);

  const check = await other.run("sync", "plugins.lock", "--check");
  assert.equal(check.code, 1);
  assert.match(
    check.stdout,
    /^Would install bar-baz .*\)\nWould install foo .*acme\/foo:v1 \(sha256:.*\), grant: read .*\/manifests\n$/,
  );
  const dry = await other.run("sync", "plugins.lock", "--dry-run", "--prune");
  assert.equal(dry.code, 0);
  assert.match(dry.stdout, /\nWould remove extra\n|^Would .*\nWould remove extra\n/);
  assert.equal((await other.run("list", "-o", "name")).stdout, "extra\n");

  const synced = await other.run("sync", "plugins.lock", "--yes");
  assert.equal(synced.code, 0, synced.stderr);
  assert.match(synced.stdout, /^Installed bar-baz .*\nInstalled foo .*\n$/);
  assert.match(synced.stderr, /extra is not in the lock file; --prune removes it/);
  assert.deepEqual([await it.plugin(other, "foo"), await it.plugin(other, "bar_baz")], [1, 2]);
  const pruned = await other.run("sync", "plugins.lock", "--prune");
  assert.deepEqual([pruned.code, pruned.stdout], [0, "Removed extra\n"]);
  assert.equal((await other.run("list", "-o", "lock")).stdout, it.lock, "grants too, each in its own home");
  const { plugins } = JSON.parse((await other.run("list", "-o", "json")).stdout);
  assert.equal(plugins[1].grants.files[0].host, `${other.home}/manifests`);

  registry.requests.length = 0;
  const again = await other.run("sync", "plugins.lock", "--check");
  assert.deepEqual([again.code, again.stdout], [0, "Everything is as the lock file says\n"]);
  assert.equal((await other.run("sync", "plugins.lock")).stdout, "Everything is as the lock file says\n");
  assert.deepEqual(registry.requests, []);
});

testBinary(
  "sync installs a plugin that another process removes meanwhile",
  async () => {
    await using it = await setUp();
    const { other } = it;
    const layout = layoutAt(other.store);
    assert.equal((await other.run("sync", "plugins.lock", "--yes")).code, 0);
    assert.equal((await other.run("grants", "foo", "--allow-home")).code, 0);
    const held = await lockStore(layout.lock, "rm foo", () => {});
    const sync = new Deno.Command(other.command, {
      args: ["sync", "plugins.lock"],
      cwd: other.home,
      clearEnv: true,
      env: other.env(),
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    const told = sync.stderr.pipeThrough(new TextDecoderStream()).getReader();
    assert.match((await told.read()).value!, /^waiting for krew-wasm rm foo /);
    Deno.removeSync(layout.receipt("foo"));
    held[Symbol.dispose]();
    await told.cancel();
    const [{ code }, stdout] = await Promise.all([sync.status, new Response(sync.stdout).text()]);
    assert.equal(code, 0);
    assert.match(stdout, /^Changed foo/);
    assert.equal((await other.run("list", "-o", "lock")).stdout, it.lock);
    assert.equal(await it.plugin(other, "foo"), 1);
  },
);

testBinary(
  "sync restores grants and versions, and asks no registry for grants alone",
  async () => {
    await using it = await setUp();
    const { other, registry } = it;
    await other.run("sync", "plugins.lock", "--with-grants");
    await other.run("grants", "foo", "--allow-home");
    registry.requests.length = 0;
    const changed = await other.exec(other.command, ["sync", "-"], { stdin: it.lock });
    assert.equal(changed.code, 0, changed.stderr);
    assert.match(changed.stdout, /^Changed foo, .*take back: .*\n$/);
    assert.deepEqual(registry.requests, []);
    await it.publish("foo", "v1", 9);
    await other.run("upgrade", "foo");
    assert.equal(await it.plugin(other, "foo"), 9);
    const replaced = await other.run("sync", "plugins.lock");
    assert.match(replaced.stdout, /^Replaced foo 9\.0 -> .*\n$/);
    assert.equal(await it.plugin(other, "foo"), 1);
  },
);

testBinary("sync continues after a missing plugin and detects a false lock file", async () => {
  await using it = await setUp();
  const { other } = it;
  const lock = JSON.parse(it.lock);
  const zeros = `sha256:${"0".repeat(64)}`;
  const write = (value: unknown) =>
    Deno.writeTextFileSync(`${other.home}/plugins.lock`, JSON.stringify(value));
  write({ ...lock, plugins: [{ ...lock.plugins[0], manifestDigest: zeros }, lock.plugins[1]] });
  const partly = await other.run("sync", "plugins.lock", "-y");
  assert.equal(partly.code, 1);
  assert.match(partly.stdout, /^Installed foo /);
  assert.match(partly.stderr, /^error: .*404.*\n[^]*1 of 2 done\n/m);
  write({ ...lock, plugins: [{ ...lock.plugins[0], digest: zeros }] });
  const lying = await other.run("sync", "plugins.lock");
  assert.equal(lying.code, 1);
  assert.match(lying.stderr, /is to be sha256:0000/);
  assert.equal((await other.run("list", "-o", "name")).stdout, "foo\n");
  for (const [text, words] of [["{", /not JSON/], ['{"krewWasmLock":9}', /version 9/]] as const) {
    Deno.writeTextFileSync(`${other.home}/plugins.lock`, text);
    const { code, stderr } = await other.run("sync", "plugins.lock");
    assert.equal(code, 1);
    assert.match(stderr, words);
  }
  assert.match(
    (await other.run("sync", "none.lock")).stderr,
    /^error: Cannot read "none\.lock": there is no such file\n/,
  );
});

testBinary("transfers plugins in a bundle to a machine without network", async () => {
  await using it = await setUp();
  const { one, other, registry } = it;
  const saved = await one.run("bundle", "save", "plugins.tar");
  assert.equal(saved.code, 0, saved.stderr);
  assert.match(saved.stdout, /^Saved 2 plugins to plugins\.tar \(\d/);
  Deno.copyFileSync(`${one.home}/plugins.tar`, `${other.home}/plugins.tar`);
  registry.requests.length = 0;
  const loaded = await other.run("bundle", "load", "plugins.tar", "--with-grants");
  assert.equal(loaded.code, 0, loaded.stderr);
  assert.deepEqual([await it.plugin(other, "foo"), await it.plugin(other, "bar_baz")], [1, 2]);
  const digests = (text: string) =>
    JSON.parse(text).plugins.map(({ name, manifestDigest, reference }: Record<string, string>) => [
      name,
      manifestDigest,
      reference,
    ]);
  assert.deepEqual(digests((await other.run("list", "-o", "lock")).stdout), digests(it.lock));
  assert.deepEqual(registry.requests, []);

  const again = await other.run("bundle", "load", "plugins.tar", "foo");
  assert.equal(again.code, 0, again.stderr);
  assert.match(again.stdout, /^foo .*is already installed/);
  const streamed = await other.shell("krew-wasm bundle load --force --quiet - <plugins.tar");
  assert.deepEqual([streamed.code, streamed.stderr], [0, ""]);
  const cut = await other.shell("head -c 700 plugins.tar | krew-wasm bundle load -");
  assert.equal(cut.code, 1);
  assert.match(cut.stderr, /^error: Cannot load "stdin": /);
  assert.equal((await other.run("bundle", "load", "plugins.tar", "foo", "--force", "-q")).stdout, "foo\n");
  assert.deepEqual(
    JSON.parse((await other.run("list", "-o", "json")).stdout).plugins[1].grants.files.length,
    1,
  );
  assert.match((await other.run("bundle", "load", "plugins.tar", "none")).stderr, /has no plugin "none"/);
  assert.match((await other.run("bundle", "load", "none.tar")).stderr, /no such file/);
  assert.match((await other.run("bundle")).stdout, /^Usage: krew-wasm bundle/);
  assert.equal((await one.run("bundle", "save", "none/x.tar")).code, 1);
  const piped = await one.exec("/bin/sh", ["-c", "krew-wasm bundle save - foo > foo.tar && tar -tf foo.tar"]);
  assert.match(piped.stdout, /^oci-layout\nindex\.json\nblobs\/sha256\//);
});

testBinary("refuses a changed bundle and leaves nothing", async () => {
  await using it = await setUp();
  const { one, other } = it;
  await one.run("bundle", "save", "plugins.tar", "foo");
  const good = Deno.readFileSync(`${one.home}/plugins.tar`);
  const path = `${other.home}/bad.tar`;
  const wasm = good.findLastIndex((byte) => byte !== 0); // in the last blob
  const flipped = good.slice();
  flipped[wasm]! ^= 1;
  Deno.writeFileSync(path, flipped);
  assert.match(
    (await other.run("bundle", "load", "bad.tar")).stderr,
    /^error: The bundle's sha256:\w+ has the digest/,
  );
  for (const length of [0, 100, 512, 1100, good.length - 1600]) {
    Deno.writeFileSync(path, good.subarray(0, length));
    const { code, stderr } = await other.run("bundle", "load", "bad.tar");
    assert.equal(code, 1, String(length));
    assert.match(stderr, /^error: (Cannot load "bad\.tar"|The bundle)/, String(length));
    assert.doesNotMatch(stderr, /defect/);
  }
  assert.equal((await other.run("list", "-o", "name")).stdout, "");
});

testBinary("verifies a bundle's signatures without network", async () => {
  await using it = await setUp();
  const { one, other, registry } = it;
  const keys = await makeKeyPair();
  Deno.writeTextFileSync(`${one.home}/acme.key`, keys.privateKey);
  for (const { home } of [one, other]) Deno.writeTextFileSync(`${home}/acme.pub`, keys.publicKey);
  Deno.writeTextFileSync(`${other.home}/other.pub`, (await makeKeyPair()).publicKey);
  Deno.writeFileSync(`${one.home}/signed.wasm`, makeExiting(7));
  const reference = `${registry.host}/acme/signed:v1`;
  const pushed = await one.run("push", "-q", "--sign=acme.key", "signed.wasm", reference);
  assert.equal(pushed.code, 0, pushed.stderr);
  const pulled = await one.run("pull", "--verify=acme.pub", reference);
  assert.equal(pulled.code, 0, pulled.stderr);
  const saved = await one.run("bundle", "save", "plugins.tar", "signed", "foo");
  assert.deepEqual([saved.code, saved.stderr], [0, ""]);
  Deno.copyFileSync(`${one.home}/plugins.tar`, `${other.home}/plugins.tar`);
  registry.requests.length = 0;
  const stranger = await other.run("bundle", "load", "plugins.tar", "signed", "--verify=other.pub");
  assert.equal(stranger.code, 1);
  assert.match(stranger.stderr, /signed by somebody else/);
  const unsigned = await other.run("bundle", "load", "plugins.tar", "foo", "--verify=acme.pub");
  assert.equal(unsigned.code, 1);
  assert.match(unsigned.stderr, /not signed/);
  const loaded = await other.run("bundle", "load", "plugins.tar", "signed", "--verify=acme.pub");
  assert.equal(loaded.code, 0, loaded.stderr);
  assert.match(loaded.stdout, /signed +by the key/);
  assert.equal(await it.plugin(other, "signed"), 7);
  assert.deepEqual(registry.requests, []);
});

/** Publishes a plugin in an index, and signs only the index. Returns the index's digest. */
async function publishIndex(
  registry: TestRegistry,
  tag: string,
  code: number,
  privateKey: string,
  others = ["amd64"],
) {
  const version = { "org.opencontainers.image.version": `${code}.0` };
  await push(registry.origin, "acme/many", `${tag}-wasm`, makeArtifact(makeExiting(code), "cncf", version));
  const child = signable(registry.manifest("acme/many", `${tag}-wasm`));
  const type = "application/vnd.oci.image.manifest.v1+json";
  const entry = (architecture: string, os: string, digest: string) => ({
    ...{ mediaType: type, digest, size: child.size },
    platform: { architecture, os },
  });
  const index = JSON.stringify({
    schemaVersion: 2,
    mediaType: "application/vnd.oci.image.index.v1+json",
    manifests: [
      ...others.map((architecture) => entry(architecture, "linux", `sha256:${"0".repeat(64)}`)),
      entry("wasm", "wasip1", child.digest),
    ],
  });
  registry.putManifest("acme/many", tag, index, "application/vnd.oci.image.index.v1+json");
  const client = new RegistryClient({ credentials: () => Promise.resolve(undefined) });
  const key = await readSigningKey("k", privateKey, () => "");
  await signArtifact(
    client,
    parseReference(`${registry.host}/acme/many:${tag}`),
    signable(index),
    key,
    new Date(),
  );
  return signable(index).digest;
}

testBinary("verifies an index's signature in a bundle, by sync and by upgrade", async () => {
  await using it = await setUp();
  const { one, other, registry } = it;
  const ok = async (outcome: Promise<{ code: number; stdout: string; stderr: string }>) => {
    const { code, stdout, stderr } = await outcome;
    assert.equal(code, 0, stderr);
    return stdout;
  };
  const keys = await makeKeyPair();
  for (const { home } of [one, other]) Deno.writeTextFileSync(`${home}/acme.pub`, keys.publicKey);
  Deno.writeTextFileSync(`${other.home}/other.pub`, (await makeKeyPair()).publicKey);
  await publishIndex(registry, "v1.0.0", 5, keys.privateKey);
  await publishIndex(registry, "v1", 5, keys.privateKey);
  await ok(one.run("pull", "--verify=acme.pub", `${registry.host}/acme/many:v1`));
  const saved = await one.run("bundle", "save", "plugins.tar");
  assert.deepEqual([saved.code, saved.stderr], [0, ""]);
  const lock = await ok(one.run("list", "-o", "lock"));

  // Without network: the bundle contains the index and its signature.
  registry.requests.length = 0;
  Deno.copyFileSync(`${one.home}/plugins.tar`, `${other.home}/plugins.tar`);
  const stranger = await other.run("bundle", "load", "plugins.tar", "many", "--verify=other.pub");
  assert.equal(stranger.code, 1);
  assert.match(stranger.stderr, /signed by somebody else/);
  assert.match(
    await ok(other.run("bundle", "load", "plugins.tar", "many", "--verify=acme.pub")),
    /signed {2}by/,
  );
  assert.equal(await it.plugin(other, "many"), 5);
  assert.deepEqual(registry.requests, []);

  // The index's signature does not cover a plugin outside of the index.
  const unpacked = await one.shell("mkdir tar && tar -xf plugins.tar -C tar && cat tar/index.json");
  const layout = JSON.parse(unpacked.stdout);
  const [foo, many] = ["foo", "many"].map((name) =>
    layout.manifests.find((one: { annotations: Record<string, string> }) =>
      one.annotations["krew-wasm.dev/name"] === name
    )
  );
  for (const name of ["index", "index-signatures", "signatures"]) {
    foo.annotations[`krew-wasm.dev/${name}`] = many.annotations[`krew-wasm.dev/${name}`];
  }
  foo.annotations["org.opencontainers.image.ref.name"] =
    many.annotations["org.opencontainers.image.ref.name"];
  Deno.writeTextFileSync(`${one.home}/tar/index.json`, JSON.stringify({ ...layout, manifests: [foo] }));
  await ok(one.shell("tar -cf forged.tar -C tar oci-layout index.json blobs"));
  const forged = await one.run("bundle", "load", "forged.tar", "--verify=acme.pub", "--name", "forged");
  assert.equal(forged.code, 1);
  assert.match(forged.stderr, /signed|signature/);
  assert.equal((await one.run("list", "-o", "name")).stdout, "bar-baz\nfoo\nmany\n");

  // With a lock file, if a policy requires the signature.
  await ok(other.run("rm", "many"));
  Deno.writeTextFileSync(
    `${other.store}/policy.yaml`,
    `rules: [{match: "${registry.host}/acme/many", verify: ${other.home}/acme.pub}]`,
  );
  Deno.writeTextFileSync(`${other.home}/plugins.lock`, lock);
  await ok(other.run("sync", "plugins.lock", "--yes"));
  assert.equal((await other.run("list", "-o", "lock")).stdout, lock);

  // With an upgrade, which requires the same signer.
  await publishIndex(registry, "v1.1.0", 6, keys.privateKey);
  assert.match(await ok(one.run("upgrade", "many")), /^Upgraded many 5\.0 -> 6\.0/);
  await publishIndex(registry, "v1.2.0", 7, (await makeKeyPair()).privateKey);
  const foreign = await one.run("upgrade", "many");
  assert.equal(foreign.code, 1);
  assert.match(foreign.stderr, /signed by somebody else/);
  assert.equal(await it.plugin(one, "many"), 6);
});

testBinary(
  "skopeo reads a bundle, and krew-wasm loads skopeo's",
  { ignore: skopeoMissing },
  async () => {
    await using it = await setUp();
    const { one, other, registry } = it;
    await one.run("bundle", "save", "plugins.tar");
    const reference = `${registry.host}/acme/foo:v1`;
    const copied = await one.exec("skopeo", [
      ...["copy", "--insecure-policy", "--dest-tls-verify=false"],
      ...[`oci-archive:plugins.tar:${reference}`, `docker://${registry.host}/copy/foo:v1`],
    ]);
    assert.equal(copied.code, 0, copied.stderr);
    const digestOfTag = async (repository: string) =>
      (await fetch(`${registry.origin}/v2/${repository}/manifests/v1`).then(async (response) => {
        await response.body?.cancel();
        return response;
      })).headers.get("docker-content-digest");
    assert.equal(await digestOfTag("copy/foo"), await digestOfTag("acme/foo"), "byte for byte");

    // skopeo reads a bundle that also contains a plugin's index. krew-wasm loads an index that skopeo copied as a
    // whole.
    const keys = await makeKeyPair();
    Deno.writeTextFileSync(`${one.home}/acme.pub`, keys.publicKey);
    await publishIndex(registry, "v1", 5, keys.privateKey);
    const many = `${registry.host}/acme/many:v1`;
    assert.equal((await one.run("pull", "--verify=acme.pub", many)).code, 0);
    assert.equal((await one.run("bundle", "save", "many.tar", "many")).code, 0);
    const single = await one.exec("skopeo", [
      ...["copy", "--insecure-policy", "--dest-tls-verify=false"],
      ...[`oci-archive:many.tar:${many}`, `docker://${registry.host}/copy/many:v1`],
    ]);
    assert.equal(single.code, 0, single.stderr);
    assert.equal(await digestOfTag("copy/many"), signable(registry.manifest("acme/many", "v1-wasm")).digest);
    await publishIndex(registry, "v2", 6, keys.privateKey, []);
    const copiedWhole = await one.exec("skopeo", [
      ...["copy", "--all", "--insecure-policy", "--src-tls-verify=false"],
      ...[`docker://${registry.host}/acme/many:v2`, `oci-archive:${other.home}/whole.tar:v2`],
    ]);
    assert.equal(copiedWhole.code, 0, copiedWhole.stderr);
    const loadedWhole = await other.run("bundle", "load", "whole.tar");
    assert.equal(loadedWhole.code, 0, loadedWhole.stderr);
    assert.equal(await it.plugin(other, "whole"), 6);

    const back = await one.exec("skopeo", [
      ...["copy", "--insecure-policy", "--src-tls-verify=false"],
      ...[`docker://${reference}`, `oci-archive:${other.home}/foo-tool.tar:v1`],
    ]);
    assert.equal(back.code, 0, back.stderr);
    const loaded = await other.run("bundle", "load", "foo-tool.tar");
    assert.equal(loaded.code, 0, loaded.stderr);
    assert.equal(await it.plugin(other, "foo_tool"), 1);
    assert.equal(
      (await other.run("upgrade")).stdout,
      "All plugins are current\n",
      "nothing to ask a registry for",
    );
  },
);
