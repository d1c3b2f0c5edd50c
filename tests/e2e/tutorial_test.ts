/** Builds and runs the code in README and docs. */

import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { TestApiServer } from "../../scripts/servers/api_server.ts";
import { buildTypeScript } from "../support/components.ts";
import { Product } from "../support/product.ts";
import { testBinary } from "../support/test_binary.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));

/** The code blocks of a page, without their fences. */
function codeBlocks(page: string): string[] {
  const text = Deno.readTextFileSync(`${root}${page}`);
  return [...text.matchAll(/^```\w+\n([^]*?)^```$/gm)].map(([, code]) => code!);
}

/** The code block that begins with this line. */
function blockOf(page: string, first: string): string {
  const block = codeBlocks(page).find((code) => code.startsWith(`${first}\n`));
  assert.ok(block, `${page} has no code that begins with "${first}"`);
  return block;
}

testBinary("README's first plugin names the Pods of a cluster that answers in pieces", async () => {
  const title = "// pods.ts";
  const source = blockOf("docs/writing-plugins.md", title);
  assert.equal(title + "\n" + codeBlocks("README.md").find((code) => code.includes("krew-wasm:kub")), source);
  await using api = await TestApiServer.start();
  using product = Product.make();
  Deno.writeFileSync(`${product.home}/pods.wasm`, await buildTypeScript(source));
  Deno.mkdirSync(`${product.home}/.kube`);
  Deno.writeTextFileSync(`${product.home}/.kube/config`, api.kubeconfig());
  for (const name of ["web-1", "web-2", "größe"]) {
    api.add("pods", { apiVersion: "v1", kind: "Pod", metadata: { name, namespace: "default" } });
  }
  assert.deepEqual(await product.run("run", "./pods.wasm"), {
    code: 0,
    stdout: "web-1\nweb-2\ngröße\n",
    stderr: "",
  });
});

testBinary("the tutorial's plugin passes the tutorial's tests", async () => {
  const page = "docs/first-plugin.md";
  using product = Product.make();
  Deno.writeFileSync(`${product.home}/pods.wasm`, await buildTypeScript(blockOf(page, "// pods.ts")));
  Deno.writeTextFileSync(`${product.home}/pods_test.ts`, blockOf(page, "// pods_test.ts"));
  const { code, stdout, stderr } = await product.exec(Deno.execPath(), ["test", "-A", "--no-lock"], {
    env: { NO_COLOR: "1" },
  });
  assert.equal(code, 0, stdout + stderr);
  assert.match(stdout, /2 passed/);
});
