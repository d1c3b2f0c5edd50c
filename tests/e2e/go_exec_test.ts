/** Go programs that dial the API server themselves, built by `krew-wasm build`: they do what their native build does. */

import assert from "node:assert/strict";
import { canBuildGo } from "../../scripts/fixtures.ts";
import { TestApiServer } from "../../scripts/servers/api_server.ts";
import { ExecServer } from "../support/exec_server.ts";
import { buildGoPlugin } from "../support/go_plugin.ts";
import { startKubelet } from "../support/kubelet.ts";
import { Product } from "../support/product.ts";
import { startSpdyFront } from "../support/spdy_front.ts";
import { testBinary } from "../support/test_binary.ts";

type Output = Awaited<ReturnType<Product["shell"]>>;

testBinary("build: a Go program's connections reach the API server as the user", {
  ignore: !canBuildGo(),
}, async (step) => {
  await using kubelet = await startKubelet();
  await using api = await TestApiServer.start();
  const server = new ExecServer();
  api.hook = (request, url) =>
    request.headers.get("authorization") === `Bearer ${api.token}` ? server.hook(request, url) : undefined;
  using product = Product.make();
  const { native, plugin } = await buildGoPlugin(product);
  Deno.mkdirSync(`${product.home}/.kube`);
  const use = (server?: string) =>
    Deno.writeTextFileSync(`${product.home}/.kube/config`, api.kubeconfig(server ? { server } : {}));
  use();
  const both = async (line: string, input = "") => {
    const run = (program: string) => product.shell(`printf '${input}' | ${program} ${line}`);
    const [own, expected] = [await run(plugin), await run(native)].map(({ stderr, ...rest }) => ({
      ...rest,
      stderr: stderr.replace(/^E\d{4} .*\n/gm, ""), // klog's lines have times and come in any order
    })) as [Output, Output];
    assert.deepEqual(own, expected, line);
    return own;
  };

  await step.step("exec over WebSockets", async () => {
    assert.equal((await both("exec websocket none echo a 'b c'")).stdout, "a b c\n");
    assert.equal((await both("exec websocket stdin cat", "some text")).stdout, "some text");
    assert.equal((await both("exec websocket none flood 3000000")).stdout.length, 3_000_000);
    assert.match((await both("exec websocket none fail 7")).stderr, /exit code 7/);
    assert.match((await both("exec websocket none drop")).stderr, /close 4000: the pod is gone/);
  });

  await step.step("exec over SPDY", async () => {
    using front = await startSpdyFront(api, kubelet.port);
    use(front.url);
    assert.deepEqual(await both("exec spdy none x"), {
      code: 0,
      stdout: "NO INPUT\n",
      stderr: "to stderr\n",
    });
    assert.equal((await both("exec spdy stdin x", "some text")).stdout, "SOME TEXT");
    assert.ok(front.heads.length > 0 && front.heads.every((head) => head.startsWith("POST ")));
    use();
  });

  await step.step("HTTP over crypto/tls, deadlines and Close", async () => {
    const { stdout } = await both("tls");
    assert.match(
      stdout,
      /^true TLS 1\.3 http\/1\.1 \n127\.0\.0\.1:\d+ <nil>\ntrue true\n200 <nil>\n/,
    );
  });

  await step.step("nothing else is reached", async () => {
    const { stdout, stderr } = await product.exec(plugin, [
      ...["dial", "tcp", "192.0.2.1:80", "127.0.0.1:1", "[::1]:1", "other.test:80"],
    ]);
    const alone = "krew-wasm: plugins reach only the API server";
    assert.equal(
      stdout,
      `dial tcp 192.0.2.1:80: ${alone}\ndial tcp 127.0.0.1:1: ${alone}\ndial tcp [::1]:1: ${alone}\n` +
        `dial tcp: lookup other.test: ${alone}\n`,
    );
    assert.equal(stderr, "");
    const datagrams = await product.exec(plugin, ["dial", "udp", "192.0.2.1:53"]);
    assert.equal(datagrams.stdout, `dial udp 192.0.2.1:53: ${alone}\n`);
    const local = await product.exec(plugin, ["dial", "unix", "/run/docker.sock"]);
    assert.match(local.stdout, /^dial unix \/run\/docker\.sock: /);
  });

  await step.step("a grant that only reads has no exec", async () => {
    const refused = await product.shell(
      `krew-wasm run --allow-cluster=read-only plain -- exec websocket none echo hi`,
    );
    assert.equal(refused.code, 1);
    assert.equal(refused.stdout, "");
    assert.match(refused.stderr, /krew-wasm does not let/);
  });
});
