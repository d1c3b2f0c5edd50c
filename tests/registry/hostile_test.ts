/**
 * Attacks by registries, in addition to registry_client_test.ts, manifest_test.ts, auth_challenge_test.ts and
 * verify_artifact_test.ts.
 */

import assert from "node:assert/strict";
import { leb128 } from "../../runtime/base/leb128.ts";
import { AppError } from "../../runtime/base/errors.ts";
import { RegistryClient } from "../../registry/oci/registry_client.ts";
import { compilePlugin } from "../../registry/compile/compile.ts";
import { digestOf } from "../../registry/oci/digest.ts";
import { isDeep } from "../../registry/oci/json_text.ts";
import { parseReference } from "../../registry/oci/mirrored_reference.ts";
import { redirectTarget } from "../../registry/oci/redirect.ts";
import { pushManifest } from "../../registry/oci/push_artifact.ts";
import { listReferrers } from "../../registry/signing/find_signatures.ts";
import { listTags } from "../../registry/oci/list_tags.ts";
import { wat } from "../support/components.ts";
import { makeArtifact, push } from "../../scripts/servers/artifacts.ts";
import { RawServer } from "../support/raw_server.ts";
import { endless, failure, TestRegistry } from "../../scripts/servers/oci_registry.ts";

const WASM = new Uint8Array([0, 0x61, 0x73, 0x6d, 1, 0, 0, 0]);
const INDEX = "application/vnd.oci.image.index.v1+json";
const MANIFEST = "application/vnd.oci.image.manifest.v1+json";

function clientOf(registry: TestRegistry, options: ConstructorParameters<typeof RegistryClient>[0] = {}) {
  const client = new RegistryClient({
    credentials: () => Promise.resolve(undefined),
    sleep: () => Promise.resolve(),
    ...options,
  });
  return { client, reference: parseReference(`${registry.host}/a/b:v1`) };
}

async function fetchBlob(registry: TestRegistry, bytes: Uint8Array, options = {}) {
  const { client, reference } = clientOf(registry, options);
  let chunks: Uint8Array<ArrayBuffer>[] = [];
  await client.fetchBlob(reference, { digest: digestOf(bytes), size: bytes.length }, () => {
    chunks = [];
    return (chunk) => chunks.push(chunk.slice());
  });
  return new Uint8Array(await new Blob(chunks).arrayBuffer());
}

Deno.test("accepts a blob that arrives byte by byte within the limits", async () => {
  await using registry = TestRegistry.start();
  let at = 0;
  registry.hook = () =>
    new Response(
      new ReadableStream({
        async pull(controller) {
          // The whole takes longer than the idle timeout, but no single byte does.
          await new Promise((resolve) => setTimeout(resolve, 500));
          if (at < WASM.length) controller.enqueue(WASM.slice(at, ++at));
          else controller.close();
        },
      }),
    );
  assert.deepEqual(await fetchBlob(registry, WASM, { idleTimeout: 3500 }), WASM);
});

/** Answers 200 and then one byte at a time, forever. */
function dripping(milliseconds: number): () => Response {
  return () =>
    new Response(
      new ReadableStream({
        async pull(controller) {
          await new Promise((resolve) => setTimeout(resolve, milliseconds));
          try {
            controller.enqueue(new Uint8Array([0x20]));
          } catch { /* the client has stopped reading */ }
        },
      }),
    );
}

Deno.test("gives up on an answer that drips forever, without a retry", async () => {
  await using registry = TestRegistry.start();
  let asked = 0;
  registry.hook = () => {
    asked++;
    return dripping(20)();
  };
  const { client, reference } = clientOf(registry, { idleTimeout: 200 });
  await assert.rejects(client.fetchManifest(reference), (error) => {
    assert.ok(error instanceof AppError, String(error));
    assert.equal(error.code, "REGISTRY_UNREACHABLE");
    assert.match(error.message, /\d+ bytes of its answer came in 0\.8 s, and not its end/);
    return true;
  });
  await assert.rejects(listTags(client, reference), { message: /and not its end/ });
  await assert.rejects(
    fetchBlob(registry, new Uint8Array(100_000), { idleTimeout: 200 }),
    { message: /no more than \d+ bytes came in 2 s/ },
  );
  assert.equal(asked, 3);
});

Deno.test("gives up on a token server that sends single bytes", async () => {
  await using registry = TestRegistry.start();
  registry.hook = (request) =>
    new URL(request.url).pathname === "/token" ? dripping(20)() : new Response(null, {
      status: 401,
      headers: { "www-authenticate": `Bearer realm="${registry.origin}/token",service="s"` },
    });
  const { client, reference } = clientOf(registry, { idleTimeout: 200 });
  await assert.rejects(client.fetchManifest(reference), { message: /and not its end/ });
});

Deno.test("fetches the blob by digest when the tag moves in between", async () => {
  await using registry = TestRegistry.start();
  await push(registry.origin, "a/b", "v1", makeArtifact(WASM));
  const { client, reference } = clientOf(registry);
  const { digest } = await client.fetchManifest(reference);
  await push(registry.origin, "a/b", "v1", makeArtifact(new Uint8Array([...WASM, 0, 2, 1, 0x78])));
  assert.deepEqual(await fetchBlob(registry, WASM), WASM);
  assert.equal((await client.fetchManifest({ ...reference, digest })).digest, digest);
  assert.notEqual((await client.fetchManifest(reference)).digest, digest);
});

const index = (...manifests: unknown[]) => JSON.stringify({ schemaVersion: 2, mediaType: INDEX, manifests });
const entry = (text: string, change: Record<string, unknown> = {}) => ({
  mediaType: MANIFEST,
  digest: digestOf(new TextEncoder().encode(text)),
  size: text.length,
  platform: { os: "wasip1", architecture: "wasm" },
  ...change,
});

Deno.test("an index leads only to its WebAssembly entry", async () => {
  await using registry = TestRegistry.start();
  const { manifest } = makeArtifact(WASM);
  registry.putManifest("a/b", "x", manifest);
  registry.putManifest("a/b", "v1", index(entry(manifest)), INDEX);
  const { client, reference } = clientOf(registry);
  const chosen = await client.fetchManifest(reference);
  assert.equal(chosen.text, manifest);
  assert.equal(chosen.indexDigest, digestOf(new TextEncoder().encode(index(entry(manifest)))));
  registry.hook = (_, url) =>
    url.pathname.includes("sha256:") ? new Response(makeArtifact(WASM, "legacy").manifest) : undefined;
  await assert.rejects(client.fetchManifest(reference), { code: "DIGEST_MISMATCH" });
});

Deno.test("refuses nested indexes and entries of a wrong size", async () => {
  await using registry = TestRegistry.start();
  const { client, reference } = clientOf(registry);
  const { manifest } = makeArtifact(WASM);
  const inner = index(entry(manifest));
  registry.putManifest("a/b", "x", manifest);
  registry.putManifest("a/b", "y", inner, INDEX);
  registry.putManifest("a/b", "v1", index(entry(inner, { mediaType: INDEX })), INDEX);
  await assert.rejects(client.fetchManifest(reference), { code: "ARTIFACT_UNSUPPORTED" });
  registry.putManifest("a/b", "v1", index(entry(manifest, { size: 5 })), INDEX);
  await assert.rejects(client.fetchManifest(reference), { code: "DIGEST_MISMATCH" });
  registry.putManifest("a/b", "v1", index(entry(manifest, { digest: `sha512:${"0".repeat(128)}` })), INDEX);
  await assert.rejects(client.fetchManifest(reference), { code: "MANIFEST_INVALID" });
});

Deno.test("refuses redirects to this machine, metadata services and other schemes", () => {
  const task = { failed: 'Cannot pull "r.example/a:v1"', registry: "r.example" };
  const from = new URL("https://r.example/v2/a/blobs/x");
  const target = (location: string | null) => redirectTarget(task, from, location).href;
  assert.equal(target("https://storage.example/x?sig=1"), "https://storage.example/x?sig=1");
  assert.equal(target("/v2/other"), "https://r.example/v2/other");
  assert.equal(target("http://r.example:5000/x?a=b"), "https://r.example/x?a=b");
  for (
    const location of [
      null,
      "http://storage.example/x",
      "https://localhost/x",
      "https://a.localhost/x",
      "https://127.0.0.1/x",
      "https://127.1/x",
      "https://2130706433/x",
      "https://0x7f000001/x",
      "https://0/x",
      "https://[::1]/x",
      "https://[::]/x",
      "https://[::ffff:127.0.0.1]/x",
      "https://[::ffff:7f00:1]/x",
      "https://169.254.169.254/latest/meta-data",
      "https://[fe80::1]/x",
      "https://[fd00:ec2::254]/x",
      "https://[64:ff9b::a9fe:a9fe]/x",
      "https://100.100.100.200/x",
      "https://metadata.google.internal/x",
      "https://metadata.google.internal./x",
      "file:///etc/passwd",
      "data:application/wasm;base64,AGFzbQEAAAA=",
      "javascript:alert(1)",
      "ftp://storage.example/x",
      "https://user:password@storage.example/x",
      "https://",
      "//",
    ]
  ) {
    assert.throws(() => target(location), { code: "REGISTRY_PROTOCOL" }, String(location));
  }
});

Deno.test("a token endpoint's redirect does not get the user's credentials", async () => {
  await using registry = TestRegistry.start();
  await using other = TestRegistry.start();
  other.hook = () => Response.json({ token: "x" });
  registry.hook = (_, url) =>
    url.pathname === "/token"
      ? new Response(null, { status: 307, headers: { location: `${other.origin}/token` } })
      : failure(401, "UNAUTHORIZED", "x", { "www-authenticate": `Bearer realm="${registry.origin}/token"` });
  const { client, reference } = clientOf(registry, {
    credentials: () => Promise.resolve({ kind: "basic", username: "me", password: "secret" }),
  });
  await assert.rejects(client.fetchManifest(reference), { code: "REGISTRY_UNAUTHORIZED" });
  assert.deepEqual(new Set(other.authorizations), new Set([""]));
});

Deno.test("shortens an error of 10 MB or of control characters to one line", async () => {
  await using registry = TestRegistry.start();
  const { client, reference } = clientOf(registry);
  const evil = "\x1b[2J\x07\u202egnp.exe\u2066\r\n\x9b31m";
  for (
    const message of [
      evil,
      "x".repeat(10_000_000),
      evil.repeat(100_000),
      { evil },
      null,
      [evil],
      5,
    ] as unknown[]
  ) {
    registry.hook = () => failure(403, evil, message as string);
    await assert.rejects(
      client.fetchManifest(reference),
      (error: Error & { code: string; hint?: string }) => {
        assert.equal(error.code, "REGISTRY_FORBIDDEN");
        assert.ok(error.message.length < 1500, `${error.message.length} characters`);
        assert.ok(
          !/[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]/.test(error.message + error.hint),
          error.message,
        );
        return true;
      },
    );
  }
});

Deno.test("reads a header with many challenges in linear time", async () => {
  await using registry = TestRegistry.start();
  registry.hook = () => failure(401, "X", "x", { "www-authenticate": `Bearer ${'a="\\\\",'.repeat(3000)}` });
  const { client, reference } = clientOf(registry);
  await assert.rejects(client.fetchManifest(reference), { code: "REGISTRY_PROTOCOL" });
});

/** Compressed zeros: a thousandth of their size. */
async function packedZeros(size: number): Promise<Uint8Array<ArrayBuffer>> {
  const zeros = new Blob([new Uint8Array(size)]).stream().pipeThrough(new CompressionStream("gzip"));
  return new Uint8Array(await new Response(zeros).arrayBuffer());
}

Deno.test("stops an answer that unpacks to more than its limit", async () => {
  await using registry = TestRegistry.start();
  const packed = await packedZeros(64 << 20);
  registry.hook = () => new Response(packed, { headers: { "content-encoding": "gzip" } });
  const { client, reference } = clientOf(registry);
  // Deno 2.6 unpacks the body by itself; Deno 2.9 does not.
  await assert.rejects(
    client.fetchManifest(reference),
    ({ code }: { code: string }) => code === "TOO_LARGE" || code === "MANIFEST_INVALID",
  );
  await assert.rejects(fetchBlob(registry, WASM), { code: "DIGEST_MISMATCH" });
});

/** An unsigned number in LEB128. */

function section(id: number, content: readonly number[]): number[] {
  return [id, ...leb128(content.length), ...content];
}

/** A module with `count` functions of 50,000 locals: each takes ten bytes in the file and 400 KB in memory. */
function localsBomb(count: number): Uint8Array<ArrayBuffer> {
  const body = [1, ...leb128(50_000), 0x7e, 0x0b];
  const one = [...leb128(body.length), ...body];
  return new Uint8Array([
    ...WASM,
    ...section(1, [1, 0x60, 0, 0]),
    ...section(3, [...leb128(count), ...new Array(count).fill(0)]),
    ...section(5, [1, 0, 1]),
    ...section(7, [1, 6, ...new TextEncoder().encode("memory"), 2, 0]),
    ...section(10, [...leb128(count), ...Array.from({ length: count }, () => one).flat()]),
  ]);
}

Deno.test("refuses too many sections or imports, also in a component", async () => {
  const empty = (count: number) => new Uint8Array(3 * count).map((_, index) => index % 3 === 1 ? 1 : 0);
  const joined = (...parts: (Uint8Array | number[])[]) => new Uint8Array(parts.flatMap((part) => [...part]));
  const MODULE = [0, 0x61, 0x73, 0x6d, 1, 0, 0, 0];
  const COMPONENT = [0, 0x61, 0x73, 0x6d, 0x0d, 0, 1, 0];
  const inner = joined(COMPONENT, empty(60_000));
  const nested = joined([4], leb128(inner.length), inner);
  for (
    const bytes of [
      joined(MODULE, empty(100_001)),
      joined(COMPONENT, empty(100_001)),
      joined(COMPONENT, nested, nested),
    ]
  ) await assert.rejects(compilePlugin(bytes), { code: "TOO_LARGE" });
  await assert.rejects(compilePlugin(joined(MODULE, empty(100_000))), { code: "PLUGIN_UNSUPPORTED" }); // not a program
  const imports = '(import "wasi_snapshot_preview1" "sched_yield" (func (result i32)))'.repeat(200_001);
  await assert.rejects(
    compilePlugin(await wat(`(module ${imports} (memory (export "memory") 1) (func (export "_start")))`)),
    { code: "TOO_LARGE" },
  );
});

Deno.test("refuses a small module with too many locals, also in a component", async () => {
  const bomb = localsBomb(10_000);
  assert.ok(bomb.length < 100_000);
  await assert.rejects(compilePlugin(bomb), { code: "TOO_LARGE" });
  const component = new Uint8Array([0, 0x61, 0x73, 0x6d, 0x0d, 0, 1, 0, ...section(1, [...bomb])]);
  await assert.rejects(compilePlugin(component), { code: "TOO_LARGE" });
  await assert.rejects(compilePlugin(localsBomb(5)), { code: "PLUGIN_UNSUPPORTED" }); // not a program
});

/** The error of a pull of `HOST/a/b:v1`, and the number of its requests. */
async function failureOf(host: string) {
  const client = new RegistryClient({
    credentials: () => Promise.resolve({ kind: "basic", username: "me", password: "secret" }),
    sleep: () => Promise.resolve(),
  });
  try {
    await client.fetchManifest(parseReference(`${host}/a/b:v1`));
  } catch (error) {
    return error as Error & { code: string; hint?: string };
  }
  throw new Error("it did not fail");
}

Deno.test("reports an answer that is not HTTP, without a retry", async () => {
  const answers: [what: string, answer: string][] = [
    ["an SSH server", "SSH-2.0-OpenSSH_9.2\r\n"],
    ["garbage", "\x00\x01\x02\x03".repeat(100)],
    ["a negative length", "HTTP/1.1 200 OK\r\ncontent-length: -5\r\n\r\nx"],
    ["an endless length", `HTTP/1.1 200 OK\r\ncontent-length: ${"9".repeat(40)}\r\n\r\nx`],
    ["two lengths", "HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nxx"],
    ["a header without end", `HTTP/1.1 200 OK\r\nx: ${"y".repeat(2 << 20)}`],
    [
      "a redirect of control characters",
      "HTTP/1.1 302 X\r\nlocation: http://\x1b[31mx/\r\ncontent-length: 0\r\n\r\n",
    ],
  ];
  for (const [what, answer] of answers) {
    using server = RawServer.start(async ({ send }) => await send(answer).catch(() => {}));
    const host = `127.0.0.1:${server.port}`;
    const { code, message } = await failureOf(host);
    assert.equal(code, "REGISTRY_UNREACHABLE", what);
    assert.match(message, /does not answer as HTTP has it: [a-z -]+$/i, what);
    assert.ok(message.includes(host), what);
    assert.equal(server.connections, 1, what);
  }
});

Deno.test("reports a web page in place of a manifest", async () => {
  await using registry = TestRegistry.start();
  registry.hook = () =>
    new Response("<!doctype html>", { headers: { "content-type": "text/html; charset=utf-8" } });
  const { code, message } = await failureOf(registry.host);
  assert.equal(code, "REGISTRY_PROTOCOL");
  assert.match(message, /sent a web page, not a manifest/);
});

Deno.test("refuses a deeply nested manifest before parsing it", async () => {
  await using registry = TestRegistry.start();
  for (
    const text of [`{"a":${"[".repeat(65)}${"]".repeat(65)}}`, "[".repeat(4_000_000), `{"a":`.repeat(100)]
  ) {
    registry.hook = () => new Response(text);
    const { code, message } = await failureOf(registry.host);
    assert.equal(code, "MANIFEST_INVALID");
    assert.match(message, /nested too deeply/);
  }
  assert.equal(isDeep(`{"a":"${"[".repeat(500)}\\"${"{".repeat(500)}"}`), false, "in a text they are text");
  assert.equal(isDeep(`[${"[],".repeat(500)}[]]`), false, "beside one another they are not deep");
  assert.equal(isDeep('"'), false);
});

Deno.test("names an unreachable token endpoint or storage", async () => {
  using gone = RawServer.start(({ reset }) => Promise.resolve(reset()));
  const other = `127.0.0.1:${gone.port}`;
  await using registry = TestRegistry.start();
  registry.hook = () =>
    failure(401, "X", "x", { "www-authenticate": `Bearer realm="http://${other}/token"` });
  const token = await failureOf(registry.host);
  assert.equal(token.code, "REGISTRY_UNREACHABLE");
  assert.ok(token.message.includes(`the connection to ${other} broke`), token.message);
  registry.hook = () => new Response(null, { status: 307, headers: { location: `http://${other}/blob` } });
  const storage = await failureOf(registry.host);
  assert.ok(storage.message.includes(`the connection to ${other} broke`), storage.message);
});

Deno.test("does not wait for a registry that asks for a year or forever", async () => {
  await using registry = TestRegistry.start();
  for (
    const [after, words] of [["31536000", "for 365 days"], ["9".repeat(400), "for ever"], [
      "3600",
      "for 60 minutes",
    ]]
  ) {
    registry.hook = () => failure(429, "X", "x", { "retry-after": after! });
    registry.requests.length = 0;
    const { code, hint } = await failureOf(registry.host);
    assert.deepEqual([code, hint, registry.requests.length], [
      "REGISTRY_RATE_LIMITED",
      `it asks to wait ${words}`,
      1,
    ]);
  }
});

Deno.test("asks for credentials once, even if a registry keeps answering 401", async () => {
  await using registry = TestRegistry.start();
  for (const challenge of ['Basic realm="x"', `Bearer realm="${registry.origin}/token"`]) {
    registry.requests.length = 0;
    registry.hook = (_, url) =>
      url.pathname === "/token"
        ? Response.json({ token: "abc" })
        : failure(401, "X", "x", { "www-authenticate": challenge });
    assert.equal((await failureOf(registry.host)).code, "REGISTRY_UNAUTHORIZED");
    assert.ok(registry.requests.length <= 3, registry.requests.join());
  }
});

Deno.test("reads a limited number of referrer pages from the same host", async () => {
  await using registry = TestRegistry.start();
  const { client, reference } = clientOf(registry);
  const subject = `sha256:${"0".repeat(64)}`;
  const digestAt = (page: number) => `sha256:${String(page).padStart(64, "0")}`;
  const page = (at: number, link: string | undefined) =>
    Response.json({ schemaVersion: 2, manifests: [{ mediaType: MANIFEST, digest: digestAt(at), size: 1 }] }, {
      headers: { "content-type": INDEX, ...(link === undefined ? {} : { link: `<${link}>; rel="next"` }) },
    });
  const at = (url: URL) => Number(url.searchParams.get("page") ?? 0);
  const list = async () => (await listReferrers(client, reference, subject)).length;
  registry.hook = (_, url) => page(at(url), at(url) < 3 ? `?page=${at(url) + 1}` : undefined);
  assert.equal(await list(), 4);
  registry.requests.length = 0;
  registry.hook = (_, url) => page(at(url), `?page=${at(url) + 1}`);
  assert.equal(await list(), 20);
  assert.equal(registry.requests.length, 20);
  registry.requests.length = 0;
  registry.hook = () => page(0, "?page=1");
  await assert.rejects(list(), { code: "REGISTRY_PROTOCOL" });
  assert.equal(registry.requests.length, 2);
  for (const link of ["https://elsewhere.example/v2/", "http://["]) {
    registry.hook = () => page(0, link);
    await assert.rejects(list(), { code: "REGISTRY_PROTOCOL" }, link);
  }
  registry.hook = (_, url) => at(url) === 0 ? page(0, "?page=1") : new Response("<html>");
  await assert.rejects(list(), { code: "REGISTRY_PROTOCOL" });
});

Deno.test("refuses a token that is endless or not a valid header value", async () => {
  await using registry = TestRegistry.start();
  const { answer, sent } = endless();
  let token = answer;
  registry.hook = (_, url) =>
    url.pathname === "/token"
      ? token()
      : failure(401, "X", "x", { "www-authenticate": `Bearer realm="${registry.origin}/token"` });
  assert.equal((await failureOf(registry.host)).code, "REGISTRY_PROTOCOL");
  assert.ok(sent() < 64 << 20, "it was let go");
  for (const text of ["a\r\nx: y", "a b", "\u00e4", "", 5, null, {}]) {
    token = () => Response.json({ token: text });
    const { code, message } = await failureOf(registry.host);
    assert.equal(code, "REGISTRY_PROTOCOL");
    assert.match(message, /sent no token/);
  }
});

Deno.test("discards an endless error", async () => {
  await using registry = TestRegistry.start();
  const { answer, sent } = endless(403);
  registry.hook = answer;
  assert.equal((await failureOf(registry.host)).code, "REGISTRY_FORBIDDEN");
  assert.ok(sent() < 64 << 20, "it was let go");
});

Deno.test("a push follows only redirects with status 307 or 308", async () => {
  await using other = TestRegistry.start();
  await using registry = TestRegistry.start();
  const { client, reference } = clientOf(registry);
  for (const status of [301, 302, 303]) {
    registry.hook = (request) =>
      request.method === "PUT"
        ? new Response(null, { status, headers: { location: `${other.origin}/v2/a/b/manifests/v1` } })
        : undefined;
    await assert.rejects(pushManifest(client, reference, "{}", MANIFEST), { code: "REGISTRY_FAILED" });
    assert.deepEqual(other.requests, []);
  }
});
