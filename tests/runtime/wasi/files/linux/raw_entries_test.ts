/** Linux's directory entries (struct linux_dirent64). */

import assert from "node:assert/strict";
import { RawEntries, typeOfMode } from "../../../../../runtime/wasi/files/linux/raw_entries.ts";

/** Entries as the kernel returns them: padded to eight bytes. */
function raw(...entries: readonly (readonly [name: string, ino: bigint, type: number])[]) {
  const parts = entries.map(([name, ino, type]) => {
    const bytes = new TextEncoder().encode(name);
    const part = new Uint8Array(Math.ceil((20 + bytes.length) / 8) * 8);
    const view = new DataView(part.buffer);
    view.setBigUint64(0, ino, true);
    view.setUint16(16, part.length, true);
    part[18] = type;
    part.set(bytes, 19);
    return [...part];
  });
  return Uint8Array.from(parts.flat());
}

Deno.test("entries are read one after another, with name, inode and type", () => {
  const bytes = raw(["a", 5n, 8], ["a longer name", 2n ** 60n, 4], ["ä", 7n, 99]);
  const entries = new RawEntries(bytes);
  const found: unknown[] = [];
  for (let at = 0; at < bytes.length; at = entries.end(at)) {
    found.push([new TextDecoder().decode(entries.name(at)), entries.ino(at), entries.type(at)]);
  }
  assert.deepEqual(found, [
    ["a", 5n, "regular-file"],
    ["a longer name", 2n ** 60n, "directory"],
    ["ä", 7n, "unknown"],
  ]);
});

Deno.test("only . and .. are dots", () => {
  for (
    const [name, dots] of [[".", true], ["..", true], ["...", false], [".a", false], ["a", false]] as const
  ) {
    assert.equal(new RawEntries(raw([name, 1n, 4])).isDots(0), dots, name);
  }
});

Deno.test("a mode has the type of its file", () => {
  for (
    const [mode, type] of [
      [0o100644, "regular-file"],
      [0o040755, "directory"],
      [0o120777, "symbolic-link"],
      [0o020666, "character-device"],
      [0o060660, "block-device"],
      [0o010644, "fifo"],
      [0o140755, "socket"],
      [0o000644, "unknown"],
    ] as const
  ) assert.equal(typeOfMode(mode), type);
});
