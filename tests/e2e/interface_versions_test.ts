/** Plugins that were built for another 0.1 version of krew-wasm:kubernetes still work. */

import assert from "node:assert/strict";
import { buildFixture } from "../../scripts/fixtures.ts";
import { TestApiServer } from "../../scripts/servers/api_server.ts";
import { Product } from "../support/product.ts";
import { testBinary } from "../support/test_binary.ts";

const BUILT = "krew-wasm:kubernetes/cluster@0.1.2";

/** The same component with another interface version. Both names must have the same length. */
function rename(wasm: Uint8Array<ArrayBuffer>, version: string): number {
  const [from, to] = [BUILT, BUILT.replace("0.1.2", version)].map((name) => new TextEncoder().encode(name));
  let count = 0;
  for (let at = wasm.indexOf(from![0]!); at >= 0; at = wasm.indexOf(from![0]!, at + 1)) {
    if (!from!.every((byte, index) => wasm[at + index] === byte)) continue;
    wasm.set(to!, at);
    count++;
  }
  return count;
}

testBinary("a component of another 0.1 of the interface runs", async () => {
  await using api = await TestApiServer.start();
  using product = Product.make();
  Deno.mkdirSync(`${product.home}/.kube`);
  Deno.writeTextFileSync(`${product.home}/.kube/config`, api.kubeconfig());
  const original = await Deno.readFile(await buildFixture("whoami"));
  for (const version of ["0.1.0", "0.1.1", "0.1.9"]) {
    const wasm = original.slice();
    assert.ok(rename(wasm, version) > 0);
    Deno.writeFileSync(`${product.home}/whoami.wasm`, wasm);
    assert.deepEqual(await product.shell(`krew-wasm run --allow-cluster=full ./whoami.wasm -- -o name`), {
      code: 0,
      stdout: "jane@example.com\n",
      stderr: "",
    }, version);
  }
  const later = original.slice();
  rename(later, "0.2.0");
  Deno.writeFileSync(`${product.home}/whoami.wasm`, later);
  const refused = await product.shell(`krew-wasm run ./whoami.wasm`);
  assert.match(
    refused.stderr,
    /it imports "krew-wasm:kubernetes\/cluster@0\.2\.0", which krew-wasm does not have\nhint: of krew-wasm:kubernetes/,
  );
});
