/** POSIX semantics of files with both file trees; files_walls_test.ts tests what must stay out of reach. */

import assert from "node:assert/strict";
import type { AnyFile, DirectoryNode, OpenOptions, Stat } from "../../../../runtime/wasi/files/file_tree.ts";
import {
  entriesOf,
  errnoOf,
  READ,
  read,
  setUp,
  testLinuxTree,
  testTrees,
  withFile,
  WRITE,
} from "../../../support/file_trees.ts";

testTrees("files are read and written inside the grant", (open) => {
  using at = setUp(open);
  assert.equal(read(at.tree.openAt(at.at, "sub/deep", READ)), "deep");
  const file = at.tree.openAt(at.at, "new", WRITE) as AnyFile;
  file.writeAt(new TextEncoder().encode("hello"), 3n);
  assert.equal(file.size(), 8n);
  file.close();
  assert.equal(Deno.readTextFileSync(`${at.root}/in/new`), "\0\0\0hello");
});

testTrees("a granted file may have another name on the host", (open) => {
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

testTrees("names, sizes and times are kept, to the nanosecond", (open) => {
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

testTrees("a file is of a size beyond 32 bits", (open) => {
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

testTrees(
  "trailing slashes, empty names, NUL and link loops behave as in POSIX",
  (open) => {
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
  },
);

testTrees("a write that appends goes to the end, wherever another put it", (open) => {
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

testTrees("many opens and closes leave nothing open", (open) => {
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

testLinuxTree("names are bytes, which need not be text", (open) => {
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

testLinuxTree("times are the operating system's own, of links too, before 1970 too", (open) => {
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
  // A second tree, as a second run has: the nanoseconds are on disk.
  const again = open({
    mounts: [{ guest: "/g", host: `${root}/in`, write: false }],
  });
  assert.equal(
    (again.statAt(again.roots[0]!.node, "file", true) as Stat).accessed,
    4_102_444_800_999_999_999n,
  );
});

testLinuxTree("a directory of 100,000 entries is listed whole, from any place, with inodes", (open) => {
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
  const entry = listing.at(14_321)!;
  assert.deepEqual(listing.at(14_321), entry);
  const { ino } = tree.statAt(many, entry.name, false) as Stat;
  assert.equal(entry.ino, ino);
  listing.close();
  many.close();
});

testTrees("former differences from a file system in memory stay fixed", (open) => {
  using at = setUp(open);
  const { root, tree } = at;
  Deno.symlinkSync("to", `${root}/in/dangling`);
  Deno.symlinkSync("circle", `${root}/in/circle`);
  Deno.symlinkSync("..", `${root}/in/up`);
  const opened = (path: string, options: Partial<OpenOptions>) =>
    errnoOf(() => (tree.openAt(at.at, path, { ...READ, ...options }) as AnyFile).close());
  // Slashes after a link to create, move or remove do not make the host follow it.
  assert.equal(errnoOf(() => tree.renameAt(at.at, "none", at.at, "circle//")), "no-entry");
  assert.equal(errnoOf(() => tree.renameAt(at.at, "file", at.at, "up/")), "not-directory");
  assert.equal(errnoOf(() => tree.removeDirectoryAt(at.at, "up/")), "not-directory");
  // Creating a file exclusively does not follow a link.
  assert.equal(opened("up", { create: true, exclusive: true, write: true }), "exist");
  assert.equal(opened("dangling", { create: true, exclusive: true, write: true }), "exist");
  // A link that is not followed is not a directory.
  assert.equal(opened("circle", { follow: false, directory: true }), "not-directory");
  assert.equal(opened("circle", { follow: false }), "loop");
  // Opening with `directory` creates no file.
  assert.equal(opened("new/", { create: true, directory: true }), "no-entry");
  assert.equal(opened("new", { create: true, directory: true, write: true }), "no-entry");
  assert.equal(opened("sub", { create: true, exclusive: true, directory: true }), "exist");
  // `.` and `..` can't be changed, not even inside of the mount.
  assert.equal(errnoOf(() => tree.renameAt(at.at, "up", at.at, ".")), "busy");
  assert.equal(errnoOf(() => tree.renameAt(at.at, "sub/..", at.at, "x")), "busy");
  assert.equal(errnoOf(() => tree.removeDirectoryAt(at.at, "sub/..")), "not-empty");
});

testTrees("a named pipe is opened once, so that its writer keeps a reader", async (open) => {
  if (Deno.build.os === "windows") return;
  using it = setUp(open, { only: ["pipe"] }, {
    overlays: [{ host: "/etc/passwd", content: () => new Uint8Array() }],
    deniedPaths: ["/etc/group"],
  });
  const path = `${it.root}/in/pipe`;
  assert.ok((await new Deno.Command("mkfifo", { args: [path] }).output()).success);
  const writer = new Deno.Command("sh", { args: ["-c", 'echo piped >"$0"', path] }).spawn();
  assert.equal(read(it.tree.openAt(it.at, "pipe", READ)), "piped\n");
  assert.equal((await writer.status).code, 0);
});
