import assert from "node:assert/strict";
import { exists } from "../../../runtime/base/host_path.ts";
import { removeTree } from "../../../runtime/base/remove_tree.ts";
import { temporaryDirectory } from "../../support/temporary.ts";

/** Makes the system's own call fail, as with few descriptors. */
function withoutRecursion(act: () => void): void {
  const real = Deno.removeSync;
  Deno.removeSync = (path, options) => {
    if (options?.recursive) throw Object.assign(new Error("Too many open files"), { code: "EMFILE" });
    real(path);
  };
  try {
    act();
  } finally {
    Deno.removeSync = real;
  }
}

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
  withoutRecursion(() => removeTree(`${base}/top`));
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
