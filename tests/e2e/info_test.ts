/** `info` about a plugin, and completion of commands in shells. */

import assert from "node:assert/strict";
import { makeArtifact, push } from "../../scripts/servers/artifacts.ts";
import { buildFixture } from "../../scripts/fixtures.ts";
import { clangMissing, kubectlMissing, Product } from "../support/product.ts";
import { testBinary } from "../support/test_binary.ts";
import { findProgram } from "../support/programs.ts";
import { TestRegistry } from "../../scripts/servers/oci_registry.ts";
import { makeExiting, namesIn } from "../support/store.ts";

async function setUp() {
  const registry = TestRegistry.start();
  for (const version of [1, 2]) {
    await push(
      registry.origin,
      "acme/foo",
      `v${version}`,
      makeArtifact(makeExiting(version), "cncf", {
        "org.opencontainers.image.version": `${version}.0`,
        "org.opencontainers.image.description": "Does foo\x1b[2J",
      }),
    );
  }
  const product = Product.make();
  assert.equal((await product.run("pull", `${registry.host}/acme/foo:v1`)).code, 0);
  assert.equal(
    (await product.run("pull", `${registry.host}/acme/foo:v2`, "--force", "--allow-home")).code,
    0,
  );
  return {
    registry,
    product,
    async [Symbol.asyncDispose]() {
      product[Symbol.dispose]();
      await registry[Symbol.asyncDispose]();
    },
  };
}

testBinary("info describes a plugin, or a reference that is not installed", async () => {
  await using it = await setUp();
  const { product, registry } = it;
  const { code, stdout } = await product.run("info", "foo");
  assert.equal(code, 0);
  for (
    const line of [
      /^name +foo$/m,
      /^about +Does foo\\x1b\[2J$/m,
      /^version +2\.0$/m,
      /^compiled +ready$/m,
      /^link +\/.*\/bin\/kubectl-foo$/m,
      /^may +/m,
      /^earlier +1\.0 \(sha256:[0-9a-f]{12}, \d+s ago\)$/m,
    ]
  ) assert.match(stdout, line);
  const json = JSON.parse((await product.run("info", "foo", "-o", "json")).stdout);
  assert.deepEqual([json.intact, json.compiled, json.earlier.length, json.grants.home], [
    true,
    "ready",
    1,
    true,
  ]);
  assert.match((await product.run("info", "foo", "-o", "yaml")).stdout, /^name: foo\n/);
  const remote = await product.run("info", `${registry.host}/acme/foo:v1`);
  assert.deepEqual([remote.code, /acme\/foo:v1/.test(remote.stdout)], [0, true], remote.stderr);
  const none = await product.run("info", "none");
  assert.deepEqual([none.code, none.stderr.split("\n")[0]], [1, 'error: No plugin "none" is installed']);
});

testBinary("completion knows commands, options, their values, and what is installed", async () => {
  await using it = await setUp();
  const { product } = it;
  const words = async (...args: string[]) =>
    (await product.run("__complete", "--", ...args)).stdout.split("\n").filter((line) => line !== "")
      .map((line) => line.split("\t")[0]);
  assert.ok((await words("")).includes("rollback"));
  assert.ok(!(await words("")).includes("__complete"));
  assert.deepEqual(await words("roll"), ["rollback"]);
  assert.deepEqual(await words("rm", ""), ["foo"]);
  assert.deepEqual(await words("rm", "x"), []);
  assert.deepEqual(await words("-v", "upgrade", "f"), ["foo"]);
  assert.deepEqual(await words("list", "-o", "j"), ["json"]);
  assert.ok((await words("list", "--")).includes("--no-headers"));
  assert.ok((await words("index", "")).includes("build"));
  assert.deepEqual(await words("sync", ""), [":files"]);
  assert.deepEqual(await words("run", "foo", ""), [":files"]);
  assert.deepEqual(await words("pull", "--allow-read", ""), [":files"]);
  assert.deepEqual(await words("completion", "z"), ["zsh"]);
  assert.deepEqual(await words("nope", "x"), []);
  assert.doesNotMatch((await product.run("__complete", "--", "rm", "")).stdout, /\x1b/);
  assert.equal((await product.run("completion", "tcsh")).code, 2);
});

testBinary(
  "the script for bash completes in bash",
  { ignore: findProgram("bash") === undefined },
  async () => {
    await using it = await setUp();
    const script = `
source <(krew-wasm completion bash)
try() { COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _krew_wasm; echo "\${COMPREPLY[*]}"; }
try krew-wasm roll
try krew-wasm rm ""
try krew-wasm list -o na
try krew-wasm list --output = na
try krew-wasm list --output =`;
    const { code, stdout, stderr } = await it.product.exec("bash", ["-c", script]);
    assert.deepEqual([code, stdout], [0, "rollback\nfoo\nname\nname\nwide json yaml name lock\n"], stderr);
  },
);

testBinary("kubectl completes the arguments of a plugin that says it can", {
  ignore: clangMissing() || kubectlMissing(),
}, async () => {
  await using it = await setUp();
  const { product, registry } = it;
  const hello = await Deno.readFile(await buildFixture("completing"));
  const artifact = makeArtifact(hello, "cncf", { "krew-wasm.dev/completion": "cobra" });
  await push(registry.origin, "acme/hello-you", "v1", artifact);
  await product.run("pull", `${registry.host}/acme/hello-you:v1`);
  const bin = `${product.store}/bin`;
  assert.deepEqual(namesIn(bin), [
    "krew-wasm",
    "kubectl-foo",
    "kubectl-hello_you",
    "kubectl_complete-hello_you",
  ]);
  const asked = await product.exec(`${bin}/kubectl_complete-hello_you`, ["get", ""]);
  assert.deepEqual([asked.code, asked.stdout], [0, ":0\n"], asked.stderr);
  const data = `${product.store}/data/hello-you/share`;
  assert.match(Deno.readTextFileSync(`${data}/seen`), /\[__complete\]\[get\]\[\]$/);
  Deno.writeTextFileSync(`${data}/answer`, "alpha\tthe first\nbeta\n:4\n");
  const completed = await product.shell('kubectl __complete hello-you get ""');
  assert.match(completed.stdout, /^alpha\tthe first\nbeta\n:4\n/, completed.stderr);
  // The new version cannot complete, so its link is removed.
  await push(registry.origin, "acme/hello-you", "v1", makeArtifact(hello));
  await product.run("pull", "--force", `${registry.host}/acme/hello-you:v1`);
  assert.deepEqual(namesIn(bin), ["krew-wasm", "kubectl-foo", "kubectl-hello_you"]);
  await product.run("rollback", "hello-you");
  assert.ok(namesIn(bin).includes("kubectl_complete-hello_you"));
  await product.run("rm", "hello-you");
  assert.deepEqual(namesIn(bin), ["krew-wasm", "kubectl-foo"]);
});

for (const [shell, flags] of [["zsh", ["-n"]], ["fish", ["-n"]]] as const) {
  testBinary(`the script for ${shell} is one`, { ignore: findProgram(shell) === undefined }, async () => {
    using product = Product.make();
    const { stdout } = await product.run("completion", shell);
    Deno.writeTextFileSync(`${product.home}/script`, stdout);
    const { code, stderr } = await product.exec(shell, [...flags, `${product.home}/script`]);
    assert.equal(code, 0, stderr);
  });
}
