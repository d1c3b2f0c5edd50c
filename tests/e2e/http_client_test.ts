/** An ordinary HTTP client, which knows nothing of krew-wasm or of TLS, on a socket to the API server. */

import assert from "node:assert/strict";
import { TestApiServer } from "../../scripts/servers/api_server.ts";
import { ExecServer } from "../support/exec_server.ts";
import { installFixture } from "../support/install.ts";
import { clangMissing, Product } from "../support/product.ts";
import { startProxy } from "../support/proxies.ts";
import { testBinary } from "../support/test_binary.ts";

async function setUp(fixture: string, cluster: object = {}) {
  const api = await TestApiServer.start();
  const product = Product.make();
  Deno.mkdirSync(`${product.home}/.kube`);
  const config = JSON.parse(api.kubeconfig({ namespace: "default" }));
  Object.assign(config.clusters[0].cluster, {
    server: api.server.replace("127.0.0.1", "localhost"),
    ...cluster,
  });
  Deno.writeTextFileSync(`${product.home}/.kube/config`, JSON.stringify(config));
  await installFixture(product, fixture);
  return {
    api,
    port: api.port,
    run: (args: string, options = "--allow-cluster=full") =>
      product.shell(`krew-wasm run ${options} ${fixture} -- ${args}`),
    async [Symbol.asyncDispose]() {
      product[Symbol.dispose]();
      await api[Symbol.asyncDispose]();
    },
  };
}

/** The client's words for a request: ^ ends a line. */
const request = (port: number, method: string, path: string, more = "") =>
  `'${method} ${path} HTTP/1.1^Host: localhost:${port}^Connection: close^${more}^'`;

testBinary("a C module of preview1 asks over a socket, with the user's credentials", {
  ignore: clangMissing(),
}, async () => {
  await using it = await setUp("http_client");
  const { api, port, run } = it;
  for (const how of ["", "nonblocking"]) {
    const got = await run(
      `localhost ${port} ${request(port, "GET", "/version", "Authorization: Bearer mine^")} ${how}`,
    );
    assert.equal(got.code, 0, got.stderr);
    assert.match(got.stdout, /^HTTP\/1\.1 200 OK\r\n[^]*"major": *"1"/);
    assert.match(
      got.stderr,
      new RegExp(`^connected to family [12] port ${port}, listen: Invalid argument\nfirst: HTTP/1\\.1\n$`),
    );
    assert.equal(api.seen.at(-1)?.headers.get("authorization"), `Bearer ${api.token}`);
  }
  const pods = request(port, "DELETE", "/api/v1/namespaces/default/pods/web");
  const denied = await run(`localhost ${port} ${pods}`, "--allow-cluster=read-only");
  assert.match(
    denied.stdout,
    /^HTTP\/1\.1 403 Forbidden\r\n[^]*does not let the plugin \\"http-client\\" delete pods/,
  );
  const none = await run(`localhost ${port} ${request(port, "GET", "/version")}`, "--allow-cluster=none");
  assert.match(none.stdout, /^HTTP\/1\.1 403 Forbidden\r\n/, none.stderr);
  const elsewhere = await run("evil.test 80 x");
  assert.match(
    elsewhere.stderr,
    /^lookup: Permission denied\n[^]*may resolve the name of the cluster's API server only/,
  );
  const wrong = await run(`localhost ${port + 1} x`);
  assert.match(
    wrong.stderr,
    /^connect: Permission denied: A plugin's socket may reach the cluster's API server only/,
  );
  const tls = await run(`localhost ${port} "$(printf '\\026\\003')"`, "--allow-cluster=read-only");
  assert.match(tls.stderr, /(?:peek|read): Permission denied: [^\n]*takes a grant of all of the cluster/);
});

testBinary("a C module speaks WebSocket itself after an upgrade", { ignore: clangMissing() }, async () => {
  await using it = await setUp("http_client");
  const server = new ExecServer();
  it.api.hook = (request, url) => server.hook(request, url);
  const upgrade = "GET /api/v1/namespaces/default/pods/web/exec?command=echo&stdout=true HTTP/1.1^" +
    `Host: localhost:${it.port}^Connection: Upgrade^Upgrade: websocket^Sec-WebSocket-Version: 13^` +
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==^Sec-WebSocket-Protocol: v5.channel.k8s.io^^";
  const { stdout } = await it.run(`localhost ${it.port} '${upgrade}' once`, "--allow-cluster=full");
  assert.match(
    stdout,
    /^HTTP\/1\.1 101 Switching Protocols\r\n[^]*sec-websocket-protocol: v5\.channel\.k8s\.io\r\n/,
  );
  assert.equal(server.sockets.length, 1);
});

testBinary(
  "a C module's request that the server can't answer says why",
  { ignore: clangMissing() },
  async () => {
    await using it = await setUp("http_client", { "certificate-authority-data": undefined });
    const { stdout } = await it.run(`localhost ${it.port} ${request(it.port, "GET", "/version")}`);
    assert.match(
      stdout,
      /^HTTP\/1\.1 502 Bad Gateway\r\n[^]*its certificate is signed by an authority that the kubeconfig does not name/,
    );
  },
);

testBinary(
  "a component asks over a socket, with the user's credentials",
  { ignore: clangMissing() },
  async () => {
    await using it = await setUp("sockets");
    const { api, port, run } = it;
    const got = await run(
      `connect 127.0.0.1 ${port} 'GET /version HTTP/1.1\r\nHost: localhost:${port}\r\n\r\n'`,
    );
    assert.match(got.stdout, /^HTTP\/1\.1 200 OK\r\n[^]*"major": *"1"/, got.stderr);
    assert.equal(api.seen.at(-1)?.headers.get("authorization"), `Bearer ${api.token}`);
  },
);

testBinary("a socket's requests go through the kubeconfig's proxy", { ignore: clangMissing() }, async () => {
  await using proxy = startProxy("http");
  await using it = await setUp("http_client", { "proxy-url": proxy.url });
  const got = await it.run(`localhost ${it.port} ${request(it.port, "GET", "/version")}`);
  assert.match(got.stdout, /^HTTP\/1\.1 200 OK\r\n/, got.stderr);
});
