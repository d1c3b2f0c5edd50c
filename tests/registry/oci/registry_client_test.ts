import assert from "node:assert/strict";
import { RegistryClient } from "../../../registry/oci/registry_client.ts";
import { digestOf } from "../../../registry/oci/digest.ts";
import { parseReference } from "../../../registry/oci/mirrored_reference.ts";
import { freePort } from "../../support/free_port.ts";
import { makeArtifact, push } from "../../../scripts/servers/artifacts.ts";
import { endless, failure, TestRegistry } from "../../../scripts/servers/oci_registry.ts";

const BLOB = crypto.getRandomValues(new Uint8Array(60_000));
const DIGEST = digestOf(BLOB);

function client(registry: TestRegistry, options: ConstructorParameters<typeof RegistryClient>[0] = {}) {
  const slept: number[] = [];
  const made = new RegistryClient({
    credentials: () => Promise.resolve(undefined),
    sleep: (milliseconds) => (slept.push(milliseconds), Promise.resolve()),
    ...options,
  });
  const reference = parseReference(`${registry.host}/a/b:v1`);
  return { client: made, slept, reference };
}

async function fetchBlob(registry: TestRegistry, blob = { digest: DIGEST, size: BLOB.length }, options = {}) {
  const { client: made, reference } = client(registry, options);
  let chunks: Uint8Array[] = [];
  await made.fetchBlob(reference, blob, () => {
    chunks = [];
    return (bytes) => chunks.push(bytes.slice());
  });
  return new Uint8Array(await new Blob(chunks as Uint8Array<ArrayBuffer>[]).arrayBuffer());
}

Deno.test("fetches and verifies a manifest and its blob", async () => {
  await using registry = TestRegistry.start();
  await push(registry.origin, "a/b", "v1", makeArtifact(BLOB));
  const { client: made, reference } = client(registry);
  const { text, digest } = await made.fetchManifest(reference);
  assert.equal(digest, digestOf(new TextEncoder().encode(text)));
  assert.deepEqual(await fetchBlob(registry), BLOB);
  const pinned = { ...reference, digest };
  assert.equal((await made.fetchManifest(pinned)).digest, digest);
});

Deno.test("sends the user's credentials as Basic or Bearer", async () => {
  for (const kind of ["basic", "bearer"] as const) {
    await using registry = TestRegistry.start({ kind, username: "me", password: "pa:ss" });
    const headers = { authorization: `Basic ${btoa("me:pa:ss")}` };
    await push(registry.origin, "a/b", "v1", makeArtifact(BLOB), headers);
    const credentials = () => Promise.resolve({ kind: "basic" as const, username: "me", password: "pa:ss" });
    const { client: made, reference } = client(registry, { credentials });
    await made.fetchManifest(reference);
    const wrong = client(registry, {
      credentials: () => Promise.resolve({ kind: "basic" as const, username: "me", password: "x" }),
    });
    await assert.rejects(wrong.client.fetchManifest(reference), { code: "REGISTRY_UNAUTHORIZED" });
    await assert.rejects(client(registry).client.fetchManifest(reference), { code: "REGISTRY_UNAUTHORIZED" });
  }
});

Deno.test("fetches an anonymous Bearer token once for manifest and blob", async () => {
  await using registry = TestRegistry.start({ kind: "bearer" });
  await push(registry.origin, "a/b", "v1", makeArtifact(BLOB));
  const { client: made, reference } = client(registry);
  await made.fetchManifest(reference);
  await made.fetchBlob(reference, { digest: DIGEST, size: BLOB.length }, () => () => {});
  assert.equal(registry.requests.filter((request) => request === "GET /token").length, 1);
});

Deno.test("sends an identity token only in the body of the token request", async () => {
  await using registry = TestRegistry.start();
  await push(registry.origin, "a/b", "v1", makeArtifact(BLOB));
  const forms: Record<string, string>[] = [];
  registry.hook = async (request, url) => {
    if (url.pathname === "/token") {
      forms.push(Object.fromEntries(new URLSearchParams(await request.text())));
      return Response.json({ access_token: "access" });
    }
    return request.headers.get("authorization") === "Bearer access" ? undefined : failure(401, "X", "x", {
      "www-authenticate": `Bearer realm="${registry.origin}/token",service="s"`,
    });
  };
  const { client: made, reference } = client(registry, {
    credentials: () => Promise.resolve({ kind: "identity", token: "refresh" }),
  });
  await made.fetchManifest(reference);
  assert.deepEqual(forms, [{
    grant_type: "refresh_token",
    refresh_token: "refresh",
    client_id: "krew-wasm",
    service: "s",
    scope: "repository:a/b:pull",
  }]);
  assert.ok(!registry.authorizations.some((text) => text.includes("refresh")));
});

Deno.test("replaces a token that expires between two requests", async () => {
  await using registry = TestRegistry.start();
  await push(registry.origin, "a/b", "v1", makeArtifact(BLOB));
  let issued = 0;
  registry.hook = (request, url) => {
    if (url.pathname === "/token") return Response.json({ token: `t${++issued}` });
    const valid = url.pathname.includes("/blobs/") ? "t2" : "t1";
    return request.headers.get("authorization") === `Bearer ${valid}`
      ? undefined
      : failure(401, "X", "expired", {
        "www-authenticate": `Bearer realm="${registry.origin}/token"`,
      });
  };
  const { client: made, reference } = client(registry);
  await made.fetchManifest(reference);
  await made.fetchBlob(reference, { digest: DIGEST, size: BLOB.length }, () => () => {});
  assert.equal(issued, 2);
});

Deno.test("sends no credentials after a blob's redirect", async () => {
  await using registry = TestRegistry.start({ kind: "bearer" });
  await using storage = TestRegistry.start();
  storage.hook = () => new Response(BLOB);
  await push(registry.origin, "a/b", "v1", makeArtifact(BLOB));
  registry.hook = (_request, url) =>
    url.pathname.includes("/blobs/sha256:") && registry.authorizations.at(-1) !== ""
      ? new Response(null, { status: 307, headers: { location: `${storage.origin}/bucket?sig=x` } })
      : undefined;
  assert.deepEqual(await fetchBlob(registry), BLOB);
  assert.deepEqual(storage.authorizations, [""]);
});

Deno.test("sends no credentials to a storage that asks for them", async () => {
  await using storage = TestRegistry.start();
  await using registry = TestRegistry.start();
  const credentials = () => Promise.resolve({ kind: "basic" as const, username: "me", password: "secret" });
  registry.hook = () => new Response(null, { status: 307, headers: { location: `${storage.origin}/blob` } });
  for (const challenge of ['Basic realm="x"', `Bearer realm="${storage.origin}/token",service="x"`]) {
    storage.requests.length = 0;
    storage.hook = (_, url) =>
      url.pathname === "/token"
        ? Response.json({ token: "taken" })
        : failure(401, "UNAUTHORIZED", "who are you", { "www-authenticate": challenge });
    await assert.rejects(fetchBlob(registry, undefined, { credentials }), { code: "REGISTRY_UNAUTHORIZED" });
    assert.deepEqual(storage.requests, ["GET /blob"]);
    assert.deepEqual(storage.authorizations.filter((given) => given !== ""), []);
  }
});

Deno.test("refuses redirects to other schemes, with credentials, or in a loop", async () => {
  await using registry = TestRegistry.start();
  for (
    const location of [
      "file:///etc/passwd",
      "http://169.254.169.254/",
      "http://u:p@127.0.0.1/",
      "ftp://x",
      "http://[",
      "/v2/a/b/manifests/v1",
    ]
  ) {
    registry.hook = () => new Response(null, { status: 302, headers: { location } });
    const { client: made, reference } = client(registry);
    registry.requests.length = 0;
    await assert.rejects(made.fetchManifest(reference), { code: "REGISTRY_PROTOCOL" }, location);
    assert.ok(registry.requests.length <= 6, `${registry.requests.length} requests`);
  }
  registry.hook = () => new Response(null, { status: 302 });
  const { client: made, reference } = client(registry);
  await assert.rejects(made.fetchManifest(reference), { code: "REGISTRY_PROTOCOL" });
});

Deno.test("maps each registry error to its code and makes its text safe", async () => {
  await using registry = TestRegistry.start();
  const cases: [status: number, code: string, tries: number][] = [
    [403, "REGISTRY_FORBIDDEN", 1],
    [404, "REGISTRY_NOT_FOUND", 1],
    [429, "REGISTRY_RATE_LIMITED", 4],
    [500, "REGISTRY_FAILED", 4],
    [408, "REGISTRY_FAILED", 4],
    [503, "REGISTRY_FAILED", 4],
    [418, "REGISTRY_FAILED", 1],
    [401, "REGISTRY_UNAUTHORIZED", 1],
  ];
  for (const [status, code, tries] of cases) {
    registry.requests.length = 0;
    registry.hook = () => failure(status, "WRONG", "evil \x1b[2J\u202e words");
    const { client: made, reference } = client(registry);
    await assert.rejects(made.fetchManifest(reference), (error: { code: string; message: string }) => {
      assert.equal(error.code, code);
      assert.ok(!/[\x1b\u202e]/.test(error.message), error.message);
      return true;
    });
    assert.equal(registry.requests.length, tries, String(status));
  }
});

Deno.test("waits for Retry-After, or reports one that is too long", async () => {
  await using registry = TestRegistry.start();
  await push(registry.origin, "a/b", "v1", makeArtifact(BLOB));
  let left = 2;
  registry.hook = () =>
    left-- > 0 ? failure(429, "TOOMANYREQUESTS", "slow down", { "retry-after": "7" }) : undefined;
  const patient = client(registry);
  await patient.client.fetchManifest(patient.reference);
  assert.deepEqual(patient.slept, [7000, 7000]);
  registry.hook = () => failure(429, "TOOMANYREQUESTS", "slow down", { "retry-after": "3600" });
  const told = client(registry);
  await assert.rejects(told.client.fetchManifest(told.reference), {
    code: "REGISTRY_RATE_LIMITED",
    hint: /60 minutes/,
  });
  assert.deepEqual(told.slept, []);
});

Deno.test("refuses a truncated, padded or wrong blob", async () => {
  await using registry = TestRegistry.start();
  const blob = { digest: DIGEST, size: BLOB.length };
  for (
    const served of [
      BLOB.subarray(0, 100),
      new Uint8Array([...BLOB, 0]),
      new Uint8Array(BLOB.length),
      new Uint8Array(),
    ]
  ) {
    registry.hook = () => new Response(new Uint8Array(served));
    await assert.rejects(fetchBlob(registry, blob), { code: "DIGEST_MISMATCH" }, String(served.length));
  }
});

/** A response that sends some bytes before the connection breaks. */
function broken(bytes: Uint8Array, from = 0, until = from + 1000): Response {
  let sent = false;
  const body = new ReadableStream({
    async pull(controller) {
      // Deno 2.6's server sends bytes only when it has to wait for more, and none of a body that fails at once.
      if (sent) await new Promise((resolve) => setTimeout(resolve, 5));
      if (sent) return controller.error(new Deno.errors.ConnectionReset("broken by the test"));
      sent = true;
      controller.enqueue(bytes.slice(from, until));
    },
  });
  const headers = { "content-range": `bytes ${from}-${bytes.length - 1}/${bytes.length}` };
  return new Response(body, from > 0 ? { status: 206, headers } : {});
}

Deno.test("resumes a broken download and verifies the whole blob", async () => {
  await using registry = TestRegistry.start();
  registry.putBlob(BLOB, DIGEST);
  const ranges: (string | null)[] = [];
  registry.hook = (request) => {
    ranges.push(request.headers.get("range"));
    return ranges.length === 1 ? broken(BLOB) : ranges.length === 2 ? broken(BLOB, 1000) : undefined;
  };
  let began = 0;
  const { client: made, reference, slept } = client(registry);
  const received: Uint8Array<ArrayBuffer>[] = [];
  await made.fetchBlob(reference, { digest: DIGEST, size: BLOB.length }, () => {
    began++;
    return (bytes) => received.push(bytes.slice());
  });
  assert.deepEqual(ranges, [null, "bytes=1000-", "bytes=2000-"]);
  assert.equal(began, 1);
  assert.deepEqual(new Uint8Array(await new Blob(received).arrayBuffer()), BLOB);
  assert.equal(slept.length, 2);
});

Deno.test("waits for a restarting registry, but not for one that never answered", async () => {
  let registry = TestRegistry.start();
  registry.putBlob(BLOB, DIGEST);
  registry.hook = () => broken(BLOB);
  const { host } = registry;
  let pauses = 0;
  const received: Uint8Array<ArrayBuffer>[] = [];
  const { client: made, reference } = client(registry, {
    sleep: async () => {
      pauses++;
      if (pauses === 1) await registry[Symbol.asyncDispose]();
      if (pauses < 3) return; // the server is down
      registry = TestRegistry.start(undefined, undefined, Number(host.split(":")[1]));
      registry.putBlob(BLOB, DIGEST);
    },
  });
  await made.fetchBlob(
    reference,
    { digest: DIGEST, size: BLOB.length },
    () => (bytes) => received.push(bytes.slice()),
  );
  assert.deepEqual(new Uint8Array(await new Blob(received).arrayBuffer()), BLOB);
  assert.equal(pauses, 3);
  await registry[Symbol.asyncDispose]();
  const other = client(registry);
  await assert.rejects(other.client.fetchManifest(parseReference(`127.0.0.1:${freePort()}/a/b:v1`)), {
    code: "REGISTRY_UNREACHABLE",
    message: /refused the connection/,
  });
  assert.deepEqual(other.slept, []);
});

Deno.test("downloads the whole blob again if the registry cannot resume", async () => {
  for (
    const second of [
      () => failure(416, "RANGE", "no"),
      () => new Response(BLOB),
      () => broken(BLOB, 5),
      () => new Response(BLOB.slice(1000), { status: 206 }),
    ]
  ) {
    await using registry = TestRegistry.start();
    registry.putBlob(BLOB, DIGEST);
    let asked = 0;
    registry.hook = () => [() => broken(BLOB), second][asked++]?.();
    assert.deepEqual(await fetchBlob(registry), BLOB);
  }
});

Deno.test("restarts a resumed download with a wrong digest once, then refuses it", async () => {
  await using registry = TestRegistry.start();
  registry.putBlob(BLOB, DIGEST);
  const other = BLOB.map((byte) => byte ^ 1);
  let asked = 0;
  let lies = false;
  registry.hook = (request) =>
    asked++ === 0 ? broken(BLOB) : request.headers.has("range")
      ? new Response(other.slice(1000), {
        status: 206,
        headers: { "content-range": `bytes 1000-${BLOB.length - 1}/${BLOB.length}` },
      })
      : lies
      ? new Response(other)
      : undefined;
  assert.deepEqual(await fetchBlob(registry), BLOB);
  assert.equal(asked, 3);
  asked = 0;
  lies = true;
  await assert.rejects(fetchBlob(registry), { code: "DIGEST_MISMATCH" });
  assert.equal(asked, 3);
});

Deno.test("gives a hint if something is missing or a storage refuses", async () => {
  await using registry = TestRegistry.start();
  const { client: made, reference } = client(registry);
  const task = { failed: 'Cannot push "x"', registry: registry.host };
  const endpoint = await made.own(reference);
  const asked = (failed: string) => () =>
    made.access.request({ ...task, failed }, endpoint, "/v2/x", { expect: [200] });
  const cases: [operation: () => Promise<unknown>, message: RegExp, hint: RegExp][] = [
    [
      () => fetchBlob(registry),
      /has its manifest, but not sha256:[0-9a-f]{64}, which that names \(404\)$/,
      /^push it again$/,
    ],
    [() => made.fetchManifest(reference), /no such tag or digest \(404\)/, /^krew-wasm tags .*\/a\/b lists/],
    [asked("Cannot list the tags of x"), /no such repository \(404\)/, /^check the repository's name$/],
    [asked("Cannot push x"), /no such repository \(404\)/, /want the repository to be created first$/],
  ];
  for (const [operation, message, hint] of cases) {
    await assert.rejects(operation, { code: "REGISTRY_NOT_FOUND", message, hint });
  }
  await using storage = TestRegistry.start();
  for (const status of [401, 403]) {
    storage.hook = () => new Response("<Error/>", { status });
    registry.hook = () =>
      new Response(null, { status: 307, headers: { location: `${storage.origin}/x?sig=1` } });
    await assert.rejects(fetchBlob(registry), {
      message: /where the registry redirects to,/,
      hint: /this machine's clock/,
    });
  }
});

Deno.test("continues a download after a web page as answer", async () => {
  await using registry = TestRegistry.start();
  registry.putBlob(BLOB, DIGEST);
  const answers = [() => broken(BLOB), () => new Response("<html>"), undefined, undefined];
  registry.hook = () => answers.shift()?.();
  assert.deepEqual(await fetchBlob(registry), BLOB);
});

Deno.test("counts attempts again after enough progress of a download", async () => {
  await using registry = TestRegistry.start();
  const large = crypto.getRandomValues(new Uint8Array(65536)).toBase64().repeat(120);
  const bytes = new TextEncoder().encode(large);
  const blob = { digest: digestOf(bytes), size: bytes.length };
  const from = (request: Request) => Number(request.headers.get("range")?.slice(6, -1) ?? 0);
  registry.hook = (request) => broken(bytes, from(request), from(request) + (1 << 20));
  assert.equal((await fetchBlob(registry, blob)).length, bytes.length);
  assert.ok(registry.requests.length > 8, "more tries than a registry has that only breaks");
  registry.requests.length = 0;
  registry.hook = (request) => broken(bytes, from(request), from(request) + 10);
  await assert.rejects(fetchBlob(registry, blob), { code: "REGISTRY_UNREACHABLE" });
  assert.equal(registry.requests.length, 4);
  registry.requests.length = 0;
  registry.hook = () => broken(bytes, 0, 3 << 20);
  await assert.rejects(fetchBlob(registry, blob), { code: "REGISTRY_UNREACHABLE" });
  assert.ok(registry.requests.length < 10, "a registry that can't resume is given up");
});

Deno.test("stops an endless blob and a huge manifest at their limits", async () => {
  await using registry = TestRegistry.start();
  const { answer, sent } = endless();
  registry.hook = answer;
  await assert.rejects(fetchBlob(registry), { code: "DIGEST_MISMATCH" });
  const { client: made, reference } = client(registry);
  await assert.rejects(made.fetchManifest(reference), { code: "TOO_LARGE" });
  assert.ok(sent() < 64 << 20, `${sent()} bytes were taken`);
});

Deno.test("gives up on a silent registry", async () => {
  await using registry = TestRegistry.start();
  const release = Promise.withResolvers<Response>();
  registry.hook = () => release.promise;
  const { client: made, reference } = client(registry, { idleTimeout: 50 });
  await assert.rejects(made.fetchManifest(reference), {
    code: "REGISTRY_UNREACHABLE",
    message: /nothing came from 127\.0\.0\.1:\d+ for 0\.05 s$/,
  });
  release.resolve(new Response(null, { status: 500 }));
});

Deno.test("refuses a manifest with a wrong digest", async () => {
  await using registry = TestRegistry.start();
  const { manifest } = makeArtifact(BLOB);
  registry.hook = () => new Response(manifest, { headers: { "docker-content-digest": DIGEST } });
  const { client: made, reference } = client(registry);
  await assert.rejects(made.fetchManifest(reference), { code: "DIGEST_MISMATCH" });
  registry.hook = () => new Response(manifest);
  await assert.rejects(made.fetchManifest({ ...reference, digest: DIGEST }), { code: "DIGEST_MISMATCH" });
});

Deno.test("reports a token endpoint that sends no token or is unsafe", async () => {
  await using registry = TestRegistry.start();
  for (
    const [realm, code] of [["http://evil.example/token", "REGISTRY_PROTOCOL"], [
      `${registry.origin}/token`,
      "REGISTRY_PROTOCOL",
    ]]
  ) {
    registry.hook = (_request, url) =>
      url.pathname === "/token"
        ? new Response("{}")
        : failure(401, "X", "x", { "www-authenticate": `Bearer realm="${realm}"` });
    const { client: made, reference } = client(registry);
    await assert.rejects(made.fetchManifest(reference), { code: code! });
  }
});

Deno.test("names a registry that refuses connections", async () => {
  const made = new RegistryClient({
    credentials: () => Promise.resolve(undefined),
    sleep: () => Promise.resolve(),
  });
  await assert.rejects(made.fetchManifest(parseReference("127.0.0.1:1/a:v1")), {
    code: "REGISTRY_UNREACHABLE",
    message: /127\.0\.0\.1:1/,
  });
  await assert.rejects(made.fetchManifest(parseReference("no-such-host.invalid/a:v1")), {
    code: "REGISTRY_UNREACHABLE",
  });
  await made.transport.close();
});
