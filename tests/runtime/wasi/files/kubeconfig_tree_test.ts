import assert from "node:assert/strict";
import type { WritableKubeconfig } from "../../../../runtime/sandbox/types.ts";
import { WasiError } from "../../../../runtime/wasi/errno.ts";
import type { AnyFile, DirectoryNode, FileTree } from "../../../../runtime/wasi/files/file_tree.ts";
import { KubeconfigTree } from "../../../../runtime/wasi/files/kubeconfig_tree.ts";
import { AskingTree } from "../../../../runtime/wasi/files/ungranted_files.ts";
import {
  errnoOf,
  type OpenTree,
  READ,
  read,
  testTrees,
  withFile,
  WRITE,
} from "../../../support/file_trees.ts";
import { temporaryDirectory } from "../../../support/temporary.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder();
const REDACTED = encoder.encode("redacted");

/** A tree with a kubeconfig that the plugin may write. `refuses`: texts that the host does not accept. */
function setUp(open: OpenTree, refuses: readonly string[] = []) {
  const base = temporaryDirectory();
  const home = `${base}/home`;
  for (const path of [`${home}/.kube`, `${base}/own/kube/cache`, `${base}/own/tmp`, `${base}/work`]) {
    Deno.mkdirSync(path, { recursive: true });
  }
  const config = `${home}/.kube/config`;
  Deno.writeTextFileSync(config, "secret");
  const written: string[] = [];
  const refused: string[] = [];
  const host: WritableKubeconfig = {
    before: REDACTED,
    written(content) {
      const text = decoder.decode(content);
      written.push(text);
      if (refuses.includes(text)) throw new WasiError("access");
    },
    refuse: (what) => void refused.push(what),
  };
  const files = {
    mounts: [
      { guest: `${base}/own`, host: `${base}/own`, write: true },
      { guest: `${home}/.kube`, host: `${home}/.kube`, write: false, only: ["config"] },
    ],
    overlays: [{ host: config, content: () => REDACTED }],
    protectedPaths: [],
    unprotectedPaths: [],
  };
  const requests = { cwd: home, descriptors: 100, ask: () => "no" as const };
  const asking = new AskingTree(open(files), files, requests);
  const tree: FileTree = new KubeconfigTree(asking, {
    kubeconfig: config,
    home: `${home}/.kube`,
    private: `${base}/own`,
    cwd: home,
    writable: () => Promise.resolve(host),
  });
  const root = tree.roots.find(({ guest }) => guest === "/")!.node;
  const relative = (path: string) => path.slice(1);
  return {
    base,
    tree,
    root,
    host,
    written,
    refused,
    config: relative(config),
    kube: relative(`${home}/.kube`),
    own: relative(`${base}/own`),
    /** The user's file never changes through the tree. */
    isUntouched: () =>
      Deno.readTextFileSync(config) === "secret" && [...Deno.readDirSync(`${home}/.kube`)].length === 1,
  };
}

async function write(tree: FileTree, root: DirectoryNode, path: string, text: string, options = WRITE) {
  const file = await tree.openAt(root, path, options) as AnyFile;
  file.writeAt(encoder.encode(text), 0n);
  return errnoOf(() => file.close());
}

const TRUNCATE = { ...WRITE, truncate: true };

testTrees("a plugin that only reads gets the redacted kubeconfig", async (open) => {
  const { tree, root, config, written } = setUp(open);
  assert.equal(read(await tree.openAt(root, config, READ)), "redacted");
  assert.equal((await tree.statAt(root, config, true)).size, 8n);
  assert.equal(errnoOf(() => tree.unlinkFileAt(root, config)), "read-only");
  assert.deepEqual(written, []);
});

testTrees("the host gets a kubeconfig that is written in place, once it is closed", async (open) => {
  const { tree, root, config, written, isUntouched } = setUp(open);
  assert.equal(await write(tree, root, config, "changed", TRUNCATE), "ok");
  assert.deepEqual(written, ["changed"]);
  assert.equal(read(await tree.openAt(root, config, READ)), "changed");
  assert.equal((await tree.statAt(root, config, true)).size, 7n);
  assert.ok(isUntouched());
});

testTrees("opening for writing alone changes nothing", async (open) => {
  const { tree, root, config, written } = setUp(open);
  withFile(await tree.openAt(root, config, { ...READ, write: true }), (file) => {
    const bytes = new Uint8Array(8);
    assert.equal(file.readAt(bytes, 0n), 8);
    assert.equal(decoder.decode(bytes), "redacted");
    assert.equal(file.writeAt(new Uint8Array(), 100n), 0);
    assert.equal(file.size(), 8n, "a write of no bytes extends nothing");
  });
  assert.deepEqual(written, []);
});

testTrees("a refused kubeconfig fails at its closing, and is as before", async (open) => {
  const { tree, root, config, written } = setUp(open, ["bad"]);
  assert.equal(await write(tree, root, config, "bad", TRUNCATE), "access");
  assert.equal(read(await tree.openAt(root, config, READ)), "redacted");
  assert.equal(await write(tree, root, config, "good", TRUNCATE), "ok");
  assert.deepEqual(written, ["bad", "good"]);
});

testTrees("client-go's lock file is exclusive, and only for this run", async (open) => {
  const { tree, root, config, isUntouched } = setUp(open);
  const exclusive = { ...WRITE, exclusive: true };
  (await tree.openAt(root, `${config}.lock`, exclusive)).close();
  assert.equal(errnoOf(() => tree.openAt(root, `${config}.lock`, exclusive)), "exist");
  tree.unlinkFileAt(root, `${config}.lock`);
  assert.equal(errnoOf(() => tree.statAt(root, `${config}.lock`, true)), "no-entry");
  (await tree.openAt(root, `${config}.lock`, exclusive)).close();
  assert.ok(isUntouched());
});

testTrees("the host gets a kubeconfig that is renamed into place", async (open) => {
  const { tree, root, config, kube, written, host, refused, isUntouched } = setUp(open, ["bad"]);
  for (const name of [".config.tmp", "config.12345678", ".config.swp", "tmpab_3dkf"]) {
    const text = `from ${name}`;
    assert.equal(await write(tree, root, `${kube}/${name}`, text), "ok");
    assert.deepEqual(written, [], "not complete yet");
    tree.renameAt(root, `${kube}/${name}`, root, config);
    assert.deepEqual(written.splice(0), [text]);
    assert.equal(read(await tree.openAt(root, config, READ)), text);
    assert.equal(errnoOf(() => tree.statAt(root, `${kube}/${name}`, true)), "no-entry");
  }
  await write(tree, root, `${kube}/config.tmp`, "bad");
  assert.equal(errnoOf(() => tree.renameAt(root, `${kube}/config.tmp`, root, config)), "access");
  assert.equal(read(await tree.openAt(root, config, READ)), "from tmpab_3dkf");
  host.atEnd!();
  assert.deepEqual(refused, []);
  assert.ok(isUntouched());
});

testTrees(
  "the host gets a file of the private directory that is renamed over the kubeconfig",
  async (open) => {
    const { tree, root, config, own, written } = setUp(open, ["bad"]);
    const privateRoot = tree.roots.find(({ guest }) => guest === `/${own}`)!.node;
    (await tree.openAt(root, `${config}.lock`, WRITE)).close();
    await write(tree, privateRoot, "tmp/new", "moved");
    tree.renameAt(privateRoot, "tmp/new", root, config);
    assert.deepEqual(written, ["moved"]);
    assert.equal(errnoOf(() => tree.statAt(privateRoot, "tmp/new", true)), "no-entry");
    await write(tree, privateRoot, "tmp/new", "bad");
    assert.equal(errnoOf(() => tree.renameAt(privateRoot, "tmp/new", root, config)), "access");
    assert.equal(read(await tree.openAt(privateRoot, "tmp/new", READ)), "bad", "a refused file stays");
  },
);

testTrees("a kubeconfig that is emptied, moved away or removed can be written again", async (open) => {
  const { tree, root, config, kube, written } = setUp(open);
  await write(tree, root, config, "", TRUNCATE);
  await write(tree, root, config, "one");
  tree.renameAt(root, config, root, `${kube}/config~`);
  assert.equal(errnoOf(() => tree.openAt(root, config, READ)), "no-entry");
  await write(tree, root, config, "two");
  tree.unlinkFileAt(root, config);
  await write(tree, root, config, "three", { ...WRITE, exclusive: true });
  assert.deepEqual(written, ["one", "two", "three"]);
});

testTrees("the end of a run tells what the plugin left", async (open) => {
  for (
    const [expected, act] of [
      [["delete the kubeconfig"], (it) => it.tree.unlinkFileAt(it.root, it.config)],
      [["empty the kubeconfig"], (it) => write(it.tree, it.root, it.config, " \n", TRUNCATE)],
      [["make config.tmp"], (it) => write(it.tree, it.root, `${it.kube}/config.tmp`, "x")],
      [
        [],
        async (it) => void (await it.tree.openAt(it.root, it.config, TRUNCATE) as AnyFile).append(REDACTED),
      ],
    ] satisfies readonly (readonly [string[], (it: ReturnType<typeof setUp>) => unknown])[]
  ) {
    const it = setUp(open);
    (await it.tree.openAt(it.root, it.config, { ...READ, write: true })).close();
    await act(it);
    it.host.atEnd!();
    assert.deepEqual(it.refused, expected);
    if (expected.length === 0) assert.deepEqual(it.written, ["redacted"], "an open file counts at the end");
  }
});

testTrees(
  "no link leads around: the kubeconfig is never linked, and a link stays read-only",
  async (open) => {
    const { tree, root, config, kube, own, isUntouched } = setUp(open);
    (await tree.openAt(root, config, { ...READ, write: true })).close();
    const privateRoot = tree.roots.find(({ guest }) => guest === `/${own}`)!.node;
    assert.equal(errnoOf(() => tree.linkAt(root, config, false, privateRoot, "hard")), "not-permitted");
    assert.equal(errnoOf(() => tree.linkAt(privateRoot, "tmp", false, root, config)), "not-permitted");
    assert.equal(errnoOf(() => tree.symlinkAt("/etc/passwd", root, config)), "exist");
    assert.equal(errnoOf(() => tree.createDirectoryAt(root, config)), "exist");
    assert.equal(errnoOf(() => tree.removeDirectoryAt(root, config)), "not-directory");
    assert.equal(errnoOf(() => tree.readLinkAt(root, config)), "invalid");
    assert.notEqual(errnoOf(() => tree.openAt(root, `${kube}/../.kube/other`, WRITE)), "ok");
    assert.ok(isUntouched());
  },
);

testTrees("files in memory are bounded", async (open) => {
  const { tree, root, config, kube } = setUp(open);
  withFile(await tree.openAt(root, config, TRUNCATE), (file) => {
    assert.equal(errnoOf(() => file.setSize(1n << 40n)), "file-too-large");
    assert.equal(errnoOf(() => file.writeAt(REDACTED, 1n << 62n)), "file-too-large");
    assert.equal(errnoOf(() => file.allocate(0n, 1n << 40n)), "file-too-large");
  });
  const made = [];
  for (let index = 0; index < 20; index++) {
    made.push(errnoOf(() => tree.openAt(root, `${kube}/config.${10000 + index}`, WRITE)));
  }
  assert.ok(made.includes("insufficient-space"));
});

testTrees(
  "caches and state in ~/.kube are in the private directory, other files are asked for",
  async (open) => {
    const { tree, root, base, kube, isUntouched } = setUp(open);
    tree.createDirectoryAt(root, `${kube}/cache/discovery`);
    assert.equal(await write(tree, root, `${kube}/cache/discovery/a.json`, "{}"), "ok");
    assert.equal(await write(tree, root, `${kube}/kubectx`, "previous"), "ok");
    assert.equal(Deno.readTextFileSync(`${base}/own/kube/cache/discovery/a.json`), "{}");
    assert.equal(read(await tree.openAt(root, `${kube}/kubectx`, READ)), "previous");
    tree.renameAt(root, `${kube}/cache/discovery/a.json`, root, `${kube}/cache/b.json`);
    assert.equal((await tree.statAt(root, `${kube}/cache/b.json`, true)).size, 2n);
    assert.notEqual(errnoOf(() => tree.openAt(root, `${kube}/merged.yaml`, WRITE)), "ok");
    assert.ok(isUntouched());
  },
);
