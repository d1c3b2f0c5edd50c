/** What-if with the compiled binary: both ways to ask for it, both forms of the report. */

import assert from "node:assert/strict";
import { buildFixture } from "../../scripts/fixtures.ts";
import { ControlPlane, controlPlaneMissing } from "../support/envtest.ts";
import { installFixture } from "../support/install.ts";
import { clangMissing, Product } from "../support/product.ts";
import { testBinary } from "../support/test_binary.ts";

testBinary(
  "what-if shows what would change, and changes nothing",
  { ignore: controlPlaneMissing() || clangMissing() },
  async (t) => {
    await using plane = await ControlPlane.start();
    using product = Product.make();
    Deno.mkdirSync(`${product.home}/.kube`);
    Deno.copyFileSync(plane.kubeconfig, `${product.home}/.kube/config`);
    await installFixture(product, "kubernetes");
    Deno.copyFileSync(await buildFixture("kubernetes"), `${product.home}/k.wasm`);
    await plane.run("create", "configmap", "there", "--from-literal=a=1");
    const object = JSON.stringify({
      apiVersion: "v1",
      kind: "ConfigMap",
      metadata: { name: "new" },
      data: { b: "2" },
    });
    const path = "/api/v1/namespaces/default/configmaps";
    const names = async () => await plane.run("get", "configmaps", "-n", "default", "-o", "name");
    const before = await names();
    await t.step("by the variable", async () => {
      const { code, stdout } = await product.shell(
        `KREW_WASM_WHAT_IF=1 kubectl-kubernetes post ${path} '${object}'`,
      );
      assert.equal(code, 0, stdout);
      assert.match(stdout, /^201\n/);
      assert.match(stdout, /^What if: 1 change on the cluster; nothing was changed$/m);
      assert.match(
        stdout,
        /^create configmaps new in the namespace default\n--- \/dev\/null\n\+\+\+ what-if\//m,
      );
      assert.match(stdout, /^\+ {2}b: "2"$/m);
      assert.doesNotMatch(stdout, /\x1b/);
    });
    await t.step("by the flag, for scripts", async () => {
      const { code, stdout } = await product.shell(
        `krew-wasm run --what-if -o json kubernetes -- post ${path} '${object}'`,
      );
      assert.equal(code, 0, stdout);
      const { changed: [made], refused } = JSON.parse(stdout.slice(stdout.indexOf('{\n  "changed"')));
      assert.deepEqual([made.verb, made.resource, made.name, made.before], [
        "create",
        "configmaps",
        "new",
        null,
      ]);
      assert.deepEqual(refused, []);
    });
    await t.step("a file that is not installed", async () => {
      const { stdout } = await product.shell(
        `krew-wasm run --what-if --allow-cluster=full ./k.wasm post ${path} '${object}'`,
      );
      assert.match(stdout, /^What if: 1 change on/m);
    });
    await t.step("what cannot be tried is listed", async () => {
      const token = "/api/v1/namespaces/default/serviceaccounts/default/token";
      const { stdout } = await product.shell(`KREW_WASM_WHAT_IF=1 kubectl-kubernetes post ${token} '{}'`);
      assert.match(stdout, /^403\n/);
      assert.match(stdout, /^Not tried: .*token.* cannot be tried$/m);
    });
    await t.step("completion and closed pipes", async () => {
      const completed = await product.shell("KREW_WASM_WHAT_IF=1 kubectl-kubernetes __complete x");
      assert.doesNotMatch(completed.stdout, /What if/);
      const piped = await product.shell(
        `KREW_WASM_WHAT_IF=1 kubectl-kubernetes post ${path} '${object}' | true`,
      );
      assert.doesNotMatch(piped.stderr, /defect/);
    });
    await t.step("-o without --what-if is a wrong usage", async () => {
      assert.equal((await product.shell("krew-wasm run -o json kubernetes -- get /version")).code, 2);
    });
    assert.equal(await names(), before);
  },
);
