/** Many plugins and versions: pull of several plugins, outdated, upgrade, rollback. */

import assert from "node:assert/strict";
import { makeArtifact, push } from "../../scripts/servers/artifacts.ts";
import { Product } from "../support/product.ts";
import { testBinary } from "../support/test_binary.ts";
import { failure, TestRegistry } from "../../scripts/servers/oci_registry.ts";
import { makeExiting } from "../support/store.ts";

/** A product, and a registry where `acme/foo` has versions that exit with codes made from their numbers. */
async function setUp() {
  const registry = TestRegistry.start();
  const tags: Record<string, string[]> = {};
  const publish = async (repository: string, tag: string, code: number, version = tag) => {
    (tags[repository] ??= []).push(tag);
    await push(
      registry.origin,
      repository,
      tag,
      makeArtifact(makeExiting(code), "cncf", { "org.opencontainers.image.version": version }),
    );
  };
  registry.hook = (_request, url) => {
    const repository = /^\/v2\/(.+)\/tags\/list$/.exec(url.pathname)?.[1];
    return repository === undefined
      ? undefined
      : Response.json({ name: repository, tags: tags[repository] ?? [] });
  };
  const product = Product.make();
  return {
    registry,
    product,
    tags,
    publish,
    plugin: async (name: string) => (await product.exec(`${product.store}/bin/kubectl-${name}`, [])).code,
    async [Symbol.asyncDispose]() {
      product[Symbol.dispose]();
      await registry[Symbol.asyncDispose]();
    },
  };
}

testBinary("pull of several plugins reports one failure and installs the others", async () => {
  await using it = await setUp();
  const { product, registry } = it;
  await it.publish("acme/foo", "v1.0.0", 1);
  await it.publish("acme/bar", "v1.0.0", 2);
  const { code, stdout, stderr } = await product.run(
    "pull",
    `${registry.host}/acme/foo:v1.0.0`,
    `${registry.host}/acme/none:v1`,
    `${registry.host}/acme/bar:v1.0.0`,
  );
  assert.equal(code, 1);
  assert.match(stdout, /^Installed foo .*\n[^]*\nInstalled bar /);
  assert.match(stderr, /^error: Cannot pull ".*acme\/none:v1".*\n[^]*2 of 3 installed\n/);
  assert.deepEqual([await it.plugin("foo"), await it.plugin("bar")], [1, 2]);
  const named = await product.run("pull", "a.example/x", "a.example/y", "--name", "z");
  assert.equal(named.code, 2);
  // A misspelt name is reported before any change.
  registry.requests.length = 0;
  assert.equal((await product.run("pull", `${registry.host}/acme/foo:v1.0.0`, "a//b")).code, 2);
  assert.deepEqual(registry.requests, []);
});

testBinary("upgrade stays on the track; rollback goes back and upgrade forward again", async () => {
  await using it = await setUp();
  const { product, registry } = it;
  await it.publish("acme/foo", "v1", 10, "v1.0.0");
  await it.publish("acme/foo", "v1.0.0", 10);
  assert.equal((await product.run("pull", `${registry.host}/acme/foo:v1`)).code, 0);
  assert.deepEqual(await product.run("upgrade"), {
    code: 0,
    stdout: "All plugins are current\n",
    stderr: "",
  });

  await it.publish("acme/foo", "v1.2.0", 12);
  await it.publish("acme/foo", "v1.10.0", 20);
  await it.publish("acme/foo", "v1.11.0-rc.1", 21);
  await it.publish("acme/foo", "v2.0.0", 30);
  const outdated = await product.run("outdated");
  assert.equal(outdated.code, 0, outdated.stderr);
  assert.match(
    outdated.stdout,
    /^NAME +INSTALLED +STATUS +AVAILABLE +REFERENCE\nfoo +v1\.0\.0 +available +v1\.10\.0 /,
  );
  assert.equal((await product.run("outdated", "-o", "name")).stdout, "foo\n");
  const json = JSON.parse((await product.run("outdated", "-o", "json")).stdout).plugins[0];
  assert.deepEqual([json.name, json.update.status, json.update.tag], ["foo", "available", "v1.10.0"]);

  const dry = await product.run("upgrade", "--dry-run");
  assert.match(dry.stdout, /^Would upgrade foo v1\.0\.0 -> v1\.10\.0/);
  assert.equal(await it.plugin("foo"), 10);
  const upgraded = await product.run("upgrade");
  assert.deepEqual([upgraded.code, upgraded.stdout], [0, "Upgraded foo v1.0.0 -> v1.10.0\n"]);
  assert.equal(await it.plugin("foo"), 20);
  assert.match((await product.run("list")).stdout, /acme\/foo:v1\n/, "its tag stays its track");

  assert.equal((await product.run("rollback", "foo")).stdout, "Rolled back foo v1.10.0 -> v1.0.0\n");
  assert.equal(await it.plugin("foo"), 10);
  assert.equal((await product.run("rollback", "foo")).code, 1);
  assert.equal((await product.run("upgrade", "foo")).code, 0);
  assert.equal(await it.plugin("foo"), 20);

  const to = await product.run("upgrade", "foo", "--to", "v2");
  assert.deepEqual([to.code, to.stdout], [0, "Upgraded foo v1.10.0 -> v2.0.0\n"]);
  assert.match((await product.run("list")).stdout, /acme\/foo:v2\n/);
  assert.equal((await product.run("rollback", "foo", "--to", "v1.0.0")).code, 0);
  assert.equal(await it.plugin("foo"), 10);
});

testBinary("upgrade --to follows another tag of the installed version", async () => {
  await using it = await setUp();
  const { product, registry } = it;
  await it.publish("acme/foo", "v1", 1, "v1.0.0");
  await it.publish("acme/foo", "stable", 1, "v1.0.0");
  assert.equal((await product.run("pull", `${registry.host}/acme/foo:v1`)).code, 0);
  const dry = await product.run("upgrade", "foo", "--to", "stable", "-n");
  assert.match(dry.stdout, /^Would let foo follow stable \(the same version, sha256:[0-9a-f]{12}\)\n$/);
  assert.match((await product.run("list")).stdout, /acme\/foo:v1\n/);
  const to = await product.run("upgrade", "foo", "--to", "stable");
  assert.equal(to.code, 0, to.stderr);
  assert.match(to.stdout, /^foo now follows stable \(the same version, /);
  assert.match((await product.run("list")).stdout, /acme\/foo:stable\n/);
  assert.equal(await it.plugin("foo"), 1);
  assert.equal((await product.run("upgrade", "foo", "--to", "stable")).stdout, "foo is current\n");
});

testBinary(
  "upgrade distinguishes moved and missing tags and a registry that is down",
  async () => {
    await using it = await setUp();
    const { product, registry } = it;
    await it.publish("acme/exact", "v1.0.0", 1);
    await it.publish("acme/gone", "v1.0.0", 2);
    await it.publish("acme/lost", "latest", 3);
    await it.publish("acme/live", "latest", 4);
    const down = TestRegistry.start();
    await push(down.origin, "acme/down", "latest", makeArtifact(makeExiting(5)));
    const references = [
      ...["exact:v1.0.0", "gone:v1.0.0", "lost:latest", "live:latest"].map((text) =>
        `${registry.host}/acme/${text}`
      ),
      `${down.host}/acme/down:latest`,
    ];
    assert.equal((await product.run("pull", ...references)).code, 0);
    const { manifestDigest } = JSON.parse((await product.run("list", "-o", "json")).stdout).plugins.find(
      ({ name }: { name: string }) => name === "exact",
    );
    await product.run("pull", `${registry.host}/acme/exact@${manifestDigest}`, "--name", "pinned");

    await down[Symbol.asyncDispose]();
    await it.publish("acme/exact", "v1.0.0", 11);
    await it.publish("acme/live", "latest", 14);
    it.tags["acme/gone"] = ["v1.1.0"];
    it.tags["acme/lost"] = [`sha256-${"0".repeat(64)}`, `sha256-${"0".repeat(64)}.sig`]; // signatures only
    const list = registry.hook!;
    registry.hook = (request, url) =>
      /acme\/(gone|lost)\/manifests/.test(url.pathname)
        ? failure(404, "MANIFEST_UNKNOWN", "manifest unknown")
        : list(request, url);
    const { code, stdout, stderr } = await product.run("upgrade");
    assert.equal(code, 1);
    assert.match(stdout, /^Upgraded live .*\n$/);
    assert.match(
      stderr,
      /error: The tag of "exact".* stands for something else now, sha256:[0-9a-f]{12}; .*\nhint: .*--force/,
    );
    assert.match(
      stderr,
      /error: The registry has no .*acme\/gone:v1\.0\.0; "gone" has other tags: v1\.1\.0\nhint: .*--to/,
    );
    assert.match(stderr, /error: The registry has "lost".* no more/);
    assert.match(stderr, /error: Cannot check ".*acme\/down:latest".*refused the connection/);
    assert.doesNotMatch(stderr, /pinned/);
    assert.deepEqual(
      [await it.plugin("exact"), await it.plugin("gone"), await it.plugin("live"), await it.plugin("down")],
      [1, 2, 14, 5],
    );
    const { plugins } = JSON.parse((await product.run("outdated", "--all", "-o", "json")).stdout);
    const status = Object.fromEntries(
      plugins.map(({ name, update }: { name: string; update: { status: string } }) => [name, update.status]),
    );
    assert.deepEqual(status, {
      down: "unreachable",
      exact: "moved",
      gone: "gone",
      live: "current",
      lost: "gone",
      pinned: "pinned",
    });
  },
);

testBinary("upgrade keeps grants and reports a plugin that is not installed", async () => {
  await using it = await setUp();
  const { product, registry } = it;
  await it.publish("acme/foo", "latest", 1);
  await product.run("pull", "--allow-env=A", `${registry.host}/acme/foo:latest`);
  await it.publish("acme/foo", "latest", 2);
  const { code, stdout, stderr } = await product.run("upgrade", "none", "foo", "--keep", "1");
  assert.deepEqual([code, stdout], [1, "Upgraded foo latest -> latest\n"]);
  assert.match(stderr, /^error: No plugin "none" is installed\n/);
  assert.deepEqual(JSON.parse((await product.run("list", "-o", "json")).stdout).plugins[0].grants.env, ["A"]);
  assert.match(
    (await product.run("rollback", "foo")).stderr,
    /^error: No earlier version of "foo" is kept\n/,
  );
  for (const keep of ["0", "x", "-1", "1.5"]) {
    assert.equal((await product.run("upgrade", "--keep", keep)).code, 2, keep);
  }
});
