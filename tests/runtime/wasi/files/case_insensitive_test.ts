/**
 * On case-insensitive file systems, as on Windows and macOS, files stay protected or denied in every spelling. With
 * both file trees.
 */

import assert from "node:assert/strict";
import type { AnyFile } from "../../../../runtime/wasi/files/file_tree.ts";
import { caseInsensitiveMissing, mountCaseInsensitive } from "../../../support/case_insensitive.ts";
import { entriesOf, errnoOf, IMPLEMENTATIONS, READ, read, WRITE } from "../../../support/file_trees.ts";

for (const [implementation, open] of Object.entries(IMPLEMENTATIONS)) {
  Deno.test({
    name: `protected files stay protected in every spelling (${implementation})`,
    ignore: caseInsensitiveMissing(),
    fn() {
      using mounted = mountCaseInsensitive();
      if (!mounted) return; // a container without loop devices
      const home = `${mounted.path}/home`;
      for (const name of [".krew-wasm/bin", ".krew-wasm/data/mine", ".kube", ".ssh", "docs", "mine/empty"]) {
        Deno.mkdirSync(`${home}/${name}`, { recursive: true });
      }
      Deno.writeTextFileSync(`${home}/.krew-wasm/bin/kubectl-x.cmd`, "trusted");
      Deno.writeTextFileSync(`${home}/.kube/config`, "s3cr3t");
      Deno.writeTextFileSync(`${home}/.ssh/id`, "s3cr3t");
      Deno.writeTextFileSync(`${home}/docs/note`, "note");
      Deno.writeTextFileSync(`${home}/mine/file`, "mine");
      using tree = open({
        mounts: [{ guest: "/h", host: home, write: true }],
        overlays: [{ host: `${home}/.kube/config`, content: () => new TextEncoder().encode("redacted") }],
        // In unusual case, as a user may type them.
        protectedPaths: [`${home}/.Krew-Wasm`, `${home}/.Docker/config.json`],
        unprotectedPaths: [`${home}/.krew-wasm/data/mine`],
        deniedPaths: [`${home}/.SSH`],
        deniedWrites: [`${home}/Docs`],
      });
      const at = tree.roots[0]!.node;
      for (const store of [".krew-wasm", ".KREW-WASM", ".Krew-wasm"]) {
        for (
          const change of [
            () => tree.renameAt(at, store, at, "kw2"),
            () => tree.renameAt(at, `${store}/BIN`, at, "kw2"),
            () => tree.openAt(at, `${store}/bin/KUBECTL-X.CMD`, WRITE),
            () => tree.openAt(at, `${store}/Bin/kubectl-y.cmd`, WRITE),
            () => tree.unlinkFileAt(at, `${store}/bin/kubectl-x.cmd`),
            () => tree.renameAt(at, "mine/file", at, `${store}/bin/kubectl-x.cmd`),
            () => tree.linkAt(at, `${store}/bin/kubectl-x.cmd`, false, at, "mine/hard"),
            () => tree.setTimesAt(at, `${store}/bin`, true, 0n, 0n),
            () => tree.createDirectoryAt(at, `${store}/data/other`),
          ]
        ) assert.equal(errnoOf(change), "not-permitted", `${store}: ${change}`);
        (tree.openAt(at, `${store}/DATA/Mine/file`, WRITE) as AnyFile).close();
      }
      for (const kube of [".kube", ".KUBE"]) {
        assert.equal(read(tree.openAt(at, `${kube}/CONFIG`, READ)), "redacted");
        assert.equal(errnoOf(() => tree.openAt(at, `${kube}/Config`, WRITE)), "read-only");
        for (const target of ["kube2", `${kube}/config`]) {
          assert.equal(errnoOf(() => tree.renameAt(at, kube, at, target)), "not-permitted");
        }
        assert.equal(errnoOf(() => tree.renameAt(at, "mine/file", at, `${kube}/CONFIG`)), "not-permitted");
        assert.equal(errnoOf(() => tree.unlinkFileAt(at, `${kube}/CONFIG`)), "not-permitted");
      }
      for (const ssh of [".ssh", ".SSH", ".Ssh"]) {
        for (const path of [ssh, `${ssh}/id`, `${ssh}/ID`, `${ssh}/none`, `${ssh}/../mine/file`]) {
          assert.equal(errnoOf(() => tree.openAt(at, path, READ)), "no-entry", path);
          assert.equal(errnoOf(() => tree.statAt(at, path, true)), "no-entry", path);
        }
        assert.equal(errnoOf(() => tree.createDirectoryAt(at, ssh)), "not-permitted");
        assert.equal(errnoOf(() => tree.renameAt(at, ssh, at, "open")), "no-entry");
      }
      for (const docs of ["docs", "DOCS"]) {
        assert.equal(read(tree.openAt(at, `${docs}/NOTE`, READ)), "note");
        assert.equal(errnoOf(() => tree.openAt(at, `${docs}/NOTE`, WRITE)), "not-permitted");
        assert.equal(errnoOf(() => tree.renameAt(at, docs, at, "moved")), "not-permitted");
      }
      tree.createDirectoryAt(at, ".DOCKER");
      for (const path of [".docker/CONFIG.JSON", ".Docker/Config.json"]) {
        assert.equal(errnoOf(() => tree.openAt(at, path, WRITE)), "not-permitted");
        assert.equal(errnoOf(() => tree.renameAt(at, "mine/file", at, path)), "not-permitted");
      }
      assert.deepEqual(
        entriesOf(tree, at).map(({ name }) => name.toLowerCase()).sort(),
        [".docker", ".krew-wasm", ".kube", "docs", "mine"],
      );
      assert.equal(Deno.readTextFileSync(`${home}/.krew-wasm/bin/kubectl-x.cmd`), "trusted");
      // The plugin finds its own files in any case, as any program does there.
      assert.equal(read(tree.openAt(at, "MINE/File", READ)), "mine");
      tree.renameAt(at, "Mine/FILE", at, "mine/Other");
      assert.equal(read(tree.openAt(at, "mine/OTHER", READ)), "mine");
    },
  });
}
