/** A client certificate in files is renewed during a run. The next request uses the new one, as a new kubectl does. */

import assert from "node:assert/strict";
import { ControlPlane, controlPlaneMissing } from "../support/envtest.ts";
import { installFixture } from "../support/install.ts";
import { clangMissing, Product } from "../support/product.ts";
import { testBinary } from "../support/test_binary.ts";

testBinary("a client certificate that rotates, at a real API server", {
  ignore: clangMissing() || controlPlaneMissing(),
}, async () => {
  await using plane = await ControlPlane.start();
  using product = Product.make();
  await installFixture(product, "raw", "--allow-cluster=read-only");
  const pairs = await Promise.all(["jane", "joe"].map((commonName) => plane.authority.issue({ commonName })));
  Deno.mkdirSync(`${product.home}/.kube`);
  const file = (name: string) => `${product.home}/.kube/${name}`;
  Deno.writeTextFileSync(file("ca.crt"), plane.authority.cert);
  Deno.writeTextFileSync(
    file("config"),
    JSON.stringify({
      "current-context": "x",
      clusters: [{ name: "c", cluster: { server: plane.server, "certificate-authority": "ca.crt" } }],
      users: [{ name: "u", user: { "client-certificate": "c.crt", "client-key": "c.key" } }],
      contexts: [{ name: "x", context: { cluster: "c", user: "u" } }],
    }),
  );
  // As renewing programs do: replace each file at once, the key before its certificate.
  const install = (cert: string | undefined, key: string | undefined) => {
    for (const [name, text] of [["c.key", key], ["c.crt", cert]] as const) {
      if (text === undefined) continue;
      Deno.writeTextFileSync(file("new"), text);
      Deno.renameSync(file("new"), file(name));
    }
  };
  const whoKubectlIs = async () => {
    const { stderr } = await product.exec(plane.kubectl, ["get", "--raw", "/api/v1/nodes"]);
    return /User "([^"]*)"/.exec(stderr)?.[1];
  };
  install(pairs[0]!.cert, pairs[0]!.key);
  assert.equal(await whoKubectlIs(), "jane");
  const child = product.start("/bin/sh", ["-c", "kubectl-raw /api/v1/nodes 1000000 --lines"]);
  const stdin = child.stdin.getWriter();
  const lines = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
  let output = "";
  /** Returns the plugin's identity according to the next answer. */
  const next = async (): Promise<string> => {
    for (;;) {
      const [whole, who = ""] = /^[^]*?User \\"([^"\\]*)\\"[^\n]*"code":403\}\n/.exec(output) ?? [];
      if (whole !== undefined) {
        output = output.slice(whole.length);
        return who;
      }
      const { value, done } = await lines.read();
      assert.ok(!done, `the plugin has ended: ${output}`);
      output += value;
    }
  };
  const ask = async () => {
    await stdin.write(new TextEncoder().encode("\n"));
    return await next();
  };
  assert.equal(await next(), "jane");
  // In between, kubectl fails. A running plugin keeps its identity, however often it asks.
  install(undefined, pairs[1]!.key);
  assert.equal(await whoKubectlIs(), undefined);
  const started = performance.now();
  while (performance.now() - started < 2500) assert.equal(await ask(), "jane");
  install(pairs[1]!.cert, undefined);
  assert.equal(await whoKubectlIs(), "joe");
  let who = "jane";
  while (who === "jane") who = await ask();
  assert.equal(who, "joe");
  await stdin.close();
  await lines.cancel();
  await child.status;
});
