/** Paths of the host for files outside of all mounts. */

import assert from "node:assert/strict";
import type { Mount } from "../../../../runtime/sandbox/types.ts";
import type { FileTree } from "../../../../runtime/wasi/files/file_tree.ts";
import { onHost, realIn, synthetic } from "../../../../runtime/wasi/files/ungranted_paths.ts";

const mountOf = (mount: Partial<Mount>): Mount => ({ guest: "/g", host: "/home/me", write: false, ...mount });

Deno.test("onHost() names a path as the user knows it, by the granted link", () => {
  const directory = mountOf({});
  assert.equal(onHost(directory, "/"), "/home/me");
  assert.equal(onHost(directory, "/a/b"), "/home/me/a/b");
  assert.equal(onHost(mountOf({ through: ["/home/link"] }), "/a"), "/home/link/a");
  assert.equal(onHost(mountOf({ host: "/" }), "/a"), "/a");
});

Deno.test("onHost() finds a single granted file under its name on the host", () => {
  const single = mountOf({ only: ["shown"], names: new Map([["shown", "real"]]) });
  assert.equal(onHost(single, "/"), "/home/me");
  assert.equal(onHost(single, "/shown"), "/home/me/real");
  assert.equal(onHost(single, "/other"), "/home/me/other");
  assert.equal(onHost({ ...single, through: ["/links/shown"] }, "/shown"), "/links/shown");
});

Deno.test("realIn() follows links, of a missing file those of its directory", () => {
  const real: Record<string, string> = { "/link": "/real", "/link/file": "/real/file" };
  const tree = {
    probe: (path: string) => real[path] === undefined ? undefined : { type: "directory", real: real[path] },
  } as unknown as FileTree;
  assert.equal(realIn(tree, "/link/file"), "/real/file");
  assert.equal(realIn(tree, "/link/new"), "/real/new");
  assert.equal(realIn(tree, "/missing/new"), "/missing/new");
});

Deno.test("a directory that only the plugin sees has an inode of its own", () => {
  assert.equal(synthetic("/a").ino, synthetic("/a").ino);
  assert.notEqual(synthetic("/a").ino, synthetic("/b").ino);
  assert.equal(synthetic("/a").type, "directory");
});
