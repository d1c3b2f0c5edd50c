/** `krew-wasm rollback`: returns to an earlier version. */

import { Command } from "@commander-js/extra-typings";
import { rollbackPlugin } from "../../registry/store/commit.ts";
import { parsePluginName } from "../../runtime/base/names.ts";
import { homeDirectory } from "../../runtime/store/layout.ts";
import type { Context } from "../context.ts";
import { changesInWords, grantChanges } from "../grants/grant_changes.ts";
import { completionLine } from "../install/report_installed.ts";
import { whyRefused } from "../doctor/environment_checks.ts";
import { versionText } from "../install/update_words.ts";
import { readPolicies } from "../policies.ts";

/** The command. */
export function rollbackCommand(context: Context) {
  return new Command("rollback")
    .description("go back to an earlier version of a plugin; no network is needed")
    .argument("<name>", "the plugin")
    .option("--to <version>", "a version, a tag or the begin of a digest; the version before without it")
    .addHelpText(
      "after",
      `
The last three versions stay, unless --keep said otherwise. Grants stay as they
are. The next upgrade goes forward again.

Examples:
  krew-wasm rollback decoder
  krew-wasm rollback decoder --to v1.2.0`,
    )
    .action(async (text, { to }) => {
      const name = parsePluginName(text);
      const versions = await rollbackPlugin(context.layout(), name, {
        to,
        notice: (line) => context.stderr(`${line}\n`),
      });
      const { from, to: now } = versions;
      const changes = grantChanges(from.grants, now.grants, homeDirectory(context.env));
      const words = changesInWords(changes);
      if (words !== "") {
        context.stderr(
          `warning: this version is of another publisher, with its own grants of then${words}\n`,
        );
      }
      for (const policy of (await readPolicies(context)).all) {
        const refused = await whyRefused(policy, now);
        if (refused) context.stderr(`warning: "${name}" does not run: ${refused.message}\n`);
      }
      context.stdout(
        `Rolled back ${name} ${versionText(from)} -> ${versionText(now)}\n${completionLine(now, from)}`,
      );
    });
}
