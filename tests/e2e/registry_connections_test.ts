/**
 * Connections to registries: TLS and certificates, proxies, a restart during a pull; from the view of the binary's
 * user.
 */

import assert from "node:assert/strict";
import { generateKeyPairSync } from "node:crypto";
import { digestOf } from "../../registry/oci/digest.ts";
import { Authority, type Pair } from "../../scripts/servers/certificates.ts";
import { makeArtifact } from "../../scripts/servers/artifacts.ts";
import { Product } from "../support/product.ts";
import { findProgram, missing } from "../support/programs.ts";
import { TestProxy } from "../support/proxy.ts";
import { RawServer } from "../support/raw_server.ts";
import { TestRegistry } from "../../scripts/servers/oci_registry.ts";
import { makeExiting } from "../support/store.ts";
import { testBinary } from "../support/test_binary.ts";

const WASM = makeExiting(7);

/** A product with `foo.wasm`, and a TLS registry. */
function setUp(pair?: Pair) {
  const product = Product.make();
  const registry = TestRegistry.start(undefined, pair);
  Deno.writeFileSync(`${product.home}/foo.wasm`, WASM);
  return {
    product,
    registry,
    port: Number(registry.host.split(":")[1]),
    async [Symbol.asyncDispose]() {
      product[Symbol.dispose]();
      await registry[Symbol.asyncDispose]();
    },
  };
}

/** Writes a file below the product's home. */
function put(product: Product, path: string, text: string): void {
  const file = `${product.home}/${path}`;
  Deno.mkdirSync(file.slice(0, file.lastIndexOf("/")), { recursive: true, mode: 0o700 });
  Deno.writeTextFileSync(file, text);
}

testBinary(
  "uses only TLS with a local TLS registry and names its certificate",
  async () => {
    const authority = await Authority.make("test-ca");
    const hosts = ["127.0.0.1"];
    await using it = setUp(await authority.issue({ commonName: "r", hosts }));
    const { product, registry } = it;
    const reference = `${registry.host}/acme/foo:v1`;
    const commands = [
      ["push", "foo.wasm", reference],
      ["pull", reference],
      ["inspect", reference],
      ["tags", reference.slice(0, -":v1".length)],
    ];
    for (const args of commands) {
      const { code, stderr } = await product.run(...args);
      assert.equal(code, 1, args.join(" "));
      assert.match(
        stderr,
        /: the certificate of 127\.0\.0\.1:\d+ is not trusted\nhint: .*registries\.HOST\.ca\n$/,
      );
    }
    const login = ["login", registry.host, "-u", "me", "--password-stdin"];
    const { stderr } = await product.exec(product.command, login, { stdin: "secret" });
    assert.match(stderr, /the certificate of \S+ is not trusted/);
    put(product, `.config/containers/certs.d/${registry.host}/ca.crt`, authority.cert);
    for (const args of commands) {
      const done = await product.run(...args);
      assert.equal(done.code, 0, done.stderr);
    }
  },
);

testBinary(
  "distinguishes expired, misnamed and CA certificates",
  async () => {
    const authority = await Authority.make("test-ca");
    const own = await Authority.make("r.example", ["127.0.0.1"]);
    const cases: [Pair, ca: string, words: RegExp][] = [
      [
        await authority.issue({ commonName: "r", hosts: ["127.0.0.1"], days: [-9, -2] }),
        authority.cert,
        /: the certificate of \S+ expired on \d{4}-\d\d-\d\d\nhint: .*clock/,
      ],
      [
        await authority.issue({ commonName: "r", hosts: ["127.0.0.1"], days: [2, 9] }),
        authority.cert,
        /: the certificate of \S+ is not valid yet, but from \d{4}-\d\d-\d\d on\nhint: .*clock/,
      ],
      [
        await authority.issue({ commonName: "r", hosts: ["r.example", "10.0.0.1"] }),
        authority.cert,
        /: the certificate of \S+ is for r\.example, 10\.0\.0\.1\nhint: .*by that name/,
      ],
      [
        own,
        own.cert,
        /: the certificate of \S+ is an authority's own \(basicConstraints CA:TRUE\).*\nhint: make it anew/,
      ],
      [
        await authority.issue({ commonName: "r", hosts: ["127.0.0.1"] }),
        own.cert,
        /: the certificate of \S+ is not trusted/,
      ],
    ];
    for (const [pair, ca, words] of cases) {
      await using it = setUp({ cert: pair.cert, key: pair.key });
      const { product, registry } = it;
      put(product, ".krew-wasm/ca.pem", ca);
      put(product, ".krew-wasm/registries.yaml", `registries: {"${registry.host}": {ca: ca.pem}}`);
      for (
        const args of [["push", "foo.wasm", `${registry.host}/a/b:v1`], ["pull", `${registry.host}/a/b:v1`]]
      ) {
        const { code, stderr } = await product.run(...args);
        assert.equal(code, 1);
        assert.match(stderr, words);
      }
      assert.deepEqual(registry.requests, []);
    }
  },
);

testBinary(
  "takes the self-signed certificate that docs/registries.md makes",
  { ignore: missing("openssl", findProgram("openssl") !== undefined, "Debian: apt-get install openssl") },
  async () => {
    const home = Product.make();
    using _ = home;
    const recipe = /```sh\n(openssl req [^`]*)```/.exec(
      Deno.readTextFileSync(`${import.meta.dirname}/../../docs/registries.md`),
    );
    const line = recipe![1]!.replaceAll("registry.acme.example", "127.0.0.1").replace("DNS:", "IP:");
    const made = await home.shell(line);
    assert.equal(made.code, 0, made.stderr);
    const [cert, key] = ["registry.crt", "registry.key"].map((name) =>
      Deno.readTextFileSync(`${home.home}/${name}`)
    );
    await using it = setUp({ cert: cert!, key: key! });
    const { product, registry } = it;
    put(product, ".config/docker/certs.d/x/ca.crt", "");
    put(product, `.config/docker/certs.d/${registry.host}/ca.crt`, cert!);
    const { code, stderr } = await product.run("push", "foo.wasm", `${registry.host}/acme/foo:v1`);
    assert.equal(code, 0, stderr);
    assert.equal((await product.run("pull", `${registry.host}/acme/foo:v1`)).code, 0);
  },
);

testBinary(
  "refuses unsupported client certificates at registries and clusters",
  async () => {
    const authority = await Authority.make("test-ca");
    const server = await authority.issue({ commonName: "r", hosts: ["127.0.0.1"] });
    const client = await authority.issue({ commonName: "me" });
    const weak = generateKeyPairSync("rsa", { modulusLength: 1024 }).privateKey;
    const cases: [Pair, words: RegExp][] = [
      [
        await authority.issue({ commonName: "me", version1: true }),
        /can't be used: it is an X\.509 certificate of version 1/,
      ],
      [
        await authority.issue({ commonName: "me", unknownExtension: true }),
        /can't be used: it has a critical extension that TLS does not know: 1\.2\.3\.4/,
      ],
      [
        { cert: client.cert, key: weak.export({ type: "pkcs8", format: "pem" }) as string },
        /can't be used: its RSA key has 1024 bits/,
      ],
      [{ cert: client.cert, key: server.key }, /can't be used: its key is another's/],
    ];
    for (const [{ cert, key }, words] of cases) {
      await using it = setUp(server);
      const { product, registry } = it;
      for (const [name, text] of [["ca", authority.cert], ["cert", cert], ["key", key]] as const) {
        put(product, `.krew-wasm/${name}.pem`, text);
      }
      put(
        product,
        ".krew-wasm/registries.yaml",
        `registries: {"${registry.host}": {ca: ca.pem, cert: cert.pem, key: key.pem}}`,
      );
      const pulled = await product.run("pull", `${registry.host}/a/b:v1`);
      assert.equal(pulled.code, 1, pulled.stderr);
      assert.match(pulled.stderr, words);
      const user = { "client-certificate-data": btoa(cert), "client-key-data": btoa(key) };
      const cluster = { server: registry.origin, "certificate-authority-data": btoa(authority.cert) };
      put(
        product,
        ".kube/config",
        JSON.stringify({
          clusters: [{ name: "c", cluster }],
          users: [{ name: "u", user }],
          contexts: [{ name: "x", context: { cluster: "c", user: "u" } }],
          "current-context": "x",
        }),
      );
      const { stdout } = await product.run("doctor");
      assert.match(stdout, words);
    }
  },
);

testBinary("finds a host's certificates also by its name with the default port", async () => {
  const authority = await Authority.make("test-ca");
  await using it = setUp(
    await authority.issue({ commonName: "r", hosts: ["registry.test", "registry-1.docker.io"] }),
  );
  const { product, registry, port } = it;
  using proxy = TestProxy.start("http", port);
  const env = { HTTPS_PROXY: proxy.url() };
  const push = async (reference: string) =>
    await product.exec(product.command, ["push", "foo.wasm", reference], { env });
  assert.match(
    (await push("registry.test/a/b:v1")).stderr,
    /the certificate of registry\.test is not trusted/,
  );
  put(product, ".krew-wasm/ca.pem", authority.cert);
  for (
    const [name, reference] of [
      ["registry.test:443", "registry.test/a/b:v1"],
      ["registry.test", "registry.test:443/a/b:v1"],
      ["REGISTRY.test", "registry.test./a/b:v1"],
      ["docker.io", "acme/foo:v1"],
      ["index.docker.io", "docker.io/acme/foo:v1"],
      ["registry-1.docker.io:443", "acme/foo:v1"],
    ] as const
  ) {
    put(product, ".krew-wasm/registries.yaml", `registries: {"${name}": {ca: ca.pem}}`);
    const named = await push(reference);
    assert.equal(named.code, 0, `registries.yaml ${name}: ${named.stderr}`);
    Deno.removeSync(`${product.store}/registries.yaml`);
    const directory = `.config/containers/certs.d/${name.toLowerCase()}`;
    put(product, `${directory}/ca.crt`, authority.cert);
    const found = await push(reference);
    assert.equal(found.code, 0, `certs.d ${name}: ${found.stderr}`);
    Deno.removeSync(`${product.home}/${directory}`, { recursive: true });
    assert.equal((await push(reference)).code, 1, name);
  }
  assert.ok(registry.requests.length > 0);
});

testBinary(
  "honours every spelling of NO_PROXY, and names a proxy that fails",
  async () => {
    await using it = setUp();
    const { product } = it;
    const pull = async (env: Record<string, string>) =>
      (await product.exec(product.command, ["pull", "registry.invalid/a/b:v1"], { env })).stderr;
    const HTTPS_PROXY = "http://me:s3cret@127.0.0.1:1";
    const down = await pull({ HTTPS_PROXY });
    assert.match(
      down,
      /: the proxy 127\.0\.0\.1:1 refused the connection\nhint: HTTPS_PROXY names the proxy; NO_PROXY=/,
    );
    assert.doesNotMatch(down, /s3cret/);
    assert.match(
      await pull({ ALL_PROXY: "socks5://127.0.0.1:1" }),
      /the proxy 127\.0\.0\.1:1 refused the connection/,
    );
    const lost = await pull({ HTTPS_PROXY: "http://proxy.invalid:3128" });
    assert.match(lost, /the name of the proxy proxy\.invalid:3128 can't be resolved/);
    for (
      const NO_PROXY of [
        "*.invalid",
        "registry.invalid:443",
        "REGISTRY.Invalid",
        "registry.invalid.",
        ".invalid",
      ]
    ) {
      assert.match(
        await pull({ HTTPS_PROXY, NO_PROXY }),
        /the name registry\.invalid can't be resolved/,
        NO_PROXY,
      );
    }
    assert.match(await pull({ HTTPS_PROXY, NO_PROXY: "registry.invalid:5000" }), /the proxy/);
    for (const text of ["http://[bad", "ftp://proxy.invalid"]) {
      const { code, stderr } = await product.exec(product.command, ["pull", "registry.invalid/a/b:v1"], {
        env: { HTTPS_PROXY: text },
      });
      assert.equal(code, 1);
      assert.match(stderr, /^error: HTTPS_PROXY names no http, https or socks5 proxy: /);
    }
    assert.equal((await product.run("push", "foo.wasm", `${it.registry.host}/a/b:v1`)).code, 0);
    const local = await product.exec(product.command, ["pull", `${it.registry.host}/a/b:v1`], {
      env: { HTTPS_PROXY },
    });
    assert.equal(local.code, 0, "no proxy stands between this machine and itself");
  },
);

testBinary("names a failing proxy that forwards plain HTTP", async () => {
  const product = Product.make();
  using _ = product;
  const pull = ["pull", "--plain-http", "registry.invalid/a/b:v1"];
  const empty = "content-length: 0\r\n\r\n";
  const cases: [answer: string, words: RegExp][] = [
    [
      `HTTP/1.1 407 Proxy Authentication Required\r\nproxy-authenticate: Basic realm="x"\r\n${empty}`,
      /: the proxy 127\.0\.0\.1:\d+ wants a user name and a password that it knows \(407\)\nhint: HTTP_PROXY/,
    ],
    [
      `HTTP/1.1 403 Forbidden\r\n${empty}`,
      /: the registry, or the proxy 127\S+ before it, forbids it \(403\)/,
    ],
    ["SSH-2.0-OpenSSH_9\r\n", /: the proxy 127\.0\.0\.1:\d+ does not answer as HTTP has it/],
  ];
  for (const [answer, words] of cases) {
    using proxy = RawServer.start(async ({ send, reset }) => {
      await send(answer);
      reset();
    });
    const env = { HTTP_PROXY: `http://me:s3cret@127.0.0.1:${proxy.port}` };
    const { code, stderr } = await product.exec(product.command, pull, { env });
    assert.equal(code, 1);
    assert.match(stderr, words);
    assert.doesNotMatch(stderr, /s3cret/);
  }
});

testBinary("a pull resumes when the registry restarts during it", async () => {
  const product = Product.make();
  using _ = product;
  const { manifest, mediaType, blobs } = makeArtifact(WASM);
  const layer = `/blobs/${digestOf(WASM)}`;
  let served = 0;
  // Manifest and config arrive completely. The server ends after half of the layer.
  const first = RawServer.start(async ({ head, send, reset }) => {
    const whole = (type: string, body: Uint8Array | string) => {
      const bytes = typeof body === "string" ? new TextEncoder().encode(body) : body;
      return send(`HTTP/1.1 200 OK\r\ncontent-type: ${type}\r\ncontent-length: ${bytes.length}\r\n\r\n`)
        .then(() => send(bytes));
    };
    if (!head.startsWith("GET /v2/acme/foo/")) return reset();
    if (head.includes("/manifests/")) return await whole(mediaType, manifest);
    if (!head.includes(layer)) return await whole("application/octet-stream", blobs[0]!);
    served++;
    await send(`HTTP/1.1 200 OK\r\ncontent-length: ${WASM.length}\r\n\r\n`);
    await send(WASM.subarray(0, 20));
    first[Symbol.dispose]();
  });
  const { port } = first;
  const child = product.start(product.command, ["pull", `127.0.0.1:${port}/acme/foo:v1`], {
    stderr: "piped",
  });
  await child.stdin.close();
  const stdout = new Response(child.stdout).text();
  let registry: TestRegistry | undefined;
  let text = "";
  for await (const part of child.stderr.pipeThrough(new TextDecoderStream())) {
    text += part;
    if (registry || !/refused the connection; trying again/.test(text)) continue;
    registry = TestRegistry.start(undefined, undefined, port);
    for (const blob of blobs) registry.putBlob(blob);
  }
  const { code } = await child.status;
  assert.equal(code, 0, text);
  assert.match(await stdout, /^Installed foo /);
  assert.equal(served, 1);
  assert.ok(
    registry!.requests.every((line) => line.includes("/blobs/")),
    "the manifest is not asked for again",
  );
  await registry![Symbol.asyncDispose]();
  assert.equal((await product.exec(`${product.store}/bin/kubectl-foo`, [])).code, 7);
});

testBinary(
  "reads HTTP/1.0 answers without a length to their end",
  async () => {
    const product = Product.make();
    using _ = product;
    const { manifest, mediaType, blobs } = makeArtifact(WASM);
    using server = RawServer.start(async ({ head, send, reset }) => {
      const path = /^GET (\S+)/.exec(head)?.[1] ?? "";
      const blob = blobs.find((one) => path.endsWith(digestOf(one)));
      const body = path.endsWith("/manifests/v1") ? new TextEncoder().encode(manifest) : blob;
      if (!body) return reset();
      const type = blob ? "application/octet-stream" : mediaType;
      await send(`HTTP/1.0 200 OK\r\ncontent-type: ${type}\r\nconnection: close\r\n\r\n`);
      await send(body);
      reset();
    });
    const { code, stderr } = await product.run("pull", `127.0.0.1:${server.port}/acme/foo:v1`);
    assert.equal(code, 0, stderr);
  },
);
