/** Plugins by name: build, push, add and search an index, and pull from it. */

import assert from "node:assert/strict";
import { makeArtifact, push } from "../../scripts/servers/artifacts.ts";
import { plainText } from "../support/plain_text.ts";
import { Product } from "../support/product.ts";
import { testBinary } from "../support/test_binary.ts";
import { findProgram, missing } from "../support/programs.ts";
import { failure, TestRegistry } from "../../scripts/servers/oci_registry.ts";
import { makeExiting } from "../support/store.ts";

async function setUp() {
  const registry = TestRegistry.start();
  const publish = (repository: string, code: number, description: string) =>
    push(
      registry.origin,
      repository,
      "v1",
      makeArtifact(makeExiting(code), "cncf", {
        "org.opencontainers.image.version": `${code}.0`,
        "org.opencontainers.image.description": description,
      }),
    );
  await publish("acme/decoder", 1, "Decodes \x1b[2JSecrets");
  await publish("acme/watcher", 2, "Watches events");
  await publish("other/decoder", 3, "Another decoder");
  const product = Product.make();
  const build = async (name: string, ...plugins: string[]) => {
    const built = await product.run("index", "build", ...plugins);
    assert.equal(built.code, 0, built.stderr);
    Deno.writeTextFileSync(`${product.home}/${name}.json`, built.stdout);
    const pushed = await product.run("index", "push", `${name}.json`, `${registry.host}/${name}/index`);
    assert.equal(pushed.code, 0, pushed.stderr);
    return built.stdout;
  };
  return {
    registry,
    product,
    build,
    async [Symbol.asyncDispose]() {
      product[Symbol.dispose]();
      await registry[Symbol.asyncDispose]();
    },
  };
}

testBinary("builds, pushes, adds and searches an index and pulls from it", async () => {
  await using it = await setUp();
  const { product, registry } = it;
  assert.match(
    (await product.run("search")).stderr,
    /^error: No index was added to search in\nhint: krew-wasm index add/,
  );
  const built = await it.build(
    "acme",
    `${registry.host}/acme/decoder:v1`,
    `watch=${registry.host}/acme/watcher:v1`,
  );
  assert.deepEqual(
    JSON.parse(built).plugins.map(({ name, version }: Record<string, string>) => [name, version]),
    [
      ["decoder", "1.0"],
      ["watch", "2.0"],
    ],
  );
  const added = await product.run("index", "add", `${registry.host}/acme/index`);
  assert.deepEqual([added.code, added.stdout], [0, "Added acme (2 plugins)\n"]);
  assert.equal((await product.run("index", "add", `${registry.host}/acme/index`)).code, 1);
  assert.match(
    (await product.run("index", "list")).stdout,
    /^NAME +PLUGINS +CHANGED +REFERENCE\nacme +2 +\d+s +127/,
  );
  assert.equal((await product.run("index", "list", "-o", "name")).stdout, "acme\n");

  const found = await product.run("search", "decodr");
  assert.equal(found.code, 0, found.stderr);
  assert.match(
    found.stdout,
    /^NAME +VERSION +INSTALLED +INDEX +DESCRIPTION\ndecoder +1\.0 +no +acme +Decodes \\x1b\[2JSecrets\n/,
  );
  assert.match((await product.run("search", "decodr", "--no-headers")).stdout, /^decoder +1\.0 /);
  assert.match((await product.run("index", "list", "--no-headers")).stdout, /^acme +2 /);
  assert.equal((await product.run("search", "zzzzz")).code, 1);

  const pulled = await product.run("pull", "watch", "decoder");
  assert.equal(pulled.code, 0, pulled.stderr);
  assert.equal((await product.run("list", "-o", "name")).stdout, "decoder\nwatch\n");
  assert.equal((await product.exec(`${product.store}/bin/kubectl-watch`, [])).code, 2);
  assert.match((await product.run("search", "decoder")).stdout, / yes +acme /);
  const none = await product.run("pull", "nothing");
  assert.deepEqual([none.code, none.stderr.split("\n")[0]], [1, 'error: No index offers a plugin "nothing"']);

  assert.equal((await product.run("index", "remove", "acme")).stdout, "Removed acme\n");
  assert.equal((await product.run("index", "remove", "acme")).code, 1);
  assert.equal((await product.run("list", "-o", "name")).stdout, "decoder\nwatch\n");
});

testBinary("update fetches indexes and leaves plugins alone", async () => {
  await using it = await setUp();
  const { product, registry } = it;
  const none = await product.run("update");
  assert.deepEqual([none.code, none.stdout], [0, ""]);
  assert.match(none.stderr, /^No index was added; krew-wasm index add REF adds one\n/);
  await it.build("acme", `${registry.host}/acme/decoder:v1`);
  await product.run("index", "add", `${registry.host}/acme/index`);
  await product.run("pull", "decoder");
  const before = Deno.readTextFileSync(`${product.store}/receipts/decoder.json`);
  assert.equal((await product.run("update")).stdout, "acme: 1 plugin (unchanged)\n");
  await it.build("acme", `${registry.host}/acme/decoder:v1`, `${registry.host}/acme/watcher:v1`);
  assert.equal((await product.run("update", "acme")).stdout, "acme: 2 plugins (changed, 1 new)\n");
  assert.equal((await product.run("search", "--offline", "-o", "name")).stdout, "decoder\nwatcher\n");
  assert.equal(Deno.readTextFileSync(`${product.store}/receipts/decoder.json`), before);
  for (
    const [name, hint] of [
      ["decoder", '"decoder" is a plugin: krew-wasm upgrade decoder'],
      ["acne", "did you mean acme?"],
    ]
  ) {
    const { code, stderr } = await product.run("update", name!);
    assert.deepEqual([code, stderr], [1, `error: No index "${name}" was added\nhint: ${hint}\n`]);
  }
  assert.match((await product.run("info", "decodr")).stderr, /\nhint: did you mean decoder\?\n/);
  for (const command of ["rm", "rollback", "run", "upgrade"]) {
    const { stderr } = await product.run(command, "decodr");
    assert.match(stderr, /error: No plugin "decodr" is installed\nhint: did you mean decoder\?\n/, command);
  }
  assert.match(
    (await product.run("decoder")).stderr,
    /^error: Unknown command "decoder"\nhint: "decoder" is a plugin: krew-wasm run decoder\n/,
  );
  registry.hook = () => failure(503, "UNAVAILABLE", "down");
  assert.equal((await product.run("update")).code, 1);
});

testBinary(
  "search refreshes an index by its digest and falls back to the stored copy",
  async () => {
    await using it = await setUp();
    const { product, registry } = it;
    await it.build("acme", `${registry.host}/acme/decoder:v1`);
    await product.run("index", "add", `${registry.host}/acme/index`);
    registry.requests.length = 0;
    await product.run("search");
    assert.deepEqual(registry.requests, ["GET /v2/acme/index/manifests/latest"]);
    registry.requests.length = 0;
    assert.equal((await product.run("search", "--offline", "-o", "name")).stdout, "decoder\n");
    assert.deepEqual(registry.requests, []);
    await it.build("acme", `${registry.host}/acme/decoder:v1`, `${registry.host}/acme/watcher:v1`);
    assert.equal((await product.run("search", "-o", "name")).stdout, "decoder\nwatcher\n");
    registry.hook = () => failure(404, "NAME_UNKNOWN", "gone");
    const down = await product.run("search", "-o", "name");
    assert.deepEqual([down.code, down.stdout], [0, "decoder\nwatcher\n"]);
    assert.match(down.stderr, /^warning: .*404.*; using "acme" as of 20/);
  },
);

testBinary("does not guess between two indexes with the same name", async () => {
  await using it = await setUp();
  const { product, registry } = it;
  await it.build("acme", `${registry.host}/acme/decoder:v1`, `${registry.host}/acme/watcher:v1`);
  await it.build("other", `${registry.host}/other/decoder:v1`, `${registry.host}/acme/watcher:v1`);
  for (const name of ["acme", "other"]) await product.run("index", "add", `${registry.host}/${name}/index`);
  const { code, stderr } = await product.run("pull", "decoder");
  assert.equal(code, 1);
  assert.match(
    stderr,
    /^error: 2 indexes offer a plugin "decoder": acme \(.*acme\/decoder:v1\), other \(.*\nhint: choose with --index acme\n/,
  );
  assert.equal((await product.run("list", "-o", "name")).stdout, "");
  assert.equal((await product.run("pull", "watcher")).code, 0, "the same reference in both is one");
  assert.equal((await product.run("pull", "decoder", "--index", "other")).code, 0);
  assert.equal((await product.exec(`${product.store}/bin/kubectl-decoder`, [])).code, 3);
  assert.equal((await product.run("pull", "decoder", "--index", "none")).code, 1);
});

testBinary("asks at a terminal which index to use", {
  ignore: missing("python3", findProgram("python3") !== undefined, "Debian: apt-get install python3"),
}, async () => {
  await using it = await setUp();
  const { product, registry } = it;
  await it.build("acme", `${registry.host}/acme/decoder:v1`);
  await it.build("other", `${registry.host}/other/decoder:v1`);
  for (const name of ["acme", "other"]) await product.run("index", "add", `${registry.host}/${name}/index`);
  // Python's pty gives the command its own terminal.
  const script = `
import os, pty, sys, re
pid, fd = pty.fork()
if pid == 0:
    os.execvp("krew-wasm", ["krew-wasm", "pull", "decoder"])
text = b""
while b"Which one? [1-2] " not in text:
    text += os.read(fd, 1024)
os.write(fd, b"2\\r")
try:
    while True:
        chunk = os.read(fd, 1024)
        if not chunk: break
        text += chunk
except OSError: pass
sys.stdout.write(text.decode())
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))`;
  const { code, stdout, stderr } = await product.exec("python3", ["-c", script]);
  assert.equal(code, 0, stdout + stderr);
  assert.match(plainText(stdout), /2 indexes offer a plugin "decoder":\r\n {2}1\) acme .*\r\n {2}2\) other /);
  assert.equal((await product.exec(`${product.store}/bin/kubectl-decoder`, [])).code, 3);
});

testBinary("refuses an invalid index and stores nothing", async () => {
  await using it = await setUp();
  const { product, registry } = it;
  const cases: [args: string[], words: RegExp, code: number][] = [
    [
      ["add", `${registry.host}/acme/decoder:v1`],
      /is no index of plugins: it is an artifact of another kind/,
      1,
    ],
    [["add", `${registry.host}/none`], /404/, 1],
    [["add", "a//b"], /not a reference/, 2],
    [["push", "none.json", `${registry.host}/x`], /no such file/, 1],
    [
      ["build", `${registry.host}/acme/decoder:v1`, `${registry.host}/other/decoder:v1`],
      /two of the name/,
      1,
    ],
    [["build", "get=x.example/y"], /kubectl itself/, 2],
    [["nope"], /unknown command/i, 2],
  ];
  for (const [args, words, code] of cases) {
    const outcome = await product.run("index", ...args);
    assert.equal(outcome.code, code, args.join(" "));
    assert.match(outcome.stderr, words);
  }
  await it.build("acme", `${registry.host}/acme/decoder:v1`);
  assert.equal((await product.run("index", "add", `${registry.host}/acme/index`, "--name", "../x")).code, 2);
  assert.equal((await product.run("index", "list", "-o", "name")).stdout, "");
});
