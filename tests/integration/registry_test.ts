/** A real registry: Debian's docker-registry, filled by skopeo and by its API, with and without a password. */

import assert from "node:assert/strict";
import { leb128 } from "../../runtime/base/leb128.ts";
import { RegistryClient } from "../../registry/oci/registry_client.ts";
import { parseManifest } from "../../registry/oci/manifest.ts";
import { parseReference } from "../../registry/oci/mirrored_reference.ts";
import { makeArtifact as makeOwnArtifact } from "../../registry/oci/artifact.ts";
import { pushBlob, pushManifest } from "../../registry/oci/push_artifact.ts";
import { findCredentials } from "../../registry/oci/credentials/find_credentials.ts";
import { processLoginHost, removeLogin, storeLogin } from "../../registry/oci/credentials/store_login.ts";
import { processHosts } from "../../registry/oci/hosts/settings_host.ts";
import { openHosts } from "../../registry/oci/registry_hosts.ts";
import { Authority } from "../../scripts/servers/certificates.ts";
import { readSigningKey, signArtifact } from "../../registry/signing/sign_artifact.ts";
import { registrySignatures } from "../../registry/signing/find_signatures.ts";
import { parseSigner } from "../../registry/signing/required_signers.ts";
import { verifyArtifact } from "../../registry/signing/verify_artifact.ts";
import { TestSigstore } from "../support/sigstore.ts";
import { listTags } from "../../registry/oci/list_tags.ts";
import { makeArtifact, push } from "../../scripts/servers/artifacts.ts";
import {
  DockerRegistry,
  htpasswdMissing,
  program,
  registryMissing,
  skopeo,
  skopeoMissing,
} from "../support/docker_registry.ts";
import { registryClient } from "../support/programs.ts";
import { temporaryDirectory } from "../support/temporary.ts";

const WASM = Uint8Array.fromBase64("AGFzbQEAAAABBAFgAAADAgEABQMBAAEHEwIGbWVtb3J5AgAGX3N0YXJ0AAAKBAECAAs=");

async function pull(
  reference: string,
  client = new RegistryClient({ credentials: () => Promise.resolve(undefined) }),
) {
  const parsed = parseReference(reference);
  const manifest = await client.fetchManifest(parsed);
  const plugin = parseManifest(manifest.text, reference);
  const chunks: Uint8Array<ArrayBuffer>[] = [];
  await client.fetchBlob(parsed, plugin, () => (bytes) => chunks.push(bytes.slice()));
  return { bytes: new Uint8Array(await new Blob(chunks).arrayBuffer()), manifest };
}

Deno.test(
  "both layouts are pulled byte for byte, by tag and by digest",
  { ignore: registryMissing },
  async () => {
    await using registry = await DockerRegistry.start();
    for (const layout of ["cncf", "legacy"] as const) {
      await push(`http://${registry.host}`, `acme/${layout}`, "v1", makeArtifact(WASM, layout));
      const { bytes, manifest } = await pull(`${registry.host}/acme/${layout}:v1`);
      assert.deepEqual(bytes, WASM);
      assert.deepEqual((await pull(`${registry.host}/acme/${layout}@${manifest.digest}`)).bytes, WASM);
    }
    await assert.rejects(pull(`${registry.host}/acme/none:v1`), { code: "REGISTRY_NOT_FOUND" });
    await assert.rejects(pull(`${registry.host}/acme/cncf:v9`), { code: "REGISTRY_NOT_FOUND" });
  },
);

Deno.test("pulls a plugin that skopeo copied between registries", {
  ignore: registryMissing || skopeoMissing,
}, async () => {
  await using from = await DockerRegistry.start();
  await using to = await DockerRegistry.start();
  await push(`http://${from.host}`, "acme/foo", "v1", makeArtifact(WASM));
  await skopeo("copy", `docker://${from.host}/acme/foo:v1`, `docker://${to.host}/other/bar:v2`);
  assert.deepEqual((await pull(`${to.host}/other/bar:v2`)).bytes, WASM);
});

Deno.test("uses docker's credentials for a registry with a password", {
  ignore: registryMissing || htpasswdMissing,
}, async () => {
  const { stdout } = await new Deno.Command("htpasswd", { args: ["-Bbn", "me", "secret"] }).output();
  await using registry = await DockerRegistry.start(new TextDecoder().decode(stdout));
  const authorization = `Basic ${btoa("me:secret")}`;
  await push(`http://${registry.host}`, "acme/foo", "v1", makeArtifact(WASM), { authorization });
  const client = (password: string) =>
    new RegistryClient({ credentials: () => Promise.resolve({ kind: "basic", username: "me", password }) });
  assert.deepEqual((await pull(`${registry.host}/acme/foo:v1`, client("secret"))).bytes, WASM);
  await assert.rejects(pull(`${registry.host}/acme/foo:v1`), { code: "REGISTRY_UNAUTHORIZED" });
  await assert.rejects(pull(`${registry.host}/acme/foo:v1`, client("wrong")), {
    code: "REGISTRY_UNAUTHORIZED",
  });
});

Deno.test("skopeo and krew-wasm read each other's logins", {
  ignore: registryMissing || htpasswdMissing || skopeoMissing,
}, async () => {
  const { stdout } = await new Deno.Command("htpasswd", { args: ["-Bbn", "me", "pa:ss"] }).output();
  await using registry = await DockerRegistry.start(new TextDecoder().decode(stdout));
  const directory = temporaryDirectory();
  const env = (file: string) => (name: string) =>
    name === "REGISTRY_AUTH_FILE" ? `${directory}/${file}` : undefined;
  const login = { username: "me", password: "pa:ss" };
  await storeLogin(registry.host, login, { ...processLoginHost(), env: env("ours.json") });
  const logins = (file: string) =>
    program("skopeo", ["login", "--get-login", "--authfile", file, registry.host], directory);
  assert.equal((await logins("ours.json")).trim(), "me");
  await program("skopeo", [
    ...["login", "--authfile", "theirs.json", "--tls-verify=false", "-u", "me", "-p", "pa:ss"],
    registry.host,
  ], directory);
  const host = { ...processLoginHost(), env: env("theirs.json") };
  assert.deepEqual(await findCredentials(registry.host, "a", host), { kind: "basic", ...login });
  assert.equal((await removeLogin(registry.host, host)).removed.length, 1);
  await assert.rejects(logins("theirs.json"));
  await Deno.remove(directory, { recursive: true });
});

const METADATA = {
  annotations: { "org.opencontainers.image.version": "1.2.0" },
  title: "foo.wasm",
  created: new Date("2026-01-02T03:04:05Z"),
};

/** Pushes a plugin as `krew-wasm push` does, also a large one. */
async function pushOwn(host: string, format: "cncf" | "legacy", wasm = WASM) {
  const client = new RegistryClient({ credentials: () => Promise.resolve(undefined) });
  const artifact = makeOwnArtifact(wasm, METADATA, format);
  const reference = parseReference(`${host}/acme/${format}:v1`);
  await pushBlob(client, reference, artifact.layer);
  await pushBlob(client, reference, artifact.config);
  const { digest } = await pushManifest(client, reference, artifact.manifest, artifact.mediaType);
  return { client, artifact, digest, reference };
}

Deno.test("skopeo copies a push byte for byte, in both layouts", {
  ignore: registryMissing || skopeoMissing,
}, async () => {
  await using registry = await DockerRegistry.start();
  for (const format of ["cncf", "legacy"] as const) {
    const { artifact, digest, client, reference } = await pushOwn(registry.host, format);
    const layout = temporaryDirectory();
    await skopeo("copy", `docker://${registry.host}/acme/${format}:v1`, `oci:${layout}:v1`);
    const blob = (name: string) => Deno.readFile(`${layout}/blobs/sha256/${name.slice(7)}`);
    assert.deepEqual(await blob(artifact.layer.digest), WASM);
    assert.equal(new TextDecoder().decode(await blob(digest)), artifact.manifest);
    await skopeo("copy", `oci:${layout}:v1`, `docker://${registry.host}/acme/${format}:v2`);
    assert.deepEqual((await pull(`${registry.host}/acme/${format}:v2`)).bytes, WASM);
    assert.deepEqual(await listTags(client, { ...reference, tag: undefined }), ["v1", "v2"]);
    await Deno.remove(layout, { recursive: true });
  }
});

Deno.test("streams, mounts and resumes a large blob", {
  ignore: registryMissing,
}, async () => {
  await using registry = await DockerRegistry.start();
  const large = new Uint8Array(9 << 20);
  large.set(WASM);
  // A custom section fills the rest.
  large.set([0, ...leb128((9 << 20) - WASM.length - 5), 1, 0x78], WASM.length);
  const { client, artifact } = await pushOwn(registry.host, "cncf", large);
  const other = parseReference(`${registry.host}/other/bar:v1`);
  assert.equal(
    await pushBlob(client, other, artifact.layer, { mountFrom: ["acme/none", "acme/cncf"] }),
    "sent",
  );
  const third = parseReference(`${registry.host}/third/bar:v1`);
  assert.equal(await pushBlob(client, third, artifact.layer, { mountFrom: ["acme/cncf"] }), "mounted");
  const chunks: Uint8Array<ArrayBuffer>[] = [];
  let broke = false;
  const flaky = new RegistryClient({
    credentials: () => Promise.resolve(undefined),
    sleep: () => Promise.resolve(),
  });
  let size = 0;
  await flaky.fetchBlob(third, artifact.layer, () => (bytes) => {
    size += bytes.length;
    chunks.push(bytes.slice());
    if (broke || size < 3 << 20) return;
    broke = true;
    throw new Deno.errors.ConnectionReset("broken by the test");
  });
  const whole = new Uint8Array(await new Blob(chunks).arrayBuffer());
  assert.equal(whole.length, large.length, "nothing was downloaded twice");
  assert.deepEqual(whole, large);
});

/** An unsigned number in LEB128, four bytes long. */

const cosign = registryClient("cosign", "go install github.com/sigstore/cosign/v3/cmd/cosign@v3.1.3");

/** Makes cosign 3 sign in the older format. */
const OLD = ["--new-bundle-format=false", "--use-signing-config=false", "--tlog-upload=false"];

Deno.test("krew-wasm verifies cosign's signatures, and vice versa, in both layouts", {
  ignore: registryMissing || cosign === undefined,
}, async () => {
  await using registry = await DockerRegistry.start();
  const home = temporaryDirectory();
  const run = (...args: string[]) =>
    program("env", [`HOME=${home}`, "COSIGN_PASSWORD=pw", cosign!, ...args], home);
  await run("generate-key-pair");
  // An empty list of services to which cosign reports a signature.
  await run("signing-config", "create", "--out=services.json");
  await Deno.writeTextFile(`${home}/root.json`, (await TestSigstore.make()).trustRoot);
  const signer = parseSigner(`${home}/cosign.pub`);
  const key = await readSigningKey("k", await Deno.readTextFile(`${home}/cosign.key`), () => "pw");
  for (
    const [format, layout, flags, verifying] of [
      ["simple", "legacy", OLD, ["--new-bundle-format=false", "--private-infrastructure"]],
      ["bundle", "cncf", ["--signing-config=services.json"], ["--trusted-root=root.json"]],
    ] as const
  ) {
    const { client, digest, artifact, reference } = await pushOwn(registry.host, layout);
    const pinned = `${reference.registry}/${reference.repository}@${digest}`;
    const insecure = ["--allow-insecure-registry", "--allow-http-registry"];
    await run("sign", "--yes", "--key=cosign.key", ...flags, ...insecure, pinned);
    const manifest = { text: artifact.manifest, digest };
    const verified = await verifyArtifact(registrySignatures(client), reference, manifest, {
      signers: [signer],
    });
    assert.ok("key" in verified);
    const own = parseReference(`${registry.host}/own/${format}:v1`);
    for (const blob of [artifact.layer, artifact.config]) await pushBlob(client, own, blob);
    await pushManifest(client, own, artifact.manifest, artifact.mediaType);
    await signArtifact(client, own, { digest, size: artifact.manifest.length }, key, new Date(), format);
    await run(
      ...["verify", "--key=cosign.pub", "--insecure-ignore-tlog", ...verifying, ...insecure],
      `${own.registry}/${own.repository}@${digest}`,
    );
  }
  await Deno.remove(home, { recursive: true });
});

/** A registry with TLS, and its certificates. */
async function secureRegistry(clients: boolean) {
  const authority = await Authority.make("test-registry-ca");
  const { cert, key } = await authority.issue({
    commonName: "registry.test",
    hosts: ["127.0.0.1", "registry.test"],
  });
  const client = await authority.issue({ commonName: "me" });
  const registry = await DockerRegistry.start(undefined, {
    cert,
    key,
    ...(clients ? { clients: authority.cert } : {}),
  });
  const store = temporaryDirectory();
  await Deno.writeTextFile(`${store}/ca.pem`, authority.cert);
  await Deno.writeTextFile(`${store}/client.pem`, client.cert);
  await Deno.writeTextFile(`${store}/client.key`, client.key);
  const open = async (host: string, settings: Record<string, unknown>) => {
    await Deno.writeTextFile(
      `${store}/registries.yaml`,
      JSON.stringify({ registries: { [host]: settings } }),
    );
    const made: RegistryClient = new RegistryClient({
      hosts: openHosts(store, processHosts((host) => made.transport.speaksHttps(host))),
      credentials: () => Promise.resolve(undefined),
      sleep: () => Promise.resolve(),
    });
    return made;
  };
  const pushTo = async (client: RegistryClient, host: string) => {
    const artifact = makeOwnArtifact(WASM, METADATA);
    const reference = parseReference(`${host}/acme/foo:v1`);
    await pushBlob(client, reference, artifact.layer);
    await pushBlob(client, reference, artifact.config);
    await pushManifest(client, reference, artifact.manifest, artifact.mediaType);
    return `${host}/acme/foo:v1`;
  };
  return { registry, open, pushTo };
}

Deno.test("reaches a TLS registry with a private authority and a client certificate", {
  ignore: registryMissing,
}, async () => {
  const { registry, open, pushTo } = await secureRegistry(true);
  await using _ = registry;
  const { host } = registry;
  const client = await open(host, { ca: "ca.pem", cert: "client.pem", key: "client.key" });
  const reference = await pushTo(client, host);
  assert.deepEqual((await pull(reference, client)).bytes, WASM);
  const anonymous = await open(host, { ca: "ca.pem" });
  await assert.rejects(pull(reference, anonymous), { code: "REGISTRY_UNREACHABLE" });
  const mismatched = await open(host, { ca: "ca.pem", cert: "client.pem", key: "ca.pem" });
  await assert.rejects(pull(reference, mismatched), { code: "REGISTRIES_INVALID" });
  for (const one of [client, anonymous, mismatched]) await one.transport.close();
});

Deno.test("uses TLS for a registry on this machine, unless the user wants plain HTTP", {
  ignore: registryMissing,
}, async () => {
  const { registry, open } = await secureRegistry(false);
  await using _ = registry;
  const { host } = registry;
  const client = await open("other.example", {});
  await assert.rejects(pull(`${host}/acme/foo:v1`, client), {
    code: "REGISTRY_UNREACHABLE",
    message: /the certificate of 127\.0\.0\.1:\d+ is not trusted$/,
  });
  const plain = new RegistryClient({ plainHttp: true, credentials: () => Promise.resolve(undefined) });
  await assert.rejects(pull(`${host}/acme/foo:v1`, plain), {
    code: "REGISTRY_PROTOCOL",
    message: /speaks HTTPS, and was asked by plain HTTP$/,
    hint: /leave out --plain-http/,
  });
  for (const one of [client, plain]) await one.transport.close();
});

Deno.test("uses HTTPS_PROXY, except for NO_PROXY and this machine", {
  ignore: registryMissing,
}, async () => {
  const { registry, open, pushTo } = await secureRegistry(false);
  await using _ = registry;
  const asked: string[] = [];
  const proxy = connectProxy((target) => (asked.push(target), Number(registry.host.split(":")[1])));
  const kept = Deno.env.get("HTTPS_PROXY");
  Deno.env.set("HTTPS_PROXY", `http://127.0.0.1:${proxy.port}`);
  try {
    const elsewhere = await open("registry.test", { ca: "ca.pem" });
    const reference = await pushTo(elsewhere, "registry.test");
    assert.deepEqual((await pull(reference, elsewhere)).bytes, WASM);
    assert.deepEqual([...new Set(asked)], ["registry.test:443"]);
    const own = await open(registry.host, { ca: "ca.pem" });
    asked.length = 0;
    await pull(`${registry.host}/acme/foo:v1`, own);
    assert.deepEqual(asked, []);
    Deno.env.set("NO_PROXY", "registry.test");
    const direct = await open("registry.test", { ca: "ca.pem" });
    await assert.rejects(pull(reference, direct), { code: "REGISTRY_UNREACHABLE" });
    assert.deepEqual(asked, []);
    for (const one of [elsewhere, own, direct]) await one.transport.close();
  } finally {
    Deno.env.delete("NO_PROXY");
    if (kept === undefined) Deno.env.delete("HTTPS_PROXY");
    else Deno.env.set("HTTPS_PROXY", kept);
    proxy.close();
  }
});

/** An HTTP proxy that supports only CONNECT, and leads to a port of this machine. */
function connectProxy(route: (target: string) => number) {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const serve = async (from: Deno.TcpConn) => {
    const buffer = new Uint8Array(4096);
    const read = await from.read(buffer) ?? 0;
    const target = /^CONNECT (\S+) /.exec(new TextDecoder().decode(buffer.subarray(0, read)))?.[1] ?? "";
    const to = await Deno.connect({ hostname: "127.0.0.1", port: route(target) });
    await from.write(new TextEncoder().encode("HTTP/1.1 200 OK\r\n\r\n"));
    await Promise.allSettled([from.readable.pipeTo(to.writable), to.readable.pipeTo(from.writable)]);
  };
  (async () => {
    for await (const connection of listener) serve(connection).catch(() => {});
  })().catch(() => {});
  return { port: (listener.addr as Deno.NetAddr).port, close: () => listener.close() };
}
