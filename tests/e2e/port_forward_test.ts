/** port-forward through a Go plugin and `kubectl port-forward`, with the same server and the kubelet's own library. */

import assert from "node:assert/strict";
import { canBuildGo } from "../../scripts/fixtures.ts";
import { TestApiServer } from "../../scripts/servers/api_server.ts";
import { ExecServer } from "../support/exec_server.ts";
import { installFixture } from "../support/install.ts";
import { startKubelet } from "../support/kubelet.ts";
import { kubectlMissing, Product } from "../support/product.ts";
import { testBinary } from "../support/test_binary.ts";

testBinary("port-forward returns the same bytes as kubectl port-forward", {
  ignore: !canBuildGo() || kubectlMissing(),
}, async () => {
  await using kubelet = await startKubelet();
  await using api = await TestApiServer.start();
  const server = new ExecServer();
  server.kubelet = kubelet.port;
  api.hook = (request, url) =>
    request.headers.get("authorization") === `Bearer ${api.token}` ? server.hook(request, url) : undefined;
  using product = Product.make();
  await installFixture(product, "pods-go");
  Deno.mkdirSync(`${product.home}/.kube`);
  Deno.writeTextFileSync(`${product.home}/.kube/config`, api.kubeconfig());

  const child = new Deno.Command("/bin/sh", {
    args: ["-c", "exec kubectl port-forward web :5432"],
    clearEnv: true,
    env: product.env(),
    stdin: "null",
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  const reader = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
  let told = "";
  while (!/127\.0\.0\.1:\d+ -> 5432/.test(told)) told += (await reader.read()).value ?? assert.fail(told);
  const connection = await Deno.connect({
    hostname: "127.0.0.1",
    port: Number(/127\.0\.0\.1:(\d+)/.exec(told)![1]),
  });
  await connection.write(new TextEncoder().encode("select 1"));
  await connection.closeWrite();
  const theirs = await new Response(connection.readable).text();
  child.kill();
  await child.status;
  await reader.cancel();

  const plugin = `krew-wasm run --allow-cluster=full pods-go --`;
  const own = await product.shell(`printf 'select 1' | ${plugin} port-forward web 5432`);
  assert.deepEqual(own, { code: 0, stdout: "port 5432: SELECT 1", stderr: "" });
  assert.equal(own.stdout, theirs);
  const protocols = server.sockets.map(({ protocol }) => protocol);
  assert.deepEqual(protocols, ["SPDY/3.1+portforward.k8s.io", "SPDY/3.1+portforward.k8s.io"]);
  const large = await product.shell(
    `head -c 3000000 /dev/zero | tr '\\0' x | ${plugin} port-forward web 1 | wc -c`,
  );
  assert.equal(large.stdout.trim(), String("port 1: ".length + 3_000_000));
  const refused = await product.shell(`${plugin} port-forward secret 1 < /dev/null`);
  assert.equal(refused.code, 1);
  assert.match(refused.stderr, /^error: pods "secret" is forbidden/);
});
