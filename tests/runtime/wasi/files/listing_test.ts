/** The memory that the host uses for a plugin's listings, with every file tree. */

import assert from "node:assert/strict";
import type { Listing } from "../../../../runtime/wasi/files/file_tree.ts";
import { errnoOf, READ, setUp, testLinuxTree, testTrees } from "../../../support/file_trees.ts";
import { temporaryDirectory } from "../../../support/temporary.ts";

function readAll(listing: Listing): number {
  let count = 0;
  while (listing.at(count)) count++;
  return count;
}

testTrees("open listings take so much memory of the host, and no more", (open) => {
  const host = temporaryDirectory();
  const name = "n".repeat(240);
  for (let count = 0; count < 2000; count++) Deno.writeTextFileSync(`${host}/${name}${count}`, "");
  using tree = open({ mounts: [{ guest: "/h", host, write: false }] });
  const { node } = tree.roots[0]!;
  const listings: Listing[] = [];
  const errno = errnoOf(() => {
    while (listings.length < 1000) {
      const listing = tree.readDirectory(node);
      listings.push(listing);
      assert.equal(readAll(listing), 2000);
    }
  });
  assert.equal(errno, "insufficient-memory");
  assert.ok(listings.length > 20, `${listings.length} at once`);
  for (const listing of listings) listing.close();
  const again = tree.readDirectory(node);
  assert.equal(readAll(again), 2000);
  again.close();
});

testTrees("the directory of a granted file keeps its times", (open) => {
  using at = setUp(open, { only: ["file"] });
  const { tree } = at;
  const { node } = tree.roots[0]!;
  assert.equal(errnoOf(() => tree.setTimesAt(node, "file", true, 0n, 0n)), "ok");
  assert.equal(errnoOf(() => tree.setTimesAt(node, ".", true, 0n, 0n)), "not-permitted");
  assert.equal(errnoOf(() => tree.setTimes(node, 0n, 0n)), "not-permitted");
});

testLinuxTree("files of the kernel are not changed, and those of its memory and log not read", (open) => {
  using tree = open({ mounts: [{ guest: "/", host: "/", write: true }] });
  const { node } = tree.roots[0]!;
  const readAt = (path: string) =>
    errnoOf(() => (tree.openAt(node, path, READ) as { close(): void }).close());
  assert.equal(readAt("proc/version"), "ok");
  for (
    const path of ["proc/kmsg", "proc/kcore", "proc/self/environ", "sys/kernel/debug/tracing/trace_pipe"]
  ) {
    assert.notEqual(readAt(path), "ok", path);
  }
  for (
    const path of ["proc/sysrq-trigger", "sys/kernel/mm/transparent_hugepage/enabled", "sys/power/state"]
  ) {
    assert.notEqual(errnoOf(() => tree.openAt(node, path, { ...READ, write: true })), "ok", path);
  }
  assert.notEqual(errnoOf(() => tree.createDirectoryAt(node, "sys/kernel/new")), "ok");
});
