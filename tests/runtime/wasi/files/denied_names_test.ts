/** A denied name looks the same to every operation, whether or not a file has it. With every file tree. */

import assert from "node:assert/strict";
import type { DirectoryNode, FileTree } from "../../../../runtime/wasi/files/file_tree.ts";
import { errnoOf, READ, setUp, testTrees, WRITE } from "../../../support/file_trees.ts";

/** Every operation on a name. */
function operationsOf(tree: FileTree, at: DirectoryNode, name: string): Record<string, () => unknown> {
  return {
    "open": () => tree.openAt(at, name, READ),
    "open a directory": () => tree.openAt(at, name, { ...READ, directory: true }),
    "write": () => tree.openAt(at, name, { ...WRITE, create: false }),
    "create": () => tree.openAt(at, name, WRITE),
    "create anew": () => tree.openAt(at, name, { ...WRITE, exclusive: true }),
    "truncate": () => tree.openAt(at, name, { ...READ, truncate: true }),
    "stat": () => tree.statAt(at, name, true),
    "stat the link": () => tree.statAt(at, name, false),
    "set times": () => tree.setTimesAt(at, name, true, 1n, 1n),
    "make a directory": () => tree.createDirectoryAt(at, name),
    "remove the directory": () => tree.removeDirectoryAt(at, name),
    "unlink": () => tree.unlinkFileAt(at, name),
    "move away": () => tree.renameAt(at, name, at, "moved"),
    "replace": () => tree.renameAt(at, "file", at, name),
    "link": () => tree.linkAt(at, name, false, at, "linked"),
    "link over it": () => tree.linkAt(at, "file", false, at, name),
    "make a link": () => tree.symlinkAt("file", at, name),
    "read the link": () => tree.readLinkAt(at, name),
  };
}

/** Denied names: of a file, a directory, a link, and of nothing. */
const NAMES = ["a-file", "a-directory", "a-link", "missing"] as const;

testTrees("no operation tells a denied file from a missing one", (open) => {
  let root = "";
  using it = setUp((files) => {
    root = files.mounts![0]!.host;
    Deno.writeTextFileSync(`${root}/a-file`, "secret");
    Deno.mkdirSync(`${root}/a-directory`);
    Deno.symlinkSync("a-file", `${root}/a-link`);
    return open({ ...files, deniedPaths: NAMES.map((name) => `${root}/${name}`) });
  });
  const errnos = (name: string) =>
    Object.fromEntries(
      Object.entries(operationsOf(it.tree, it.at, name)).map(([what, run]) => [what, errnoOf(run)]),
    );
  const missing = errnos("missing");
  for (const [what, errno] of Object.entries(missing)) {
    assert.ok(["no-entry", "not-permitted"].includes(errno), `${what}: ${errno}`);
  }
  for (const name of NAMES) assert.deepEqual(errnos(name), missing, name);
  assert.equal(Deno.readTextFileSync(`${root}/a-file`), "secret");
});

testTrees("the target of a denied link is denied, even behind a byte order mark", (open) => {
  for (const directory of ["kept", "\uFEFFkept"]) {
    const target = `${directory}/key`;
    using it = setUp((files) => {
      const root = files.mounts![0]!.host;
      Deno.mkdirSync(`${root}/${directory}`);
      Deno.writeTextFileSync(`${root}/${target}`, "secret");
      Deno.symlinkSync(target, `${root}/denied`);
      return open({ ...files, deniedPaths: [`${root}/denied`] });
    });
    for (const path of [target, new TextEncoder().encode(target)]) {
      assert.equal(errnoOf(() => it.tree.openAt(it.at, path, READ)), "no-entry");
    }
  }
});

testTrees("a further name of a denied file reads and changes nothing", (open) => {
  let root = "";
  using it = setUp((files) => {
    root = files.mounts![0]!.host;
    Deno.mkdirSync(`${root}/secret`);
    Deno.writeTextFileSync(`${root}/secret/key`, "secret");
    Deno.linkSync(`${root}/secret/key`, `${root}/other-name`);
    return open({ ...files, deniedPaths: [`${root}/secret`] });
  });
  const { open: opened, write, truncate, stat, "set times": times, link } = operationsOf(
    it.tree,
    it.at,
    "other-name",
  );
  for (const [what, run] of Object.entries({ opened, write, truncate, stat, times })) {
    assert.equal(errnoOf(run!), "no-entry", what);
  }
  assert.notEqual(errnoOf(link!), "ok");
  assert.equal(Deno.readTextFileSync(`${root}/secret/key`), "secret");
});
