/** Finds programs without a path even if PATH has an empty or relative entry, but never in the current directory. */

import assert from "node:assert/strict";
import { findAssets } from "../support/envtest.ts";
import { installFixture } from "../support/install.ts";
import { clangMissing, Product } from "../support/product.ts";
import { testBinary } from "../support/test_binary.ts";

/** Records that it ran, and prints a credential that stdin or a kubeconfig's user accepts. */
const PLANTED = `#!/bin/sh
touch "$MARK"
echo '{"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential","status":{"token":"t"}}'
`;

const PATHS = [":/usr/bin:/bin", "/usr/bin:/bin:", ".:/usr/bin:/bin", "/usr/bin::/bin", "sub:/usr/bin:/bin"];

function plant(product: Product, program: string): string {
  Deno.mkdirSync(`${product.home}/work/sub`, { recursive: true });
  for (const directory of ["work", "work/sub"]) {
    Deno.writeTextFileSync(`${product.home}/${directory}/${program}`, PLANTED, { mode: 0o755 });
  }
  return `${product.home}/work`;
}

testBinary("a credential plugin named without a path is not taken from the current directory", {
  ignore: clangMissing() || Deno.build.os === "windows",
}, async () => {
  using product = Product.make();
  await installFixture(product, "raw");
  const cwd = plant(product, "planted-login");
  const MARK = `${product.home}/mark`;
  Deno.mkdirSync(`${product.home}/.kube`);
  Deno.writeTextFileSync(
    `${product.home}/.kube/config`,
    JSON.stringify({
      "current-context": "x",
      clusters: [{ name: "c", cluster: { server: "https://127.0.0.1:9" } }],
      contexts: [{ name: "x", context: { cluster: "c", user: "u" } }],
      users: [{
        name: "u",
        user: {
          exec: {
            apiVersion: "client.authentication.k8s.io/v1",
            command: "planted-login",
            interactiveMode: "Never",
            installHint: "get it",
          },
        },
      }],
    }),
  );
  const kubectl = findAssets()?.kubectl;
  for (const PATH of PATHS) {
    const env = { PATH, MARK, KREW_WASM_VERBOSE: "1" };
    const { code, stderr } = await product.exec(`${product.store}/bin/kubectl-raw`, ["/version"], {
      env,
      cwd,
    });
    assert.equal(code, 1, stderr);
    assert.match(
      stderr,
      /"planted-login" was not found on PATH, whose empty and relative entries do not count/,
    );
    assert.throws(() => Deno.statSync(MARK), Deno.errors.NotFound, PATH);
    if (kubectl === undefined) continue;
    await product.exec(kubectl, ["get", "--raw", "/version"], { env, cwd });
    assert.throws(() => Deno.statSync(MARK), Deno.errors.NotFound, `kubectl with ${PATH}`);
  }
  // Finds it in an absolute entry, also after entries with a directory or a plain file of its name.
  Deno.mkdirSync(`${product.home}/one/planted-login`, { recursive: true });
  Deno.mkdirSync(`${product.home}/two`);
  Deno.writeTextFileSync(`${product.home}/two/planted-login`, "no program", { mode: 0o644 });
  Deno.mkdirSync(`${product.home}/three`);
  Deno.writeTextFileSync(`${product.home}/three/planted-login`, PLANTED, { mode: 0o755 });
  const PATH = ["one", "two", "three"].map((name) => `${product.home}/${name}`).join(":");
  await product.exec(`${product.store}/bin/kubectl-raw`, ["/version"], {
    env: { PATH: `${PATH}:/usr/bin:/bin`, MARK },
    cwd,
  });
  Deno.statSync(MARK);
});

testBinary("a registry's credential helper is not taken from the current directory", {
  ignore: Deno.build.os === "windows",
}, async () => {
  using product = Product.make();
  const cwd = plant(product, "docker-credential-planted");
  const MARK = `${product.home}/mark`;
  Deno.mkdirSync(`${product.home}/.docker`);
  Deno.writeTextFileSync(
    `${product.home}/.docker/config.json`,
    JSON.stringify({ credHelpers: { "127.0.0.1:9": "planted" } }),
  );
  for (const PATH of PATHS) {
    const { stderr } = await product.exec(product.command, ["logout", "127.0.0.1:9"], {
      env: { PATH, MARK },
      cwd,
    });
    assert.match(stderr, /docker-credential-planted" is not installed/);
    assert.throws(() => Deno.statSync(MARK), Deno.errors.NotFound, PATH);
  }
});
