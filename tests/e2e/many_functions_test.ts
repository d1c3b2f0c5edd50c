/** Modules and components with 200,000 functions: several times as many as kubectl has. */

import assert from "node:assert/strict";
import { makeArtifact, push } from "../../scripts/servers/artifacts.ts";
import { TestRegistry } from "../../scripts/servers/oci_registry.ts";
import { componentOf } from "../support/components.ts";
import { manyFunctions } from "../support/many_functions.ts";
import { Product } from "../support/product.ts";
import { testBinary } from "../support/test_binary.ts";

// jco leaves timers of 10 ms behind.
testBinary("plugins with 200,000 functions are pulled, shown and run", {
  sanitizeOps: false,
  sanitizeResources: false,
}, async () => {
  await using registry = TestRegistry.start();
  using product = Product.make();
  const module = manyFunctions(200_000);
  // A component has no exit codes but 0 and 1.
  for (const [name, wasm, code] of [["many", module, 7], ["parts", await componentOf(module), 1]] as const) {
    await push(registry.origin, `plugins/${name}`, "v1", makeArtifact(wasm));
    const pulled = await product.run("pull", `${registry.host}/plugins/${name}:v1`);
    assert.equal(pulled.code, 0, pulled.stderr);
    const run = await product.exec(`${product.store}/bin/kubectl-${name}`, []);
    assert.deepEqual(run, { code, stdout: "", stderr: "" });
    const shown = await product.run("info", name, "-o", "json");
    assert.equal(shown.code, 0, shown.stderr);
    assert.equal(JSON.parse(shown.stdout).name, name);
  }
});

testBinary("a plugin with deeply nested blocks is pulled and run, or refused in words", async () => {
  await using registry = TestRegistry.start();
  using product = Product.make();
  await push(registry.origin, "plugins/deep", "v1", makeArtifact(manyFunctions(2, 90_000)));
  const pulled = await product.run("pull", `${registry.host}/plugins/deep:v1`);
  assert.equal(pulled.code, 0, pulled.stderr);
  const run = await product.exec(`${product.store}/bin/kubectl-deep`, []);
  assert.deepEqual(run, { code: 7, stdout: "", stderr: "" });
  await push(registry.origin, "plugins/deeper", "v1", makeArtifact(manyFunctions(2, 500_000)));
  const refused = await product.run("pull", `${registry.host}/plugins/deeper:v1`);
  assert.equal(refused.code, 1);
  assert.match(refused.stderr, /one of its functions nests more than 100000 blocks/);
});
