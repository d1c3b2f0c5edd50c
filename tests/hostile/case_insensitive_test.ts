/**
 * Hostile plugins in a home directory on a case-insensitive file system, as on Windows and macOS. They spell protected
 * files in other letters. Runs with both file trees.
 */

import { fileURLToPath } from "node:url";
import { caseInsensitiveMissing, mountCaseInsensitive } from "../support/case_insensitive.ts";
import { binaryUnderTest, clangMissing } from "../support/product.ts";
import { findProgram } from "../support/programs.ts";
import { PROTECTED } from "./cases/protected.ts";
import { SPELLINGS } from "./cases/spellings.ts";
import { Stage } from "./stage.ts";
import { runCase } from "./try_case.ts";

const python = findProgram("python3");
const script = fileURLToPath(new URL("../support/without_openat2.py", import.meta.url));
const WAYS: Readonly<Record<string, readonly string[] | undefined>> = {
  "by directories": [],
  "by name": python === undefined ? undefined : [python, script],
};

for (const [way, under] of Object.entries(WAYS)) {
  Deno.test({
    name: `hostile plugins, case-insensitive names (${way})`,
    ignore: !binaryUnderTest() || clangMissing() || caseInsensitiveMissing() || under === undefined,
    async fn(t) {
      using mounted = mountCaseInsensitive();
      if (!mounted) return; // a container without loop devices
      await using stage = await Stage.make({ under: under!, within: mounted.path });
      for (const one of [...SPELLINGS.cases, ...PROTECTED.cases]) {
        if (one.skip?.() !== undefined) continue;
        await t.step(`${one.tries} (${one.granted})`, () => runCase(stage, one, "preview1"));
      }
    },
  });
}
