/** The store's modes under any umask, its owner, and how a run treats a store with wrong ones. */

import assert from "node:assert/strict";
import { buildFixture } from "../../scripts/fixtures.ts";
import { makeArtifact, push } from "../../scripts/servers/artifacts.ts";
import { clangMissing, Product } from "../support/product.ts";
import { TestRegistry } from "../../scripts/servers/oci_registry.ts";

/** The paths in a store that other users could read, write or enter. */
function openToOthers(root: string): string[] {
  const found: string[] = [];
  const visit = (path: string) => {
    const info = Deno.lstatSync(path);
    // A link has no mode. A launcher must be executable, and its directory is closed to others.
    if (!info.isSymlink && (info.mode! & 0o077) !== 0 && !path.startsWith(`${root}/bin/`)) {
      found.push(`${path.slice(root.length)} ${(info.mode! & 0o777).toString(8)}`);
    }
    if (info.isDirectory) { for (const { name } of Deno.readDirSync(path)) visit(`${path}/${name}`); }
  };
  visit(root);
  return found;
}

async function withPlugin(use: (product: Product, pull: string) => Promise<void>): Promise<void> {
  await using registry = TestRegistry.start();
  using product = Product.make();
  await push(
    registry.origin,
    "p/attack",
    "v1",
    makeArtifact(await Deno.readFile(await buildFixture("attack"))),
  );
  await use(product, `krew-wasm pull --quiet ${registry.host}/p/attack:v1`);
}

const options = { ignore: clangMissing() || Deno.build.os === "windows" };

Deno.test("only its owner can read the store, whatever the umask", options, async () => {
  for (const umask of ["000", "022", "077"]) {
    await withPlugin(async (product, pull) => {
      const { code, stderr } = await product.shell(
        `umask ${umask}; ${pull} && krew-wasm run --allow-read=$HOME attack -- unlink $HOME/x; krew-wasm log`,
      );
      assert.equal(code, 0, stderr);
      assert.deepEqual(openToOthers(product.store), [], `umask ${umask}`);
      assert.ok([...Deno.readDirSync(`${product.store}/log`)].length > 0);
    });
  }
});

Deno.test("refuses to run from a store that others can write to", options, async () => {
  await withPlugin(async (product, pull) => {
    assert.equal((await product.shell(pull)).code, 0);
    const refused = async (what: string) => {
      const { code, stdout, stderr } = await product.shell("kubectl-attack print ran");
      assert.deepEqual([code, stdout], [125, ""], what);
      assert.match(stderr, /^error: /);
    };
    Deno.chmodSync(product.store, 0o777);
    await refused("open root");
    Deno.chmodSync(product.store, 0o700);
    assert.equal((await product.shell("kubectl-attack print ran")).stdout, "ran\n");
    if (Deno.uid() !== 0) return; // only root can change a file's owner
    Deno.chownSync(product.store, 65534, 65534);
    await refused("another user's");
  });
});
