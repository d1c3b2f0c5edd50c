import assert from "node:assert/strict";
import type { AskedFile, Files } from "../../../../runtime/sandbox/types.ts";
import { WasiError } from "../../../../runtime/wasi/errno.ts";
import {
  type AnyFile,
  type DirectoryNode,
  type FileTree,
  type OpenOptions,
} from "../../../../runtime/wasi/files/file_tree.ts";
import { openFileTree } from "../../../../runtime/wasi/files/open_tree.ts";
import { READ, withFile } from "../../../support/file_trees.ts";
import { temporaryDirectory } from "../../../support/temporary.ts";

const CREATE: OpenOptions = { ...READ, create: true, read: false, write: true };

/** A tree on disk that asks for ungranted paths; `answers` by host path below it. */
async function withTree(
  test: (it: {
    readonly base: string;
    readonly tree: FileTree;
    readonly root: DirectoryNode;
    readonly asked: AskedFile[];
    read(from: DirectoryNode, path: string): string;
    errno(act: () => unknown): string;
  }) => Promise<void> | void,
  answers: Record<string, "once" | "stay" | (() => "once" | "stay")> = {},
  { cwd = false, mounts }: { cwd?: boolean; mounts?: (base: string) => Files["mounts"] } = {},
) {
  const base = temporaryDirectory();
  try {
    for (const directory of ["open", "shut/deep", "here"]) {
      await Deno.mkdir(`${base}/${directory}`, { recursive: true });
    }
    await Deno.writeTextFile(`${base}/open/a`, "open");
    await Deno.writeTextFile(`${base}/shut/b`, "shut");
    await Deno.writeTextFile(`${base}/shut/deep/c`, "deep");
    await Deno.writeTextFile(`${base}/here/d`, "here");
    await Deno.symlink("../shut/b", `${base}/open/link`);
    const asked: AskedFile[] = [];
    const tree = await openFileTree({
      mounts: mounts?.(base) ?? [
        { guest: `${base}/open`, host: `${base}/open`, write: true },
        ...(cwd ? [{ guest: ".", host: `${base}/here`, write: true }] : []),
      ],
      overlays: [],
      protectedPaths: [],
      unprotectedPaths: [],
      requests: {
        cwd: `${base}/here`,
        descriptors: 100,
        ask(file) {
          asked.push(file);
          const answer = answers[file.path.slice(base.length + 1)] ?? "no";
          return typeof answer === "function" ? answer() : answer;
        },
      },
    });
    const open = (from: DirectoryNode, path: string, options = READ) =>
      tree.openAt(from, path, options) as AnyFile;
    await test({
      base,
      tree,
      root: tree.roots.find(({ guest }) => guest === (cwd ? "." : "/"))!.node,
      asked,
      read(from, path) {
        const file = open(from, path);
        const bytes = new Uint8Array(100);
        const text = new TextDecoder().decode(bytes.subarray(0, file.readAt(bytes, 0n)));
        file.close();
        return text;
      },
      errno(act) {
        try {
          act();
        } catch (error) {
          if (error instanceof WasiError) return error.errno;
          throw error;
        }
        return "none";
      },
    });
  } finally {
    await Deno.remove(base, { recursive: true });
  }
}

Deno.test("finds granted paths from the root and asks for other existing ones", () =>
  withTree(({ base, root, asked, read, errno, tree }) => {
    assert.equal(read(root, `${base.slice(1)}/open/a`), "open");
    assert.equal(read(root, `.${base}/open/../open/./a`), "open");
    assert.equal(asked.length, 0);
    assert.equal(errno(() => read(root, `${base.slice(1)}/shut/b`)), "no-entry");
    assert.deepEqual(asked, [
      { kind: "read", path: `${base}/shut/b`, real: `${base}/shut/b`, directory: false },
    ]);
    assert.equal(errno(() => tree.statAt(root, `${base.slice(1)}/shut/none`, true)), "no-entry");
    assert.equal(asked.length, 1, "what is not there is not asked for");
    assert.equal(errno(() => tree.openAt(root, `${base.slice(1)}/shut/new`, CREATE)), "access");
    const made = { kind: "write", path: `${base}/shut/new`, real: `${base}/shut/new` };
    assert.deepEqual(asked[1], { ...made, directory: false });
    assert.equal(
      errno(() => tree.openAt(root, `${base.slice(1)}/nowhere/new`, CREATE)),
      "access",
      "the same answer",
    );
    assert.equal(errno(() => tree.openAt(root, "/etc/passwd", READ)), "not-permitted");
  }));

Deno.test("opens a path that was granted once only once", () =>
  withTree(({ base, root, asked, read, errno, tree }) => {
    const at = (path: string) => `${base.slice(1)}/${path}`;
    assert.equal(read(root, at("shut/b")), "shut");
    assert.equal(errno(() => read(root, at("here/x"))), "no-entry");
    assert.equal(read(root, at("shut/b")), "shut");
    assert.equal(asked.length, 2, "once is asked again");
    assert.equal(read(root, at("shut/deep/c")), "deep");
    assert.equal(read(root, at("shut/deep/c")), "deep");
    assert.equal(asked.length, 3);
    assert.equal(errno(() => tree.openAt(root, at("shut/deep/new"), CREATE)), "access", "read is not write");
  }, { "shut/b": "once", "shut/deep/c": "stay" }));

Deno.test("a directory grant covers its tree, a file grant one file", () =>
  withTree(({ base, root, read, errno, tree }) => {
    const at = (path: string) => `${base.slice(1)}/${path}`;
    const directory = tree.openAt(root, at("shut/deep"), { ...READ, directory: true }) as DirectoryNode;
    assert.equal(read(directory, "c"), "deep");
    assert.equal(errno(() => read(directory, "../b")), "not-permitted");
    const file = tree.openAt(root, at("here/made"), CREATE) as AnyFile;
    file.writeAt(new TextEncoder().encode("made"), 0n);
    file.close();
    assert.equal(Deno.readTextFileSync(`${base}/here/made`), "made");
    assert.equal(errno(() => read(root, at("here/d"))), "no-entry");
  }, { "shut/deep": "stay", "here/made": "stay" }));

Deno.test("does not follow a link out of a mount", () =>
  withTree(({ base, root, read, errno, asked }) => {
    assert.equal(errno(() => read(root, `${base.slice(1)}/open/link`)), "not-permitted");
    assert.equal(asked.length, 0);
  }));

Deno.test("passes on where a path leads, for bounds on it", () =>
  withTree(async ({ base, root, asked, tree, errno }) => {
    await Deno.symlink(`${base}/shut`, `${base}/way`);
    assert.equal(errno(() => tree.openAt(root, `${base.slice(1)}/way/b`, READ)), "no-entry");
    const asks = { kind: "read", path: `${base}/way/b`, real: `${base}/shut/b`, directory: false };
    assert.deepEqual(asked[0], asks);
  }));

Deno.test("asks for a link by its own name and opens its target", () =>
  withTree(async ({ base, root, asked, read, tree }) => {
    await Deno.symlink(`../shut/b`, `${base}/here/rc`);
    assert.equal(read(root, `${base.slice(1)}/here/rc`), "shut");
    assert.equal(read(root, "rc"), "shut");
    withFile(tree.openAt(root, "rc", CREATE), (file) => file.writeAt(new TextEncoder().encode("SH"), 0n));
    assert.equal(Deno.readTextFileSync(`${base}/shut/b`), "SHut");
    const file = { path: `${base}/here/rc`, real: `${base}/shut/b`, directory: false };
    assert.deepEqual(asked, [{ kind: "read", ...file }, { kind: "write", ...file }]);
  }, { "here/rc": "stay" }));

Deno.test("grants a directory that a person allows to be created", () =>
  withTree(({ base, root, asked, read, errno, tree }) => {
    const at = (path: string) => `${base.slice(1)}/shut/${path}`;
    assert.equal(errno(() => tree.symlinkAt("b", root, at("link"))), "not-permitted");
    tree.createDirectoryAt(root, at("new"));
    assert.deepEqual(asked.map(({ directory }) => directory), [false, true]);
    withFile(
      tree.openAt(root, at("new/file"), CREATE),
      (file) => file.writeAt(new TextEncoder().encode("x"), 0n),
    );
    assert.equal(read(root, at("new/file")), "x");
    assert.equal(asked.length, 2, "what is in it is not asked for");
  }, { "shut/new": "stay", "shut/link": "stay" }));

Deno.test("resolves a relative path from the current directory", () =>
  withTree(({ base, root, read, asked }) => {
    assert.equal(read(root, "d"), "here");
    assert.deepEqual(asked.map(({ path }) => path), [`${base}/here/d`]);
  }, { "here/d": "once" }));

Deno.test("distinguishes root paths from paths in the current directory", () =>
  withTree(
    ({ base, root, read, errno, asked, tree }) => {
      assert.equal(read(root, "d"), "here");
      assert.equal(read(root, `${base.slice(1)}/open/a`), "open");
      assert.equal(asked.length, 0);
      assert.equal(errno(() => read(root, `${base.slice(1)}/shut/b`)), "no-entry");
      assert.equal(asked.length, 1);
      const made = tree.openAt(root, "made", CREATE) as AnyFile;
      made.close();
      assert.ok(Deno.statSync(`${base}/here/made`).isFile);
      tree.createDirectoryAt(root, "dir");
      assert.equal(asked.length, 1, "what is made in it is not asked for");
      tree.renameAt(root, "made", root, "dir/moved");
      assert.ok(Deno.statSync(`${base}/here/dir/moved`).isFile);
    },
    {},
    { cwd: true },
  ));

Deno.test("the way to a mount exists but reveals nothing else", () =>
  withTree(({ base, root, errno, tree }) => {
    const way = tree.openAt(root, base.slice(1), { ...READ, directory: true }) as DirectoryNode;
    assert.equal(tree.stat(way).type, "directory");
    assert.equal(errno(() => tree.readDirectory(way)), "access");
    assert.equal(errno(() => tree.unlinkFileAt(root, base.slice(1))), "is-directory");
    assert.equal(errno(() => tree.removeDirectoryAt(root, base.slice(1))), "read-only");
    assert.equal((tree.statAt(way, "open/a", true) as { size: bigint }).size, 4n);
    assert.equal(errno(() => tree.createDirectoryAt(root, base.slice(1))), "exist");
  }));

Deno.test("the root is not the current directory if that is granted", () =>
  withTree(
    ({ base, tree, asked, read, errno }) => {
      const at = (guest: string) => tree.roots.find((root) => root.guest === guest)!.node;
      for (const node of [at("/"), at(".")]) {
        const way = base.slice(1).split("/")[0]!;
        assert.equal((tree.statAt(node, way, false) as { type: string }).type, "directory");
        assert.equal(read(node, `${base.slice(1)}/here/d`), "here");
      }
      assert.equal(errno(() => tree.openAt(at("/"), "d", READ)), "no-entry");
      assert.equal(errno(() => tree.openAt(at("/"), "new", CREATE)), "access");
      assert.equal(read(at("."), "d"), "here");
      assert.equal(errno(() => read(at("/"), `${base.slice(1)}/shut/b`)), "no-entry");
      assert.deepEqual(asked.map(({ path }) => path), ["/new", `${base}/shut/b`]);
    },
    {},
    {
      mounts: (base) => [".", `${base}/here`].map((guest) => ({ guest, host: `${base}/here`, write: true })),
    },
  ));

Deno.test("descriptor 3 is the current directory, and each name appears once", async () => {
  const guests = ({ tree, base }: { tree: FileTree; base: string }) =>
    tree.roots.map(({ guest }) => guest.replace(base, ""));
  await withTree(
    (at) => {
      assert.deepEqual(guests(at), [".", "/open", "/", "./"]);
      for (const { guest, node } of at.tree.roots.filter(({ guest }) => guest.startsWith("."))) {
        assert.equal(at.read(node, "d"), "here", guest);
        assert.equal(at.read(node, `${at.base.slice(1)}/open/a`), "open", guest);
      }
    },
    {},
    { cwd: true },
  );
  await withTree((at) => {
    assert.deepEqual(guests(at), ["/", "/open"]);
    assert.equal(at.read(at.tree.roots[0]!.node, "d"), "here");
  }, { "here/d": "once" });
});

Deno.test("asks for a change in a read-only mount", () =>
  withTree(
    ({ base, tree, asked, errno }) => {
      const root = tree.roots.find(({ guest }) => guest === `${base}/shut`)!.node;
      assert.equal(errno(() => tree.openAt(root, "new", CREATE)), "read-only");
      assert.equal(errno(() => tree.unlinkFileAt(root, "deep/c")), "read-only");
      assert.equal(errno(() => tree.openAt(root, "../here/x", CREATE)), "not-permitted");
      const file = tree.openAt(root, "b", { ...READ, write: true }) as AnyFile;
      file.writeAt(new TextEncoder().encode("SHUT"), 0n);
      file.close();
      assert.equal(Deno.readTextFileSync(`${base}/shut/b`), "SHUT");
      assert.deepEqual(asked.map(({ kind, path }) => [kind, path.slice(base.length)]), [
        ["write", "/shut/new"],
        ["write", "/shut/deep/c"],
        ["write", "/shut/b"],
      ]);
    },
    { "shut/b": "once" },
    { mounts: (base) => [{ guest: `${base}/shut`, host: `${base}/shut`, write: false }] },
  ));

Deno.test("finds single files from the root and asks for their neighbours", () =>
  withTree(
    ({ base, tree, root, read, errno, asked }) => {
      assert.deepEqual(tree.roots.map(({ guest }) => guest), ["/"]);
      const at = (path: string) => `${base.slice(1)}/${path}`;
      assert.equal(read(root, at("shut/b")), "shut");
      const directory = tree.openAt(root, at("shut"), { ...READ, directory: true }) as DirectoryNode;
      assert.equal(tree.readDirectory(directory).at(1), undefined, "it shows the one file");
      assert.equal(errno(() => read(root, at("shut/deep/c"))), "no-entry");
      assert.equal(asked.length, 1);
    },
    {},
    { mounts: (base) => [{ guest: `${base}/shut`, host: `${base}/shut`, write: false, only: ["b"] }] },
  ));

Deno.test("a granted but denied file stays denied", () =>
  withTree(({ base, root, errno, read, tree }) => {
    assert.equal(errno(() => read(root, `${base.slice(1)}/open/a`)), "none");
    assert.ok(tree.maxOpen <= 100);
  }));

Deno.test("with all granted, new relative files go to the current directory", () =>
  withTree(
    ({ base, root, tree, read, asked }) => {
      assert.equal(read(root, `${base.slice(1)}/shut/b`), "shut");
      assert.equal(read(root, "d"), "here");
      const file = tree.openAt(root, "made", CREATE) as AnyFile;
      file.close();
      assert.ok(Deno.statSync(`${base}/here/made`).isFile);
      assert.equal(asked.length, 0);
    },
    {},
    {
      cwd: true,
      mounts: (base) => [
        { guest: "/", host: "/", write: false },
        { guest: ".", host: `${base}/here`, write: true },
      ],
    },
  ));

Deno.test("does not open a path that changed during the question", async () => {
  let base = "";
  const swap = (name: string) => () => {
    Deno.removeSync(`${base}/${name}`);
    Deno.symlinkSync(`${base}/shut/deep/c`, `${base}/${name}`);
    return "stay" as const;
  };
  await withTree((it) => {
    base = it.base;
    assert.equal(it.errno(() => it.read(it.root, `${base.slice(1)}/shut/b`)), "no-entry");
    assert.equal(it.asked.length, 1);
  }, { "shut/b": swap("shut/b") });
  await withTree(
    (it) => {
      base = it.base;
      const root = it.tree.roots.find(({ guest }) => guest === `${base}/shut`)!.node;
      assert.notEqual(it.errno(() => it.tree.openAt(root, "b", CREATE)), "none");
      assert.equal(it.asked.length, 1);
      assert.equal(Deno.readTextFileSync(`${base}/shut/deep/c`), "deep");
    },
    { "shut/b": swap("shut/b") },
    {
      mounts: (base) => [{ guest: `${base}/shut`, host: `${base}/shut`, write: false }],
    },
  );
});

Deno.test("refuses a change that leaves a read-only directory, without a question", () =>
  withTree(
    ({ base, tree, asked, errno }) => {
      const root = tree.roots.find(({ guest }) => guest === `${base}/shut`)!.node;
      assert.equal(errno(() => tree.openAt(root, "../open/a", CREATE)), "not-permitted");
      assert.equal(errno(() => tree.unlinkFileAt(root, "deep/../../open/a")), "not-permitted");
      assert.deepEqual(asked, []);
    },
    {},
    { mounts: (base) => [{ guest: `${base}/shut`, host: `${base}/shut`, write: false }] },
  ));
