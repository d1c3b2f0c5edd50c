/** exec through a plugin and `kubectl exec`, with the same server. */

import assert from "node:assert/strict";
import { TestApiServer } from "../../scripts/servers/api_server.ts";
import { ExecServer } from "../support/exec_server.ts";
import { installFixture } from "../support/install.ts";
import { startProxy } from "../support/proxies.ts";
import { kubectlMissing, Product } from "../support/product.ts";
import { testBinary } from "../support/test_binary.ts";

async function setUp() {
  const api = await TestApiServer.start();
  const server = new ExecServer();
  api.hook = (request, url) =>
    request.headers.get("authorization") === `Bearer ${api.token}` ? server.hook(request, url) : undefined;
  for (const name of ["web", "secret"]) {
    api.add("pods", {
      apiVersion: "v1",
      kind: "Pod",
      metadata: { name, namespace: "default" },
      status: { phase: name === "web" ? "Running" : "Pending" },
    });
  }
  const product = Product.make();
  Deno.mkdirSync(`${product.home}/.kube`);
  Deno.writeTextFileSync(`${product.home}/.kube/config`, api.kubeconfig());
  await installFixture(product, "each");
  return {
    api,
    server,
    product,
    each: (line: string, options = "--allow-cluster=full") =>
      product.shell(`krew-wasm run ${options} each -- ${line}`),
    async [Symbol.asyncDispose]() {
      product[Symbol.dispose]();
      await api[Symbol.asyncDispose]();
    },
  };
}

testBinary(
  "exec: outputs and exit codes are those of kubectl exec",
  { ignore: kubectlMissing() },
  async () => {
    await using it = await setUp();
    const { product, each } = it;
    const kubectl = (line: string) => product.shell(`kubectl exec web -- ${line}`);
    const own = await each("-- echo a 'b c'");
    const theirs = await kubectl("echo a 'b c'");
    assert.deepEqual(
      { ...theirs, stdout: `web: ${theirs.stdout}`, stderr: `web: ${theirs.stderr}` },
      own,
    );
    assert.deepEqual(
      new Set(it.server.sockets.map(({ protocol }) => protocol)),
      new Set(["v5.channel.k8s.io"]),
    );
    assert.equal((await kubectl("fail 7")).code, 7);
    assert.equal((await each("-- fail 7")).code, 7);
    const large = await each("-- flood 5000000");
    assert.equal(large.code, 0);
    assert.equal(large.stdout.length, 5_000_000 + "web: \n".length);
  },
);

testBinary("exec reports refusals in the server's words, and broken connections", async () => {
  await using it = await setUp();
  it.api.hook = (request, url) => {
    if (!url.pathname.endsWith("/exec")) return undefined;
    return it.server.hook(request, new URL(url.href.replace("pods/web", "pods/secret")));
  };
  const refused = await it.each("-- date");
  assert.equal(refused.code, 1);
  assert.match(refused.stderr, /answered 403: pods "secret" is forbidden: User "jane" cannot create/);
  it.api.hook = it.server.hook;
  const broken = await it.each("-- drop");
  assert.equal(broken.code, 1);
  assert.equal(broken.stdout, "");
  assert.match(broken.stderr, /the connection to web broke off: .*code 4000: the pod is gone/);
});

testBinary("exec takes a grant, and leaves its line in the trace", async () => {
  await using it = await setUp();
  const read = await it.each("-- date", "--allow-cluster=read-only");
  assert.equal(read.code, 1);
  assert.match(read.stderr, /answered 403: pods "web" is forbidden: krew-wasm does not let/);
  const traced = await it.each("-- echo hi", "--allow-cluster=full --verbose");
  assert.equal(traced.stdout, "web: hi\n");
  assert.match(
    traced.stderr,
    /krew-wasm: GET \/api\/v1\/namespaces\/default\/pods\/web\/exec\?\S+ 101 in \d+ ms, v5\.channel\.k8s\.io\n/,
  );
  assert.match(traced.stderr, /exec\?\S+ closed with code 1000 after \d+ ms, \d+ bytes received, \d+ sent\n/);
  assert.ok(!traced.stderr.includes(it.api.token));
});

testBinary(
  "exec works without verification, through proxies and with client certificates",
  async () => {
    await using it = await setUp();
    await using proxy = startProxy("http");
    const { cert, key } = await it.api.authority.issue({ commonName: "jane", hosts: ["jane"] });
    const unchecked = { "certificate-authority-data": undefined, "insecure-skip-tls-verify": true };
    for (
      const cluster of [
        { "tls-server-name": "localhost" },
        unchecked,
        { "proxy-url": proxy.url },
      ]
    ) {
      const config = JSON.parse(it.api.kubeconfig());
      Object.assign(config.clusters[0].cluster, cluster);
      Object.assign(config.users[0].user, {
        "client-certificate-data": btoa(cert),
        "client-key-data": btoa(key),
      });
      Deno.writeTextFileSync(`${it.product.home}/.kube/config`, JSON.stringify(config));
      assert.deepEqual(
        await it.each("-- echo hi"),
        { code: 0, stdout: "web: hi\n", stderr: "web: to stderr\n" },
        JSON.stringify(Object.keys(cluster)),
      );
    }
  },
);
