/**
 * Unchanged client libraries in plugins: @kubernetes/client-node with its informer. preview1_cluster_test.ts has
 * client-go's.
 */

import assert from "node:assert/strict";
import { buildFixture, canBuildNpm } from "../../scripts/fixtures.ts";
import { TestApiServer } from "../../scripts/servers/api_server.ts";
import { Product } from "../support/product.ts";
import { testBinary } from "../support/test_binary.ts";

const pod = (name: string, phase: string) => ({
  apiVersion: "v1",
  kind: "Pod",
  metadata: { name, namespace: "default" },
  status: { phase },
});

testBinary("@kubernetes/client-node: typed lists, and an informer that sees a change", {
  ignore: !canBuildNpm(),
}, async () => {
  const wasm = await buildFixture("pods-ts");
  await using api = await TestApiServer.start();
  using product = Product.make();
  Deno.mkdirSync(`${product.home}/.kube`);
  Deno.writeTextFileSync(`${product.home}/.kube/config`, api.kubeconfig());
  api.add("pods", pod("web", "Running"));
  const running = product.shell(`krew-wasm run ${wasm} -- --max 2`);
  while (api.watches.size === 0) await new Promise((resolve) => setTimeout(resolve, 5));
  api.add("pods", pod("new", "Pending"));
  assert.deepEqual(await running, {
    code: 0,
    stdout:
      "ADDED     default/web                    Running\nADDED     default/new                    Pending\n",
    stderr: "",
  });
  assert.equal(api.seen.at(-1)?.headers.get("authorization"), `Bearer ${api.token}`);
});
