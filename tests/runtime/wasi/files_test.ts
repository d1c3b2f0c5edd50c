import assert from "node:assert/strict";
import type { Files, Mount, Overlay } from "../../../runtime/sandbox.ts";
import { AppError } from "../../../runtime/errors.ts";
import { WasiError } from "../../../runtime/wasi/errno.ts";
import type { AnyFile, DirectoryNode, FileTree, OpenOptions, Stat } from "../../../runtime/wasi/files.ts";
import { NamedTree } from "../../../runtime/wasi/files_by_name.ts";
import { openLinuxTree } from "../../../runtime/wasi/files_linux.ts";
import "../../support/linux_library.ts";

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
    [Symbol.dispose]: () => {
      tree[Symbol.dispose]();
      Deno.removeSync(root, { recursive: true });
    },
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

test("a granted file may have another name on the host", (open) => {
  using at = setUp(open, { only: ["called"], names: new Map([["called", "file"]]) });
  const { tree } = at;
  assert.equal(read(tree.openAt(at.at, "called", READ)), "inside");
  assert.equal((tree.statAt(at.at, "./called", false) as { size: bigint }).size, 6n);
  assert.deepEqual(entriesOf(tree, at.at), [{ name: "called", type: "regular-file" }]);
  assert.equal(errnoOf(() => tree.openAt(at.at, "file", READ)), "no-entry");
  withFile(tree.openAt(at.at, "called", WRITE), (file) => file.writeAt(new TextEncoder().encode("IN"), 0n));
  assert.equal(Deno.readTextFileSync(`${at.root}/in/file`), "INside");
  tree.unlinkFileAt(at.at, "called");
  assert.deepEqual(entriesOf(tree, at.at), []);
  withFile(tree.openAt(at.at, "called", { ...WRITE, create: true }), () => {});
  assert.equal(Deno.statSync(`${at.root}/in/file`).size, 0);
});

test("a link that was granted does not lead out of a directory that the plugin may change", (open) => {
  const base = Deno.realPathSync(Deno.makeTempDirSync());
  for (const name of ["work", "out"]) Deno.mkdirSync(`${base}/${name}`);
  Deno.writeTextFileSync(`${base}/out/secret`, "secret");
  Deno.symlinkSync("../out/secret", `${base}/work/link`);
  Deno.symlinkSync("out/secret", `${base}/beside`);
  const trees = (link: string): Files => ({
    mounts: [
      { guest: "/work", host: `${base}/work`, write: true },
      {
        ...{ guest: "/link", host: `${base}/out`, write: false },
        ...{ only: ["link"], names: new Map([["link", "secret"]]), through: [link] },
      },
    ],
    overlays: [],
    protectedPaths: [],
    unprotectedPaths: [],
  });
  assert.throws(() => open(trees(`${base}/work/link`)), { code: "GRANT_INVALID", message: /work\/link/ });
  using tree = open(trees(`${base}/beside`));
  assert.equal(read(tree.openAt(tree.roots[1]!.node, "link", READ)), "secret");
  Deno.removeSync(base, { recursive: true });
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

const bytes = (text: string) => new TextEncoder().encode(text);
const binary = (...values: (string | number)[]) =>
  Uint8Array.from(values.flatMap((value) => typeof value === "string" ? [...bytes(value)] : [value]));

test("what is denied is not there, by any name, and can't be made", (open) => {
  const base = Deno.realPathSync(Deno.makeTempDirSync());
  for (const name of [".ssh/keys", "docs", ".kube"]) Deno.mkdirSync(`${base}/${name}`, { recursive: true });
  Deno.writeTextFileSync(`${base}/.ssh/keys/id`, "key");
  Deno.writeTextFileSync(`${base}/.kube/config`, "real");
  Deno.writeTextFileSync(`${base}/.kube/token`, "secret");
  Deno.writeTextFileSync(`${base}/docs/note`, "note");
  Deno.symlinkSync(".ssh/keys", `${base}/alias`);
  const tree = open({
    mounts: [{ guest: "/h", host: base, write: true }],
    overlays: [standIn(`${base}/.kube/config`)],
    protectedPaths: [],
    unprotectedPaths: [],
    deniedPaths: [`${base}/.ssh`, `${base}/.kube`, `${base}/.gnupg`],
    deniedWrites: [`${base}/docs`],
  });
  const at = tree.roots[0]!.node;
  for (
    const path of [
      ".ssh",
      ".ssh/keys",
      ".ssh/keys/id",
      "alias",
      "alias/id",
      "docs/../.ssh/keys/id",
      ".kube/token",
      ".gnupg",
    ]
  ) {
    assert.equal(errnoOf(() => tree.openAt(at, path, READ)), "no-entry", path);
    assert.equal(errnoOf(() => tree.statAt(at, path, true)), "no-entry", path);
  }
  assert.equal(read(tree.openAt(at, ".kube/config", READ)), "stand-in");
  assert.deepEqual(entriesOf(tree, at).map(({ name }) => name).sort(), ["alias", "docs"]);
  const changes: [string, () => unknown][] = [
    ["no-entry", () => tree.openAt(at, ".ssh/keys/id", { ...READ, write: true })],
    ["no-entry", () => tree.openAt(at, ".ssh/new", WRITE)],
    ["no-entry", () => tree.createDirectoryAt(at, ".ssh/new")],
    ["no-entry", () => tree.linkAt(at, ".ssh/keys/id", false, at, "mine")],
    ["no-entry", () => tree.renameAt(at, ".ssh/keys", at, "mine")],
    ["not-permitted", () => tree.createDirectoryAt(at, ".gnupg")],
    ["not-permitted", () => tree.openAt(at, ".gnupg", WRITE)],
    ["not-permitted", () => tree.openAt(at, "docs/note", WRITE)],
    ["not-permitted", () => tree.openAt(at, "docs/new", WRITE)],
    ["not-permitted", () => tree.unlinkFileAt(at, "docs/note")],
    ["not-permitted", () => tree.renameAt(at, "docs", at, "mine")],
    ["not-permitted", () => tree.linkAt(at, "docs/note", false, at, "mine")],
  ];
  for (const [errno, change] of changes) {
    const found = errnoOf(change);
    assert.ok(
      found === errno || found === "no-entry" && String(change).includes(".gnupg"),
      `${found} ${change}`,
    );
  }
  assert.notEqual(errnoOf(() => tree.renameAt(at, ".ssh", at, "mine")), "ok");
  assert.equal(read(tree.openAt(at, "docs/note", READ)), "note");
  assert.equal(Deno.readTextFileSync(`${base}/.ssh/keys/id`), "key");
  Deno.removeSync(base, { recursive: true });
});

test("trailing slashes, empty names and NUL mean what POSIX says, and links that turn in circles end", (open) => {
  using at = setUp(open);
  const { root, tree } = at;
  Deno.symlinkSync("file", `${root}/in/to-file`);
  Deno.symlinkSync("sub", `${root}/in/to-sub`);
  Deno.symlinkSync("circle-b", `${root}/in/circle-a`);
  Deno.symlinkSync("circle-a", `${root}/in/circle-b`);
  const expected: [string, string][] = [
    ["file/", "not-directory"],
    ["to-file/", "not-directory"],
    ["file/.", "not-directory"],
    ["file/..", "not-directory"],
    ["to-sub/", "ok"],
    ["sub//./", "ok"],
    ["sub/..", "ok"],
    ["", "no-entry"],
    ["/", "not-permitted"],
    ["//", "not-permitted"],
    ["..", "not-permitted"],
    ["sub/../..", "not-permitted"],
    ["fi\0le", "invalid"],
    ["circle-a", "loop"],
    ["circle-a/x", "loop"],
    ["x".repeat(300), "name-too-long"],
    ["x/".repeat(3000), "name-too-long"],
  ];
  for (const [path, errno] of expected) {
    const label = path.slice(0, 40);
    assert.equal(errnoOf(() => tree.statAt(at.at, path, true)), errno, label);
    assert.equal(errnoOf(() => (tree.openAt(at.at, path, READ) as AnyFile).close()), errno, label);
  }
  assert.equal(errnoOf(() => tree.createDirectoryAt(at.at, "new/")), "ok");
  assert.equal(errnoOf(() => tree.unlinkFileAt(at.at, "file/")), "not-directory");
  assert.equal(errnoOf(() => tree.openAt(at.at, "newer/", WRITE)), "is-directory");
  assert.equal(errnoOf(() => tree.removeDirectoryAt(at.at, ".")), "invalid");
  assert.notEqual(errnoOf(() => tree.removeDirectoryAt(at.at, "..")), "ok");
  assert.notEqual(errnoOf(() => tree.renameAt(at.at, "sub/..", at.at, "x")), "ok");
  assert.equal(errnoOf(() => tree.removeDirectoryAt(at.at, "new/")), "ok");
});

test("files of processes can't be opened, whatever is granted", (open) => {
  if (Deno.build.os !== "linux") return;
  using _at = setUp(open);
  const tree = open({
    mounts: [{ guest: "/", host: "/", write: true }],
    overlays: [],
    protectedPaths: [],
    unprotectedPaths: [],
  });
  const at = tree.roots[0]!.node;
  for (
    const path of [
      "proc/self/environ",
      "proc/self/mem",
      "proc/self/maps",
      "proc/self/root/etc/passwd",
      "proc/self/cwd",
      "proc/self/fd/0",
      "proc/thread-self/environ",
      `proc/${Deno.pid}/environ`,
      `proc/${Deno.ppid}/environ`,
      "dev/fd/0",
      "dev/stdin",
    ]
  ) {
    assert.notEqual(errnoOf(() => tree.openAt(at, path, READ)), "ok", path);
    assert.notEqual(errnoOf(() => tree.openAt(at, path, { ...READ, write: true })), "ok", path);
  }
  assert.equal(errnoOf(() => (tree.openAt(at, "proc/meminfo", READ) as AnyFile).close()), "ok");
  assert.notEqual(
    errnoOf(() => tree.openAt(at, "proc/sys/kernel/hostname", { ...READ, write: true })),
    "ok",
  );
});

test("a write that appends goes to the end, wherever another put it", (open) => {
  using at = setUp(open);
  const [a, b] = [0, 1].map(() => at.tree.openAt(at.at, "log", WRITE) as AnyFile);
  a!.append(bytes("one "));
  b!.append(bytes("two "));
  a!.append(bytes("three"));
  a!.writeAt(bytes("O"), 0n);
  a!.append(bytes("!"));
  for (const file of [a!, b!]) file.close();
  assert.equal(Deno.readTextFileSync(`${at.root}/in/log`), "One two three!");
});

test("many opens and closes leave nothing open", (open) => {
  using at = setUp(open);
  const count = () => Deno.build.os === "linux" ? [...Deno.readDirSync("/proc/self/fd")].length : 0;
  const before = count();
  for (let i = 0; i < 300; i++) {
    (at.tree.openAt(at.at, "sub/deep", READ) as AnyFile).close();
    (at.tree.openAt(at.at, "sub", READ) as DirectoryNode).close();
    at.tree.statAt(at.at, "sub/../file", true);
    entriesOf(at.tree, at.at);
    for (
      const failing of [
        () => at.tree.openAt(at.at, "sub/none", READ),
        () => at.tree.openAt(at.at, "sub", WRITE),
        () => at.tree.openAt(at.at, "file", { ...WRITE, exclusive: true }),
        () => at.tree.renameAt(at.at, "sub", at.at, "file"),
        () => at.tree.linkAt(at.at, "sub/deep", false, at.at, "file"),
        () => at.tree.symlinkAt("x", at.at, "sub/deep"),
        () => at.tree.readLinkAt(at.at, "sub/deep"),
        () => at.tree.removeDirectoryAt(at.at, "sub"),
        () => at.tree.setTimesAt(at.at, "sub/none", true, 0n, 0n),
      ]
    ) assert.notEqual(errnoOf(failing), "ok");
  }
  assert.equal(count(), before);
});

/** A test of what only the kernel can do. */
function linuxTest(name: string, run: (open: Open) => void | Promise<void>): void {
  const open = IMPLEMENTATIONS["by descriptor"];
  Deno.test({ name, ignore: !open, fn: () => run(open!) });
}

linuxTest("names are bytes, which need not be text", (open) => {
  using at = setUp(open);
  const { tree } = at;
  const name = binary("caf", 0xe9, 0xff);
  const file = tree.openAt(at.at, name, WRITE) as AnyFile;
  file.writeAt(bytes("latin"), 0n);
  file.close();
  assert.equal(read(tree.openAt(at.at, name, READ)), "latin");
  const listing = tree.readDirectory(at.at);
  const names = [0, 1, 2].map((index) => String(listing.at(index)!.name));
  listing.close();
  assert.ok(names.includes(String(name)));
  tree.symlinkAt(name, at.at, "link");
  assert.deepEqual(tree.readLinkAt(at.at, "link"), name);
  assert.equal(read(tree.openAt(at.at, "link", READ)), "latin");
  tree.renameAt(at.at, name, at.at, binary("sub/", 0x80));
  tree.unlinkFileAt(at.at, binary("sub/", 0x80));
  assert.deepEqual([...Deno.readDirSync(`${at.root}/in/sub`)].map(({ name }) => name), ["deep"]);
});

linuxTest("times are the operating system's own, of links too, before 1970 too", (open) => {
  using at = setUp(open);
  const { root, tree } = at;
  Deno.symlinkSync("file", `${root}/in/link`);
  tree.setTimesAt(at.at, "link", false, 1n, -1_000_000_001n);
  const link = tree.statAt(at.at, "link", false) as Stat;
  assert.deepEqual([link.type, link.accessed, link.modified], ["symbolic-link", 1n, -1_000_000_001n]);
  const before = tree.statAt(at.at, "file", true) as Stat;
  assert.notEqual(before.modified, link.modified);
  withFile(tree.openAt(at.at, "file", WRITE), (file) => {
    tree.setTimes(file, 4_102_444_800_999_999_999n, undefined);
    assert.equal(file.stat().accessed, 4_102_444_800_999_999_999n);
    assert.equal(file.stat().modified, before.modified);
    tree.setTimes(file, undefined, "now");
    assert.ok(file.stat().modified > before.modified);
  });
  // A second tree, as a second run of the plugin has: the nanoseconds are on the disk.
  const again = open({
    mounts: [{ guest: "/g", host: `${root}/in`, write: false }],
    overlays: [],
    protectedPaths: [],
    unprotectedPaths: [],
  });
  assert.equal(
    (again.statAt(again.roots[0]!.node, "file", true) as Stat).accessed,
    4_102_444_800_999_999_999n,
  );
});

linuxTest("a directory that is swapped for a link, over and over, leads out not once", async (open) => {
  using at = setUp(open);
  const { root, tree } = at;
  Deno.mkdirSync(`${root}/out`);
  Deno.writeTextFileSync(`${root}/out/deep`, "outside");
  Deno.symlinkSync("../out", `${root}/in/evil`);
  // What a second process of the same plugin would do, as fast as it can.
  const source = `self.onmessage = ({ data: root }) => {
    const [real, evil, spare] = ["sub", "evil", "spare"].map((name) => root + "/in/" + name);
    self.postMessage("started");
    for (let i = 0; i < 20000; i++) {
      Deno.renameSync(real, spare); Deno.renameSync(evil, real);
      Deno.renameSync(real, evil); Deno.renameSync(spare, real);
    }
    self.postMessage("done");
  };`;
  const worker = new Worker(`data:application/javascript,${encodeURIComponent(source)}`, { type: "module" });
  const messages: string[] = [];
  const { promise: started, resolve } = Promise.withResolvers<void>();
  worker.onmessage = ({ data }) => {
    messages.push(data);
    resolve();
  };
  worker.postMessage(root);
  await started;
  const seen = new Map<string, number>();
  const note = (what: string) => seen.set(what, (seen.get(what) ?? 0) + 1);
  for (let i = 0; !messages.includes("done"); i++) {
    try {
      note(read(tree.openAt(at.at, "sub/deep", READ)));
    } catch (error) {
      assert.ok(error instanceof WasiError, String(error));
      note(error.errno);
    }
    // The same for a change: it is made inside, or not at all.
    note(`make ${errnoOf(() => (tree.openAt(at.at, `sub/new-${i % 50}`, WRITE) as AnyFile).close())}`);
    if (i % 100 === 0) await new Promise((resolve) => setTimeout(resolve));
  }
  worker.terminate();
  assert.equal(seen.get("outside"), undefined, JSON.stringify([...seen]));
  assert.ok((seen.get("deep") ?? 0) > 0, JSON.stringify([...seen]));
  assert.ok(
    (seen.get("not-permitted") ?? 0) + (seen.get("make not-permitted") ?? 0) > 0,
    JSON.stringify([...seen]),
  );
  assert.deepEqual([...Deno.readDirSync(`${root}/out`)].map(({ name }) => name), ["deep"]);
});

linuxTest(
  "a kubeconfig that is replaced over and over is shown not once, nor is a denied file",
  async (open) => {
    using at = setUp(open);
    const { root } = at;
    for (const name of ["config", "denied"]) Deno.writeTextFileSync(`${root}/in/${name}`, "real");
    const tree = open({
      mounts: [{ guest: "/g", host: `${root}/in`, write: true }],
      overlays: [standIn(`${root}/in/config`)],
      protectedPaths: [],
      unprotectedPaths: [],
      deniedPaths: [`${root}/in/denied`],
    });
    const node = tree.roots[0]!.node;
    // What kubectl, a cloud's program or an editor does now and then.
    const source = `self.onmessage = ({ data: root }) => {
    self.postMessage("started");
    for (let i = 0; i < 1500; i++) {
      for (const name of ["config", "denied"]) {
        Deno.writeTextFileSync(root + "/new", "real");
        Deno.renameSync(root + "/new", root + "/in/" + name);
      }
    }
    self.postMessage("done");
  };`;
    const worker = new Worker(`data:application/javascript,${encodeURIComponent(source)}`, {
      type: "module",
    });
    const messages: string[] = [];
    const { promise: started, resolve } = Promise.withResolvers<void>();
    worker.onmessage = ({ data }) => {
      messages.push(data);
      resolve();
    };
    worker.postMessage(root);
    await started;
    const seen = new Map<string, number>();
    const look = (path: string, options: OpenOptions) => {
      let what: string;
      try {
        what = read(tree.openAt(node, path, options));
      } catch (error) {
        assert.ok(error instanceof WasiError, String(error));
        what = error.errno;
      }
      seen.set(`${path}: ${what}`, (seen.get(`${path}: ${what}`) ?? 0) + 1);
    };
    for (let i = 0; !messages.includes("done"); i++) {
      look("config", READ);
      look("config", { ...WRITE, create: false });
      look("denied", READ);
      if (i % 100 === 0) await new Promise((resolve) => setTimeout(resolve));
    }
    worker.terminate();
    const expected = ["config: read-only", "config: stand-in", "denied: no-entry"];
    assert.deepEqual([...seen.keys()].sort(), expected, JSON.stringify([...seen]));
  },
);

linuxTest("a kubeconfig that is replaced while the plugin runs shows its stand-in still", (open) => {
  const base = Deno.realPathSync(Deno.makeTempDirSync());
  Deno.writeTextFileSync(`${base}/config`, "real");
  const tree = open({
    mounts: [{ guest: "/h", host: base, write: true }],
    overlays: [standIn(`${base}/config`)],
    protectedPaths: [],
    unprotectedPaths: [],
  });
  const at = tree.roots[0]!.node;
  assert.equal(read(tree.openAt(at, "config", READ)), "stand-in");
  Deno.writeTextFileSync(`${base}/other`, "real too");
  Deno.renameSync(`${base}/other`, `${base}/config`);
  assert.equal(read(tree.openAt(at, "config", READ)), "stand-in");
  Deno.removeSync(`${base}/config`);
  assert.equal(read(tree.openAt(at, "config", READ)), "stand-in");
  // Nor can the plugin put a file of its own there for kubectl to find.
  assert.equal(errnoOf(() => tree.openAt(at, "config", WRITE)), "read-only");
  (tree.openAt(at, "mine", WRITE) as AnyFile).close();
  assert.equal(errnoOf(() => tree.renameAt(at, "mine", at, "config")), "not-permitted");
  assert.equal(errnoOf(() => tree.linkAt(at, "mine", false, at, "config")), "not-permitted");
  assert.equal(errnoOf(() => tree.symlinkAt("mine", at, "config")), "not-permitted");
  assert.equal(errnoOf(() => tree.createDirectoryAt(at, "config")), "not-permitted");
  Deno.removeSync(base, { recursive: true });
});

linuxTest("a hard link to a file of the store is the store's file", (open) => {
  const base = Deno.realPathSync(Deno.makeTempDirSync());
  Deno.mkdirSync(`${base}/store/data/foo`, { recursive: true });
  Deno.writeTextFileSync(`${base}/store/receipt`, "trusted");
  Deno.linkSync(`${base}/store/receipt`, `${base}/backup`);
  Deno.writeTextFileSync(`${base}/store/data/foo/own`, "own");
  Deno.linkSync(`${base}/store/data/foo/own`, `${base}/own`);
  const tree = open({
    mounts: [{ guest: "/h", host: base, write: true }],
    overlays: [],
    protectedPaths: [`${base}/store`],
    unprotectedPaths: [`${base}/store/data/foo`],
  });
  const at = tree.roots[0]!.node;
  assert.equal(read(tree.openAt(at, "backup", READ)), "trusted");
  assert.equal(errnoOf(() => tree.openAt(at, "backup", { ...READ, truncate: true })), "not-permitted");
  assert.equal(errnoOf(() => tree.openAt(at, "backup", { ...READ, write: true })), "not-permitted");
  assert.equal(errnoOf(() => tree.setTimesAt(at, "backup", true, 0n, 0n)), "not-permitted");
  assert.equal(errnoOf(() => tree.linkAt(at, "backup", false, at, "more")), "not-permitted");
  assert.equal(errnoOf(() => (tree.openAt(at, "own", { ...READ, write: true }) as AnyFile).close()), "ok");
  assert.equal(Deno.readTextFileSync(`${base}/store/receipt`), "trusted");
  Deno.removeSync(base, { recursive: true });
});

linuxTest("a directory of 100,000 entries is listed whole, from any place, with inodes", (open) => {
  using at = setUp(open);
  const { root, tree } = at;
  const total = 100_000;
  Deno.mkdirSync(`${root}/in/many`);
  for (let i = 0; i < total; i++) {
    Deno.openSync(`${root}/in/many/${i}`, { create: true, write: true }).close();
  }
  const many = tree.openAt(at.at, "many", READ) as DirectoryNode;
  const listing = tree.readDirectory(many);
  const seen = new Set<string>();
  for (let index = 0; index < total; index++) seen.add(new TextDecoder().decode(listing.at(index)!.name));
  assert.equal(listing.at(total), undefined);
  assert.equal(seen.size, total);
  const entry = listing.at(54_321)!;
  assert.deepEqual(listing.at(54_321), entry);
  const { ino } = tree.statAt(many, entry.name, false) as Stat;
  assert.equal(entry.ino, ino);
  listing.close();
  many.close();
});

test("what the comparison with a file system in memory found stays found", (open) => {
  using at = setUp(open);
  const { root, tree } = at;
  Deno.symlinkSync("to", `${root}/in/dangling`);
  Deno.symlinkSync("circle", `${root}/in/circle`);
  Deno.symlinkSync("..", `${root}/in/up`);
  const opened = (path: string, options: Partial<OpenOptions>) =>
    errnoOf(() => (tree.openAt(at.at, path, { ...READ, ...options }) as AnyFile).close());
  // Slashes after a link that is to be made, moved or removed do not follow it.
  assert.equal(errnoOf(() => tree.renameAt(at.at, "none", at.at, "circle//")), "no-entry");
  assert.equal(errnoOf(() => tree.renameAt(at.at, "file", at.at, "up/")), "not-directory");
  assert.equal(errnoOf(() => tree.removeDirectoryAt(at.at, "up/")), "not-directory");
  // Making a file that must be new does not follow a link, wherever it leads.
  assert.equal(opened("up", { create: true, exclusive: true, write: true }), "exist");
  assert.equal(opened("dangling", { create: true, exclusive: true, write: true }), "exist");
  // A link that is not followed is no directory.
  assert.equal(opened("circle", { follow: false, directory: true }), "not-directory");
  assert.equal(opened("circle", { follow: false }), "loop");
  // Asking for a directory makes no file.
  assert.equal(opened("new/", { create: true, directory: true }), "no-entry");
  assert.equal(opened("new", { create: true, directory: true, write: true }), "no-entry");
  assert.equal(opened("sub", { create: true, exclusive: true, directory: true }), "exist");
  // `.` and `..` name no place for a change, not even inside.
  assert.equal(errnoOf(() => tree.renameAt(at.at, "up", at.at, ".")), "busy");
  assert.equal(errnoOf(() => tree.renameAt(at.at, "sub/..", at.at, "x")), "busy");
  assert.equal(errnoOf(() => tree.removeDirectoryAt(at.at, "sub/..")), "not-empty");
});

test("what is granted below a directory that the plugin may change does not lead out of it", (open) => {
  using it = setUp(open);
  const { root } = it;
  Deno.symlinkSync(root, `${root}/in/up`);
  Deno.symlinkSync("sub", `${root}/in/inner`);
  Deno.symlinkSync("in", `${root}/alias`);
  const mount = (host: string, write = false): Mount => ({ guest: "/m", host: `${root}/${host}`, write });
  const opened = (...more: readonly Mount[]) => {
    const mounts = [{ guest: "/g", host: `${root}/in`, write: true }, ...more];
    open({ mounts, overlays: [], protectedPaths: [], unprotectedPaths: [] })[Symbol.dispose]();
  };
  const refused = (...more: readonly Mount[]) =>
    assert.throws(
      () => opened(...more),
      (error) => error instanceof AppError && error.code === "GRANT_INVALID",
      more.map(({ host }) => host).join(),
    );
  opened(mount("in/sub"), mount("in/inner", true), mount("alias"), mount("alias/sub"), mount("alias/inner"));
  opened({ guest: "/", host: "/", write: false }, mount("in/sub"));
  refused(mount("in/up"));
  refused(mount("alias/up"));
  refused(mount("in/up/in/sub"), mount("in/up", true));
  refused(mount("in/up", true));
  refused(mount("in/up", true), mount("in/up/alias", true));
});
