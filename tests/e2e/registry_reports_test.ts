/**
 * Public bug reports of similar tools about registries, credentials and proxies, tried as a user.
 * docs/maintainers/public-reports.md links them.
 */

import assert from "node:assert/strict";
import { digestOf } from "../../registry/oci/digest.ts";
import { freePort } from "../support/free_port.ts";
import { makeArtifact, push } from "../../scripts/servers/artifacts.ts";
import { type Oddities, oddRegistry } from "../support/odd_registry.ts";
import { type Outcome, Product } from "../support/product.ts";
import { TestProxy } from "../support/proxy.ts";
import { failure, TestRegistry } from "../../scripts/servers/oci_registry.ts";
import { makeExiting } from "../support/store.ts";
import { testBinary } from "../support/test_binary.ts";

const WASM = makeExiting(7);
const ARTIFACT = makeArtifact(WASM);
const USER = { username: "me", password: "pa:ss" };

/** A product, and a registry with `acme/foo:v1`. */
async function setUp(odd: Oddities = {}, registry = oddRegistry(odd)) {
  const product = Product.make();
  Deno.writeFileSync(`${product.home}/foo.wasm`, WASM);
  const { hook } = registry;
  registry.hook = undefined;
  await push(registry.origin, "acme/foo", "v1", ARTIFACT);
  registry.hook = hook;
  const reference = `${registry.host}/acme/foo:v1`;
  return {
    product,
    registry,
    reference,
    /** Runs a command that must succeed. */
    done: (args: readonly string[], env: Record<string, string> = {}) => run(product, args, env, 0),
    /** Runs a command that must fail, and returns its error. */
    fails: async (args: readonly string[], env: Record<string, string> = {}) =>
      (await run(product, args, env, 1)).stderr,
    /** Writes a file below the user's home. */
    put(path: string, content: unknown): void {
      const file = `${product.home}/${path}`;
      Deno.mkdirSync(file.slice(0, file.lastIndexOf("/")), { recursive: true, mode: 0o700 });
      Deno.writeTextFileSync(file, typeof content === "string" ? content : JSON.stringify(content));
    },
    async [Symbol.asyncDispose]() {
      product[Symbol.dispose]();
      await registry[Symbol.asyncDispose]();
    },
  };
}

async function run(
  product: Product,
  args: readonly string[],
  env: Record<string, string>,
  expected: number,
): Promise<Outcome> {
  const outcome = await product.exec(product.command, args, { env });
  assert.equal(outcome.code, expected, `${args.join(" ")}: ${outcome.stderr}`);
  return outcome;
}

testBinary(
  "docker/cli#6008: reads credentials from DOCKER_AUTH_CONFIG",
  async () => {
    await using it = await setUp({ tokens: { user: USER } });
    const auths = (password: string) => ({ auths: { [it.registry.host]: { auth: btoa(`me:${password}`) } } });
    const pull = ["pull", "-f", it.reference];
    await it.done(pull, { DOCKER_AUTH_CONFIG: JSON.stringify(auths("pa:ss")) });
    it.put(".docker/config.json", auths("old"));
    await it.done(pull, { DOCKER_AUTH_CONFIG: JSON.stringify(auths("pa:ss")) });
    it.put(".docker/config.json", auths("pa:ss"));
    await it.done(pull, { DOCKER_AUTH_CONFIG: JSON.stringify(auths("old")), GITLAB_CI: "true" });
    const { stderr } = await it.done(pull, { DOCKER_AUTH_CONFIG: "{s3cret" });
    assert.match(stderr, /^warning: "\$DOCKER_AUTH_CONFIG" is not a JSON object$/m);
    assert.doesNotMatch(stderr, /s3cret/);
    const logout = ["logout", it.registry.host];
    const held = { DOCKER_AUTH_CONFIG: JSON.stringify(auths("pa:ss")) };
    assert.match(
      (await it.done(logout, held)).stderr,
      /^warning: DOCKER_AUTH_CONFIG still holds credentials/m,
    );
    assert.match(await it.fails(logout, held), /^error: .* DOCKER_AUTH_CONFIG holds .*\nhint: unset/);
  },
);

testBinary(
  "nexus-public#1011: finds the next page of tags behind a gateway's path",
  async () => {
    await using it = await setUp();
    await push(it.registry.origin, "acme/foo", "v2", ARTIFACT);
    it.registry.pageSize = 1;
    it.registry.alter = (_, __, answer) => {
      const link = answer.headers.get("link");
      if (link === null) return answer;
      const inside = link.replace("</v2/", `<${it.registry.origin}/repository/docker-proxy/v2/`);
      return new Response(answer.body, { status: answer.status, headers: { link: inside } });
    };
    assert.equal((await it.done(["tags", it.reference.slice(0, -3)])).stdout, "v1\nv2\n");
  },
);

testBinary(
  "dkregistry-rs#236: sends an opaque page parameter back unchanged",
  async () => {
    await using it = await setUp();
    const opaque = "gAAAAABg1i7jwRsgyD_X_wcMmj11T0waURK8w2MpuKG3a5B5C%3D%3D";
    it.registry.hook = (_, url) => {
      if (!url.pathname.endsWith("/tags/list")) return undefined;
      if (url.search === `?next_page=${opaque}&n=50`) return Response.json({ tags: ["v2"] });
      const link = `</v2/acme/foo/tags/list?next_page=${opaque}&n=50>; rel="next"`;
      return url.searchParams.has("next_page")
        ? failure(400, "INVALID", url.search)
        : Response.json({ tags: ["v1"] }, { headers: { link } });
    };
    assert.equal((await it.done(["tags", it.reference.slice(0, -3)])).stdout, "v1\nv2\n");
  },
);

testBinary(
  "registry.k8s.io#333: starts again when a storage refuses a range",
  async () => {
    for (const status of [400, 403, 405, 501]) {
      await using registry = oddRegistry({});
      await using it = await setUp({}, registry);
      let cut = true;
      registry.hook = (request, url) => {
        if (!url.pathname.endsWith(digestOf(WASM))) return undefined;
        if (request.headers.has("range")) return new Response("<Error/>", { status });
        if (!cut) return undefined;
        cut = false;
        return new Response(WASM.slice(0, 20));
      };
      await it.done(["pull", it.reference]);
    }
  },
);

testBinary(
  "moby#17595: unpacks gzip that nobody asked for",
  async () => {
    const packed = async (bytes: Uint8Array<ArrayBuffer>) =>
      new Uint8Array(
        await new Response(new Blob([bytes]).stream().pipeThrough(new CompressionStream("gzip")))
          .arrayBuffer(),
      );
    for (const encoding of ["gzip", "x-gzip", "GZIP"]) {
      await using it = await setUp();
      it.registry.alter = async (request, _, answer) => {
        if (request.method !== "GET" || answer.status !== 200) return answer;
        const headers = new Headers(answer.headers);
        headers.set("content-encoding", encoding);
        headers.delete("content-length");
        return new Response(await packed(new Uint8Array(await answer.arrayBuffer())), { headers });
      };
      await it.done(["pull", it.reference]);
      await it.done(["tags", it.reference.slice(0, -3)]);
    }
  },
);

testBinary(
  "skopeo#800: reads registries.conf version 1, refuses a mix of both",
  async () => {
    await using it = await setUp();
    const conf = (text: string) => it.put(".config/containers/registries.conf", text);
    conf(`[registries.block]\nregistries = ["${it.registry.host}"]\n`);
    assert.match(await it.fails(["pull", it.reference]), /Pulling from \S+ is blocked/);
    conf(
      `[registries.search]\nregistries = ["docker.io"]\n[registries.insecure]\nregistries = ["10.0.0.0/8"]\n`,
    );
    await it.done(["pull", it.reference]);
    conf(`[registries.insecure]\nregistries = ["a.example"]\n[[registry]]\nlocation = "b.example"\n`);
    assert.match(
      await it.fails(["pull", "-f", it.reference]),
      /registries and registry, of versions 1 and 2, are mixed/,
    );
  },
);

testBinary(
  "for-win#734: takes a proxy password with @, never shows one with #",
  async () => {
    await using it = await setUp();
    using proxy = TestProxy.start("http", Number(it.registry.host.split(":")[1]));
    const [, port] = /:(\d+)$/.exec(proxy.url())!;
    const env = (login: string) => ({ HTTP_PROXY: `http://${login}@127.0.0.1:${port}` });
    const pull = ["pull", "-f", "--plain-http", "registry.test/acme/foo:v1"];
    for (
      const [login, credentials] of [
        ["me:p@ss", "me:p@ss"],
        ["me:p%40ss", "me:p@ss"],
        ["me", "me:"],
        ["me:", "me:"],
        [":p", ":p"],
      ] as const
    ) {
      await it.done(pull, env(login));
      assert.equal(proxy.seen.at(-1)!.credentials, credentials);
    }
    for (const login of ["me:s3cr#et", "me:s3cr/et", "me:s3cr?et"]) {
      const stderr = await it.fails(pull, env(login));
      assert.match(stderr, /^error: HTTP_PROXY names no .* proxy: "http:\/\/…"\nhint: .*%23/);
      assert.doesNotMatch(stderr, /s3cr/);
    }
  },
);

testBinary(
  "wasm-pkg-tools#37: says that a denied repository may not exist",
  async () => {
    await using it = await setUp({ tokens: { status: 403 } });
    assert.match(
      await it.fails(["pull", it.reference]),
      /forbids it \(403\).*\nhint: .*check that the repository exists\n/,
    );
  },
);

testBinary(
  "skopeo#325: names logout when an old login stops a pull",
  async () => {
    await using it = await setUp({ tokens: { user: USER } });
    it.put(".docker/config.json", { auths: { [it.registry.host]: { auth: btoa("me:expired") } } });
    const stderr = await it.fails(["pull", it.reference]);
    assert.match(
      stderr,
      /does not accept your credentials for it \(401\)\nhint: krew-wasm login \S+ with others, or krew-wasm logout/,
    );
  },
);

testBinary(
  "regclient#28, jib#539: answers every form of challenge",
  async () => {
    const basic = (given: string | null) => given === `Basic ${btoa("me:pa:ss")}`;
    const bearer = (given: string | null) => given === "Bearer t";
    const kinds: [challenge: (origin: string) => string, opens: (given: string | null) => boolean][] = [
      [(origin) => `Bearer realm="${origin}/token"`, bearer],
      [(origin) => `Bearer realm="${origin}/token",service="aws",scope="aws"`, bearer],
      [() => 'BASIC realm="Sonatype Nexus Repository Manager"', basic],
      [() => 'Negotiate, Basic realm="x"', basic],
      [() => 'Basic realm="x", Negotiate', basic],
      [(origin) => `Basic realm="x", Bearer realm="${origin}/token"`, bearer],
      [() => "basic", basic],
    ];
    for (const [challenge, opens] of kinds) {
      await using it = await setUp();
      const { registry } = it;
      registry.hook = (request, url) => {
        if (url.pathname === "/token") return Response.json({ token: "t" });
        return opens(request.headers.get("authorization"))
          ? undefined
          : failure(401, "UNAUTHORIZED", "log in", {
            "www-authenticate": challenge(registry.origin),
          });
      };
      it.put(".docker/config.json", { auths: { [registry.host]: { auth: btoa("me:pa:ss") } } });
      await it.done(["pull", it.reference]);
      await it.done(["push", "foo.wasm", `${registry.host}/acme/bar:v1`]);
    }
  },
);

testBinary(
  "oras#456: sends a body again when its token has expired",
  async () => {
    await using it = await setUp({ tokens: { uses: 3 } });
    Deno.writeFileSync(`${it.product.home}/foo.wasm`, makeExiting(8));
    await it.done(["push", "foo.wasm", `${it.registry.host}/acme/new:v1`]);
    await it.done(["pull", `${it.registry.host}/acme/new:v1`]);
    assert.equal((await it.product.exec(`${it.product.store}/bin/kubectl-new`, [])).code, 8);
  },
);

testBinary(
  "containerd#9552: leaves a mirror that breaks at the blob",
  async () => {
    const broken: ((request: Request) => Response)[] = [
      () => failure(404, "BLOB_UNKNOWN", "blob unknown to registry"),
      () => failure(500, "UNKNOWN", "no upstream"),
      () => new Response(null, { headers: { "x-content-length": String(WASM.length) } }),
      () => new Response(WASM.slice(0, 10)),
    ];
    for (const answer of broken) {
      await using it = await setUp();
      await using mirror = TestRegistry.start();
      await push(mirror.origin, "acme/foo", "v1", ARTIFACT);
      mirror.hook = (request, url) => url.pathname.endsWith(digestOf(WASM)) ? answer(request) : undefined;
      it.put(".krew-wasm/registries.yaml", {
        registries: { [it.registry.host]: { mirrors: [mirror.host] } },
      });
      const { stderr } = await it.done(["pull", it.reference]);
      assert.match(stderr, /; trying 127\.0\.0\.1:\d+$/m);
    }
  },
);

testBinary(
  "go-containerregistry#1759: drops PowerShell's byte order mark from a password",
  async () => {
    await using it = await setUp({ tokens: { user: USER } });
    const args = ["login", it.registry.host, "-u", "me", "--password-stdin"];
    for (const stdin of ["\ufeffpa:ss\r\n", "pa:ss\n", "pa:ss"]) {
      const { code, stderr } = await it.product.exec(it.product.command, args, { stdin });
      assert.equal(code, 0, stderr);
      await it.done(["pull", "-f", it.reference]);
    }
  },
);

testBinary(
  "helm#12476: pushes and pulls without any docker config",
  async () => {
    await using it = await setUp({ tokens: {} });
    await it.done(["push", "foo.wasm", `${it.registry.host}/acme/bar:v1`]);
    const { stderr } = await it.done(["pull", it.reference]);
    assert.doesNotMatch(stderr, /warning|credentials/);
  },
);

testBinary(
  "rules_oci#600: prefers Azure's identity token to an empty password",
  async () => {
    await using it = await setUp();
    const { registry } = it;
    registry.hook = async (request, url) => {
      if (url.pathname === "/token") {
        const form = new URLSearchParams(await request.text());
        return form.get("refresh_token") === "eyJ" && form.get("grant_type") === "refresh_token"
          ? Response.json({ access_token: "t" })
          : failure(401, "UNAUTHORIZED", "not this way");
      }
      return request.headers.get("authorization") === "Bearer t"
        ? undefined
        : failure(401, "UNAUTHORIZED", "log in", {
          "www-authenticate": `Bearer realm="${registry.origin}/token",service="acr"`,
        });
    };
    const auth = btoa("00000000-0000-0000-0000-000000000000:");
    it.put(".docker/config.json", { auths: { [registry.host]: { auth, identitytoken: "eyJ" } } });
    await it.done(["pull", it.reference]);
  },
);

testBinary("containers/image#1004: pulls from an IPv6 address", async () => {
  const product = Product.make();
  using _ = product;
  const { manifest, mediaType, blobs } = ARTIFACT;
  const byDigest = new Map(blobs.map((blob) => [digestOf(blob), blob]));
  let server: Deno.HttpServer<Deno.NetAddr>;
  try {
    server = Deno.serve({ hostname: "::1", port: 0, onListen() {} }, (request) => {
      const { pathname } = new URL(request.url);
      const blob = byDigest.get(pathname.split("/").at(-1)!);
      return pathname.endsWith("/manifests/v1")
        ? new Response(manifest, { headers: { "content-type": mediaType } })
        : blob
        ? new Response(new Uint8Array(blob))
        : failure(404, "UNKNOWN", pathname);
    });
  } catch {
    return; // a machine without IPv6
  }
  const { code, stderr } = await product.run("pull", `[::1]:${server.addr.port}/acme/foo:v1`);
  await server.shutdown();
  assert.equal(code, 0, stderr);
});

testBinary(
  "distribution#2572: names the port that an upload is sent to",
  async () => {
    await using it = await setUp();
    const port = freePort();
    it.registry.hook = (request) =>
      request.method === "POST"
        ? new Response(null, {
          status: 202,
          headers: { location: `http://127.0.0.1:${port}/v2/acme/bar/blobs/uploads/x` },
        })
        : undefined;
    Deno.writeFileSync(`${it.product.home}/foo.wasm`, makeExiting(9));
    const stderr = await it.fails(["push", "foo.wasm", `${it.registry.host}/acme/bar:v1`]);
    assert.match(stderr, /^error: Cannot push .*: 127\.0\.0\.1:\d+ refused the connection$/m);
  },
);
