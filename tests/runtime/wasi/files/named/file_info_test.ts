/** Deno's attributes of files in the terms of a file tree. */

import assert from "node:assert/strict";
import { applyTimes, entryOf, statOf, typeOf } from "../../../../../runtime/wasi/files/named/file_info.ts";

let lastInode = 1_000_000;

/** Attributes of a new file, as Deno returns them. */
function infoOf(info: Partial<Deno.FileInfo> = {}): Deno.FileInfo {
  return {
    ...{ isFile: true, isDirectory: false, isSymlink: false, isCharDevice: false, isBlockDevice: false },
    ...{ isFifo: false, isSocket: false, dev: 3, ino: lastInode++, nlink: 1, size: 4 },
    ...{ atime: new Date(1000), mtime: new Date(2000), ctime: new Date(3000) },
    ...info,
  } as Deno.FileInfo;
}

Deno.test("typeOf() distinguishes every kind of file", () => {
  const kinds = {
    isDirectory: "directory",
    isSymlink: "symbolic-link",
    isCharDevice: "character-device",
    isBlockDevice: "block-device",
    isFifo: "fifo",
    isSocket: "socket",
  } as const;
  assert.equal(typeOf(infoOf()), "regular-file");
  for (const [kind, type] of Object.entries(kinds)) {
    assert.equal(typeOf(infoOf({ isFile: false, [kind]: true })), type);
  }
  assert.equal(typeOf(infoOf({ isFile: false })), "unknown");
});

Deno.test("statOf() returns times in nanoseconds, and something for what Windows lacks", () => {
  const stat = statOf(infoOf({ ino: null, nlink: null, ctime: null, atime: null }));
  assert.deepEqual(stat, {
    ...{ type: "regular-file", dev: 3n, ino: 0n, links: 1n, size: 4n },
    ...{ accessed: 0n, modified: 2_000_000_000n, changed: 2_000_000_000n },
  });
});

Deno.test("a file without an inode is identified by its path", () => {
  const info = infoOf({ ino: null });
  assert.notEqual(entryOf(info, "/a").identity, entryOf(info, "/b").identity);
  const known = infoOf();
  assert.equal(entryOf(known, "/a").identity, entryOf(known, "/b").identity);
});

Deno.test("a time that a plugin set keeps its nanoseconds while the file shows it", () => {
  const info = infoOf();
  const applied: number[] = [];
  const apply = (accessed: Date, modified: Date) => void applied.push(accessed.getTime(), modified.getTime());
  applyTimes(info, 1_234_567_890n, -1n, apply);
  assert.deepEqual(applied, [1234, -1]);
  const shown = { ...info, atime: new Date(1234), mtime: new Date(-1) };
  assert.equal(statOf(shown).accessed, 1_234_567_890n);
  assert.equal(statOf(shown).modified, -1n);
  // Another program changed it since.
  assert.equal(statOf({ ...shown, mtime: new Date(5000) }).modified, 5_000_000_000n);
});

Deno.test("applyTimes() keeps a time that is not set, and sets nothing without any", () => {
  const info = infoOf();
  const applied: number[] = [];
  const apply = (accessed: Date, modified: Date) => void applied.push(accessed.getTime(), modified.getTime());
  applyTimes(info, undefined, undefined, apply);
  assert.deepEqual(applied, []);
  applyTimes(info, undefined, 7_000_000n, apply);
  assert.deepEqual(applied, [1000, 7]);
  const before = Date.now();
  applyTimes(info, "now", undefined, apply);
  assert.ok(applied[2]! >= before);
});
