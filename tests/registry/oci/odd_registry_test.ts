/** Real registries' deviations from the specification, tested through the code that pulls and pushes. */

import assert from "node:assert/strict";
import { RegistryClient } from "../../../registry/oci/registry_client.ts";
import { digestOf } from "../../../registry/oci/digest.ts";
import { parseLinks } from "../../../registry/oci/pages.ts";
import { pushBlob, pushManifest } from "../../../registry/oci/push_artifact.ts";
import { parseReference } from "../../../registry/oci/mirrored_reference.ts";
import { listTags } from "../../../registry/oci/list_tags.ts";
import type { AppError } from "../../../runtime/base/errors.ts";
import { Authority } from "../../../scripts/servers/certificates.ts";
import { type Oddities, oddRegistry } from "../../support/odd_registry.ts";
import { failure, type TestRegistry } from "../../../scripts/servers/oci_registry.ts";

const SMALL = crypto.getRandomValues(new Uint8Array(100));
/** Large enough for a stream. */
const LARGE = new Uint8Array(5 << 20).fill(7);
const USER = { username: "me", password: "pa:ss" };
const ME = () => Promise.resolve({ kind: "basic" as const, ...USER });
const blobOf = (bytes: Uint8Array<ArrayBuffer>) => ({
  bytes,
  digest: digestOf(bytes),
  size: bytes.length,
  mediaType: "application/wasm",
});

function clientOf(registry: TestRegistry, options: ConstructorParameters<typeof RegistryClient>[0] = {}) {
  const client = new RegistryClient({
    credentials: () => Promise.resolve(undefined),
    sleep: () => Promise.resolve(),
    ...options,
  });
  return { client, reference: parseReference(`${registry.host}/acme/foo:v1`) };
}

async function fetched(client: RegistryClient, registry: TestRegistry, digest: string, size: number) {
  const chunks: Uint8Array<ArrayBuffer>[] = [];
  await client.fetchBlob(
    parseReference(`${registry.host}/acme/foo:v1`),
    { digest, size },
    () => (bytes) => chunks.push(bytes.slice()),
  );
  return digestOf(new Uint8Array(await new Blob(chunks).arrayBuffer()));
}

Deno.test("push accepts any success status during an upload", async () => {
  const oddities: Oddities[] = [
    { startStatus: 200 },
    { startStatus: 201 },
    { patchStatus: 200 },
    { patchStatus: 201 },
    { patchStatus: 204 },
    { patchWithoutLocation: true },
    { patchStatus: 204, patchWithoutLocation: true },
    { putStatus: 200 },
    { putStatus: 202 },
    { putStatus: 204 },
    { manifestStatus: 200 },
    { manifestStatus: 204 },
    { signedUploads: true },
    { digestTwice: true },
  ];
  for (const odd of oddities) {
    await using registry = oddRegistry(odd);
    const { client, reference } = clientOf(registry);
    for (const bytes of [SMALL, LARGE]) {
      const blob = blobOf(bytes);
      assert.equal(await pushBlob(client, reference, blob), "sent", JSON.stringify(odd));
      assert.equal(await fetched(client, registry, blob.digest, blob.size), blob.digest, JSON.stringify(odd));
    }
    const { digest } = await pushManifest(client, reference, "{}", "application/json");
    assert.equal((await client.fetchAnyManifest(reference)).digest, digest, JSON.stringify(odd));
  }
});

Deno.test("push reports a registry that names no upload location", async () => {
  await using registry = oddRegistry({});
  registry.alter = (_request, _url, answer) => new Response(answer.body, { status: answer.status });
  const { client, reference } = clientOf(registry);
  const refused = () =>
    assert.rejects(pushBlob(client, reference, blobOf(SMALL)), {
      code: "REGISTRY_PROTOCOL",
      message: /does not say where to upload to/,
    });
  await refused();
  registry.alter = ({ method }, _url, answer) =>
    method === "POST" ? new Response(null, { status: 202, headers: { location: "" } }) : answer;
  await refused();
});

Deno.test("push sends a blob if the registry refuses HEAD", async () => {
  for (
    const odd of [202, 204, 304, 400, 403, 405, 410, 500, 501].map((headStatus): Oddities => ({ headStatus }))
  ) {
    await using registry = oddRegistry(odd);
    const { client, reference } = clientOf(registry);
    assert.equal(await pushBlob(client, reference, blobOf(SMALL)), "sent", JSON.stringify(odd));
  }
  await using registry = oddRegistry({ headAtStorage: true });
  const { client, reference } = clientOf(registry);
  assert.equal(await pushBlob(client, reference, blobOf(SMALL)), "sent");
});

Deno.test("push tries a mount once and then sends the blob", async () => {
  const oddities: Oddities[] = [
    ...[400, 401, 403, 404, 405, 429, 500, 503, 200].map((mountStatus) => ({ mountStatus })),
    ...[400, 401, 403, 404, 429, 500].map((scopesStatus) => ({ tokens: { scopesStatus } })),
    ...["", "http://169.254.169.254/x", "https://me:pw@elsewhere.invalid/", "file:///x"]
      .map((mountLocation) => ({ mountLocation })),
  ];
  for (const odd of oddities) {
    await using registry = oddRegistry(odd);
    const { client, reference } = clientOf(registry);
    const notices: string[] = [];
    const blob = blobOf(SMALL);
    assert.equal(
      await pushBlob(client, reference, blob, { mountFrom: ["acme/bar"] }),
      "sent",
      JSON.stringify(odd),
    );
    assert.equal(await fetched(client, registry, blob.digest, blob.size), blob.digest);
    assert.deepEqual(notices, []);
    const begun = registry.requests.filter((line) => line === "POST /v2/acme/foo/blobs/uploads/");
    assert.ok(begun.length <= 3, `${JSON.stringify(odd)}: ${begun.length}`);
  }
});

Deno.test("listTags() reads odd pages up to the last one", async () => {
  const oddities: Oddities[] = [
    { pages: "empty" },
    { pages: "repeated" },
    { link: "comma" },
    { link: "http" },
    { link: "without rel" },
    { link: "long" },
  ];
  for (const odd of oddities) {
    await using registry = oddRegistry(odd);
    registry.pageSize = 1;
    for (const tag of ["v1", "v2", "v3"]) registry.putManifest("acme/foo", tag, "{}");
    const { client, reference } = clientOf(registry);
    assert.deepEqual(await listTags(client, reference), ["v1", "v2", "v3"], JSON.stringify(odd));
  }
});

Deno.test("listTags() fails if it cannot read the whole list", async () => {
  const cases: [Oddities, string][] = [
    [{ tagsStatus: 403 }, "REGISTRY_FORBIDDEN"],
    [{ tagsStatus: 401 }, "REGISTRY_UNAUTHORIZED"],
    [{ secondPageStatus: 403 }, "REGISTRY_FORBIDDEN"],
    [{ secondPageStatus: 404 }, "REGISTRY_PROTOCOL"],
    [{ secondPageStatus: 405 }, "REGISTRY_PROTOCOL"],
    [{ secondPageStatus: 501 }, "REGISTRY_PROTOCOL"],
    [{ secondPageStatus: 204 }, "REGISTRY_FAILED"],
    [{ link: "unreadable" }, "REGISTRY_PROTOCOL"],
    [{ secondPageStatus: 500 }, "REGISTRY_FAILED"],
    [{ pages: "circle" }, "REGISTRY_PROTOCOL"],
    [{ link: "elsewhere" }, "REGISTRY_PROTOCOL"],
  ];
  for (const [odd, code] of cases) {
    await using registry = oddRegistry(odd);
    registry.pageSize = 1;
    for (const tag of ["v1", "v2"]) registry.putManifest("acme/foo", tag, "{}");
    const { client, reference } = clientOf(registry);
    await assert.rejects(listTags(client, reference), { code }, JSON.stringify(odd));
  }
});

Deno.test("parseLinks() reads links with quoted, bare and missing parameters", () => {
  assert.deepEqual(
    parseLinks('</a,b?x=<1>; rel="next up"; title="a, <b>; \\"c\\""; Hidden , <c>;rel=prev;rel=next,,<d>'),
    {
      links: [
        { target: "/a,b?x=<1", parameters: { rel: "next up", title: 'a, <b>; "c"', hidden: "" } },
        { target: "c", parameters: { rel: "prev" } },
        { target: "d", parameters: {} },
      ],
      rest: "",
    },
  );
  for (const text of ["", " ", ";,;"]) assert.deepEqual(parseLinks(text), { links: [], rest: "" });
  for (const text of ["x", "rel=next", "<a", "</a; rel=next"]) {
    assert.deepEqual(parseLinks(text), { links: [], rest: text });
  }
  assert.deepEqual(parseLinks('<a>; rel="prev"; , oops'), {
    links: [{ target: "a", parameters: { rel: "prev" } }],
    rest: "oops",
  });
  // Bounded in number and in time.
  assert.equal(parseLinks("<a>;".repeat(1 << 20)).links.length < 20_000, true);
});

Deno.test("listTags() returns no tags only for a valid empty list", async () => {
  await using registry = oddRegistry({});
  const { client, reference } = clientOf(registry);
  let body = "";
  registry.hook = () => new Response(body);
  for (const list of ['{"tags":null}', '{"tags":[]}', '{"name":"acme/foo"}', '\ufeff{"tags":[]}']) {
    body = list;
    assert.deepEqual(await listTags(client, reference), [], list);
  }
  for (
    const other of [
      '{"errors":[{"code":"DENIED"}]}',
      "{}",
      "[]",
      "null",
      '"x"',
      "5",
      '{"tags":{}}',
      "",
      "<html>",
    ]
  ) {
    body = other;
    await assert.rejects(listTags(client, reference), { code: "REGISTRY_PROTOCOL" }, other);
  }
});

Deno.test("follows a token server's redirects without sending credentials elsewhere", async () => {
  await using other = oddRegistry({});
  const seen: (string | null)[] = [];
  other.hook = (request) => {
    seen.push(request.headers.get("authorization"));
    return Response.json({ token: "t" });
  };
  for (const place of ["/token2", `${other.origin}/token`]) {
    for (const [credentials, status] of [[undefined, 302], [ME, 307], [ME, 301]] as const) {
      await using registry = oddRegistry({});
      registry.putManifest("acme/foo", "v1", "{}");
      registry.hook = (request, { pathname, search }) => {
        const authorization = request.headers.get("authorization");
        if (pathname === "/token") {
          return new Response(null, { status, headers: { location: `${place}${search}` } });
        }
        if (pathname === "/token2") {
          seen.push(authorization);
          return Response.json({ token: "t" }, { status: 201 });
        }
        return authorization === "Bearer t" ? undefined : failure(401, "UNAUTHORIZED", "a token, please", {
          "www-authenticate": `Bearer realm="${registry.origin}/token"`,
        });
      };
      const { client, reference } = clientOf(registry, credentials ? { credentials } : {});
      assert.equal((await client.fetchAnyManifest(reference)).text, "{}");
    }
  }
  const basic = `Basic ${btoa("me:pa:ss")}`;
  assert.deepEqual(seen, [null, basic, basic, null, null, null]);
});

Deno.test("refuses a token server's redirect that leaks the user's token or loops", async () => {
  await using registry = oddRegistry({});
  let location = "https://elsewhere.invalid/token";
  registry.hook = (_, { pathname }) =>
    pathname === "/token"
      ? new Response(null, { status: 307, headers: { location } })
      : failure(401, "UNAUTHORIZED", "a token", {
        "www-authenticate": `Bearer realm="${registry.origin}/token"`,
      });
  const identity = () => Promise.resolve({ kind: "identity" as const, token: "s3cret" });
  const { client, reference } = clientOf(registry, { credentials: identity });
  const refused = (words: RegExp, one = client) =>
    assert.rejects(one.fetchAnyManifest(reference), { message: words });
  await refused(/redirects to "https:\/\/elsewhere\.invalid", which is not given your token$/);
  const anonymous = clientOf(registry).client;
  location = "file:///etc/passwd";
  await refused(/the token server \S+ redirects to "file:", which is not HTTPS$/, anonymous);
  location = "/token";
  await refused(/the token server \S+ answered 307$/, anonymous);
  assert.ok(registry.requests.length < 30);
});

Deno.test("reads a token from either field of a token server's answer", async () => {
  const forms: ((token: string) => unknown)[] = [
    (token) => ({ token }),
    (token) => ({ access_token: token }),
    (token) => ({ token: "", access_token: token }),
    (token) => ({ token, access_token: "" }),
    (token) => ({ token: null, access_token: token, expires_in: 1 }),
  ];
  for (const form of forms) {
    await using registry = oddRegistry({ tokens: { form } });
    registry.putManifest("acme/foo", "v1", "{}");
    const { client, reference } = clientOf(registry);
    assert.equal((await client.fetchAnyManifest(reference)).text, "{}");
  }
});

Deno.test("uses a token for a gateway's name of the repository", async () => {
  for (const refusedBy of ["token server", "registry"] as const) {
    await using registry = oddRegistry({
      tokens: { user: USER, renamed: { prefix: "docker-local/", refusedBy } },
    });
    registry.putManifest("acme/foo", "v1", "{}");
    const { client, reference } = clientOf(registry, { credentials: ME });
    assert.equal((await client.fetchAnyManifest(reference)).text, "{}", refusedBy);
    const blob = blobOf(SMALL);
    assert.equal(await pushBlob(client, reference, blob), "sent");
    assert.equal(await fetched(client, registry, blob.digest, blob.size), blob.digest);
    // Keeps the token that worked.
    const asked = registry.requests.filter((line) => line.endsWith("/token")).length;
    await listTags(client, reference);
    assert.equal(registry.requests.filter((line) => line.endsWith("/token")).length, asked);
  }
});

Deno.test("replaces an expired token after any challenge", async () => {
  for (const expired of [undefined, 'Basic realm="r"', "", "Negotiate"]) {
    for (const credentials of [undefined, ME]) {
      await using registry = oddRegistry({
        tokens: {
          uses: 1,
          ...(expired === undefined ? {} : { expired }),
          ...(credentials ? { user: USER } : {}),
        },
      });
      registry.putManifest("acme/foo", "v1", "{}");
      registry.putBlob(SMALL);
      const { client, reference } = clientOf(registry, credentials ? { credentials } : {});
      await client.fetchAnyManifest(reference);
      const { digest, size } = blobOf(SMALL);
      assert.equal(await fetched(client, registry, digest, size), digest, `${expired} ${credentials?.name}`);
    }
  }
});

Deno.test("reports a registry that accepts no token, without endless requests", async () => {
  for (const credentials of [undefined, ME]) {
    await using registry = oddRegistry({ tokens: { uses: 0 } });
    registry.putManifest("acme/foo", "v1", "{}");
    const { client, reference } = clientOf(registry, credentials ? { credentials } : {});
    await assert.rejects(client.fetchAnyManifest(reference), {
      code: "REGISTRY_UNAUTHORIZED",
      message: credentials ? /does not accept your credentials/ : /wants credentials/,
    });
    assert.ok(registry.requests.length <= 6, registry.requests.join());
  }
});

Deno.test("attributes a token server's errors to the token server", async () => {
  const cases: [status: number, code: string, words: RegExp][] = [
    [401, "REGISTRY_UNAUTHORIZED", /the token server 127\.0\.0\.1:\d+ wants credentials for it \(401\)$/],
    [
      403,
      "REGISTRY_FORBIDDEN",
      /the token server 127\.0\.0\.1:\d+ forbids it \(403\): DENIED no tokens today$/,
    ],
    [404, "REGISTRY_FAILED", /the token server 127\.0\.0\.1:\d+ answered 404/],
    [400, "REGISTRY_FAILED", /the token server 127\.0\.0\.1:\d+ answered 400/],
    [429, "REGISTRY_RATE_LIMITED", /the token server 127\.0\.0\.1:\d+ wants fewer requests/],
    [503, "REGISTRY_FAILED", /the token server 127\.0\.0\.1:\d+ failed \(503\)/],
  ];
  for (const [status, code, message] of cases) {
    await using registry = oddRegistry({ tokens: { status } });
    const { client, reference } = clientOf(registry);
    await assert.rejects(client.fetchAnyManifest(reference), (error: AppError) => {
      assert.equal(error.code, code);
      assert.match(error.message, message);
      assert.doesNotMatch(error.hint ?? "", /the tag/);
      return true;
    });
  }
});

Deno.test("retries a 403 for lack of scope with the named scope and reports the 403", async () => {
  await using registry = oddRegistry({});
  registry.putManifest("acme/foo", "v1", "{}");
  registry.hook = (request, url) => {
    if (url.pathname === "/token") {
      return Response.json({ token: url.searchParams.getAll("scope").join("+") });
    }
    const named = 'scope="repository:x:pull,push",error="insufficient_scope"';
    const challenge = `Bearer realm="${registry.origin}/token",service="s",${named}`;
    return request.headers.get("authorization") === "Bearer repository:x:pull"
      ? undefined
      : failure(403, "DENIED", "more scope", { "www-authenticate": challenge });
  };
  const { client, reference } = clientOf(registry);
  assert.equal(
    (await client.fetchAnyManifest(reference)).text,
    "{}",
    "push is left out of what is asked for",
  );
  registry.hook = () =>
    failure(403, "DENIED", "more scope", { "www-authenticate": 'Bearer error="insufficient_scope"' });
  await assert.rejects(clientOf(registry).client.fetchAnyManifest(reference), { code: "REGISTRY_FORBIDDEN" });
});

Deno.test("uses HTTPS for HTTP locations of a registry behind a TLS gateway", async () => {
  const authority = await Authority.make("ca");
  const pair = await authority.issue({ commonName: "r", hosts: ["127.0.0.1"] });
  await using registry = oddRegistry({ httpLocation: true, link: "http" }, pair);
  registry.pageSize = 1;
  for (const tag of ["v1", "v2"]) registry.putManifest("acme/foo", tag, "{}");
  const origin = () => Promise.resolve(registry.origin);
  const { client, reference } = clientOf(registry, {
    hosts: {
      origin,
      endpoints: async ({ registry, repository }) => [{ registry, repository, origin: await origin() }],
      tls: () => Promise.resolve({ ca: [authority.cert] }),
    },
  });
  for (const bytes of [SMALL, LARGE]) assert.equal(await pushBlob(client, reference, blobOf(bytes)), "sent");
  assert.deepEqual(await listTags(client, reference), ["v1", "v2"]);
  await client.transport.close();
});

Deno.test("sends the user's registry token to the registry itself", async () => {
  await using registry = oddRegistry({});
  registry.putManifest("acme/foo", "v1", "{}");
  registry.hook = (request) =>
    request.headers.get("authorization") === "Bearer mine" ? undefined : failure(401, "UNAUTHORIZED", "who", {
      "www-authenticate": `Bearer realm="${registry.origin}/token"`,
    });
  const credentials = (token: string) => () => Promise.resolve({ kind: "registry" as const, token });
  const { client, reference } = clientOf(registry, { credentials: credentials("mine") });
  assert.equal((await client.fetchAnyManifest(reference)).text, "{}");
  const other = clientOf(registry, { credentials: credentials("other") });
  await assert.rejects(other.client.fetchAnyManifest(reference), { code: "REGISTRY_UNAUTHORIZED" });
  assert.ok(!registry.requests.includes("GET /token") || registry.authorizations.at(-1) === "");
});
