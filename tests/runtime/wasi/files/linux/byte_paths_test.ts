/** Paths as bytes. */

import assert from "node:assert/strict";
import {
  bytesOf,
  fromLatin1,
  isDots,
  isName,
  join,
  nameOf,
} from "../../../../../runtime/wasi/files/linux/byte_paths.ts";
import { errnoOf } from "../../../../support/file_trees.ts";

const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
const bytes = (text: string) => new TextEncoder().encode(text);

Deno.test("nameOf() splits a path into directory and name, with its slashes and without", () => {
  for (
    const [path, parent, name, bare] of [
      ["a", "", "a", "a"],
      ["a/b", "a/", "b", "b"],
      ["a/b//", "a/", "b//", "b"],
      ["a//b", "a//", "b", "b"],
      ["..", "", "..", ".."],
    ] as const
  ) {
    for (const form of [path, bytes(path)]) {
      const found = nameOf(form);
      assert.deepEqual([found.parent, found.name, found.bare].map(text), [parent, name, bare], path);
    }
  }
});

Deno.test("nameOf() refuses an empty and an absolute path", () => {
  assert.equal(errnoOf(() => nameOf("")), "no-entry");
  assert.equal(errnoOf(() => nameOf("/a")), "not-permitted");
  assert.equal(errnoOf(() => nameOf(bytes("/"))), "not-permitted");
});

Deno.test("bytesOf() refuses what is neither text nor bytes", () => {
  assert.equal(text(bytesOf("ä")), "ä");
  for (const value of [undefined, 7, ["a"], { length: 1, 0: 0x61 }]) {
    assert.equal(errnoOf(() => bytesOf(value as unknown as string)), "invalid");
    assert.equal(isName(value as unknown as string), false);
  }
});

Deno.test("isName() accepts only one name in the starting directory", () => {
  for (const path of ["a", ".a", "...", "."]) {
    assert.ok(isName(path) && isName(bytes(path)), path);
  }
  for (const path of ["", "..", "a/b", "/a", "a/"]) {
    assert.ok(!isName(path) && !isName(bytes(path)), path);
  }
});

Deno.test("isDots() knows the two names that are no names", () => {
  const names = ["", "a", ".", "..", "...", ".a"];
  assert.deepEqual(names.filter((name) => isDots(bytes(name))), [".", ".."]);
});

Deno.test("bytes that are not UTF-8 survive as Latin-1 and joined", () => {
  const odd = Uint8Array.of(0xff, 0x2f, 0x80);
  assert.deepEqual(fromLatin1("\xff/\x80"), odd);
  assert.deepEqual(join(odd, bytes("a")), Uint8Array.of(0xff, 0x2f, 0x80, 0x61));
});
