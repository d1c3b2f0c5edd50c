/** The binary finds its assets for compiling wherever it is, also through links. */

import assert from "node:assert/strict";
import { componentEmbed } from "@bytecodealliance/jco-transpile/wasm-tools";
import { buildFixture } from "../../scripts/fixtures.ts";
import { componentOf } from "../support/components.ts";
import { clangMissing, Product } from "../support/product.ts";
import { testBinary } from "../support/test_binary.ts";

testBinary("the binary compiles components, and modules that become components", {
  ignore: clangMissing(),
  // jco leaves timers of 10 ms behind.
  sanitizeOps: false,
  sanitizeResources: false,
}, async () => {
  using product = Product.make();
  const module = await Deno.readFile(await buildFixture("hello"));
  const world = "package test:plugin; world plugin {}";
  await Deno.writeFile(`${product.home}/component.wasm`, await componentOf(module));
  await Deno.writeFile(
    `${product.home}/embedded.wasm`,
    await componentEmbed({ binary: module, witSource: world }),
  );
  Deno.symlinkSync(product.command, `${product.home}/bin/alias`);
  for (const file of ["component.wasm", "embedded.wasm"]) {
    for (const command of [product.command, `${product.home}/bin/alias`]) {
      assert.deepEqual(await product.exec(command, ["run", `./${file}`, "assets"]), {
        code: 0,
        stdout: "Hello, assets!\n",
        stderr: "",
      });
    }
  }
});
