/**
 * Protected files stay protected through links, chains of links, directories on the way, other spellings and a second
 * mount; missing ones by name. With both file trees.
 */

import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import type { Files, Overlay } from "../../../../runtime/sandbox/types.ts";
import type { AnyFile, DirectoryNode, FileTree } from "../../../../runtime/wasi/files/file_tree.ts";
import { parseMounts } from "../../../../runtime/wasi/files/mountinfo.ts";
import { folded } from "../../../../runtime/wasi/files/protected_places.ts";
import {
  errnoOf,
  IMPLEMENTATIONS,
  type OpenTree,
  READ,
  read,
  testTrees,
  WRITE,
} from "../../../support/file_trees.ts";
import { temporaryDirectory } from "../../../support/temporary.ts";

const redacted = (host: string): Overlay => ({ host, content: () => new TextEncoder().encode("redacted") });

/** A home with protected files, granted for writing. */
function homeWith(
  open: OpenTree,
  prepare: (home: string) => void,
  files: (home: string) => Partial<Files>,
): { home: string; tree: FileTree; at: DirectoryNode } & Disposable {
  const base = temporaryDirectory();
  const home = `${base}/home`;
  Deno.mkdirSync(`${home}/mine/empty`, { recursive: true });
  Deno.writeTextFileSync(`${home}/mine/file`, "mine");
  Deno.symlinkSync("mine", `${home}/mine/link`);
  prepare(home);
  const tree = open({ mounts: [{ guest: "/h", host: home, write: true }], ...files(home) });
  return {
    ...{ home, tree, at: tree.roots[0]!.node },
    [Symbol.dispose]: () => {
      tree[Symbol.dispose]();
      Deno.removeSync(base, { recursive: true });
    },
  };
}

/** All operations that would move or replace the file at a path. */
function movesOf(tree: FileTree, at: DirectoryNode, path: string): [string, () => unknown][] {
  return [
    ["move it", () => tree.renameAt(at, path, at, "mine/moved")],
    ["move a file there", () => tree.renameAt(at, "mine/file", at, path)],
    ["move a directory there", () => tree.renameAt(at, "mine/empty", at, path)],
    ["move a link there", () => tree.renameAt(at, "mine/link", at, path)],
    ["remove it", () => tree.unlinkFileAt(at, path)],
    ["remove the directory", () => tree.removeDirectoryAt(at, path)],
  ];
}

/** All operations that would create a missing file. */
function makesOf(tree: FileTree, at: DirectoryNode, path: string): [string, () => unknown][] {
  return [
    ["make a file", () => (tree.openAt(at, path, WRITE) as AnyFile).close()],
    ["make a link", () => tree.symlinkAt("mine", at, path)],
    ["make a hard link", () => tree.linkAt(at, "mine/file", false, at, path)],
    ["move a file there", () => tree.renameAt(at, "mine/file", at, path)],
    ["move a directory there", () => tree.renameAt(at, "mine/empty", at, path)],
    ["move a link there", () => tree.renameAt(at, "mine/link", at, path)],
  ];
}

function allRefused(changes: [string, () => unknown][], path: string): void {
  for (const [what, change] of changes) assert.notEqual(errnoOf(change), "ok", `${path}: ${what}`);
}

testTrees(
  "a kubeconfig behind links is redacted, and its path can't be moved",
  (open) => {
    using it = homeWith(open, (home) => {
      Deno.mkdirSync(`${home}/dots/real/kube`, { recursive: true });
      Deno.writeTextFileSync(`${home}/dots/real/kube/secret`, "s3cr3t");
      Deno.symlinkSync("secret", `${home}/dots/real/kube/config`);
      Deno.symlinkSync("real/../real/kube", `${home}/dots/kube`);
      Deno.symlinkSync("first", `${home}/.kube`);
      Deno.symlinkSync("dots/kube", `${home}/first`);
    }, (home) => ({ overlays: [redacted(`${home}/.kube/config`)] }));
    const { home, tree, at } = it;
    const ways = [
      ".kube",
      "first",
      "dots",
      "dots/kube",
      "dots/real",
      "dots/real/kube",
      "dots/real/kube/config",
    ];
    for (const path of [...ways, "dots/real/kube/secret"]) allRefused(movesOf(tree, at, path), path);
    for (const path of [".kube/config", "first/config", "dots/kube/secret", "dots/real/kube/secret"]) {
      assert.equal(read(tree.openAt(at, path, READ)), "redacted", path);
      assert.equal(errnoOf(() => tree.openAt(at, path, WRITE)), "read-only", path);
    }
    assert.equal(Deno.readTextFileSync(`${home}/.kube/config`), "s3cr3t");
    // Files beside it belong to the user's own grant.
    tree.renameAt(at, "mine/file", at, "dots/real/kube/cache");
  },
);

testTrees("a denial through a link covers link and target", (open) => {
  using it = homeWith(open, (home) => {
    Deno.mkdirSync(`${home}/dots/ssh`, { recursive: true });
    Deno.writeTextFileSync(`${home}/dots/ssh/id`, "s3cr3t");
    Deno.symlinkSync("dots/ssh", `${home}/.ssh`);
    Deno.symlinkSync(".ssh", `${home}/alias`);
  }, (home) => ({ deniedPaths: [`${home}/.ssh`] }));
  const { home, tree, at } = it;
  for (const path of [".ssh", ".ssh/id", "alias/id", "dots/ssh", "dots/ssh/id", "dots/../dots/ssh/id"]) {
    assert.equal(errnoOf(() => tree.openAt(at, path, READ)), "no-entry", path);
    assert.equal(errnoOf(() => tree.readLinkAt(at, path)), "no-entry", path);
  }
  for (const path of [".ssh", "dots", "dots/ssh"]) allRefused(movesOf(tree, at, path), path);
  for (const path of [".ssh", "dots/ssh"]) allRefused(makesOf(tree, at, path), path);
  assert.equal(Deno.readTextFileSync(`${home}/.ssh/id`), "s3cr3t");
});

testTrees(
  "a write denial through a link protects target and way",
  (open) => {
    using it = homeWith(open, (home) => {
      Deno.mkdirSync(`${home}/real/docs`, { recursive: true });
      Deno.writeTextFileSync(`${home}/real/docs/note`, "note");
      Deno.symlinkSync("real/docs", `${home}/docs`);
    }, (home) => ({ deniedWrites: [`${home}/docs`] }));
    const { home, tree, at } = it;
    assert.equal(read(tree.openAt(at, "docs/note", READ)), "note");
    for (const path of ["docs", "real", "real/docs", "real/docs/note"]) {
      allRefused(
        movesOf(tree, at, path),
        path,
      );
    }
    allRefused(makesOf(tree, at, "real/docs/new"), "real/docs/new");
    assert.notEqual(errnoOf(() => tree.openAt(at, "docs/note", WRITE)), "ok");
    assert.equal(Deno.readTextFileSync(`${home}/docs/note`), "note");
  },
);

testTrees(
  "a store behind a link is protected, and a missing one can't be created",
  (open) => {
    using it = homeWith(open, (home) => {
      Deno.mkdirSync(`${home}/opt/store/bin`, { recursive: true });
      Deno.mkdirSync(`${home}/opt/store/data/mine`, { recursive: true });
      Deno.symlinkSync("opt/store", `${home}/.krew-wasm`);
    }, (home) => ({
      protectedPaths: [`${home}/.krew-wasm`, `${home}/other/store`, `${home}/opt/later`],
      unprotectedPaths: [`${home}/opt/store/data/mine`],
    }));
    const { home, tree, at } = it;
    for (const path of [".krew-wasm", "opt", "opt/store", "opt/store/data", "opt/store/data/mine"]) {
      allRefused(movesOf(tree, at, path), path);
    }
    for (const path of ["opt/store/bin/kubectl-x", "opt/later", "other/store", "opt/store/data/other"]) {
      allRefused(makesOf(tree, at, path), path);
      assert.notEqual(errnoOf(() => tree.createDirectoryAt(at, path)), "ok", path);
    }
    (tree.openAt(at, ".krew-wasm/data/mine/file", WRITE) as AnyFile).close();
    assert.deepEqual([...Deno.readDirSync(`${home}/opt/store/bin`)], []);
  },
);

testTrees("on the way to a missing file only directories can be created", (open) => {
  using it = homeWith(open, (home) => {
    Deno.mkdirSync(`${home}/mine/kube`);
    Deno.writeTextFileSync(`${home}/mine/kube/config`, "evil");
  }, (home) => ({
    overlays: [redacted(`${home}/.kube/config`)],
    protectedPaths: [`${home}/.kube/kuberc`, `${home}/.docker/config.json`],
  }));
  const { tree, at } = it;
  for (const path of [".kube", ".docker"]) {
    allRefused(makesOf(tree, at, path), path);
    assert.notEqual(errnoOf(() => tree.renameAt(at, "mine/kube", at, path)), "ok");
    tree.createDirectoryAt(at, path);
  }
  for (const path of [".kube/config", ".kube/kuberc", ".docker/config.json"]) {
    allRefused(makesOf(tree, at, path), path);
    assert.notEqual(errnoOf(() => tree.createDirectoryAt(at, path)), "ok", path);
  }
  // Its own files there, such as client libraries' caches, are allowed.
  tree.createDirectoryAt(at, ".kube/cache");
  for (const path of [".kube", ".docker"]) allRefused(movesOf(tree, at, path), path);
  assert.equal(read(tree.openAt(at, ".kube/config", READ)), "redacted");
});

testTrees("a name that a file system may take for a protected one can't be made either", (open) => {
  using it = homeWith(open, () => {}, (home) => ({
    overlays: [redacted(`${home}/.kube/config`)],
    protectedPaths: [`${home}/.krew-wasm`, `${home}/caf\u00e9`],
    deniedPaths: [`${home}/Stra\u00dfe`],
  }));
  const { tree, at } = it;
  for (
    const path of [
      ".KUBE",
      ".\u212aube",
      ".Krew-Wasm",
      ".krew\u200c-wasm",
      "cafe\u0301",
      "CAFE\u0301",
      "strasse",
    ]
  ) allRefused(makesOf(tree, at, path), path);
  for (const path of [".kube2", "krew-wasm", "caf", "stra"]) {
    assert.equal(errnoOf(() => (tree.openAt(at, path, WRITE) as AnyFile).close()), "ok", path);
  }
});

Deno.test("folded() ignores differences that some file system ignores", () => {
  for (
    const [one, other] of [
      [".KUBE", ".kube"],
      ["e\u0301", "\u00c9"],
      ["config. .", "config"],
      ["\u017f", "S"],
      ["\u0130", "i\u0307"],
      ["a\u200db\ufeff", "AB"],
      ["\ufb01", "FI"],
    ] as const
  ) assert.equal(folded(one), folded(other), one);
  for (const [one, other] of [["a", "b"], [".kube", "kube"], ["a.b", "ab"], ["a b", "ab"]] as const) {
    assert.notEqual(folded(one), folded(other), one);
  }
});

testTrees("a protected file that its user moved stays protected", (open) => {
  using it = homeWith(open, (home) => {
    Deno.mkdirSync(`${home}/.kube`);
    Deno.writeTextFileSync(`${home}/.kube/config`, "real");
  }, (home) => ({ overlays: [redacted(`${home}/.kube/config`)], deniedPaths: [`${home}/.ssh`] }));
  const { home, tree, at } = it;
  assert.equal(read(tree.openAt(at, ".kube/config", READ)), "redacted");
  Deno.mkdirSync(`${home}/dots`);
  Deno.renameSync(`${home}/.kube`, `${home}/dots/kube`);
  Deno.symlinkSync("dots/kube", `${home}/.kube`);
  assert.equal(read(tree.openAt(at, "dots/kube/config", READ)), "redacted");
  for (const path of [".kube", "dots", "dots/kube", "dots/kube/config"]) {
    allRefused(movesOf(tree, at, path), path);
  }
  Deno.mkdirSync(`${home}/dots/ssh`);
  Deno.writeTextFileSync(`${home}/dots/ssh/id`, "s3cr3t");
  Deno.symlinkSync("dots/ssh", `${home}/.ssh`);
  assert.equal(errnoOf(() => tree.openAt(at, "dots/ssh/id", READ)), "no-entry");
});

Deno.test("parseMounts() parses Linux's mounts, whatever their names", () => {
  assert.deepEqual(
    parseMounts(
      "36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw\n" +
        "40 35 0:5 / /with\\040blank\\134\\303\\251 rw - tmpfs none rw\nnonsense\n",
    ),
    [
      { id: 36n, device: "98:0", root: "/mnt1", point: "/mnt2" },
      { id: 40n, device: "0:5", root: "/", point: "/with blank\\\u00e9" },
    ],
  );
});

for (const implementation of Object.keys(IMPLEMENTATIONS)) {
  Deno.test({
    name: `protected files are protected in a second mount, too (${implementation})`,
    ignore: Deno.build.os !== "linux",
    async fn() {
      const base = temporaryDirectory();
      for (
        const name of [
          "home/.krew-wasm/bin",
          "home/.ssh/keys",
          "home/.kube",
          "work/m/s",
          "work/m/k",
          "work/m/h",
        ]
      ) {
        Deno.mkdirSync(`${base}/${name}`, { recursive: true });
      }
      Deno.writeTextFileSync(`${base}/home/.krew-wasm/bin/kubectl-x`, "trusted");
      Deno.writeTextFileSync(`${base}/home/.ssh/keys/id`, "s3cr3t");
      Deno.writeTextFileSync(`${base}/home/.kube/config`, "s3cr3t");
      const script = `set -e; cd "$1"
        touch work/m/f work/m/g; mount --bind home/.krew-wasm/bin/kubectl-x work/m/f; mount --bind home/.ssh/keys/id work/m/g
        mount --bind home/.krew-wasm/bin work/m/s; mount --bind home/.ssh/keys work/m/k; mount --bind home work/m/h
        shift; exec "$@"`;
      const { code, stdout, stderr } = await new Deno.Command("unshare", {
        args: [
          ...["--mount", "--map-root-user", "sh", "-c", script, "sh", base],
          ...[Deno.execPath(), "run", "-A", "--no-check", "--quiet"],
          ...[
            fileURLToPath(new URL("../../../support/bind_mounts.ts", import.meta.url)),
            implementation,
            base,
          ],
        ],
      }).output();
      const text = new TextDecoder().decode(stderr);
      if (/unshare|mount:/.test(text)) return; // not every process may have its own mounts
      assert.equal(code, 0, text);
      assert.deepEqual(JSON.parse(new TextDecoder().decode(stdout)), {
        "write m/s/kubectl-x": "not-permitted",
        "make m/s/kubectl-y": "not-permitted",
        "remove m/s/kubectl-x": "not-permitted",
        "make m/h/.krew-wasm/bin/x": "not-permitted",
        "move m/h/.krew-wasm": "not-permitted",
        "move m/h/.kube": "not-permitted",
        "write m/f": "not-permitted",
        "touch m/f": "not-permitted",
        "read m/g": "no-entry",
        "stat m/g": "no-entry",
        "read m/k/id": "no-entry",
        "read m/h/.ssh/keys/id": "no-entry",
        "read m/h/.kube/config": "redacted",
        "make m/h/mine": "ok",
      });
      assert.equal(Deno.readTextFileSync(`${base}/home/.krew-wasm/bin/kubectl-x`), "trusted");
    },
  });
}
