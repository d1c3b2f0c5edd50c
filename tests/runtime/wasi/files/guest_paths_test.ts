/** Absolute paths as a plugin writes them. */

import assert from "node:assert/strict";
import { joined, normalized, restOf, textOf } from "../../../../runtime/wasi/files/guest_paths.ts";

Deno.test("normalized() removes dots and slashes, and never leaves the root", () => {
  for (
    const [path, expected] of [
      ["", "/"],
      ["a//b/", "/a/b"],
      ["/a/./b/../c", "/a/c"],
      ["/../../a", "/a"],
      ["a/..", "/"],
      ["/...", "/..."],
    ] as const
  ) assert.equal(normalized(path), expected, path);
});

Deno.test("restOf() and joined() take paths apart and together, below the root too", () => {
  for (const [directory, name] of [["/", "a"], ["/a", "b"], ["/a/b", "c"]] as const) {
    assert.equal(restOf(joined(directory, name), directory), name);
  }
  assert.equal(restOf("/a", "/a"), ".");
  assert.equal(restOf("/a/b/c", "/a"), "b/c");
});

Deno.test("textOf() reads text and UTF-8, and nothing else", () => {
  assert.equal(textOf("ä"), "ä");
  assert.equal(textOf(new TextEncoder().encode("ä")), "ä");
  assert.equal(textOf(new TextEncoder().encode("\uFEFFa")), "\uFEFFa", "a byte order mark is part of a name");
  assert.equal(textOf(Uint8Array.of(0xff)), undefined);
});
