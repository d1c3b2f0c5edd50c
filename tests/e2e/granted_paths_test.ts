/**
 * Where granted paths lead, whether a flag, a publisher's wish, a lock file or a bundle granted them, within an
 * administrator's bounds. A file that later takes a granted path's place is not granted.
 */

import assert from "node:assert/strict";
import { buildFixture } from "../../scripts/fixtures.ts";
import { makeArtifact, push } from "../../scripts/servers/artifacts.ts";
import { clangMissing, Product } from "../support/product.ts";
import { atTerminal, ptyMissing } from "../support/pty.ts";
import { TestRegistry } from "../../scripts/servers/oci_registry.ts";
import { testBinary } from "../support/test_binary.ts";

const ignore = clangMissing();

/** A plugin that works on files, with its publisher's wish. */
async function setUp(wish: unknown = {}) {
  const registry = TestRegistry.start();
  const product = Product.make();
  const annotations = { "krew-wasm.dev/grants": JSON.stringify(wish) };
  const bytes = await Deno.readFile(await buildFixture("files"));
  await push(registry.origin, "plugins/tool", "v1", makeArtifact(bytes, "cncf", annotations));
  Deno.mkdirSync(`${product.home}/w`);
  Deno.mkdirSync(`${product.home}/.ssh`);
  Deno.writeTextFileSync(`${product.home}/.ssh/id`, "s3cr3t");
  const { home, store } = product;
  return {
    product,
    home,
    reference: `${registry.host}/plugins/tool:v1`,
    files: (of = product) =>
      JSON.parse(Deno.readTextFileSync(`${of.store}/receipts/tool.json`)).grants.files as unknown[],
    tool: (...args: string[]) => product.exec(`${store}/bin/kubectl-tool`, args),
    async [Symbol.asyncDispose]() {
      product[Symbol.dispose]();
      await registry[Symbol.asyncDispose]();
    },
  };
}

async function ok(outcome: ReturnType<Product["run"]>): Promise<string> {
  const { code, stdout, stderr } = await outcome;
  assert.equal(code, 0, stderr);
  return stdout;
}

/** Checks that nothing runs, and that one line names the command that renews the grant. */
async function refused(outcome: ReturnType<Product["run"]>): Promise<void> {
  const { code, stdout, stderr } = await outcome;
  assert.deepEqual([code, stdout], [125, ""], stderr);
  assert.match(stderr, /^error: The grant of ".*" does not hold: .*\nhint: .*krew-wasm grants tool --allow-/);
}

testBinary(
  "krew-wasm creates a wished directory and does not follow a later link",
  { ignore },
  async () => {
    await using it = await setUp({ write: ["~/.cache/compare/", "~/.compare"] });
    const { product, home, tool } = it;
    await ok(product.run("pull", "--grants=wished", it.reference));
    const [cache, file] = [`${home}/.cache/compare`, `${home}/.compare`];
    assert.deepEqual(it.files(), [
      { host: cache, guest: cache, write: true, directory: true, real: cache },
      { host: file, guest: file, write: true, directory: false, real: file },
    ]);
    await ok(tool("write", `${cache}/a`, "cached"));
    assert.equal((await tool("mkdir", file)).code, 1, "a file's place stays a file's");
    await ok(tool("write", file, "settings"));
    assert.equal(await ok(tool("read", `${cache}/a`)), "cached");
    Deno.renameSync(cache, `${cache}.gone`);
    Deno.symlinkSync("../.ssh", cache);
    await refused(tool("read", `${cache}/id`));
    // A person who wants exactly that says so, once.
    await ok(product.run("grants", "tool", `--allow-write=${cache}`));
    assert.equal(await ok(tool("read", `${cache}/id`)), "s3cr3t");
  },
);

testBinary("a grant through a link shows and stores where it leads", { ignore }, async () => {
  await using it = await setUp();
  const { product, home, tool } = it;
  Deno.symlinkSync("../.ssh", `${home}/w/keys`);
  const { stderr } = await product.run("pull", `--allow-read=${home}/w/keys`, it.reference);
  assert.match(stderr, /w\/keys leads to .*\/\.ssh\n/);
  const missing = await product.run("run", `--allow-read=${home}/nowhere`, "tool");
  assert.match(missing.stderr, /^warning: .*\/nowhere does not exist$/m);
  const shown = await ok(product.run("grants", "tool"));
  assert.match(shown, /read .*\/w\/keys, which leads to +! credentials.*\n.*\/\.ssh/);
  assert.match(await ok(product.run("grants", "tool", "--explain")), /which leads to/);
  assert.equal(await ok(tool("read", `${home}/w/keys/id`)), "s3cr3t");
  Deno.removeSync(`${home}/w/keys`);
  Deno.symlinkSync("../.kube", `${home}/w/keys`);
  await refused(tool("read", `${home}/w/keys/id`));
  // An upgrade that does not mention the path does not check it again.
  await ok(product.run("pull", "--force", it.reference));
  await refused(tool("read", `${home}/w/keys/id`));
});

testBinary(
  "lock files and bundles resolve grants on the machine that uses them",
  { ignore },
  async () => {
    await using it = await setUp();
    using other = Product.make();
    const { product, home } = it;
    Deno.symlinkSync("../.ssh", `${home}/w/keys`);
    await ok(product.run("pull", `--allow-read=${home}/w/keys`, it.reference));
    const lock = JSON.parse(await ok(product.run("list", "-o", "lock")));
    assert.deepEqual(lock.plugins[0].grants.files, [
      { host: "~/w/keys", guest: "~/w/keys", write: false, directory: true, real: null },
    ]);
    await ok(product.run("bundle", "save", `${other.home}/b.tar`, "tool"));
    // The author of the lock file chose where it leads, so krew-wasm asks nobody.
    const file = lock.plugins[0].grants.files[0];
    file.real = "/etc";
    Deno.writeTextFileSync(`${other.home}/hostile.lock`, JSON.stringify(lock));
    assert.equal((await other.run("sync", "hostile.lock", "--yes")).code, 1);
    file.real = null;
    Deno.writeTextFileSync(`${other.home}/plugins.lock`, JSON.stringify(lock));
    Deno.mkdirSync(`${other.home}/w/keys`, { recursive: true });
    const there = `${other.home}/w/keys`;
    await ok(other.run("sync", "plugins.lock", "--yes"));
    const expected = { host: there, guest: there, write: false, directory: true, real: there };
    assert.deepEqual(it.files(other), [expected]);
    assert.match(await ok(other.run("sync", "plugins.lock")), /Everything is as the lock file says/);
    // The same words do not check the path again.
    await ok(other.run("bundle", "load", "b.tar", "--force", "--with-grants"));
    assert.deepEqual(it.files(other), [expected]);
  },
);

testBinary("a grant during the run leaves protected files unchanged", {
  ignore: ignore || ptyMissing() || Deno.build.os !== "linux",
}, async (t) => {
  await using registry = TestRegistry.start();
  using product = Product.make();
  const { home, store } = product;
  await push(
    registry.origin,
    "plugins/tool",
    "v1",
    makeArtifact(await Deno.readFile(await buildFixture("attack"))),
  );
  await ok(product.run("pull", `${registry.host}/plugins/tool:v1`));
  Deno.mkdirSync(`${home}/.docker`);
  Deno.mkdirSync(`${home}/dots/kube`, { recursive: true });
  Deno.symlinkSync("dots/kube", `${home}/.kube`);
  const config = JSON.stringify({ users: [{ name: "u", user: { token: "s3cr3t" } }] });
  Deno.writeTextFileSync(`${home}/dots/kube/config`, config);
  const launcher = Deno.readLinkSync(`${store}/bin/kubectl-tool`);
  const answers: Readonly<Record<string, RegExp>> = {
    "write dots/kube/config x": /\nEROFS\n/,
    "create dots/kube/kuberc x": /\nEPERM\n/,
    "read dots/kube/config": /\n\{/,
    "write .krew-wasm/receipts/tool.json {}": /\nEPERM\n/,
    "create .docker/config.json x": /\nEPERM\n/,
    "create dots/own x": /\nok\n/,
  };
  for (const [attempt, answer] of Object.entries(answers)) {
    await t.step(attempt, async () => {
      const [operation, path, ...words] = attempt.split(" ");
      const { failed, text } = await atTerminal(
        [`${store}/bin/kubectl-tool`, operation!, `${home}/${path}`, ...words],
        [{ expect: "[n]o" }, { send: "r\r" }],
        { env: product.env({ TERM: "xterm" }), cwd: home },
      );
      assert.equal(failed, null, text);
      assert.match(text.replaceAll("\r", ""), answer);
      assert.doesNotMatch(text, /s3cr3t/);
    });
  }
  assert.equal(Deno.readTextFileSync(`${home}/dots/kube/config`), config);
  assert.equal(Deno.readLinkSync(`${store}/bin/kubectl-tool`), launcher);
});
