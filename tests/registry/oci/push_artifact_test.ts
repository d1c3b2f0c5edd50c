import assert from "node:assert/strict";
import { makeArtifact, readPluginYaml } from "../../../registry/oci/artifact.ts";
import { RegistryClient } from "../../../registry/oci/registry_client.ts";
import { digestOf } from "../../../registry/oci/digest.ts";
import { parseManifest } from "../../../registry/oci/manifest.ts";
import { pushBlob, pushManifest } from "../../../registry/oci/push_artifact.ts";
import { parseReference, parseRepository } from "../../../registry/oci/mirrored_reference.ts";
import { listTags } from "../../../registry/oci/list_tags.ts";
import { failure, TestRegistry } from "../../../scripts/servers/oci_registry.ts";

const WASM = new Uint8Array([0, 0x61, 0x73, 0x6d, 1, 0, 0, 0]);
const METADATA = {
  annotations: { "org.opencontainers.image.version": "1.2.0" },
  title: "foo.wasm",
  created: new Date("2026-01-02T03:04:05.678Z"),
};

function clientOf(registry: TestRegistry, options: ConstructorParameters<typeof RegistryClient>[0] = {}) {
  return {
    client: new RegistryClient({
      credentials: () => Promise.resolve(undefined),
      sleep: () => Promise.resolve(),
      ...options,
    }),
    reference: parseReference(`${registry.host}/acme/foo:v1`),
  };
}

Deno.test("makeArtifact() writes both layouts reproducibly", () => {
  const cncf = makeArtifact(WASM, METADATA);
  assert.deepEqual(makeArtifact(WASM, METADATA), cncf);
  const plugin = parseManifest(cncf.manifest, "x");
  assert.deepEqual(
    [plugin.digest, plugin.mediaType, plugin.version, plugin.config.mediaType],
    [digestOf(WASM), "application/wasm", "1.2.0", "application/vnd.wasm.config.v0+json"],
  );
  assert.deepEqual(JSON.parse(new TextDecoder().decode(cncf.config.bytes)), {
    created: "2026-01-02T03:04:05Z",
    architecture: "wasm",
    os: "wasip1",
    layerDigests: [digestOf(WASM)],
  });
  const legacy = makeArtifact(WASM, METADATA, "legacy");
  const old = parseManifest(legacy.manifest, "x");
  assert.deepEqual([old.mediaType, old.config.mediaType, old.config.size], [
    "application/vnd.wasm.content.layer.v1+wasm",
    "application/vnd.wasm.config.v1+json",
    2,
  ]);
  assert.throws(() => makeArtifact(new Uint8Array([1, 2]), METADATA), { code: "WASM_INVALID" });
});

Deno.test("readPluginYaml() maps short names to OCI annotations and reports unknown ones", () => {
  const { annotations, author, grants } = readPluginYaml({
    version: "1.10",
    authors: "Ada",
    annotations: { "x.example/y": "z" },
    grants: { cluster: "read-only" },
  }, "plugin.yaml");
  assert.deepEqual(annotations, {
    "org.opencontainers.image.version": "1.10",
    "org.opencontainers.image.authors": "Ada",
    "x.example/y": "z",
  });
  assert.equal(author, "Ada");
  assert.deepEqual(grants, { cluster: "read-only" });
  for (
    const bad of [{ version: 1.1 }, { verison: "1" }, [], "x", { annotations: { a: 1 } }, {
      annotations: "a",
    }]
  ) {
    assert.throws(() => readPluginYaml(bad, "plugin.yaml"), { code: "USAGE" }, JSON.stringify(bad));
  }
});

Deno.test("push stores the exact bytes and sends nothing twice", async () => {
  await using registry = TestRegistry.start();
  const { client, reference } = clientOf(registry);
  const artifact = makeArtifact(WASM, METADATA);
  assert.equal(await pushBlob(client, reference, artifact.layer), "sent");
  assert.equal(await pushBlob(client, reference, artifact.config), "sent");
  const { digest } = await pushManifest(client, reference, artifact.manifest, artifact.mediaType);
  assert.equal(digest, digestOf(new TextEncoder().encode(artifact.manifest)));
  assert.equal(registry.manifest("acme/foo", "v1"), artifact.manifest);
  assert.equal(await pushBlob(client, reference, artifact.layer), "there");
  const chunks: Uint8Array<ArrayBuffer>[] = [];
  await client.fetchBlob(reference, artifact.layer, () => (bytes) => chunks.push(bytes.slice()));
  assert.deepEqual(new Uint8Array(await new Blob(chunks).arrayBuffer()), WASM);
});

Deno.test("push streams a large blob with progress and retries it", async () => {
  await using registry = TestRegistry.start();
  const { client, reference } = clientOf(registry);
  const bytes = new Uint8Array(5 << 20).fill(7);
  const blob = { bytes, digest: digestOf(bytes), size: bytes.length, mediaType: "application/wasm" };
  let failures = 1;
  registry.hook = async (request) => {
    if (request.method !== "PATCH" || failures-- === 0) return undefined;
    await request.body?.cancel();
    return failure(500, "UNKNOWN", "no");
  };
  const seen: number[] = [];
  assert.equal(await pushBlob(client, reference, blob, { progress: (done) => seen.push(done) }), "sent");
  assert.equal(seen.at(-1), bytes.length);
  assert.ok(registry.requests.filter((line) => line.startsWith("PATCH")).length === 2);
});

Deno.test("push mounts another repository's blob, or sends it", async () => {
  await using registry = TestRegistry.start();
  const { client, reference } = clientOf(registry);
  const { layer, config } = makeArtifact(WASM, METADATA);
  registry.putBlob(layer.bytes, layer.digest);
  registry.hook = (request) => request.method === "HEAD" ? new Response(null, { status: 404 }) : undefined;
  assert.equal(await pushBlob(client, reference, layer, { mountFrom: ["acme/foo", "acme/bar"] }), "mounted");
  assert.equal(await pushBlob(client, reference, config, { mountFrom: ["acme/bar"] }), "sent");
});

Deno.test("push asks for the push scope, and for the pull scope of a mount", async () => {
  await using registry = TestRegistry.start({ kind: "bearer", username: "me", password: "x" });
  const { client, reference } = clientOf(registry, {
    credentials: () => Promise.resolve({ kind: "basic", username: "me", password: "x" }),
  });
  const scopes: string[] = [];
  registry.hook = (request, url) => {
    if (url.pathname === "/token") scopes.push(url.searchParams.getAll("scope").join(" "));
    if (url.pathname !== "/token" && !request.headers.has("authorization")) {
      return failure(401, "UNAUTHORIZED", "log in", {
        "www-authenticate": `Bearer realm="${registry.origin}/token",service="test"`,
      });
    }
    return undefined;
  };
  await pushBlob(client, reference, makeArtifact(WASM, METADATA).layer, { mountFrom: ["acme/bar"] });
  assert.deepEqual(scopes, [
    "repository:acme/foo:pull,push",
    "repository:acme/foo:pull,push repository:acme/bar:pull",
  ]);
});

Deno.test("refuses to send an upload with credentials to another host", async () => {
  await using registry = TestRegistry.start({ kind: "basic", username: "me", password: "x" });
  await using other = TestRegistry.start();
  const { client, reference } = clientOf(registry, {
    credentials: () => Promise.resolve({ kind: "basic", username: "me", password: "x" }),
  });
  registry.hook = (request) =>
    request.method === "POST" && request.headers.has("authorization")
      ? new Response(null, { status: 202, headers: { location: `${other.origin}/upload` } })
      : undefined;
  other.hook = () => new Response(null, { status: 201 });
  await pushBlob(client, reference, makeArtifact(WASM, METADATA).layer);
  assert.deepEqual(other.authorizations, [""]);
  for (const location of ["file:///etc/passwd", "http://169.254.169.254/", "http://evil.example/"]) {
    registry.hook = (request) =>
      request.method === "POST" ? new Response(null, { status: 202, headers: { location } }) : undefined;
    await assert.rejects(pushBlob(client, reference, makeArtifact(WASM, METADATA).config), {
      code: "REGISTRY_PROTOCOL",
    }, location);
  }
});

Deno.test("reports a registry that answers a push with another digest", async () => {
  await using registry = TestRegistry.start();
  const { client, reference } = clientOf(registry);
  registry.hook = () =>
    new Response(null, { status: 201, headers: { "docker-content-digest": digestOf(WASM) } });
  await assert.rejects(pushManifest(client, reference, "{}", "a/b"), { code: "DIGEST_MISMATCH" });
});

Deno.test("listTags() reads all pages in natural order and drops invalid tags", async () => {
  await using registry = TestRegistry.start();
  for (const tag of ["v10", "v2", "latest", "v1"]) registry.putManifest("acme/foo", tag, "{}");
  registry.pageSize = 1;
  const { client } = clientOf(registry);
  const repository = parseRepository(`${registry.host}/acme/foo`);
  assert.deepEqual(await listTags(client, repository), ["latest", "v1", "v2", "v10"]);
  await assert.rejects(listTags(client, parseRepository(`${registry.host}/acme/none`)), {
    code: "REGISTRY_NOT_FOUND",
  });
  registry.hook = () => Response.json({ tags: ["ok", "\x1b[2Jno", 5, "a/b", "x".repeat(200)] });
  assert.deepEqual(await listTags(client, repository), ["ok"]);
  registry.hook = () => Response.json({ tags: null });
  assert.deepEqual(await listTags(client, repository), []);
});

Deno.test("listTags() stops at an endless list or another host", async () => {
  await using registry = TestRegistry.start();
  const { client } = clientOf(registry);
  const repository = parseRepository(`${registry.host}/acme/foo`);
  const page = (tags: unknown, link: string) => Response.json({ tags }, { headers: { link } });
  registry.hook = () => page(["a"], '</v2/acme/foo/tags/list?last=a>; rel="next"');
  await assert.rejects(listTags(client, repository), { code: "REGISTRY_PROTOCOL", message: /in a circle/ });
  assert.equal(registry.requests.length, 2);
  registry.hook = () => page(["b"], '<http://127.0.0.2/v2/acme/foo/tags/list>; rel="next"');
  await assert.rejects(listTags(client, repository), { code: "REGISTRY_PROTOCOL" });
  let count = 0;
  registry.hook = () => page([`t${count++}`], `</v2/acme/foo/tags/list?last=${count}>; rel="next"`);
  await assert.rejects(listTags(client, repository), { code: "TOO_LARGE" });
  registry.hook = () => Response.json({ tags: "all" });
  await assert.rejects(listTags(client, repository), { code: "REGISTRY_PROTOCOL" });
});

Deno.test("parseRepository() refuses a tag or digest", () => {
  assert.equal(parseRepository("ghcr.io/a/b").repository, "a/b");
  for (const text of ["ghcr.io/a/b:v1", "ghcr.io/a/b:latest", `ghcr.io/a/b@${digestOf(WASM)}`, "A/B"]) {
    assert.throws(() => parseRepository(text), { code: "REFERENCE_INVALID" }, text);
  }
});
