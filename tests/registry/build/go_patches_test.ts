/** The patches, and the sources of each Go that this machine has. */

import assert from "node:assert/strict";
import { patchStdFile, STD_PATCHES } from "../../../registry/build/go_patches.ts";
import { readOverlay } from "../../../registry/build/overlay_files.ts";
import { AppError } from "../../../runtime/base/errors.ts";
import { canBuildGo } from "../../../scripts/fixtures.ts";

const PATCH = { file: "a.go", find: "old\n", replace: "new\n" };

Deno.test("patchStdFile() applies the file's patches", () => {
  assert.equal(patchStdFile("a.go", "an old\none", [PATCH], "go1.26"), "an new\none");
  assert.equal(patchStdFile("b.go", "an old\none", [PATCH], "go1.26"), "an old\none");
});

Deno.test("patchStdFile() refuses a patch that applies never or twice", () => {
  for (const text of ["", "old\nold\n"]) {
    assert.throws(
      () => patchStdFile("a.go", text, [PATCH], "go1.99"),
      (error) =>
        error instanceof AppError && error.code === "BUILD_FAILED" && error.message.includes("go1.99"),
    );
  }
});

for (const toolchain of ["local", "go1.24.13", "go1.26.8", "go1.27.3"]) {
  Deno.test(
    `every patch applies to ${toolchain}, and no overlay file exists there`,
    {
      ignore: !canBuildGo(),
    },
    async () => {
      // Without a proxy: a version that is not here is left out.
      const { success, stdout } = await new Deno.Command("go", {
        args: ["env", "GOROOT"],
        env: { GOTOOLCHAIN: toolchain, GOPROXY: "off", GOFLAGS: "" },
        stderr: "null",
      }).output();
      if (!success) return;
      const src = `${new TextDecoder().decode(stdout).trim()}/src`;
      for (const { file } of STD_PATCHES) {
        patchStdFile(file, await Deno.readTextFile(`${src}/${file}`), STD_PATCHES, toolchain);
      }
      for (const path of readOverlay(new URL("../../../sdk/go/overlay/", import.meta.url)).keys()) {
        if (!path.startsWith("std/")) continue;
        await assert.rejects(Deno.stat(`${src}/${path.slice(4)}`), Deno.errors.NotFound, path);
      }
    },
  );
}
