/** `krew-wasm run` of what is not installed: a reference, stdin, a directory. */

import assert from "node:assert/strict";
import { makeArtifact, push } from "../../scripts/servers/artifacts.ts";
import { TestRegistry } from "../../scripts/servers/oci_registry.ts";
import { Product } from "../support/product.ts";
import { findProgram, missing } from "../support/programs.ts";
import { makeExiting } from "../support/store.ts";
import { atTerminal, terminalMissing } from "../support/terminal.ts";
import { testBinary } from "../support/test_binary.ts";

async function setUp(wish?: unknown) {
  const registry = TestRegistry.start();
  const annotations: Record<string, string> = wish === undefined
    ? {}
    : { "krew-wasm.dev/grants": JSON.stringify(wish) };
  await push(registry.origin, "acme/foo", "v1", makeArtifact(makeExiting(7), "cncf", annotations));
  const product = Product.make();
  return {
    registry,
    product,
    reference: `${registry.host}/acme/foo:v1`,
    async [Symbol.asyncDispose]() {
      product[Symbol.dispose]();
      await registry[Symbol.asyncDispose]();
    },
  };
}

testBinary("run REF fetches a plugin once by its digest, runs it and installs nothing", async () => {
  await using it = await setUp();
  const { product, registry, reference } = it;
  const blobs = () =>
    registry.requests.filter((line) => line.startsWith("GET ") && line.includes("/blobs/")).length;
  for (const text of [reference, `oci://${reference}`]) {
    const { code, stderr } = await product.run("run", text, "--", "x");
    assert.deepEqual([code, stderr], [7, ""]);
  }
  assert.equal(blobs(), 1, registry.requests.join("\n"));
  assert.equal((await product.run("list", "-o", "name")).stdout, "");
  // A changed cache is fetched anew.
  const cache = `${product.store}/cache`;
  const [entry] = [...Deno.readDirSync(cache)];
  Deno.writeFileSync(`${cache}/${entry!.name}/plugin.wasm`, makeExiting(9));
  assert.equal((await product.run("run", reference)).code, 7);
  assert.equal(blobs(), 2);
  const missing = await product.run("run", `${registry.host}/acme/none:v1`);
  assert.equal(missing.code, 125);
  assert.match(missing.stderr, /^error: Cannot run ".*acme\/none:v1": the registry has no such/);
  assert.equal((await product.run("run", "./acme/foo:v1")).code, 125, "a path is no reference");
});

testBinary("run REF obeys policies and --verify", async () => {
  await using it = await setUp();
  const { product, reference } = it;
  Deno.mkdirSync(product.store, { mode: 0o700 });
  const key = new Deno.Command("openssl", { args: ["ecparam", "-genkey", "-name", "prime256v1", "-noout"] });
  const made = key.outputSync().stdout;
  Deno.writeFileSync(`${product.home}/key.pem`, made);
  new Deno.Command("openssl", {
    args: ["ec", "-in", `${product.home}/key.pem`, "-pubout", "-out", `${product.home}/key.pub`],
  }).outputSync();
  const verified = await product.run("run", "--verify=key.pub", reference);
  assert.equal(verified.code, 125);
  assert.match(verified.stderr, /^error: .*not signed/m);
  Deno.writeTextFileSync(
    `${product.store}/policy.yaml`,
    `rules:\n- match: "${reference.replace(":v1", "")}"\n  verify: ${product.home}/key.pub\n`,
  );
  const refused = await product.run("run", reference);
  assert.equal(refused.code, 125);
  assert.match(refused.stderr, /^error: .*not signed/m);
});

testBinary("run REF shows and asks for the publisher's wish", { ignore: terminalMissing() }, async () => {
  await using it = await setUp({ read: ["~/manifests"], env: ["HOME"] });
  const { product, reference } = it;
  const { code, stderr } = await product.run("run", reference);
  assert.equal(code, 7);
  assert.match(stderr, /wishes to be granted:\n/);
  assert.match(
    stderr,
    /Not granted: .*\n {2}krew-wasm run --allow-read=\S+\/manifests --allow-env=HOME 127\.0\.0\.1:\d+\/acme\/foo:v1\n/,
  );
  const asked = await atTerminal(product, `krew-wasm run ${reference}`, [["[e]ach: ", "y\r"]]);
  assert.equal(asked.code, 7, asked.text);
});

testBinary("run - reads the plugin from stdin", { ignore: terminalMissing() }, async () => {
  await using it = await setUp();
  const { product } = it;
  Deno.writeFileSync(`${product.home}/foo.wasm`, makeExiting(5));
  assert.equal((await product.shell("krew-wasm run - < foo.wasm")).code, 5);
  assert.equal((await product.shell("cat foo.wasm | krew-wasm run - -- x")).code, 5);
  const broken = await product.shell("echo no | krew-wasm run -");
  assert.deepEqual([broken.code, broken.stderr.split("\n")[0]?.startsWith('error: Cannot run "-": ')], [
    125,
    true,
  ]);
  const typed = await atTerminal(product, "krew-wasm run -", []);
  assert.match(typed.text, /error: There is no plugin on stdin/);
});

testBinary("run DIR builds a Go program, and says so of anything else", {
  ignore: missing("go", findProgram("go") !== undefined, "https://go.dev/dl"),
}, async () => {
  await using it = await setUp();
  const { product } = it;
  Deno.mkdirSync(`${product.home}/empty`);
  const built = `${product.home}/hello`;
  Deno.mkdirSync(built);
  Deno.writeTextFileSync(`${built}/go.mod`, "module example.com/hello\ngo 1.24\n");
  Deno.writeTextFileSync(
    `${built}/main.go`,
    'package main\nimport "os"\nfunc main() { os.Exit(len(os.Args)) }\n',
  );
  const cache = { GOCACHE: Deno.env.get("GOCACHE") ?? `${Deno.env.get("HOME")}/.cache/go-build` };
  const ran = await product.exec(product.command, ["run", "./hello", "--", "a", "b"], { env: cache });
  assert.equal(ran.code, 3, ran.stderr);
  const empty = await product.run("run", "./empty");
  assert.equal(empty.code, 125);
  assert.match(empty.stderr, /^hint: .*Go/m);
});
