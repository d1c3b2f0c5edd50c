/** `krew-wasm rm`: removes plugins, with their links and private directories. */

import { Command } from "@commander-js/extra-typings";
import { removePlugins } from "../../registry/store/commit.ts";
import { formatError } from "../../runtime/run/error_report.ts";
import type { Context, Exit } from "../context.ts";

/** The command. */
export function rmCommand(context: Context, exit: Exit) {
  return new Command("rm")
    .aliases(["remove", "uninstall"])
    .description("remove plugins, with their links and private directories")
    .argument("<names...>", "names as krew-wasm list shows them")
    .addHelpText("after", "\nExamples:\n  krew-wasm rm decoder\n  krew-wasm rm $(krew-wasm list -o name)")
    .action(async (names) => {
      for (
        const { name, error } of await removePlugins(
          context.layout(),
          [...new Set(names)],
          (line) => context.stderr(`${line}\n`),
        )
      ) {
        if (error === undefined) context.stdout(`Removed ${name}\n`);
        else {
          context.stderr(formatError(error, context.verbose));
          exit.code = 1;
        }
      }
    });
}
