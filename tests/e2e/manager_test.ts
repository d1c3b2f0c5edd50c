/** The manager's commands, with every wrong input. */

import assert from "node:assert/strict";
import { nestDirectories } from "../support/deep.ts";
import { Product } from "../support/product.ts";
import { makeArtifact, push } from "../../scripts/servers/artifacts.ts";
import { failure, TestRegistry } from "../../scripts/servers/oci_registry.ts";

/** `(module (memory (export "memory") 1) (func (export "_start")))` */
export const NOTHING = Uint8Array.fromBase64(
  "AGFzbQEAAAABBAFgAAADAgEABQMBAAEHEwIGbWVtb3J5AgAGX3N0YXJ0AAAKBAECAAs=",
);

async function setUp(auth?: Parameters<typeof TestRegistry.start>[0]) {
  const registry = TestRegistry.start(auth);
  await push(registry.origin, "acme/foo", "v1", makeArtifact(NOTHING));
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

Deno.test("pull, list, run and rm report what they did", async () => {
  await using it = await setUp();
  const { product, reference } = it;
  const empty = await product.run("list");
  assert.deepEqual([empty.code, empty.stdout], [0, ""]);
  const pulled = await product.run("pull", reference);
  assert.equal(pulled.code, 0, pulled.stderr);
  assert.match(
    pulled.stdout,
    /^Installed foo \(module, \d+ B\)\n {2}from +127.*\n {2}digest +sha256:[0-9a-f]{64}\n {2}run +kubectl foo\n$/,
  );
  assert.equal(pulled.stderr, "");
  assert.equal((await product.shell("kubectl-foo")).code, 0);
  assert.match(
    (await product.run("list")).stdout,
    /^NAME +KIND +SIZE +AGE +REFERENCE\nfoo +module +\d+ B +\d+s +127.*\/acme\/foo:v1\n$/,
  );
  assert.equal((await product.run("list", "-o", "name")).stdout, "foo\n");
  assert.equal(JSON.parse((await product.run("list", "-o", "json")).stdout).plugins[0].name, "foo");
  assert.match((await product.run("ls", "-o", "yaml")).stdout, /^plugins:\n {2}- name: foo\n/);
  assert.deepEqual(await product.run("rm", "foo"), { code: 0, stdout: "Removed foo\n", stderr: "" });
  assert.equal((await product.run("list", "-o", "name")).stdout, "");
  assert.equal((await product.shell("kubectl-foo")).code, 127);
});

Deno.test("pull explains in the user's shell's syntax how to add bin to PATH", async () => {
  await using it = await setUp();
  const path = { PATH: "/usr/bin:/bin" };
  const { stderr } = await it.product.exec(it.product.command, ["pull", it.reference], {
    env: { ...path, SHELL: "/bin/zsh" },
  });
  assert.ok(stderr.includes('~/.zshrc:\n  export PATH="$HOME/.krew-wasm/bin:$PATH"\n'), stderr);
});

Deno.test("keeps an installed plugin, replaces it with --force, or adds another name", async () => {
  await using it = await setUp();
  const { product, reference } = it;
  await product.run("pull", reference);
  const again = await product.run("pull", reference);
  assert.deepEqual([again.code, again.stderr], [0, ""]);
  assert.match(again.stdout, /^foo is already installed \(sha256:[0-9a-f]{12}\)\n$/);
  assert.equal((await product.run("pull", "-q", reference)).stdout, "foo\n");
  // Nothing that was asked for is left out in silence.
  const cases: [args: string[], hint: RegExp][] = [
    [
      [reference, "--allow-read=/tmp"],
      /^hint: to change its grants: krew-wasm grants foo --allow-read=\/tmp$/m,
    ],
    [[reference, "--grants=none"], /^hint: --force installs it again$/m],
    [[reference.replace(":v1", ":v2")], /^hint: krew-wasm upgrade foo --to v2; --name installs/m],
    [[`${it.registry.host}/other/foo:v1`], /^hint: --force replaces it, --name installs/m],
  ];
  for (const [args, hint] of cases) {
    const { code, stdout, stderr } = await product.run("pull", ...args);
    assert.deepEqual([code, stdout], [1, ""], args.join(" "));
    assert.match(stderr, /^error: A plugin "foo" is installed already, from 127/);
    assert.match(stderr, hint);
  }
  await push(it.registry.origin, "acme/foo", "v1", makeArtifact(NOTHING, "cncf", { a: "b" }));
  assert.match(
    (await product.run("pull", reference)).stderr,
    /^hint: krew-wasm upgrade foo installs the newer/m,
  );
  for (
    const [repository, what] of [["acme/none", "no such repository"], ["acme/foo", "no such tag or digest"]]
  ) {
    it.registry.hook = (_, url) =>
      url.pathname.includes("/manifests/")
        ? failure(404, repository === "acme/none" ? "NAME_UNKNOWN" : "MANIFEST_UNKNOWN", "unknown")
        : undefined;
    const { stderr } = await product.run("pull", `${it.registry.host}/${repository}:v9`, "--name", "x");
    assert.ok(stderr.includes(what!), stderr);
    if (repository === "acme/foo") {
      assert.ok(stderr.includes(`\nhint: krew-wasm tags ${it.registry.host}/acme/foo lists the`), stderr);
    }
  }
  it.registry.hook = undefined;
  assert.match(
    (await product.run("inspect", "foo")).stdout,
    /^reference +127.*\/acme\/foo@sha256:.*\n[^]*kind +module\n/,
  );
  assert.equal((await product.run("pull", "--force", reference)).code, 0);
  assert.equal((await product.run("install", reference, "--name", "foo_bar")).code, 0);
  assert.equal((await product.run("list", "-o", "name")).stdout, "foo\nfoo-bar\n");
  assert.equal((await product.run("uninstall", "foo_bar", "foo")).stdout, "Removed foo-bar\nRemoved foo\n");
});

Deno.test("a failed pull reports its code and leaves nothing", async () => {
  await using it = await setUp();
  const { product, registry } = it;
  const layer = makeArtifact(new TextEncoder().encode("this is not wasm"));
  await push(registry.origin, "acme/text", "v1", layer);
  registry.putManifest(
    "acme/index",
    "v1",
    JSON.stringify({ schemaVersion: 2, manifests: [] }),
    "application/vnd.oci.image.index.v1+json",
  );
  const two = JSON.parse(makeArtifact(NOTHING).manifest);
  registry.putManifest("acme/two", "v1", JSON.stringify({ ...two, layers: [two.layers[0], two.layers[0]] }));
  registry.putManifest("acme/huge", "v1", " ".repeat(5 << 20));
  registry.putManifest(
    "acme/lost",
    "v1",
    makeArtifact(NOTHING).manifest.replace(/sha256:[0-9a-f]{64}/g, `sha256:${"0".repeat(64)}`),
  );
  const cases: [args: string[], code: number, words: RegExp][] = [
    [["acme//foo"], 2, /is not a reference/],
    [[`${registry.host}/acme/foo:`], 2, /tag is empty/],
    [[`${registry.host}/acme/none:v1`], 1, /404/],
    [[`${registry.host}/acme/foo:v9`], 1, /404/],
    [["127.0.0.1:2/acme/foo:v1"], 1, /refused the connection/],
    [["no-such-host.invalid/acme/foo:v1"], 1, /no-such-host\.invalid/],
    [[`${registry.host}/acme/text:v1`], 1, /not WebAssembly/],
    [[`${registry.host}/acme/index:v1`], 1, /index is empty/],
    [[`${registry.host}/acme/two:v1`], 1, /2 layers/],
    [[`${registry.host}/acme/huge:v1`], 1, /larger than/],
    [[`${registry.host}/acme/lost:v1`], 1, /404/],
    [[`${registry.host}/acme/foo@sha256:${"0".repeat(64)}`], 1, /404/],
    [[it.reference, "--name", "get"], 2, /kubectl itself/],
    [[it.reference, "--name", ".."], 2, /not a plugin name/],
    [[it.reference, "--name", "../evil"], 2, /not a plugin name/],
    [[it.reference, "--name", "a\x1b[2Jb"], 2, /not a plugin name/],
    [[it.reference, "--allow-read="], 2, /HOST::GUEST/],
    [[], 2, /missing required argument/i],
    [[it.reference, "--nope"], 2, /unknown option/i],
  ];
  for (const [args, code, words] of cases) {
    const outcome = await product.run("pull", ...args);
    assert.equal(outcome.code, code, `${args}: ${outcome.stderr}`);
    assert.equal(outcome.stdout, "");
    assert.match(outcome.stderr, words);
    assert.match(outcome.stderr, /^error: /);
    assert.doesNotMatch(outcome.stderr, /\x1b|defect/);
  }
  assert.equal((await product.run("list", "-o", "name")).stdout, "");
  const left = [
    ...Deno.readDirSync(`${product.store}/blobs/sha256`),
    ...Deno.readDirSync(`${product.store}/stage`),
  ];
  assert.deepEqual(left, []);
});

Deno.test("distinguishes a registry's 401, 403, 429 and 500", async () => {
  await using it = await setUp();
  for (
    const [status, words] of [[401, /credentials/], [403, /forbids/], [429, /fewer requests/], [
      500,
      /failed \(500\)/,
    ]] as const
  ) {
    it.registry.hook = () => failure(status, "DENIED", "no \x1b[31mway", { "retry-after": "3600" });
    const { code, stderr } = await it.product.run("pull", it.reference);
    assert.equal(code, 1);
    assert.match(stderr, words);
    assert.doesNotMatch(stderr, /\x1b/);
  }
});

Deno.test("reads credentials from docker's config", async () => {
  await using it = await setUp({ kind: "bearer", username: "me", password: "pa:ss" });
  const { product, registry } = it;
  assert.match((await product.run("pull", it.reference)).stderr, /krew-wasm login/);
  Deno.mkdirSync(`${product.home}/.docker`);
  Deno.writeTextFileSync(
    `${product.home}/.docker/config.json`,
    JSON.stringify({ auths: { [registry.host]: { auth: btoa("me:pa:ss") } } }),
  );
  const { code, stderr } = await product.run("-v", "pull", it.reference);
  assert.equal(code, 0, stderr);
  assert.match(stderr, /krew-wasm: GET http:\/\/127.*\/manifests\/v1 200 in \d+ ms/);
  assert.ok(!stderr.includes("pa:ss") && !stderr.includes(btoa("me:pa:ss")) && !stderr.includes("token-"));
});

Deno.test("list shows other plugins beside a broken receipt and ignores stray files", async () => {
  await using it = await setUp();
  const { product } = it;
  await product.run("pull", it.reference);
  Deno.writeTextFileSync(`${product.store}/receipts/broken.json`, '{"format":1,"name":"\x1b[2J"}');
  Deno.writeTextFileSync(`${product.store}/receipts/.DS_Store`, "x");
  Deno.writeTextFileSync(`${product.store}/bin/stray`, "x");
  const { code, stdout, stderr } = await product.run("list", "-o", "name");
  assert.deepEqual([code, stdout], [0, "foo\n"]);
  assert.match(stderr, /^warning: The receipt of "broken" is broken/);
  assert.doesNotMatch(stderr, /\x1b/);
  assert.equal((await product.run("rm", "broken")).code, 0);
});

Deno.test("rm reports an unknown name and removes the others", async () => {
  await using it = await setUp();
  await it.product.run("pull", it.reference);
  const { code, stdout, stderr } = await it.product.run("rm", "nope", "foo", "../x");
  assert.deepEqual([code, stdout], [1, "Removed foo\n"]);
  assert.match(stderr, /^error: No plugin "nope" is installed\n/);
});

Deno.test("rm removes a private directory of thousands of levels", {
  ignore: Deno.build.os === "windows",
}, async () => {
  await using it = await setUp();
  const { product } = it;
  await product.run("pull", it.reference);
  Deno.mkdirSync(`${product.store}/data/foo`, { recursive: true });
  nestDirectories(`${product.store}/data/foo`, 2500);
  assert.deepEqual(await product.run("rm", "foo"), { code: 0, stdout: "Removed foo\n", stderr: "" });
  for (const name of ["data", "stage"]) {
    assert.deepEqual([...Deno.readDirSync(`${product.store}/${name}`)], []);
  }
  assert.equal((await product.run("pull", it.reference)).code, 0);
});

Deno.test("a killed pull leaves no bytes, and the next pull cleans up", async () => {
  await using it = await setUp();
  const { product, registry } = it;
  const reached = Promise.withResolvers<void>();
  const release = Promise.withResolvers<void>();
  registry.hook = async (_request, url) => {
    if (!url.pathname.includes("/blobs/")) return undefined;
    // Half of the blob, then nothing.
    const body = new ReadableStream({
      async start(controller) {
        controller.enqueue(NOTHING.slice(0, 20));
        reached.resolve();
        await release.promise;
        controller.close();
      },
    });
    return await Promise.resolve(new Response(body));
  };
  const child = new Deno.Command(product.command, {
    args: ["pull", it.reference],
    clearEnv: true,
    env: product.env(),
    stdout: "null",
    stderr: "null",
  }).spawn();
  await reached.promise;
  child.kill("SIGKILL");
  await child.status;
  // The download's file disappeared with its process. Its lock is free, and the next pull removes the lock's file.
  const left = [...Deno.readDirSync(`${product.store}/stage`)].map(({ name }) => name);
  assert.ok(left.every((name) => name.startsWith("download-")), left.join());
  release.resolve();
  registry.hook = undefined;
  assert.equal((await product.run("list", "-o", "name")).stdout, "");
  const again = await product.run("pull", it.reference);
  assert.equal(again.code, 0, again.stderr);
  assert.deepEqual([...Deno.readDirSync(`${product.store}/stage`)], []);
});

Deno.test("help goes to stdout with examples; wrong usage to stderr with exit code 2", async () => {
  using product = Product.make();
  for (
    const args of [[], ["--help"], ["help"], ["pull", "--help"], ["list", "-h"], ["rm", "--help"], [
      "run",
      "--help",
    ], ["version", "--help"]]
  ) {
    const { code, stdout, stderr } = await product.run(...args);
    assert.deepEqual([code, stderr], [0, ""], args.join(" "));
    assert.match(stdout, /Examples:\n {2}krew-wasm /, args.join(" "));
    for (const line of stdout.split("\n")) assert.ok(line.length <= 120, line);
  }
  for (const args of [["nope"], ["list", "-o", "xml"], ["rm"], ["version", "--nope"], ["pul"]]) {
    const { code, stdout, stderr } = await product.run(...args);
    assert.deepEqual([code, stdout], [2, ""], args.join(" "));
    assert.notEqual(stderr, "");
  }
  assert.match((await product.run("pul")).stderr, /did you mean pull\?/);
  assert.match((await product.run("version")).stdout, /^krew-wasm \d+\.\d+\.\d+ \(/);
  assert.match(JSON.parse((await product.run("version", "-o", "json")).stdout).deno, /^2\./);
});

Deno.test("reports a missing home directory", async () => {
  using product = Product.make();
  const { code, stderr } = await product.shell("env -u HOME krew-wasm list");
  assert.equal(code, 1);
  assert.match(stderr, /^error: The environment variable HOME is not set\nhint: /);
  assert.equal((await product.shell(`env -u HOME KREW_WASM_ROOT=${product.home}/x krew-wasm list`)).code, 0);
  assert.equal((await product.shell("KREW_WASM_ROOT=relative krew-wasm list")).code, 2);
  const relative = await product.shell("HOME=here krew-wasm list");
  assert.deepEqual([relative.code, relative.stderr], [1, 'error: HOME is not an absolute path: "here"\n']);
});

Deno.test("commands survive closed, full and unread streams", async () => {
  using product = Product.make();
  const full = await product.shell("krew-wasm version >/dev/full");
  assert.equal(full.code, 1);
  assert.match(full.stderr, /^error: Cannot write to stdout: the disk is full\n$/);
  assert.equal((await product.shell("krew-wasm nope 2>/dev/full")).code, 2);
  assert.equal((await product.shell("krew-wasm list <&- >&- 2>&-")).code, 0);
  const [line, code] = (await product.shell(
    // More bytes than a pipe holds, to a reader that has ended.
    'mkfifo gone; (exec 3<gone) & krew-wasm --help >gone; echo "code $?"',
  )).stdout.trim().split(" ");
  assert.equal(line, "code");
  assert.ok(code === "0" || code === "141", code);
});
