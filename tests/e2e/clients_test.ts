/**
 * krew-wasm beside other clients, at Debian's docker-registry: each pulls the plugins that the other pushed, byte for
 * byte. `.ci/clients` builds oras, crane and wasm-to-oci; wkg is tested if it is installed.
 */

import assert from "node:assert/strict";
import { digestOf } from "../../registry/oci/digest.ts";
import { DockerRegistry, htpasswdMissing, program, registryMissing } from "../support/docker_registry.ts";
import { registryClient } from "../support/programs.ts";
import { Product } from "../support/product.ts";
import { makeKeyPair } from "../support/sigstore.ts";

// A program that does nothing.
const WASM = Uint8Array.fromBase64("AGFzbQEAAAABBAFgAAADAgEABQMBAAEHEwIGbWVtb3J5AgAGX3N0YXJ0AAAKBAECAAs=");
// Loaded here, because the worker that it starts outlives a test.
const { parse } = await import("@bytecodealliance/jco-transpile/wasm-tools");
const COMPONENT = new Uint8Array(
  await parse(`(component
  (component $run
    (core module $m (func (export "run") (result i32) i32.const 0))
    (core instance $i (instantiate $m))
    (func (export "run") (result (result)) (canon lift (core func $i "run"))))
  (instance $run (instantiate $run))
  (export "wasi:cli/run@0.2.0" (instance $run)))`),
);

const oras = registryClient("oras", "go install oras.land/oras/cmd/oras@v1.3.6");
const crane = registryClient("crane", "go install github.com/google/go-containerregistry/cmd/crane@v0.22.1");
const wasmToOci = registryClient("wasm-to-oci", ".ci/clients build/clients");
const wkg = registryClient("wkg", "cargo install wkg");

/** A registry, krew-wasm, and a plugin. Other clients have their own HOME. */
async function setUp(htpasswd?: string) {
  const product = Product.make();
  const registry = await DockerRegistry.start(htpasswd);
  await Deno.writeFile(`${product.home}/foo.wasm`, WASM);
  await Deno.writeFile(`${product.home}/component.wasm`, COMPONENT);
  const ok = async (outcome: ReturnType<Product["exec"]>): Promise<string> => {
    const { code, stdout, stderr } = await outcome;
    assert.equal(code, 0, stderr);
    return stdout;
  };
  const krewWasm = (...args: string[]) => ok(product.run(...args));
  const run = (client: string, ...args: string[]) => ok(product.exec(client, args));
  /** Pulls a plugin, checks the store, and runs it. */
  const pullAndRun = async (reference: string, wasm = WASM, ...options: string[]) => {
    const name = (await krewWasm("pull", "--force", "--quiet", ...options, reference)).trim();
    const stored = await Deno.readFile(`${product.store}/blobs/sha256/${digestOf(wasm).slice(7)}`);
    assert.deepEqual(stored, wasm);
    await ok(product.shell(`kubectl-${name.replaceAll("-", "_")}`));
  };
  return { product, registry, host: registry.host, krewWasm, run, pullAndRun };
}

Deno.test("krew-wasm pulls a plugin that oras pushed, and vice versa", {
  ignore: registryMissing || oras === undefined,
}, async () => {
  const { product, registry, host, krewWasm, run, pullAndRun } = await setUp();
  using _ = product;
  await using __ = registry;
  await Deno.writeTextFile(`${product.home}/config.json`, '{"architecture":"wasm","os":"wasip1"}');
  const config = "--config=config.json:application/vnd.wasm.config.v0+json";
  await run(oras!, "push", "--plain-http", config, `${host}/acme/oras:v1`, "foo.wasm:application/wasm");
  await pullAndRun(`${host}/acme/oras:v1`);
  // With an artifact type instead of its own config.
  const type = "--artifact-type=application/vnd.acme.plugin";
  await run(oras!, "push", "--plain-http", type, `${host}/acme/typed:v1`, "component.wasm:application/wasm");
  await pullAndRun(`${host}/acme/typed:v1`, COMPONENT);
  for (const format of ["cncf", "legacy"]) {
    const reference = `${host}/acme/${format}:v1`;
    const pinned = (await krewWasm("push", "-q", `--format=${format}`, "foo.wasm", reference)).trim();
    const descriptor = JSON.parse(
      await run(oras!, "manifest", "fetch", "--plain-http", "--descriptor", reference),
    );
    assert.ok(pinned.endsWith(descriptor.digest), pinned);
    const layer = digestOf(WASM);
    const out = `${product.home}/${format}.blob`;
    await run(oras!, "blob", "fetch", "--plain-http", "-o", out, `${host}/acme/${format}@${layer}`);
    assert.deepEqual(await Deno.readFile(out), WASM);
    await run(oras!, "pull", "--plain-http", "-o", `${product.home}/${format}`, reference);
    assert.deepEqual(await Deno.readFile(`${product.home}/${format}/foo.wasm`), WASM);
  }
});

Deno.test("oras lists a signature, and krew-wasm verifies a plugin that oras copied", {
  ignore: registryMissing || oras === undefined,
}, async () => {
  const { product, registry, host, krewWasm, run, pullAndRun } = await setUp();
  using _ = product;
  await using __ = registry;
  await using other = await DockerRegistry.start();
  const keys = await makeKeyPair();
  await Deno.writeTextFile(`${product.home}/acme.key`, keys.privateKey);
  await Deno.writeTextFile(`${product.home}/acme.pub`, keys.publicKey);
  await krewWasm("push", "-q", "--sign=acme.key", "foo.wasm", `${host}/acme/foo:v1`);
  const found = JSON.parse(
    await run(oras!, "discover", "--plain-http", "--format=json", `${host}/acme/foo:v1`),
  ) as { referrers?: { artifactType: string }[]; manifests?: { artifactType: string }[] };
  assert.deepEqual(
    (found.referrers ?? found.manifests ?? []).map(({ artifactType }) => artifactType),
    ["application/vnd.dev.sigstore.bundle.v0.3+json"],
  );
  const flags = ["--recursive", "--from-plain-http", "--to-plain-http"];
  await run(oras!, "copy", ...flags, `${host}/acme/foo:v1`, `${other.host}/copies/foo:v1`);
  // The signature names the original repository. A policy says which copies are valid.
  const copy = `${other.host}/copies/foo:v1`;
  const refused = await product.run("pull", "--verify=acme.pub", copy);
  assert.equal(refused.code, 1);
  assert.match(refused.stderr, /acme\/foo/);
  await Deno.writeTextFile(
    `${product.store}/policy.yaml`,
    `version: 1\nrules:\n  - match: "**"\n    verify: { anyOf: [${product.home}/acme.pub], copies: true }\n`,
  );
  await pullAndRun(copy);
});

Deno.test("krew-wasm, oras and crane use each other's logins", {
  ignore: registryMissing || htpasswdMissing || oras === undefined || crane === undefined,
}, async () => {
  const users = await program("htpasswd", ["-Bbn", "me", "pa:ss"]);
  const { product, registry, host, krewWasm, run, pullAndRun } = await setUp(users);
  using _ = product;
  await using __ = registry;
  const reference = `${host}/acme/foo:v1`;
  const logins: [string, (stdin: string) => ReturnType<Product["exec"]>][] = [
    ["oras", () => product.exec(oras!, ["login", "--plain-http", "-u", "me", "-p", "pa:ss", host])],
    ["crane", () => product.exec(crane!, ["auth", "login", host, "-u", "me", "-p", "pa:ss"])],
    [
      "krew-wasm",
      (stdin) => product.exec(product.command, ["login", host, "-u", "me", "--password-stdin"], { stdin }),
    ],
  ];
  for (const [who, login] of logins) {
    assert.notEqual((await product.run("push", "-q", "foo.wasm", reference)).code, 0, who);
    const { code, stderr } = await login("pa:ss");
    assert.equal(code, 0, `${who}: ${stderr}`);
    await krewWasm("push", "-q", "foo.wasm", reference);
    await pullAndRun(reference);
    await run(oras!, "pull", "--plain-http", "-o", `${product.home}/out`, reference);
    await run(crane!, "manifest", "--insecure", reference);
    await krewWasm("logout", host);
  }
});

Deno.test("krew-wasm pulls copies and indexes of crane, and crane reads its pushes", {
  ignore: registryMissing || crane === undefined,
}, async () => {
  const { product, registry, host, krewWasm, run, pullAndRun } = await setUp();
  using _ = product;
  await using __ = registry;
  const from = `${host}/acme/cncf:v1`;
  const pinned = (await krewWasm("push", "-q", "foo.wasm", from)).trim();
  assert.equal((await run(crane!, "digest", "--insecure", from)).trim(), pinned.split("@")[1]);
  const manifest = (await run(crane!, "manifest", "--insecure", from)).trim();
  assert.equal(digestOf(new TextEncoder().encode(manifest)), pinned.split("@")[1]);
  await Deno.writeFile(`${product.home}/blob`, new Uint8Array());
  const blob = `${crane} blob --insecure ${host}/acme/cncf@${digestOf(WASM)} > blob`;
  assert.equal((await product.shell(blob)).code, 0);
  assert.deepEqual(await Deno.readFile(`${product.home}/blob`), WASM);
  await run(crane!, "copy", "--insecure", from, `${host}/acme/copy:v1`);
  await pullAndRun(`${host}/acme/copy:v1`);
  await run(crane!, "index", "append", "--insecure", "-m", from, "-t", `${host}/acme/index:v1`);
  await pullAndRun(`${host}/acme/index:v1`);
  await run(crane!, "tag", "--insecure", from, "v2");
  assert.equal((await krewWasm("tags", `${host}/acme/cncf`)).trim(), "v1\nv2");
  assert.equal((await run(crane!, "ls", "--insecure", `${host}/acme/cncf`)).trim(), "v1\nv2");
});

Deno.test("krew-wasm pulls a plugin that wasm-to-oci of 2022 pushed, and vice versa", {
  ignore: registryMissing || wasmToOci === undefined,
}, async () => {
  const { product, registry, host, krewWasm, run, pullAndRun } = await setUp();
  using _ = product;
  await using __ = registry;
  await run(wasmToOci!, "push", "--use-http", "foo.wasm", `${host}/acme/old:v1`);
  await pullAndRun(`${host}/acme/old:v1`);
  await krewWasm("push", "-q", "--format=legacy", "foo.wasm", `${host}/acme/legacy:v1`);
  await run(wasmToOci!, "pull", "--use-http", "--out", "out.wasm", `${host}/acme/legacy:v1`);
  assert.deepEqual(await Deno.readFile(`${product.home}/out.wasm`), WASM);
});

Deno.test("krew-wasm pulls a plugin that wkg pushed, and vice versa", {
  ignore: registryMissing || wkg === undefined,
}, async () => {
  const { product, registry, host, krewWasm, run, pullAndRun } = await setUp();
  using _ = product;
  await using __ = registry;
  await run(wkg!, "oci", "push", "--insecure", host, `${host}/acme/wkg:v1`, "component.wasm");
  await pullAndRun(`${host}/acme/wkg:v1`, COMPONENT);
  await krewWasm("push", "-q", "component.wasm", `${host}/acme/own:v1`);
  await run(wkg!, "oci", "pull", "--insecure", host, `${host}/acme/own:v1`, "-o", "out.wasm");
  assert.deepEqual(await Deno.readFile(`${product.home}/out.wasm`), COMPONENT);
});
