/** wasi:sockets of a component through all of krew-wasm. */

import assert from "node:assert/strict";
import { installFixture } from "../support/install.ts";
import { clangMissing, Product } from "../support/product.ts";
import { testBinary } from "../support/test_binary.ts";

/** A server without TLS and HTTP. It returns what it received after the client hung up. */
function startEcho() {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  let accepted = 0;
  const serve = async (connection: Deno.TcpConn) => {
    accepted++;
    const buffer = new Uint8Array(1000);
    let heard = "";
    for (let count; (count = await connection.read(buffer)) !== null;) {
      heard += new TextDecoder().decode(buffer.subarray(0, count));
    }
    await connection.write(new TextEncoder().encode(`heard ${heard}`));
    connection.close();
  };
  const accepting = (async () => {
    for await (const connection of listener) await serve(connection).catch(() => {});
  })();
  return {
    port: listener.addr.port,
    accepted: () => accepted,
    async [Symbol.asyncDispose]() {
      listener.close();
      await accepting;
    },
  };
}

async function setUp(config: string) {
  const product = Product.make();
  Deno.mkdirSync(`${product.home}/.kube`);
  Deno.writeTextFileSync(`${product.home}/.kube/config`, config);
  await installFixture(product, "sockets");
  return {
    run: (args: string, options = "--allow-cluster=full") =>
      product.shell(`krew-wasm run ${options} sockets -- ${args}`),
    start: (args: string, options: string) =>
      new Deno.Command("/bin/sh", {
        args: ["-c", `exec krew-wasm run ${options} sockets -- ${args}`],
        clearEnv: true,
        env: product.env(),
        stdin: "null",
        stdout: "piped",
        stderr: "inherit",
      }).spawn(),
    [Symbol.dispose]: () => product[Symbol.dispose](),
  };
}

const kubeconfig = (server: string, more: Record<string, unknown> = {}) =>
  JSON.stringify({
    "current-context": "c",
    clusters: [{ name: "c", cluster: { server, ...more } }],
    contexts: [{ name: "c", context: { cluster: "c" } }],
  });

testBinary(
  "a component's socket reaches the API server's address and no other",
  { ignore: clangMissing() },
  async () => {
    await using server = startEcho();
    await using other = startEcho();
    using it = await setUp(kubeconfig(`https://127.0.0.1:${server.port}`));
    assert.deepEqual(await it.run(`connect 127.0.0.1 ${server.port} '\x16hello'`), {
      code: 0,
      stdout: `heard \x16hello\nfrom 127.0.0.1:${server.port}\n`,
      stderr: "",
    });
    for (
      const [host, port] of [["127.0.0.1", other.port], ["169.254.169.254", 80], ["127.0.0.2", server.port]]
    ) {
      const { code, stderr } = await it.run(`connect ${host} ${port} x`);
      assert.equal(code, 1);
      assert.match(stderr, /^error: access-denied\n/);
      assert.match(
        stderr,
        new RegExp(`A plugin's socket may reach the cluster's API server only, not ${host}:${port}`),
      );
    }
    assert.equal(other.accepted(), 0);
    const { code, stderr } = await it.run(
      `connect 127.0.0.1 ${server.port} '\x16'`,
      "--allow-cluster=read-only",
    );
    assert.notEqual(code, 0);
    assert.match(stderr, /takes a grant of all of the cluster/);
    assert.equal(server.accepted(), 1);
    const traced = await it.run(
      `connect 127.0.0.1 ${server.port} '\x16hello'`,
      "--allow-cluster=full --verbose",
    );
    assert.match(traced.stderr, /krew-wasm: socket to 127\.0\.0\.1:\d+ open in \d+ ms\n/);
  },
);

testBinary("a component accepts connections from this machine at a granted port", {
  ignore: clangMissing(),
}, async () => {
  using it = await setUp(kubeconfig("https://localhost:6443"));
  for (
    const [args, granted] of [["listen 127.0.0.1 8080", ""], ["listen 127.0.0.1 8080", "=8081"], [
      "listen 0.0.0.0 8080",
      "=8080",
    ]]
  ) {
    const { code, stdout, stderr } = await it.run(args!, granted === "" ? "" : `--allow-listen${granted}`);
    assert.deepEqual({ code, stdout }, { code: 1, stdout: "" });
    assert.match(stderr, /^error: access-denied\n/, args);
  }
  const plugin = it.start("listen 127.0.0.1 0", "--allow-listen=0");
  const reader = plugin.stdout.pipeThrough(new TextDecoderStream()).getReader();
  let told = "";
  while (!told.includes("\n")) told += (await reader.read()).value ?? assert.fail(told);
  const client = await Deno.connect({ hostname: "127.0.0.1", port: Number(told) });
  await client.write(new TextEncoder().encode("hello"));
  await client.closeWrite();
  assert.equal(await new Response(client.readable).text(), "hello");
  await reader.cancel();
  assert.equal((await plugin.status).code, 0);
});

testBinary("a component resolves the server's name, but can't listen or use UDP", {
  ignore: clangMissing(),
}, async () => {
  using it = await setUp(kubeconfig("https://localhost:6443"));
  const { stdout } = await it.run("resolve localhost");
  assert.match(stdout, /^(127\.0\.0\.1|IPv6 ending in 1)\n/);
  for (const args of ["resolve evil.test", "resolve metadata.google.internal", "udp", "listen"]) {
    assert.match((await it.run(args)).stderr, /^error: access-denied\n/, args);
  }
  assert.deepEqual(await it.run("many"), { code: 1, stdout: "256\n", stderr: "error: new-socket-limit\n" });
  using proxied = await setUp(kubeconfig("https://localhost:6443", { "proxy-url": "http://127.0.0.1:1" }));
  assert.equal((await proxied.run("resolve localhost")).stdout, "192.0.2.1\n");
  assert.match(
    (await proxied.run("connect 192.0.2.1 6443 '\x16'")).stderr,
    /requests go there through a proxy \(proxy-url\)/,
  );
});
