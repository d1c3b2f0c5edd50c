/** A real registry: Debian's docker-registry, filled by skopeo and by the API, with and without a password. */

import assert from "node:assert/strict";
import { RegistryClient } from "../../registry/client.ts";
import { parseManifest } from "../../registry/manifest.ts";
import { parseReference } from "../../registry/reference.ts";
import { makeArtifact, push } from "../support/oci.ts";
import { findProgram, missing } from "../support/programs.ts";

const registryMissing = missing(
  "docker-registry",
  findProgram("docker-registry") !== undefined,
  "Debian: apt-get install docker-registry",
);
const skopeoMissing = missing(
  "skopeo",
  findProgram("skopeo") !== undefined,
  "Debian: apt-get install skopeo",
);
const htpasswdMissing = missing(
  "htpasswd",
  findProgram("htpasswd") !== undefined,
  "Debian: apt-get install apache2-utils",
);
const WASM = Uint8Array.fromBase64("AGFzbQEAAAABBAFgAAADAgEABQMBAAEHEwIGbWVtb3J5AgAGX3N0YXJ0AAAKBAECAAs=");

/** docker-registry on a free port. */
class DockerRegistry implements AsyncDisposable {
  private constructor(
    readonly host: string,
    readonly directory: string,
    private readonly child: Deno.ChildProcess,
  ) {}

  static async start(htpasswd?: string): Promise<DockerRegistry> {
    const directory = await Deno.makeTempDir();
    const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    const host = `127.0.0.1:${(listener.addr as Deno.NetAddr).port}`;
    listener.close();
    const auth = htpasswd === undefined
      ? ""
      : `auth:\n  htpasswd:\n    realm: test\n    path: ${directory}/htpasswd\n`;
    if (htpasswd !== undefined) await Deno.writeTextFile(`${directory}/htpasswd`, htpasswd);
    await Deno.writeTextFile(
      `${directory}/config.yml`,
      `version: 0.1\nlog:\n  level: error\nstorage:\n  filesystem:\n    rootdirectory: ${directory}/data\nhttp:\n  addr: ${host}\n${auth}`,
    );
    const child = new Deno.Command("docker-registry", {
      args: ["serve", `${directory}/config.yml`],
      stdout: "null",
      stderr: "null",
    }).spawn();
    for (let tries = 0; tries < 400; tries++) {
      const answer = await fetch(`http://${host}/v2/`).catch(() => undefined);
      await answer?.body?.cancel();
      if (answer) return new DockerRegistry(host, directory, child);
      await new Promise((resolve) => setTimeout(resolve, 25));
    }
    throw new Error("docker-registry did not start");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.child.kill("SIGKILL");
    await this.child.status;
    await Deno.remove(this.directory, { recursive: true });
  }
}

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

Deno.test("what skopeo copies from one registry to another is pulled", {
  ignore: registryMissing || skopeoMissing,
}, async () => {
  await using from = await DockerRegistry.start();
  await using to = await DockerRegistry.start();
  await push(`http://${from.host}`, "acme/foo", "v1", makeArtifact(WASM));
  const { success, stderr } = await new Deno.Command("skopeo", {
    args: [
      ...["copy", "--insecure-policy", "--src-tls-verify=false", "--dest-tls-verify=false"],
      ...[`docker://${from.host}/acme/foo:v1`, `docker://${to.host}/other/bar:v2`],
    ],
  }).output();
  assert.ok(success, new TextDecoder().decode(stderr));
  assert.deepEqual((await pull(`${to.host}/other/bar:v2`)).bytes, WASM);
});

Deno.test("a registry with a password takes docker's credentials", {
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
