/** Files that a plugin can't reach, see or change under any name, whatever was granted; with both file trees. */

import assert from "node:assert/strict";
import type { Overlay } from "../../../../runtime/sandbox/types.ts";
import { WasiError } from "../../../../runtime/wasi/errno.ts";
import type { AnyFile, DirectoryNode, OpenOptions } from "../../../../runtime/wasi/files/file_tree.ts";
import {
  entriesOf,
  errnoOf,
  IMPLEMENTATIONS,
  READ,
  read,
  setUp,
  testLinuxTree,
  testTrees,
  withFile,
  WRITE,
} from "../../../support/file_trees.ts";
import { removeTree } from "../../../../runtime/base/remove_tree.ts";
import { nestDirectories } from "../../../support/deep.ts";
import { temporaryDirectory } from "../../../support/temporary.ts";

testTrees("no link, dot or hard link leads out of the grant", (open) => {
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
  // A relative link out of the tree can be made, as in POSIX, but leads nowhere.
  assert.equal(errnoOf(() => tree.symlinkAt("../secret", at.at, "mine")), "ok");
  assert.equal(errnoOf(() => tree.openAt(at.at, "mine", READ)), "not-permitted");
  const sub = tree.openAt(at.at, "sub", { ...READ, directory: true }) as DirectoryNode;
  assert.equal(errnoOf(() => tree.openAt(sub, "../file", READ)), "not-permitted");
  assert.equal(Deno.readTextFileSync(`${root}/secret`), "outside");
});

Deno.test("notices a link that appears between check and use (by name)", () => {
  using at = setUp(IMPLEMENTATIONS["by name"]!);
  const { root, tree } = at;
  Deno.mkdirSync(`${root}/out`);
  Deno.writeTextFileSync(`${root}/out/deep`, "outside");
  const openSync = Deno.openSync;
  // Between resolving and opening sub/deep, another process replaces sub with a link.
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

Deno.test("notices a replaced file or directory before a change (by name)", () => {
  using at = setUp(IMPLEMENTATIONS["by name"]!);
  const { root, tree } = at;
  const { openSync, lstatSync } = Deno;
  Deno.openSync = (...args) => {
    const file = openSync(...args);
    Deno.renameSync(`${root}/secret`, `${root}/in/file`);
    return file;
  };
  try {
    assert.equal(errnoOf(() => tree.openAt(at.at, "file", READ)), "access");
  } finally {
    Deno.openSync = openSync;
  }
  Deno.mkdirSync(`${root}/out`);
  Deno.lstatSync = (path) => {
    if (path === `${root}/in/sub/new` && lstatSync(`${root}/in/sub`).isDirectory) {
      Deno.renameSync(`${root}/in/sub`, `${root}/in/old`);
      Deno.symlinkSync(`${root}/out`, `${root}/in/sub`);
    }
    return lstatSync(path);
  };
  try {
    assert.equal(errnoOf(() => tree.createDirectoryAt(at.at, "sub/new")), "access");
  } finally {
    Deno.lstatSync = lstatSync;
  }
  assert.deepEqual([...Deno.readDirSync(`${root}/out`)], []);
});

testTrees("a grant to read lets nothing be changed", (open) => {
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

testTrees("a grant of one file shows that file alone", (open) => {
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

testTrees("refuses a mount that became a link after the check", (open) => {
  using it = setUp(open);
  const { root } = it;
  Deno.symlinkSync("sub", `${root}/in/link`);
  Deno.symlinkSync(root, `${root}/in/up`);
  for (const host of [`${root}/in/link`, `${root}/in/up/in`, `${root}/in/up`]) {
    const mounts = [{ guest: "/m", host, write: false }];
    assert.throws(() => open({ mounts }), { code: "GRANT_INVALID", message: /a link has taken the place/ });
  }
});

testTrees("a granted file's place is taken by a regular file, or by nothing", (open) => {
  using it = setUp(open, { only: ["file"] });
  const { root, at } = it;
  const tree = open({
    mounts: [
      { guest: "/g", host: `${root}/in`, write: true, only: ["file"] },
      { guest: "/w", host: `${root}/in/sub`, write: true },
      { guest: "/n", host: root, write: true, only: ["new"] },
    ],
  });
  const [granted, sub, missing] = tree.roots.map(({ node }) => node) as [
    DirectoryNode,
    DirectoryNode,
    DirectoryNode,
  ];
  Deno.mkdirSync(`${root}/in/sub/directory`);
  Deno.symlinkSync("../../secret", `${root}/in/sub/link`);
  tree.unlinkFileAt(granted, "file");
  for (const [node, name] of [[granted, "file"], [missing, "new"]] as const) {
    for (
      const change of [
        () => tree.symlinkAt("../secret", node, name),
        () => tree.createDirectoryAt(node, name),
        () => tree.linkAt(sub, "deep", false, node, name),
        () => tree.renameAt(sub, "link", node, name),
        () => tree.renameAt(sub, "directory", node, name),
      ]
    ) assert.equal(errnoOf(change), "not-permitted", String(change));
    // As editors save files.
    Deno.writeTextFileSync(`${root}/in/sub/saved`, "saved");
    tree.renameAt(sub, "saved", node, name);
    assert.equal(read(tree.openAt(node, name, READ)), "saved");
  }
  assert.equal(Deno.readTextFileSync(`${root}/secret`), "outside");
  assert.equal(read(it.tree.openAt(at, "file", READ)), "saved");
  tree[Symbol.dispose]();
});

function redacted(host: string, text = "redacted"): Overlay {
  return { host, content: () => new TextEncoder().encode(text) };
}

testTrees("an overlay shows under every name and can't be changed or moved", (open) => {
  const base = temporaryDirectory();
  Deno.mkdirSync(`${base}/.kube`);
  Deno.writeTextFileSync(`${base}/.kube/config`, "real");
  Deno.symlinkSync(".kube/config", `${base}/link`);
  Deno.linkSync(`${base}/.kube/config`, `${base}/hard`);
  const tree = open({
    mounts: [{ guest: "/h", host: base, write: true }],
    overlays: [redacted(`${base}/.kube/config`)],
  });
  const at = tree.roots[0]!.node;
  for (const path of [".kube/config", "link", "hard", ".kube/../.kube//config"]) {
    assert.equal(read(tree.openAt(at, path, READ)), "redacted", path);
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

testTrees("an overlay is shown beside nothing else, and its content is made once", (open) => {
  let made = 0;
  const base = temporaryDirectory();
  Deno.writeTextFileSync(`${base}/id_rsa`, "key");
  const tree = open({
    mounts: [{ guest: "/h", host: base, write: false, only: ["config"] }],
    overlays: [{ host: `${base}/config`, content: () => (made++, new TextEncoder().encode("x")) }],
  });
  const at = tree.roots[0]!.node;
  assert.deepEqual(entriesOf(tree, at), [{ name: "config", type: "regular-file" }]);
  assert.equal(read(tree.openAt(at, "config", READ)) + read(tree.openAt(at, "config", READ)), "xx");
  assert.equal(made, 1);
  assert.equal(errnoOf(() => tree.openAt(at, "id_rsa", READ)), "no-entry");
  Deno.removeSync(base, { recursive: true });
});

testTrees("protected files can't be changed on any path, the exempt directory can", (open) => {
  const base = temporaryDirectory();
  Deno.mkdirSync(`${base}/store/bin`, { recursive: true });
  Deno.mkdirSync(`${base}/store/data/foo`, { recursive: true });
  Deno.writeTextFileSync(`${base}/store/code.js`, "trusted");
  Deno.symlinkSync("store", `${base}/alias`);
  const tree = open({
    mounts: [{ guest: "/h", host: base, write: true }],
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

testTrees("denied files do not exist under any name and can't be created", (open) => {
  const base = temporaryDirectory();
  for (const name of [".ssh/keys", "docs", ".kube"]) Deno.mkdirSync(`${base}/${name}`, { recursive: true });
  Deno.writeTextFileSync(`${base}/.ssh/keys/id`, "key");
  Deno.writeTextFileSync(`${base}/.kube/config`, "real");
  Deno.writeTextFileSync(`${base}/.kube/token`, "secret");
  Deno.writeTextFileSync(`${base}/docs/note`, "note");
  Deno.symlinkSync(".ssh/keys", `${base}/alias`);
  const tree = open({
    mounts: [{ guest: "/h", host: base, write: true }],
    overlays: [redacted(`${base}/.kube/config`)],
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
  assert.equal(read(tree.openAt(at, ".kube/config", READ)), "redacted");
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

testTrees("files of processes can't be opened, whatever is granted", (open) => {
  if (Deno.build.os !== "linux") return;
  using _at = setUp(open);
  const tree = open({
    mounts: [{ guest: "/", host: "/", write: true }],
  });
  const at = tree.roots[0]!.node;
  for (
    const path of [
      "proc/self/environ",
      "proc/self/mem",
      "proc/self/maps",
      "proc/self/root/etc/passwd",
      "proc/self/cwd",
      "proc/kcore",
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

testLinuxTree("a directory that is swapped for a link, over and over, leads out not once", async (open) => {
  using at = setUp(open);
  const { root, tree } = at;
  Deno.mkdirSync(`${root}/out`);
  Deno.writeTextFileSync(`${root}/out/deep`, "outside");
  Deno.symlinkSync("../out", `${root}/in/evil`);
  // Acts as a second process of the same plugin, as fast as it can, until it must stop.
  const stop = new Int32Array(new SharedArrayBuffer(4));
  const source = `self.onmessage = ({ data: [root, stop] }) => {
    const [real, evil, spare] = ["sub", "evil", "spare"].map((name) => root + "/in/" + name);
    self.postMessage("started");
    while (Atomics.load(stop, 0) === 0) {
      Deno.renameSync(real, spare); Deno.renameSync(evil, real);
      Deno.renameSync(real, evil); Deno.renameSync(spare, real);
    }
    self.postMessage("stopped");
  };`;
  const worker = new Worker(`data:application/javascript,${encodeURIComponent(source)}`, { type: "module" });
  const message = () => new Promise<void>((resolve) => worker.onmessage = () => resolve());
  const started = message();
  worker.postMessage([root, stop]);
  await started;
  const seen = new Map<string, number>();
  const note = (what: string) => seen.set(what, (seen.get(what) ?? 0) + 1);
  const refused = () => (seen.get("not-permitted") ?? 0) + (seen.get("make not-permitted") ?? 0);
  // Until both places were met often, however the two threads share the machine.
  const patience = performance.now() + 120_000;
  for (let i = 0; (seen.get("deep") ?? 0) < 500 || refused() < 500; i++) {
    try {
      note(read(tree.openAt(at.at, "sub/deep", READ)));
    } catch (error) {
      assert.ok(error instanceof WasiError, String(error));
      note(error.errno);
    }
    // The same for a change: the file is created inside, or not at all.
    note(`make ${errnoOf(() => (tree.openAt(at.at, `sub/new-${i % 50}`, WRITE) as AnyFile).close())}`);
    if (seen.has("outside") || performance.now() > patience) break;
  }
  const stopped = message();
  Atomics.store(stop, 0, 1);
  await stopped;
  worker.terminate();
  assert.equal(seen.get("outside"), undefined, JSON.stringify([...seen]));
  assert.ok((seen.get("deep") ?? 0) > 0 && refused() > 0, JSON.stringify([...seen]));
  assert.deepEqual([...Deno.readDirSync(`${root}/out`)].map(({ name }) => name), ["deep"]);
});

testLinuxTree(
  "never shows a kubeconfig or denied file that is replaced repeatedly",
  async (open) => {
    using at = setUp(open);
    const { root } = at;
    for (const name of ["config", "denied"]) Deno.writeTextFileSync(`${root}/in/${name}`, "real");
    const tree = open({
      mounts: [{ guest: "/g", host: `${root}/in`, write: true }],
      overlays: [redacted(`${root}/in/config`)],
      deniedPaths: [`${root}/in/denied`],
    });
    const node = tree.roots[0]!.node;
    // As kubectl, a cloud's program or an editor does now and then.
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
    const expected = ["config: read-only", "config: redacted", "denied: no-entry"];
    assert.deepEqual([...seen.keys()].sort(), expected, JSON.stringify([...seen]));
  },
);

testTrees("a kubeconfig that is replaced during the run stays redacted", (open) => {
  const base = temporaryDirectory();
  Deno.writeTextFileSync(`${base}/config`, "real");
  const tree = open({
    mounts: [{ guest: "/h", host: base, write: true }],
    overlays: [redacted(`${base}/config`)],
  });
  const at = tree.roots[0]!.node;
  assert.equal(read(tree.openAt(at, "config", READ)), "redacted");
  Deno.writeTextFileSync(`${base}/other`, "real too");
  Deno.renameSync(`${base}/other`, `${base}/config`);
  assert.equal(read(tree.openAt(at, "config", READ)), "redacted");
  Deno.removeSync(`${base}/config`);
  assert.equal(read(tree.openAt(at, "config", READ)), "redacted");
  // The plugin can't put its own file there for kubectl either.
  assert.equal(errnoOf(() => tree.openAt(at, "config", WRITE)), "read-only");
  (tree.openAt(at, "mine", WRITE) as AnyFile).close();
  assert.equal(errnoOf(() => tree.renameAt(at, "mine", at, "config")), "not-permitted");
  assert.equal(errnoOf(() => tree.linkAt(at, "mine", false, at, "config")), "not-permitted");
  assert.equal(errnoOf(() => tree.symlinkAt("mine", at, "config")), "not-permitted");
  assert.equal(errnoOf(() => tree.createDirectoryAt(at, "config")), "not-permitted");
  Deno.removeSync(base, { recursive: true });
});

testTrees("a hard link to a file of the store is the store's file", (open) => {
  const base = temporaryDirectory();
  Deno.mkdirSync(`${base}/store/data/foo`, { recursive: true });
  Deno.writeTextFileSync(`${base}/store/receipt`, "trusted");
  Deno.linkSync(`${base}/store/receipt`, `${base}/backup`);
  Deno.writeTextFileSync(`${base}/store/data/foo/own`, "own");
  Deno.linkSync(`${base}/store/data/foo/own`, `${base}/own`);
  const tree = open({
    mounts: [{ guest: "/h", host: base, write: true }],
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

testTrees("a deep protected tree breaks no run", (open) => {
  const base = temporaryDirectory();
  for (const name of ["store", "work"]) Deno.mkdirSync(`${base}/${name}`);
  nestDirectories(`${base}/store`, 2000);
  Deno.writeTextFileSync(`${base}/work/linked`, "mine");
  Deno.linkSync(`${base}/work/linked`, `${base}/work/further`);
  try {
    const tree = open({
      mounts: [{ guest: "/w", host: `${base}/work`, write: true }],
      protectedPaths: [`${base}/store`],
    });
    const at = tree.roots[0]!.node;
    for (let turn = 0; turn < 2; turn++) {
      const made = { ...READ, write: true, create: true };
      assert.equal(errnoOf(() => (tree.openAt(at, "file", made) as AnyFile).close()), "ok");
      assert.equal(errnoOf(() => tree.renameAt(at, "file", at, "moved")), "ok");
      // The tree may hold any file with a further name.
      assert.equal(errnoOf(() => tree.openAt(at, "linked", { ...READ, write: true })), "not-permitted");
      tree.lookAhead();
    }
    tree[Symbol.dispose]();
  } finally {
    removeTree(base);
  }
});

testTrees("protected files keep times and names through every directory", (open) => {
  const base = temporaryDirectory();
  Deno.mkdirSync(`${base}/home/store/empty`, { recursive: true });
  Deno.writeTextFileSync(`${base}/mine`, "mine");
  const tree = open({
    mounts: [{ guest: "/h", host: base, write: true }],
    protectedPaths: [`${base}/home/store`],
  });
  const at = tree.roots[0]!.node;
  const store = tree.openAt(at, "home/store", { ...READ, directory: true }) as DirectoryNode;
  const changes: (() => unknown)[] = [
    () => tree.setTimesAt(store, ".", true, 0n, 0n),
    () => tree.setTimes(store, 0n, 0n),
    () => tree.setTimesAt(at, "home/store", true, 0n, 0n),
    () => tree.renameAt(at, "home", at, "moved"),
    () => tree.renameAt(at, "mine", at, "home/store/evil"),
    () => tree.renameAt(at, "mine", store, "evil"),
    () => tree.removeDirectoryAt(store, "empty"),
  ];
  for (const change of changes) assert.equal(errnoOf(change), "not-permitted", String(change));
  store.close();
  assert.notEqual(Deno.statSync(`${base}/home/store`).mtime?.getTime(), 0);
  assert.deepEqual([...Deno.readDirSync(`${base}/home/store`)].map(({ name }) => name), ["empty"]);
});

testTrees("an overlay's times and its directory can't be changed", (open) => {
  const base = temporaryDirectory();
  Deno.mkdirSync(`${base}/there`);
  Deno.mkdirSync(`${base}/empty`);
  Deno.writeTextFileSync(`${base}/there/config`, "real");
  Deno.linkSync(`${base}/there/config`, `${base}/hard`);
  const tree = open({
    mounts: [{ guest: "/h", host: base, write: true }],
    overlays: [redacted(`${base}/there/config`), redacted(`${base}/empty/config`)],
  });
  const at = tree.roots[0]!.node;
  const changes: (() => unknown)[] = [
    () => tree.setTimesAt(at, "there/config", true, 0n, 0n),
    () => tree.setTimesAt(at, "hard", true, 0n, 0n),
    () => tree.removeDirectoryAt(at, "empty"),
    () => tree.renameAt(at, "empty", at, "moved"),
  ];
  for (const change of changes) assert.equal(errnoOf(change), "not-permitted", String(change));
  assert.notEqual(Deno.statSync(`${base}/hard`).mtime?.getTime(), 0);
  assert.equal(read(tree.openAt(at, "empty/config", READ)), "redacted");
});

testTrees("the way to an overlay that is not there yet can't be laid elsewhere", (open) => {
  const base = temporaryDirectory();
  Deno.mkdirSync(`${base}/mine`);
  Deno.writeTextFileSync(`${base}/file`, "mine");
  const tree = open({
    mounts: [{ guest: "/h", host: base, write: true }],
    overlays: [redacted(`${base}/.kube/config`)],
  });
  const at = tree.roots[0]!.node;
  for (
    const change of [
      () => tree.renameAt(at, "mine", at, ".kube"),
      () => tree.linkAt(at, "file", false, at, ".kube"),
      () => tree.symlinkAt("mine", at, ".kube"),
    ]
  ) assert.equal(errnoOf(change), "not-permitted", String(change));
});

testTrees(
  "a denied file does not exist and can't be created",
  (open) => {
    using it = setUp(open);
    const { root } = it;
    const tree = open({
      mounts: [{ guest: "/g", host: `${root}/in`, write: true }],
      deniedPaths: [`${root}/in/file`],
    });
    const at = tree.roots[0]!.node;
    assert.equal(errnoOf(() => tree.openAt(at, "file", READ)), "no-entry");
    assert.equal(errnoOf(() => tree.statAt(at, "file", true)), "no-entry");
    for (const options of [{ ...READ, create: true }, WRITE, { ...READ, truncate: true }]) {
      assert.notEqual(errnoOf(() => (tree.openAt(at, "file", options) as AnyFile).close()), "ok");
    }
    for (
      const change of [
        () => tree.renameAt(at, "sub/deep", at, "file"),
        () => tree.renameAt(at, "file", at, "moved"),
        () => tree.unlinkFileAt(at, "file"),
        () => tree.linkAt(at, "file", false, at, "more"),
      ]
    ) assert.notEqual(errnoOf(change), "ok", String(change));
    assert.equal(Deno.readTextFileSync(`${root}/in/file`), "inside");
    tree[Symbol.dispose]();
  },
);

testTrees("hard links of denied or protected files are denied or protected", (open) => {
  const base = temporaryDirectory();
  Deno.mkdirSync(`${base}/.ssh`);
  Deno.mkdirSync(`${base}/bin`);
  Deno.writeTextFileSync(`${base}/.ssh/id`, "key");
  Deno.writeTextFileSync(`${base}/bin/krew-wasm`, "host");
  Deno.linkSync(`${base}/.ssh/id`, `${base}/copy`);
  Deno.linkSync(`${base}/bin/krew-wasm`, `${base}/hard`);
  Deno.writeTextFileSync(`${base}/mine`, "mine");
  const tree = open({
    mounts: [{ guest: "/h", host: base, write: true }],
    deniedPaths: [`${base}/.ssh`],
    protectedPaths: [`${base}/bin/krew-wasm`],
  });
  const at = tree.roots[0]!.node;
  assert.equal(errnoOf(() => tree.openAt(at, "copy", READ)), "no-entry");
  assert.equal(errnoOf(() => tree.openAt(at, "copy", { ...READ, create: true })), "no-entry");
  assert.equal(read(tree.openAt(at, "hard", READ)), "host");
  for (
    const change of [
      () => tree.openAt(at, "hard", { ...READ, write: true }),
      () => tree.unlinkFileAt(at, "hard"),
      () => tree.renameAt(at, "hard", at, "moved"),
      () => tree.renameAt(at, "mine", at, "hard"),
      () => tree.renameAt(at, "bin", at, "moved"),
      () => tree.unlinkFileAt(at, "bin/krew-wasm"),
    ]
  ) assert.equal(errnoOf(change), "not-permitted", String(change));
});

testTrees("a directory that takes the place of a granted file is not opened", (open) => {
  using it = setUp(open, { only: ["file"] });
  Deno.removeSync(`${it.root}/in/file`);
  Deno.renameSync(`${it.root}/in/sub`, `${it.root}/in/file`);
  assert.notEqual(errnoOf(() => it.tree.openAt(it.at, "file/deep", READ)), "ok");
  const opened = errnoOf(() => (it.tree.openAt(it.at, "file", READ) as DirectoryNode).close());
  assert.equal(opened, "no-entry");
});

/** Makes a special file; returns false if this process may not. */
function mknod(path: string, ...args: string[]): boolean {
  return new Deno.Command("mknod", { args: [path, ...args], stderr: "null" }).outputSync().success;
}

testTrees("only harmless devices can be opened, and no other notices an attempt", (open) => {
  if (Deno.build.os !== "linux") return;
  using it = setUp(open);
  const { root, tree, at } = it;
  // Disks of three kinds; memory, ports, the kernel's log, consoles, flash memory, SCSI, a watchdog; and an unused
  // one, which would show an attempt to open it.
  const devices = [
    "b 7 0",
    "b 8 0",
    "b 254 0",
    "c 1 1",
    "c 1 4",
    "c 1 11",
    "c 4 1",
    "c 7 1",
    "c 90 0",
    "c 21 0",
  ];
  devices.push("c 10 130", "c 202 0", "c 162 0", "c 240 77", "c 5 1", "c 5 2");
  for (const device of devices) {
    const [kind = "", ...numbers] = device.split(" ");
    // Only root can make them, and not in every container.
    if (!mknod(`${root}/in/${device}`, kind, ...numbers)) return;
    for (const options of [READ, { ...READ, write: true }, WRITE, { ...READ, truncate: true }]) {
      assert.equal(errnoOf(() => (tree.openAt(at, device, options) as AnyFile).close()), "access", device);
    }
  }
  for (const name of ["null", "zero", "full", "random", "urandom"]) {
    const { rdev } = Deno.statSync(`/dev/${name}`);
    mknod(`${root}/in/${name}`, "c", `${rdev! >> 8}`, `${rdev! & 0xff}`);
    for (const options of [READ, { ...READ, write: true }]) {
      const errno = errnoOf(() => (tree.openAt(at, name, options) as AnyFile).close());
      // On a file system without devices the system refuses.
      assert.ok(errno === "ok" || errno === "access", `${name}: ${errno}`);
    }
  }
  using devs = open({ mounts: [{ guest: "/dev", host: "/dev", write: true }] });
  const dev = devs.roots[0]!.node;
  for (const name of ["null", "zero", "full", "random", "urandom"]) {
    assert.equal(errnoOf(() => (devs.openAt(dev, name, READ) as AnyFile).close()), "ok", name);
  }
  assert.equal(errnoOf(() => devs.openAt(dev, "kmsg", READ)), "access");
});

testTrees(
  "a pipe or socket can be opened only if it was granted by itself",
  (open) => {
    if (Deno.build.os === "windows") return;
    using it = setUp(open);
    const { root, tree, at } = it;
    assert.ok(new Deno.Command("mkfifo", { args: [`${root}/in/pipe`] }).outputSync().success);
    using listener = Deno.listen({ transport: "unix", path: `${root}/in/socket` });
    assert.ok(listener.addr);
    // It would wait for the other end.
    for (const options of [READ, { ...READ, write: true }, WRITE]) {
      assert.equal(errnoOf(() => tree.openAt(at, "pipe", options)), "access");
      assert.equal(errnoOf(() => tree.openAt(at, "socket", options)), "access");
    }
    assert.equal((tree.statAt(at, "pipe", true) as { type: string }).type, "fifo");
    using named = open({
      mounts: [{ guest: "/n", host: `${root}/in`, write: true, only: ["pipe", "socket"] }],
    });
    const node = named.roots[0]!.node;
    assert.equal(
      errnoOf(() => (named.openAt(node, "pipe", { ...READ, write: true }) as AnyFile).close()),
      "ok",
    );
    // As for any program: a socket can't be opened by its name.
    assert.notEqual(errnoOf(() => named.openAt(node, "socket", READ)), "access");
  },
);
