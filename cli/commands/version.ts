/** `krew-wasm version`: the versions of krew-wasm, Deno and V8. */

import { Command, Option } from "@commander-js/extra-typings";
import { COMMIT } from "../../runtime/base/build_info.ts";
import { VERSION } from "../../runtime/base/version.ts";
import type { Context } from "../context.ts";
import { formatValue } from "../terminal/output.ts";
import { wallsHere } from "../doctor/walls.ts";

const PLATFORM = `${Deno.build.os}/${Deno.build.arch}`;

/** The command. */
export function versionCommand(context: Context) {
  return new Command("version")
    .description("print the version of krew-wasm and of the engine it runs on")
    .addOption(new Option("-o, --output <format>", "output format").choices(["json", "yaml"] as const))
    .addHelpText("after", "\nExamples:\n  krew-wasm version\n  krew-wasm version -o json")
    .action(async ({ output }) => {
      if (output === undefined) return context.stdout(`${versionText()}\n`);
      const { deno, v8 } = Deno.version;
      const value = {
        version: VERSION,
        commit: COMMIT ?? null,
        deno,
        v8,
        platform: PLATFORM,
        ...wallsHere(),
      };
      context.stdout(await formatValue(value, output));
    });
}

/** The versions in one line. */
export function versionText(): string {
  const { deno, v8 } = Deno.version;
  return `krew-wasm ${VERSION} (${PLATFORM}, Deno ${deno}, V8 ${v8})`;
}
