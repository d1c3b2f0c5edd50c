/** `krew-wasm version`: what this is and what it is made of. */

import { Command, Option } from "@commander-js/extra-typings";
import { VERSION } from "../../runtime/version.ts";
import type { Context } from "../context.ts";
import { formatJson } from "../output.ts";

/** The command. */
export function versionCommand(context: Context) {
  return new Command("version")
    .description("print the version of krew-wasm and of the engine it runs on")
    .addOption(new Option("-o, --output <format>", "output format").choices(["json"] as const))
    .addHelpText("after", "\nExamples:\n  krew-wasm version\n  krew-wasm version -o json")
    .action(({ output }) => {
      const { deno, v8 } = Deno.version;
      const platform = `${Deno.build.os}/${Deno.build.arch}`;
      context.stdout(
        output === "json"
          ? formatJson({ version: VERSION, deno, v8, platform })
          : `krew-wasm ${VERSION} (${platform}, Deno ${deno}, V8 ${v8})\n`,
      );
    });
}
