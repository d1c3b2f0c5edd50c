import assert from "node:assert/strict";
import { compareVersions, readBinaryFormat } from "../../../scripts/release/binary_format.ts";

Deno.test("versions are compared by their numbers", () => {
  assert.deepEqual(["2.27", "2.3.4", "2.4", "10.12", "2.3"].sort(compareVersions), [
    "2.3",
    "2.3.4",
    "2.4",
    "2.27",
    "10.12",
  ]);
});

Deno.test("the Deno that runs this test has a known format", () => {
  const { os, arch, needs } = readBinaryFormat(Deno.readFileSync(Deno.execPath()));
  assert.equal(os, { linux: "linux", darwin: "macos", windows: "windows" }[Deno.build.os as "linux"]);
  assert.equal(arch, Deno.build.arch === "x86_64" ? "x64" : "arm64");
  assert.match(needs, /\d+\.\d+/);
});

Deno.test("other files are no binaries", () => {
  assert.throws(() => readBinaryFormat(new Uint8Array(64)), /not an ELF, Mach-O or PE file/);
});
