import assert from "node:assert/strict";
import type { Files, Mount, Overlay } from "../../../runtime/sandbox.ts";
import { WasiError } from "../../../runtime/wasi/errno.ts";
import type { AnyFile, DirectoryNode, FileTree, OpenOptions } from "../../../runtime/wasi/files.ts";
import { NamedTree } from "../../../runtime/wasi/files_by_name.ts";
import { openLinuxTree } from "../../../runtime/wasi/files_linux.ts";

const READ: OpenOptions = {
  follow: true,
  create: false,
  exclusive: false,
  truncate: false,
  directory: false,
  read: true,
  write: false,
};
const WRITE: OpenOptions = { ...READ, write: true, create: true };

type Open = (files: Files) => FileTree;

/** The two implementations: through Linux's system calls, and by name, which is there everywhere. */
const IMPLEMENTATIONS: Record<string, Open> = {
  "by name": (files) => new NamedTree(files),
  ...(Deno.build.os === "linux" ? { "by descriptor": (files: Files) => openLinuxTree(files)! } : {}),
};

/** A test of both. */
function test(name: string, run: (open: Open, implementation: string) => void | Promise<void>): void {
  for (const [implementation, open] of Object.entries(IMPLEMENTATIONS)) {
    Deno.test(`${name} (${implementation})`, () => run(open, implementation));
  }
}

/** A directory with a granted tree beside what is not granted. */
function setUp(open: Open, mount: Partial<Mount> = {}, files: Partial<Files> = {}) {
  const root = Deno.realPathSync(Deno.makeTempDirSync());
  Deno.mkdirSync(`${root}/in/sub`, { recursive: true });
  Deno.writeTextFileSync(`${root}/in/file`, "inside");
  Deno.writeTextFileSync(`${root}/in/sub/deep`, "deep");
  Deno.writeTextFileSync(`${root}/secret`, "outside");
  const tree = open({
    mounts: [{ guest: "/g", host: `${root}/in`, write: true, ...mount }],
    overlays: [],
    protectedPaths: [],
    unprotectedPaths: [],
    ...files,
  });
  return {
    root,
    tree,
    at: tree.roots[0]!.node,
    [Symbol.dispose]: () => Deno.removeSync(root, { recursive: true }),
  };
}

function errnoOf(operation: () => unknown): string {
  try {
    operation();
    return "ok";
  } catch (error) {
    assert.ok(error instanceof WasiError, String(error));
    return error.errno;
  }
}

function withFile(node: unknown, use: (file: AnyFile) => void): void {
  const file = node as AnyFile;
  try {
    use(file);
  } finally {
    file.close();
  }
}

/** What a directory holds. */
function entriesOf(tree: FileTree, node: DirectoryNode) {
  const listing = tree.readDirectory(node);
  const entries = [];
  for (let index = 0;; index++) {
    const entry = listing.at(index);
    if (!entry) break;
    entries.push({ name: new TextDecoder().decode(entry.name), type: entry.type });
  }
  listing.close();
  return entries;
}

function read(node: unknown): string {
  const file = node as AnyFile;
  const bytes = new Uint8Array(100);
  const text = new TextDecoder().decode(bytes.subarray(0, file.readAt(bytes, 0n)));
  file.close();
  return text;
}

test("files are read and written inside the grant", (open) => {
  using at = setUp(open);
  assert.equal(read(at.tree.openAt(at.at, "sub/deep", READ)), "deep");
  const file = at.tree.openAt(at.at, "new", WRITE) as AnyFile;
  file.writeAt(new TextEncoder().encode("hello"), 3n);
  assert.equal(file.size(), 8n);
  file.close();
  assert.equal(Deno.readTextFileSync(`${at.root}/in/new`), "\0\0\0hello");
});

test("no link, dot or hard link leads out of the grant", (open) => {
  using at = setUp(open);
  const { root, tree } = at;
  Deno.symlinkSync(`${root}/secret`, `${root}/in/abs`);
  Deno.symlinkSync("../secret", `${root}/in/rel`);
  Deno.symlinkSync("..", `${root}/in/up`);
  Deno.symlinkSync("up", `${root}/in/up2`);
  for (
    const path of [
      "../secret",
      "abs",
      "rel",
      "up/secret",
      "up2/secret",
      "sub/../../secret",
      "/etc/passwd",
      "/proc/self/root/etc/passwd",
    ]
  ) {
    assert.equal(errnoOf(() => tree.openAt(at.at, path, READ)), "not-permitted", path);
    assert.equal(errnoOf(() => tree.statAt(at.at, path, true)), "not-permitted", path);
    assert.equal(errnoOf(() => tree.openAt(at.at, path, WRITE)), "not-permitted", path);
  }
  assert.equal(errnoOf(() => tree.renameAt(at.at, "file", at.at, "../moved")), "not-permitted");
  assert.equal(errnoOf(() => tree.linkAt(at.at, "../secret", false, at.at, "mine")), "not-permitted");
  assert.equal(errnoOf(() => tree.symlinkAt("/etc/passwd", at.at, "mine")), "not-permitted");
  // A relative link out may be made, as POSIX has it, and leads nowhere.
  assert.equal(errnoOf(() => tree.symlinkAt("../secret", at.at, "mine")), "ok");
  assert.equal(errnoOf(() => tree.openAt(at.at, "mine", READ)), "not-permitted");
  const sub = tree.openAt(at.at, "sub", { ...READ, directory: true }) as DirectoryNode;
  assert.equal(errnoOf(() => tree.openAt(sub, "../file", READ)), "not-permitted");
  assert.equal(Deno.readTextFileSync(`${root}/secret`), "outside");
});

Deno.test("a link that is swapped in between check and use is noticed (by name)", () => {
  using at = setUp(IMPLEMENTATIONS["by name"]!);
  const { root, tree } = at;
  Deno.mkdirSync(`${root}/out`);
  Deno.writeTextFileSync(`${root}/out/deep`, "outside");
  const openSync = Deno.openSync;
  // Between the resolution of sub/deep and its opening, another process puts a link where sub was.
  Deno.openSync = (...args) => {
    Deno.renameSync(`${root}/in/sub`, `${root}/in/old`);
    Deno.symlinkSync(`${root}/out`, `${root}/in/sub`);
    return openSync(...args);
  };
  try {
    assert.equal(errnoOf(() => tree.openAt(at.at, "sub/deep", READ)), "access");
  } finally {
    Deno.openSync = openSync;
  }
});

test("a grant to read lets nothing be changed", (open) => {
  using at = setUp(open, { write: false });
  const { tree } = at;
  assert.equal(read(tree.openAt(at.at, "file", READ)), "inside");
  const changes: (() => unknown)[] = [
    () => tree.openAt(at.at, "file", { ...READ, write: true }),
    () => tree.openAt(at.at, "file", { ...READ, truncate: true }),
    () => tree.openAt(at.at, "new", WRITE),
    () => tree.createDirectoryAt(at.at, "new"),
    () => tree.unlinkFileAt(at.at, "file"),
    () => tree.renameAt(at.at, "file", at.at, "new"),
    () => tree.linkAt(at.at, "file", false, at.at, "new"),
    () => tree.symlinkAt("file", at.at, "new"),
    () => tree.setTimesAt(at.at, "file", true, 0n, 0n),
    () => tree.removeDirectoryAt(at.at, "sub"),
    () => withFile(tree.openAt(at.at, "file", READ), (file) => tree.setTimes(file, "now", "now")),
  ];
  for (const change of changes) assert.equal(errnoOf(change), "read-only", String(change));
  assert.deepEqual([...Deno.readDirSync(`${at.root}/in`)].map(({ name }) => name).sort(), ["file", "sub"]);
});

test("a grant of one file shows that file alone", (open) => {
  using at = setUp(open, { only: ["file"] });
  const { tree } = at;
  assert.equal(read(tree.openAt(at.at, "file", READ)), "inside");
  assert.deepEqual(entriesOf(tree, at.at).map(({ name }) => name), ["file"]);
  for (const path of ["sub", "sub/deep", "new", "./sub/../sub/deep"]) {
    assert.equal(errnoOf(() => tree.openAt(at.at, path, READ)), "no-entry", path);
  }
  assert.equal(errnoOf(() => tree.openAt(at.at, "new", WRITE)), "no-entry");
  assert.equal(errnoOf(() => tree.renameAt(at.at, "file", at.at, "new")), "no-entry");
});

function standIn(host: string, text = "stand-in"): Overlay {
  return { host, content: () => new TextEncoder().encode(text) };
}

test("an overlay shows for its file under every name, and can't be changed or moved away", (open) => {
  const base = Deno.realPathSync(Deno.makeTempDirSync());
  Deno.mkdirSync(`${base}/.kube`);
  Deno.writeTextFileSync(`${base}/.kube/config`, "real");
  Deno.symlinkSync(".kube/config", `${base}/link`);
  Deno.linkSync(`${base}/.kube/config`, `${base}/hard`);
  const tree = open({
    mounts: [{ guest: "/h", host: base, write: true }],
    overlays: [standIn(`${base}/.kube/config`)],
    protectedPaths: [],
    unprotectedPaths: [],
  });
  const at = tree.roots[0]!.node;
  for (const path of [".kube/config", "link", "hard", ".kube/../.kube//config"]) {
    assert.equal(read(tree.openAt(at, path, READ)), "stand-in", path);
    assert.equal((tree.statAt(at, path, true) as { size: bigint }).size, 8n, path);
    assert.equal(errnoOf(() => tree.openAt(at, path, WRITE)), "read-only", path);
    assert.equal(errnoOf(() => tree.openAt(at, path, { ...READ, truncate: true })), "read-only", path);
  }
  assert.equal(errnoOf(() => tree.unlinkFileAt(at, ".kube/config")), "not-permitted");
  assert.equal(errnoOf(() => tree.renameAt(at, ".kube/config", at, "x")), "not-permitted");
  assert.equal(errnoOf(() => tree.renameAt(at, ".kube", at, "x")), "not-permitted");
  assert.equal(errnoOf(() => tree.linkAt(at, ".kube/config", false, at, "x")), "not-permitted");
  assert.equal(errnoOf(() => tree.renameAt(at, "link", at, ".kube/config")), "not-permitted");
  assert.equal(Deno.readTextFileSync(`${base}/.kube/config`), "real");
  Deno.removeSync(base, { recursive: true });
});

test("an overlay is shown beside nothing else, and its content is made once", (open) => {
  let made = 0;
  const base = Deno.realPathSync(Deno.makeTempDirSync());
  Deno.writeTextFileSync(`${base}/id_rsa`, "key");
  const tree = open({
    mounts: [{ guest: "/h", host: base, write: false, only: ["config"] }],
    overlays: [{ host: `${base}/config`, content: () => (made++, new TextEncoder().encode("x")) }],
    protectedPaths: [],
    unprotectedPaths: [],
  });
  const at = tree.roots[0]!.node;
  assert.deepEqual(entriesOf(tree, at), [{ name: "config", type: "regular-file" }]);
  assert.equal(read(tree.openAt(at, "config", READ)) + read(tree.openAt(at, "config", READ)), "xx");
  assert.equal(made, 1);
  assert.equal(errnoOf(() => tree.openAt(at, "id_rsa", READ)), "no-entry");
  Deno.removeSync(base, { recursive: true });
});

test("what is protected can't be changed by any way in, its own exception can", (open) => {
  const base = Deno.realPathSync(Deno.makeTempDirSync());
  Deno.mkdirSync(`${base}/store/bin`, { recursive: true });
  Deno.mkdirSync(`${base}/store/data/foo`, { recursive: true });
  Deno.writeTextFileSync(`${base}/store/code.js`, "trusted");
  Deno.symlinkSync("store", `${base}/alias`);
  const tree = open({
    mounts: [{ guest: "/h", host: base, write: true }],
    overlays: [],
    protectedPaths: [`${base}/store`],
    unprotectedPaths: [`${base}/store/data/foo`],
  });
  const at = tree.roots[0]!.node;
  assert.equal(read(tree.openAt(at, "store/code.js", READ)), "trusted");
  const changes: (() => unknown)[] = [
    () => tree.openAt(at, "store/code.js", WRITE),
    () => tree.openAt(at, "alias/code.js", WRITE),
    () => tree.openAt(at, "store/data/../code.js", WRITE),
    () => tree.openAt(at, "store/bin/kubectl-evil", WRITE),
    () => tree.symlinkAt("x", at, "store/bin/kubectl-evil"),
    () => tree.unlinkFileAt(at, "store/code.js"),
    () => tree.renameAt(at, "store", at, "gone"),
    () => tree.renameAt(at, "store/data/foo", at, "gone"),
    () => tree.linkAt(at, "store/code.js", false, at, "mine"),
    () => tree.setTimesAt(at, "store/code.js", true, 0n, 0n),
    () => tree.createDirectoryAt(at, "store/data/bar"),
    () => withFile(tree.openAt(at, "store/code.js", READ), (file) => tree.setTimes(file, 0n, 0n)),
  ];
  for (const change of changes) assert.equal(errnoOf(change), "not-permitted", String(change));
  (tree.openAt(at, "store/data/foo/mine", WRITE) as AnyFile).close();
  assert.equal(Deno.readTextFileSync(`${base}/store/code.js`), "trusted");
  Deno.removeSync(base, { recursive: true });
});

test("names, sizes and times are what was set, to the nanosecond", (open) => {
  using at = setUp(open);
  const { tree } = at;
  const time = 1_700_000_000_123_456_789n;
  tree.setTimesAt(at.at, "file", true, time, time + 1n);
  const stat = tree.statAt(at.at, "file", true) as {
    accessed: bigint;
    modified: bigint;
    size: bigint;
    type: string;
  };
  assert.deepEqual([stat.accessed, stat.modified, stat.size, stat.type], [
    time,
    time + 1n,
    6n,
    "regular-file",
  ]);
  assert.equal(Deno.statSync(`${at.root}/in/file`).mtime?.getTime(), 1_700_000_000_123);
});

test("a file is of a size beyond 32 bits", (open) => {
  using at = setUp(open);
  const file = at.tree.openAt(at.at, "big", WRITE) as AnyFile;
  const offset = 5n * 1024n ** 3n;
  file.writeAt(new Uint8Array([7]), offset);
  assert.equal(file.size(), offset + 1n);
  const byte = new Uint8Array(1);
  file.readAt(byte, offset);
  assert.equal(byte[0], 7);
  file.close();
});
