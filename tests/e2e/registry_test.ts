/** Registries from the user's view: push, inspect, sign, verify, pull. Runs the binary or the sources. */

import assert from "node:assert/strict";
import { RegistryClient } from "../../registry/oci/registry_client.ts";
import { parseReference } from "../../registry/oci/mirrored_reference.ts";
import { pushBundle } from "../../registry/signing/sign_artifact.ts";
import { Product } from "../support/product.ts";
import { TestRegistry } from "../../scripts/servers/oci_registry.ts";
import { atTerminal, terminalMissing } from "../support/terminal.ts";
import { IDENTITY, ISSUED_BY, makeKeyPair, type Signing, TestSigstore } from "../support/sigstore.ts";

// A program that does nothing.
const WASM = Uint8Array.fromBase64("AGFzbQEAAAABBAFgAAADAgEABQMBAAEHEwIGbWVtb3J5AgAGX3N0YXJ0AAAKBAECAAs=");

// Loaded here, because its worker outlives a test.
const { parse } = await import("@bytecodealliance/jco-transpile/wasm-tools");
const COMPONENT = await parse('(component (import "wasi:cli/environment@0.2.0" (instance)))');

async function setUp(auth?: Parameters<typeof TestRegistry.start>[0]) {
  const product = Product.make();
  const registry = TestRegistry.start(auth);
  await Deno.writeFile(`${product.home}/foo.wasm`, WASM);
  await Deno.writeTextFile(`${product.home}/plugin.yaml`, 'version: "1.2.0"\ndescription: Does nothing\n');
  const keys = await makeKeyPair();
  await Deno.writeTextFile(`${product.home}/acme.key`, keys.privateKey);
  await Deno.writeTextFile(`${product.home}/acme.pub`, keys.publicKey);
  await Deno.writeTextFile(`${product.home}/other.pub`, (await makeKeyPair()).publicKey);
  return { product, registry, reference: `${registry.host}/acme/foo:v1` };
}

Deno.test("pushes, lists, inspects and installs a plugin", async () => {
  const { product, registry, reference } = await setUp();
  using _ = product;
  await using __ = registry;
  const pushed = await product.run("push", "foo.wasm", reference, "-t", "latest");
  assert.equal(pushed.code, 0, pushed.stderr);
  assert.match(
    pushed.stdout,
    /^Pushed \S+\/acme\/foo:v1 \(module, 50 B\)\n {2}digest {2}sha256:[0-9a-f]{64}\n {2}tag {5}latest\n$/,
  );
  const repository = `${registry.host}/acme/foo`;
  assert.equal((await product.run("tags", repository)).stdout, "latest\nv1\n");
  const signatures = `sha256-${"0".repeat(64)}`;
  registry.putManifest("acme/foo", signatures, "{}");
  assert.equal((await product.run("tags", repository)).stdout, "latest\nv1\n");
  assert.equal((await product.run("tags", "--all", repository)).stdout, `latest\n${signatures}\nv1\n`);
  const inspected = JSON.parse((await product.run("inspect", reference, "-o", "json")).stdout);
  assert.deepEqual([inspected.kind, inspected.size, inspected.exports], ["module", WASM.length, [
    "memory",
    "_start",
  ]]);
  assert.equal(inspected.annotations["org.opencontainers.image.version"], "1.2.0");
  const text = await product.run("inspect", reference);
  assert.match(text.stdout, /org\.opencontainers\.image\.description: Does nothing/);
  const pulled = await product.run("pull", reference);
  assert.equal(pulled.code, 0, pulled.stderr);
  assert.equal((await product.shell("kubectl-foo")).code, 0);
  const file = await product.run("pull", "./foo.wasm");
  assert.equal(file.code, 2);
  assert.match(file.stderr, /\nhint: "\.\/foo\.wasm" is a file: krew-wasm run runs it/);
  const piped = await product.shell("cat foo.wasm | krew-wasm run /dev/fd/3 3<&0");
  assert.deepEqual(piped, { code: 0, stdout: "", stderr: "" });
  await Deno.writeFile(`${product.home}/component.wasm`, COMPONENT);
  const unfit = await product.run("push", "component.wasm", `${registry.host}/acme/bar`);
  assert.equal(unfit.code, 1);
  assert.match(unfit.stderr, /--no-check/);
  assert.equal(
    (await product.run("push", "--no-check", "component.wasm", `${registry.host}/acme/bar`)).code,
    0,
  );
  const wit = await product.run("inspect", `${registry.host}/acme/bar`, "-o", "wit");
  assert.match(wit.stdout, /world root \{\n {2}import wasi:cli\/environment@0\.2\.0/);
  const wrong = await product.run("push", "plugin.yaml", reference);
  assert.deepEqual([wrong.code, wrong.stdout], [1, ""]);
  assert.match(
    wrong.stderr,
    /^reading plugin\.yaml\nerror: Cannot push "plugin\.yaml": it is not WebAssembly/,
  );
});

Deno.test("installs only a plugin that the key signed", async () => {
  const { product, registry, reference } = await setUp();
  using _ = product;
  await using __ = registry;
  await product.run("push", "-q", "foo.wasm", reference);
  const unsigned = await product.run("pull", "--verify=acme.pub", reference);
  assert.equal(unsigned.code, 1);
  assert.match(unsigned.stderr, /it is not signed/);
  const signed = await product.run("push", "-q", "--sign=acme.key", "foo.wasm", reference);
  assert.equal(signed.code, 0, signed.stderr);
  const other = await product.run("pull", "--verify=other.pub", reference);
  assert.equal(other.code, 1);
  assert.match(other.stderr, /signed by somebody else/);
  assert.equal((await product.run("list", "-o", "name")).stdout, "");
  const pulled = await product.run("pull", "--verify=acme.pub", reference);
  assert.equal(pulled.code, 0, pulled.stderr);
  assert.match(pulled.stdout, /signed {2}by the key sha256:/);
  const [plugin] = JSON.parse((await product.run("list", "-o", "json")).stdout).plugins;
  assert.match(plugin.verified.key, /^sha256:/);
  const unasked = await product.run("pull", "--force", reference);
  assert.equal(unasked.code, 0);
  assert.match(unasked.stderr, /warning: what foo replaces was signed by the key sha256:/);
  // Like bash's <(…): a file that can be read only once.
  const piped = await product.shell(
    `cat acme.pub | krew-wasm pull --force --verify=/dev/fd/3 ${reference} 3<&0`,
  );
  assert.equal(piped.code, 0, piped.stderr);
  assert.ok(signed.stdout.endsWith(`@${/digest {2}(.*)/.exec(piped.stdout)?.[1]}\n`), piped.stdout);
});

Deno.test("verifies a keyless signature against a given trust root", async () => {
  const { product, registry, reference } = await setUp();
  using _ = product;
  await using __ = registry;
  const sigstore = await TestSigstore.make();
  const client = new RegistryClient({ credentials: () => Promise.resolve(undefined) });
  const signAs = async (repository: string, signing: Signing) => {
    const to = `${registry.host}/${repository}:v1`;
    const pushed = (await product.run("push", "-q", "foo.wasm", to)).stdout.trim();
    const digest = pushed.slice(pushed.indexOf("@") + 1);
    const bundle = JSON.stringify(await sigstore.bundle(digest, signing));
    const described = { digest, size: registry.manifest(repository, "v1").length };
    await pushBundle(client, { ...parseReference(to), tag: undefined }, described, bundle, new Date());
    return to;
  };
  assert.equal(await signAs("acme/foo", {}), reference);
  const signer = `--verify=${IDENTITY}@${ISSUED_BY}`;
  const stranger = await product.run("pull", signer, reference);
  assert.equal(stranger.code, 1);
  assert.match(stranger.stderr, /nobody the trust root knows/);
  await Deno.writeTextFile(`${product.home}/root.json`, sigstore.trustRoot);
  const pulled = await product.run("pull", signer, "--trust-root=root.json", reference);
  assert.equal(pulled.code, 0, pulled.stderr);
  const hashed = await signAs("acme/hashed", { key: "Ed25519ph" });
  const second = await product.run("pull", signer, "--trust-root=root.json", hashed);
  assert.equal(second.code, 0, second.stderr);
  await Deno.writeTextFile(`${product.store}/trusted_root.json`, sigstore.trustRoot);
  await Deno.writeTextFile(
    `${product.store}/policy.yaml`,
    `rules: [{match: "**", verify: "eve@evil.example@${ISSUED_BY}"}]`,
  );
  const refused = await product.run("pull", "--force", reference);
  assert.equal(refused.code, 1);
  assert.match(refused.stderr, /it is by https:\/\/github\.com\/acme/);
});

Deno.test("reports an invalid key, trust root, policy or grants file before any request", async () => {
  const { product, registry, reference } = await setUp();
  using _ = product;
  await using __ = registry;
  for (const args of [["push", "-q", "foo.wasm", reference], ["pull", "-q", reference]]) {
    const { code, stderr } = await product.run(...args);
    assert.equal(code, 0, stderr);
  }
  await Deno.writeTextFile(`${product.home}/lock`, (await product.run("list", "-o", "lock")).stdout);
  await Deno.writeTextFile(`${product.home}/broken.pub`, PUBLIC_KEY_OF_NOTHING);
  const signer = `--verify=${IDENTITY}@${ISSUED_BY}`;
  const pull = (...args: string[]) => ["pull", "--force", ...args, reference];
  const refused = async (cases: readonly (readonly [string[], RegExp])[]) => {
    for (const [args, message] of cases) {
      registry.requests.length = 0;
      const { code, stderr } = await product.run(...args);
      assert.equal(code, 1, `${args.join(" ")}: ${stderr}`);
      assert.match(stderr, message);
      assert.deepEqual(registry.requests, [], args.join(" "));
    }
  };
  await refused([
    [pull("--verify=none.pub"), /^error: Cannot read the key "none\.pub": there is no such file\nhint: /],
    [pull("--verify=broken.pub"), /^error: The key "broken\.pub" can't be used: /],
    [pull(signer, "--trust-root=none.json"), /^error: Cannot read the trust root "none\.json": there is no /],
    [pull(signer, "--trust-root=lock"), /^error: The trust root can't be read: /],
    [["push", "--sign=none.key", "foo.wasm", reference], /Cannot read the key "none\.key"/],
    [["push", "--sign=acme.pub", "foo.wasm", reference], /is the public one, signing takes the private one/],
  ]);
  await refused([[pull("--allow-cluster=./none.yaml"), /Cannot read the rules in "\S+none\.yaml"/]]);
  await product.run("rm", "foo");
  const policy = async (text: string) => await Deno.writeTextFile(`${product.store}/policy.yaml`, text);
  const all = [["pull", "-q", reference], ["sync", "lock"]];
  await policy(`rules: [{match: "**", verify: ${product.home}/none.pub}]`);
  await refused(all.map((args) => [args, /Cannot read the key "\S+\/none\.pub"|rule for \*\*.*none\.pub/]));
  await policy("rulez: []");
  await refused(all.map((args) => [args, /policy\.yaml can't be used: rulez is not known/]));
  await policy("rules: []");
  assert.equal((await product.run("pull", "-q", reference)).code, 0);
  await policy(`rules: [{match: "**", verify: ${product.home}/none.pub}]`);
  await refused([[["upgrade"], /none\.pub/]]);
});

/** Looks like a key, but is invalid. */
const PUBLIC_KEY_OF_NOTHING = "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n";

Deno.test("pulls from the mirror in registries.yaml if the registry is unreachable", async () => {
  const { product, registry, reference } = await setUp();
  using _ = product;
  await using __ = registry;
  assert.equal((await product.run("push", "-q", "foo.wasm", reference)).code, 0);
  await Deno.mkdir(product.store, { recursive: true, mode: 0o700 });
  const config = `registries: {registry.invalid: {mirrors: ["${registry.host}"], fallback: false}}`;
  await Deno.writeTextFile(`${product.store}/registries.yaml`, config);
  const pulled = await product.run("pull", "registry.invalid/acme/foo:v1");
  assert.equal(pulled.code, 0, pulled.stderr);
  assert.match(pulled.stdout, /from {4}registry\.invalid\/acme\/foo:v1/);
  assert.equal((await product.run("tags", "registry.invalid/acme/foo")).stdout, "v1\n");
  await Deno.writeTextFile(
    `${product.store}/registries.yaml`,
    "registries: {registry.invalid: {mirors: []}}",
  );
  const misspelt = await product.run("tags", "registry.invalid/acme/foo");
  assert.equal(misspelt.code, 1);
  assert.match(misspelt.stderr, /registries\["registry\.invalid"\]\.mirors is not known/);
});

Deno.test("login stores an accepted password and logout removes it", async () => {
  const { product, registry, reference } = await setUp({ kind: "basic", username: "me", password: "pa:ss" });
  using _ = product;
  await using __ = registry;
  const login = (stdin: string) =>
    product.exec(product.command, ["login", registry.host, "-u", "me", "--password-stdin"], { stdin });
  assert.equal((await login("wrong")).code, 1);
  assert.equal((await product.run("push", "foo.wasm", reference)).code, 1);
  const good = await login("pa:ss\n");
  assert.equal(good.code, 0, good.stderr);
  assert.ok(!`${good.stdout}${good.stderr}`.includes("pa:ss"));
  assert.equal((await product.run("push", "foo.wasm", reference)).code, 0);
  assert.equal((await product.run("logout", registry.host)).code, 0);
  assert.equal((await product.run("push", "foo.wasm", reference)).code, 1);
  assert.equal((await product.run("logout", registry.host)).code, 1);
  const prompt = await product.run("login", registry.host, "-u", "me");
  assert.equal(prompt.code, 2);
  assert.match(prompt.stderr, /--password-stdin/);
});

Deno.test("login asks at a terminal, and Ctrl-C stores nothing", {
  ignore: terminalMissing(),
}, async () => {
  const { product, registry } = await setUp({ kind: "basic", username: "me", password: "pa:ss" });
  using _ = product;
  await using __ = registry;
  const login = `krew-wasm login ${registry.host}`;
  const ended = await atTerminal(product, login, [[": ", "me\r"], ["Password for me: ", "pa\x03"]]);
  assert.equal(ended.code, 130, ended.text);
  assert.doesNotMatch(ended.text, /error|pa(?!ssword)/i);
  const nobody = await atTerminal(product, login, [[": ", "\r"]]);
  assert.equal(nobody.code, 2, nobody.text);
  assert.match(nobody.text, /error: "" is not a user name/);
  assert.throws(() => Deno.statSync(`${product.home}/.docker`), Deno.errors.NotFound);
  const done = await atTerminal(product, login, [[": ", "me\r"], ["Password for me: ", "pa:ss\r"]]);
  assert.equal(done.code, 0, done.text);
  assert.match(done.text, /Logged in to \S+ as me/);
});

Deno.test("pull and bundle load warn if kubectl would run another file of that name", async () => {
  const { product, registry, reference } = await setUp();
  using _ = product;
  await using __ = registry;
  assert.equal((await product.run("push", "-q", "foo.wasm", reference)).code, 0);
  const other = `${product.home}/other/kubectl-foo`;
  await Deno.mkdir(`${product.home}/other`);
  await Deno.writeTextFile(other, "#!/bin/sh\n", { mode: 0o755 });
  const PATH = `${product.home}/other:${product.env().PATH}`;
  const run = (...args: string[]) => product.exec(product.command, args, { env: { PATH } });
  const shadowed = await run("pull", reference);
  assert.equal(shadowed.code, 0);
  assert.match(shadowed.stdout, /\n {2}run {5}krew-wasm run foo\n$/);
  assert.ok(
    shadowed.stderr.includes(`warning: kubectl foo runs ${other}, which comes first on PATH\nhint: put `),
  );
  const quiet = await run("pull", "-f", "-q", reference);
  assert.deepEqual(quiet, { code: 0, stdout: "foo\n", stderr: "" });
  const first = await product.run("pull", "-f", reference);
  assert.deepEqual([first.stdout.includes("run     kubectl foo\n"), first.stderr], [true, ""]);
  assert.equal((await product.run("bundle", "save", "foo.tar")).code, 0);
  const loaded = await run("bundle", "load", "-f", "foo.tar");
  assert.match(loaded.stderr, /^warning: kubectl foo runs /m);
  // What can't be run is passed over by kubectl, too.
  await Deno.chmod(other, 0o644);
  assert.equal((await run("pull", "-f", reference)).stderr, "");
});
