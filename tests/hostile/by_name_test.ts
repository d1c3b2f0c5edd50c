/**
 * Runs the hostile file plugins without openat2, as on macOS, on Windows, and in a container that refuses the call. Here a
 * filter refuses it (tests/support/without_openat2.py).
 */

import { fileURLToPath } from "node:url";
import { binaryUnderTest, clangMissing } from "../support/product.ts";
import { findProgram } from "../support/programs.ts";
import { FILES } from "./cases/files.ts";
import { GRANT_PATHS } from "./cases/grant_paths.ts";
import { PROTECTED } from "./cases/protected.ts";
import { STORE } from "./cases/store.ts";
import { Stage } from "./stage.ts";
import { runCase } from "./try_case.ts";

const python = findProgram("python3");
const script = fileURLToPath(new URL("../support/without_openat2.py", import.meta.url));

for (const { title, cases } of [FILES, GRANT_PATHS, PROTECTED, STORE]) {
  Deno.test({
    name: `hostile plugins, files by name: ${title}`,
    ignore: Deno.build.os !== "linux" || !python || !binaryUnderTest() || clangMissing(),
    async fn(t) {
      await using stage = await Stage.make({ under: [python!, script] });
      for (const one of cases) {
        const name = `${one.tries}${one.granted === undefined ? "" : ` (${one.granted})`}`;
        await t.step({
          name,
          ignore: one.kernelOnly === true || one.skip?.() !== undefined,
          fn: () => runCase(stage, one, "preview1"),
        });
      }
    },
  });
}
