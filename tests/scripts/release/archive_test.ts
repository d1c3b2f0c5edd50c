import assert from "node:assert/strict";
import { unzipSync } from "fflate";
import { listTar } from "../../../registry/fleet/tar.ts";
import { tar, tarGz, zip } from "../../../scripts/release/archive.ts";

const ENTRIES = [
  { path: "b/program", bytes: new Uint8Array(513).fill(1), executable: true },
  { path: "a", bytes: new Uint8Array() },
];

Deno.test("a tar archive has its files, in order of their names", () => {
  const bytes = tar(ENTRIES);
  const files = listTar((at, length) => bytes.subarray(at, at + length));
  assert.deepEqual([...files.keys()], ["a", "b/program"]);
  const { offset, size } = files.get("b/program")!;
  assert.deepEqual(bytes.slice(offset, offset + size), ENTRIES[0]!.bytes);
});

Deno.test("archives do not depend on the order of their files", async () => {
  assert.deepEqual(await tarGz(ENTRIES), await tarGz([...ENTRIES].reverse()));
  assert.deepEqual(zip(ENTRIES), zip([...ENTRIES].reverse()));
});

Deno.test("a zip archive has its files", () => {
  assert.deepEqual(unzipSync(zip(ENTRIES)), { "b/program": ENTRIES[0]!.bytes, a: new Uint8Array() });
});

Deno.test("a path that a tar header cannot hold is an error", () => {
  assert.throws(() => tar([{ path: "x".repeat(101), bytes: new Uint8Array() }]), /too long/);
});
