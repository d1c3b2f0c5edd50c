import assert from "node:assert/strict";
import { exists } from "../../../runtime/base/host_path.ts";
import { removeTree } from "../../../runtime/base/remove_tree.ts";
import { nestDirectories } from "../../support/deep.ts";
import { temporaryDirectory } from "../../support/temporary.ts";

Deno.test("removeTree() removes directories deeper than a path, and follows no link", () => {
  const base = temporaryDirectory();
  Deno.mkdirSync(`${base}/keep`);
  Deno.writeTextFileSync(`${base}/keep/file`, "");
  Deno.mkdirSync(`${base}/top`);
  // From the innermost directory out, so that no path gets too long.
  const name = "d".repeat(100);
  for (let depth = 0; depth < 100; depth++) {
    Deno.mkdirSync(`${base}/next`);
    if (depth > 0) Deno.renameSync(`${base}/inner`, `${base}/next/${name}`);
    Deno.mkdirSync(`${base}/next/beside`);
    Deno.writeTextFileSync(`${base}/next/beside/file`, "");
    if (Deno.build.os !== "windows") Deno.symlinkSync(`${base}/keep`, `${base}/next/link`);
    Deno.renameSync(`${base}/next`, `${base}/inner`);
  }
  Deno.renameSync(`${base}/inner`, `${base}/top/${name}`);
  removeTree(`${base}/top`);
  assert.equal(exists(`${base}/top`), false);
  assert.equal(exists(`${base}/keep/file`), true);
});

Deno.test("removeTree() removes a plain tree, and throws for a missing one", () => {
  const base = temporaryDirectory();
  Deno.mkdirSync(`${base}/a/b`, { recursive: true });
  removeTree(`${base}/a`);
  assert.equal(exists(`${base}/a`), false);
  assert.throws(() => removeTree(`${base}/a`), Deno.errors.NotFound);
});

const ignore = Deno.build.os === "windows";

Deno.test("removeTree() removes thousands of levels by way of another directory", { ignore }, () => {
  const base = temporaryDirectory();
  for (const name of ["room", "data", "data/deep"]) Deno.mkdirSync(`${base}/${name}`);
  nestDirectories(`${base}/data/deep`, 4000);
  removeTree(`${base}/data/deep`, `${base}/room`);
  assert.deepEqual([[...Deno.readDirSync(`${base}/room`)], [...Deno.readDirSync(`${base}/data`)]], [[], []]);
});

Deno.test("removeTree() follows no link that replaces a directory meanwhile", { ignore }, () => {
  const base = temporaryDirectory();
  for (const name of ["room", "keep", "data"]) Deno.mkdirSync(`${base}/${name}`);
  Deno.writeTextFileSync(`${base}/keep/file`, "");
  Deno.mkdirSync(`${base}/data/top/inner`, { recursive: true });
  Deno.writeTextFileSync(`${base}/data/top/inner/file`, "");
  const { renameSync, readDirSync } = Deno;
  let swapped = 0;
  // The plugin swaps just before a directory is moved, and just after.
  Deno.renameSync = (from, to) => {
    if (String(from).endsWith("/inner")) {
      renameSync(from, `${from}.gone`);
      Deno.symlinkSync(`${base}/keep`, String(from));
      swapped++;
    }
    renameSync(from, to);
  };
  const listed: string[] = [];
  Deno.readDirSync = (path) => {
    listed.push(String(path));
    return readDirSync(path);
  };
  try {
    removeTree(`${base}/data/top`, `${base}/room`);
  } finally {
    Object.assign(Deno, { renameSync, readDirSync });
  }
  assert.ok(swapped > 0);
  assert.ok(exists(`${base}/keep/file`));
  assert.deepEqual([[...Deno.readDirSync(`${base}/room`)], [...Deno.readDirSync(`${base}/data`)]], [[], []]);
  for (const path of listed) assert.match(path, /\/room\/left-[^/]+$/, "no name of the plugin's is opened");
});

Deno.test("removeTree() removes a link, and not what it leads to", () => {
  const base = temporaryDirectory();
  Deno.mkdirSync(`${base}/keep`);
  Deno.symlinkSync(`${base}/keep`, `${base}/link`, { type: "dir" });
  removeTree(`${base}/link`, base);
  assert.deepEqual([exists(`${base}/link`), exists(`${base}/keep`)], [false, true]);
});
