/**
 * No secret of the user reaches a plugin or the terminal. Recognisable secrets are placed wherever a kubeconfig may
 * contain one, and searched for in everything that a plugin can read and print.
 */

import assert from "node:assert/strict";
import { buildFixture } from "../../scripts/fixtures.ts";
import { TestApiServer } from "../../scripts/servers/api_server.ts";
import { Authority } from "../../scripts/servers/certificates.ts";
import { makeArtifact, push } from "../../scripts/servers/artifacts.ts";
import { clangMissing, Product } from "../support/product.ts";
import { testBinary } from "../support/test_binary.ts";
import { TestProxy } from "../support/proxy.ts";
import { TestRegistry } from "../../scripts/servers/oci_registry.ts";

const EXEC = "client.authentication.k8s.io/v1";

/** Secrets by purpose, and a search for all of them in every spelling. */
class Secrets {
  readonly seeded = new Map<string, string>();

  make(use: string): string {
    const secret = `S3CR3T${use}${crypto.randomUUID().replaceAll("-", "")}`;
    this.seeded.set(use, secret);
    return secret;
  }

  /** Adds a secret that was made elsewhere, such as a key's bytes. */
  add(use: string, secret: string): string {
    this.seeded.set(use, secret);
    return secret;
  }

  find(text: string): string[] {
    return [...this.seeded].filter(([, secret]) =>
      spellings(secret).some((spelling) => text.includes(spelling))
    )
      .map(([use]) => use);
  }
}

/** The secret itself, and its base64 at every offset. */
function spellings(secret: string): string[] {
  const inBase64 = [0, 1, 2].map((before) => {
    const encoded = btoa("x".repeat(before) + secret);
    return encoded.slice(Math.ceil(before * 4 / 3), -4);
  });
  return [secret, encodeURIComponent(secret), ...inBase64.map((text) => text.slice(2, -2))];
}

/** The middle of a key, which no other key shares. */
const middleOf = (key: string) => key.split("\n").slice(1, -2).join("").slice(40, 100);

async function setUp() {
  const secrets = new Secrets();
  const api = await TestApiServer.start();
  api.hook = () => Response.json({ major: "1" }, { headers: { "x-from": "server" } });
  const product = Product.make();
  await using registry = TestRegistry.start();
  for (const name of ["outbound", "whoami"]) {
    const artifact = makeArtifact(await Deno.readFile(await buildFixture(name)));
    await push(registry.origin, `plugins/${name}`, "v1", artifact);
    const { code, stderr } = await product.run("pull", `${registry.host}/plugins/${name}:v1`);
    assert.equal(code, 0, stderr);
  }
  const proxy = TestProxy.start("http");
  const clients = await Authority.make("clients");
  const [inline, filed, printed] = await Promise.all(
    ["inline", "filed", "printed"].map((commonName) => clients.issue({ commonName })),
  );
  for (const [use, pair] of [["keydata", inline], ["keyfile", filed], ["execkey", printed]] as const) {
    secrets.add(use, middleOf(pair!.key));
  }
  const write = (path: string, text: string, mode = 0o600) => {
    const file = `${product.home}/${path}`;
    Deno.mkdirSync(file.slice(0, file.lastIndexOf("/")), { recursive: true });
    Deno.writeTextFileSync(file, text, { mode });
  };
  write(".kube/token", secrets.make("tokenfile"));
  write(".kube/client.key", filed!.key);
  write(".kube/client.crt", filed!.cert);
  write(".kube/combined.pem", `${filed!.key}${api.authority.cert}${inline!.key}`);
  const credential = {
    apiVersion: EXEC,
    kind: "ExecCredential",
    status: {
      token: secrets.make("exectoken"),
      clientCertificateData: printed!.cert,
      clientKeyData: printed!.key,
    },
  };
  write(".kube/login", `#!/bin/sh\ncat <<'END'\n${JSON.stringify(credential)}\nEND\n`, 0o755);
  write(".kube/garbage", `#!/bin/sh\necho 'not JSON: ${secrets.make("garbage")}'\n`, 0o755);
  const exec = (command: string) => ({
    apiVersion: EXEC,
    command,
    interactiveMode: "Never",
    args: [secrets.make("execarg")],
    env: [{ name: "LOGIN", value: secrets.make("execenv") }],
    provideClusterInfo: true,
  });
  const users: Record<string, object> = {
    token: { token: secrets.make("token") },
    tokenfile: { tokenFile: "token", token: secrets.make("token2") },
    basic: { username: secrets.make("username"), password: secrets.make("password") },
    keydata: { "client-certificate-data": btoa(inline!.cert), "client-key-data": btoa(inline!.key) },
    keyfile: { "client-certificate": "client.crt", "client-key": "client.key" },
    exec: { exec: exec("./login") },
    impersonator: {
      token: secrets.make("token3"),
      as: secrets.make("as"),
      "as-uid": secrets.make("uid"),
      "as-groups": [secrets.make("group")],
      "as-user-extra": { key: [secrets.make("extra")] },
    },
    nobody: {},
    garbage: { exec: exec("./garbage") },
    provider: {
      "auth-provider": {
        name: "oidc",
        config: { "id-token": secrets.make("idtoken"), "refresh-token": secrets.make("refresh") },
      },
    },
    mismatch: { "client-certificate-data": btoa(inline!.cert), "client-key-data": btoa(filed!.key) },
    badkey: {
      "client-certificate-data": btoa(inline!.cert),
      "client-key-data": btoa(
        `-----BEGIN PRIVATE KEY-----\n${btoa(secrets.make("badkey"))}\n-----END PRIVATE KEY-----\n`,
      ),
    },
    badtoken: { token: `${secrets.make("badtoken")}\r\nX-Evil: 1` },
  };
  const ca = { "certificate-authority-data": btoa(api.authority.cert) };
  const clusters: Record<string, object> = {
    plain: { server: api.server, ...ca },
    proxied: {
      server: api.server,
      ...ca,
      "proxy-url": proxy.url(`${secrets.make("proxyuser")}:${secrets.make("proxypassword")}`),
    },
    closed: { server: api.server, ...ca, "proxy-url": `http://u:${secrets.make("closedproxy")}@127.0.0.1:9` },
    socks: { server: api.server, ...ca, "proxy-url": `socks5://u:${secrets.make("socksproxy")}@127.0.0.1:9` },
    badproxy: { server: api.server, ...ca, "proxy-url": `ftp://u:${secrets.make("badproxy")}@127.0.0.1` },
    userinfo: { server: api.server.replace("//", `//u:${secrets.make("userinfo")}@`), ...ca },
    badserver: { server: `ftp://u:${secrets.make("badserver")}@127.0.0.1`, ...ca },
    untrusted: { server: api.server, "certificate-authority-data": btoa(clients.cert) },
    queried: {
      server: `${api.server}/?token=${secrets.make("query")}&x=1#${secrets.make("fragment")}`,
      ...ca,
    },
    combined: { server: api.server, "certificate-authority": "combined.pem" },
    extended: {
      server: api.server,
      ...ca,
      extensions: [{
        name: "client.authentication.k8s.io/exec",
        extension: { secret: secrets.make("extension") },
      }],
    },
  };
  const named = (key: string, entries: Record<string, object>) =>
    Object.entries(entries).map(([name, value]) => ({ name, [key]: value }));
  write(
    ".kube/config",
    JSON.stringify({
      apiVersion: "v1",
      kind: "Config",
      "current-context": "x",
      clusters: named("cluster", clusters),
      users: named("user", users),
      contexts: [{ name: "x", context: { cluster: "plain", user: "token" } }],
      extensions: [{ name: "e", extension: secrets.make("topextension") }],
    }),
  );
  return {
    api,
    product,
    secrets,
    proxy,
    async [Symbol.asyncDispose]() {
      proxy[Symbol.dispose]();
      product[Symbol.dispose]();
      await api[Symbol.asyncDispose]();
    },
  };
}

/** Environment variables that the plugin must not get. */
const withheld = (secrets: Secrets) => ({
  API_TOKEN: secrets.make("envtoken"),
  AWS_SECRET_ACCESS_KEY: secrets.make("envaws"),
  HTTPS_PROXY: `http://u:${secrets.make("envproxy")}@127.0.0.1:9`,
});

testBinary("a plugin's files, environment, memory and trace contain no secret", {
  ignore: clangMissing(),
}, async (t) => {
  await using it = await setUp();
  const { api, product, secrets } = it;
  // The search finds a secret, plain and in base64 at any offset.
  const kubeconfig = Deno.readTextFileSync(`${product.home}/.kube/config`);
  assert.ok(secrets.find(kubeconfig).length >= 23, secrets.find(kubeconfig).join());
  for (const before of ["", "a", "bc"]) {
    assert.ok(secrets.find(btoa(`${before}${kubeconfig}`)).length >= 23, before);
  }
  const env = { KREW_WASM_VERBOSE: "1", ...withheld(secrets) };
  const files = ["config", "token", "client.key", "login"].map((name) =>
    `--read=${product.home}/.kube/${name}`
  );
  const situations: [cluster: string, user: string][] = [
    ...["token", "tokenfile", "basic", "keydata", "keyfile", "exec", "impersonator"].map((
      user,
    ): [string, string] => ["plain", user]),
    ["proxied", "token"],
    ["userinfo", "token"],
    ["extended", "exec"],
    ["queried", "token"],
    ["combined", "token"],
  ];
  for (const [cluster, user] of situations) {
    await t.step(`${user} at ${cluster}`, async () => {
      api.seen.length = 0;
      const { code, stdout, stderr } = await product.exec(
        `${product.store}/bin/kubectl-outbound`,
        [
          `${api.server}/version`,
          "get",
          "",
          "params",
          `--cluster=${cluster}`,
          `--user=${user}`,
          ...files,
          "--twice",
          "--dump",
        ],
        { env },
      );
      assert.equal(code, 0, stderr);
      assert.equal(api.seen.length, 2);
      // For comparison: the server gets the user's identity, and the plugin gets its answer and a kubeconfig.
      const told = [...api.seen[0]!.headers].map(([name, value]) => `${name}: ${value}`).join("\n");
      if (!user.startsWith("key")) assert.match(told, /^authorization: (Bearer|Basic) /m);
      assert.ok(
        stdout.includes('"major":"1"') && stdout.includes("client-key-data"),
        "it has what it may have",
      );
      assert.match(stderr, /GET \/version\?\S* 200 in \d+ ms, 13 bytes/);
      assert.deepEqual(secrets.find(stdout), [], "in what it read, and in its memory");
      assert.deepEqual(secrets.find(stderr), [], "in the trace");
    });
  }
  const pipes: [how: string, line: string][] = [
    ["standard input", `"$@" --kubeconfig=/dev/stdin <~/.kube/config`],
    ["a pipe by its number", `cat ~/.kube/config | "$@" --kubeconfig /dev/fd/3 3<&0 </dev/null`],
    ["a pipe by its name", `mkfifo p && (cat ~/.kube/config >p &) && KUBECONFIG=p "$@"; rm p`],
  ];
  for (const [how, line] of pipes) {
    await t.step(`a kubeconfig from ${how}`, async () => {
      api.seen.length = 0;
      const plugin = [`${product.store}/bin/kubectl-outbound`, `${api.server}/version`, "get", "", "params"];
      const { code, stdout, stderr } = await product.exec(
        "/bin/sh",
        ["-c", line, "sh", ...plugin, "--cluster=queried", "--user=basic", "--dump"],
        { env },
      );
      assert.equal(code, 0, stderr);
      assert.match(api.seen[0]!.headers.get("authorization") ?? "none", /^Basic /);
      assert.match(
        stdout,
        /KUBECONFIG=\S*\/kubeconfig$/m,
        `${stdout.match(/^.*KUBECONFIG.*$/gm)}`.slice(0, 2000),
      );
      assert.ok(stdout.includes("client-key-data"), "it has a kubeconfig");
      assert.deepEqual(secrets.find(stdout + stderr), []);
    });
  }
  const flags: [flags: (secret: string) => string[], told: (secret: string) => string][] = [
    [(token) => [`--token=${token}`], (token) => `Bearer ${token}`],
    [(token) => ["--token", token], (token) => `Bearer ${token}`],
    [
      (password) => ["--user=nobody", "--username=u", `--password=${password}`],
      (password) => `Basic ${btoa(`u:${password}`)}`,
    ],
    [
      (password) => [`--server=${api.server.replace("//", `//u:${password}@`)}?x=${password}`],
      (password) => `Basic ${btoa(`u:${password}`)}`,
    ],
  ];
  for (const [index, [flag, told]] of flags.entries()) {
    const secret = secrets.make(`flag${index}`);
    await t.step(`among the arguments: ${flag("…").join(" ")}`, async () => {
      api.seen.length = 0;
      const { code, stdout, stderr } = await product.exec(
        `${product.store}/bin/kubectl-outbound`,
        [`${api.server}/version`, "get", "", "params", ...flag(secret), ...files, "--dump"],
        { env },
      );
      assert.equal(code, 0, stderr);
      assert.equal(api.seen[0]!.headers.get("authorization"), told(secret), "the server is told");
      assert.deepEqual(secrets.find(stdout), [], "in what it read, and in its memory");
      assert.deepEqual(secrets.find(stderr), [], "in the trace");
    });
  }
});

testBinary("no secret is in an error, whatever goes wrong", { ignore: clangMissing() }, async (t) => {
  await using it = await setUp();
  const { api, product, secrets } = it;
  const env = { KREW_WASM_VERBOSE: "1", ...withheld(secrets) };
  const failing: [cluster: string, user: string][] = [
    ...["garbage", "provider", "mismatch", "badkey", "badtoken"].map((
      user,
    ): [string, string] => ["plain", user]),
    ...["closed", "socks", "badproxy", "badserver", "untrusted"].map((
      cluster,
    ): [string, string] => [cluster, "token"]),
    ["untrusted", "exec"],
    ["untrusted", "basic"],
  ];
  for (const [cluster, user] of failing) {
    await t.step(`${user} at ${cluster}`, async () => {
      for (const command of [["outbound", `${api.server}/version`, "get", "", "--dump"], ["whoami"]]) {
        const [plugin, ...args] = command;
        const { code, stdout, stderr } = await product.exec(
          `${product.store}/bin/kubectl-${plugin}`,
          [...args, `--cluster=${cluster}`, `--user=${user}`],
          { env },
        );
        assert.equal(code, 1, `${stdout.slice(0, 500)}${stderr}`);
        assert.match(stderr, /krew-wasm: /);
        assert.deepEqual(secrets.find(stdout), [], plugin);
        assert.deepEqual(secrets.find(stderr), [], stderr);
      }
    });
  }
  await t.step("a kubeconfig that is not YAML", async () => {
    const file = `${product.home}/.kube/config`;
    Deno.writeTextFileSync(file, `users:\n- name: a\n  user: {token: ${secrets.make("broken")}, "\n`);
    for (const args of [["--dump", `--read=${file}`], []]) {
      const { stdout, stderr } = await product.exec(`${product.store}/bin/kubectl-outbound`, [
        api.server,
        ...args,
      ], { env });
      assert.match(stderr, /is not YAML/);
      assert.deepEqual(secrets.find(stdout + stderr), []);
    }
  });
});
