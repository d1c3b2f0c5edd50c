/** `krew-wasm update`: fetches the added indexes anew, as `kubectl krew update` does. */

import { Command } from "@commander-js/extra-typings";
import { AppError } from "../../runtime/base/errors.ts";
import { exists } from "../../runtime/base/host_path.ts";
import type { Context, Exit } from "../context.ts";
import { eachOf } from "../each_plugin.ts";
import { addedIndexes, refreshIndex } from "../install/refresh_indexes.ts";
import { openRegistry, plainHttpOption } from "../install/open_registry.ts";

/** The command. */
export function updateCommand(context: Context, exit: Exit) {
  return new Command("update")
    .description("fetch the added indexes anew; plugins stay as they are")
    .argument("[indexes...]", "names of indexes (default: all)")
    .addOption(plainHttpOption())
    .option("-q, --quiet", "print failures only")
    .addHelpText(
      "after",
      `
To install newer versions of plugins, use krew-wasm upgrade.

Examples:
  krew-wasm update
  krew-wasm update acme`,
    )
    .action(async (names, options) => {
      const added = addedIndexes(context, undefined);
      const chosen = names.length === 0 ? added : [...new Set(names)].map((name) => named(context, name));
      if (chosen.length === 0) {
        return context.stderr("No index was added; krew-wasm index add REF adds one\n");
      }
      const client = openRegistry(context, options);
      const failures = await eachOf(chosen, async (index) => {
        const fresh = await refreshIndex(context, client, index);
        const count = fresh.document.plugins.length;
        const known = new Set(index.document.plugins.map(({ name }) => name));
        const more = fresh.document.plugins.filter(({ name }) => !known.has(name)).length;
        const what = fresh.manifestDigest === index.manifestDigest
          ? "unchanged"
          : more === 0
          ? "changed"
          : `changed, ${more} new`;
        if (options.quiet) return;
        context.stdout(`${index.name}: ${count} ${count === 1 ? "plugin" : "plugins"} (${what})\n`);
      }, context);
      if (failures.length === 0) return;
      if (chosen.length === 1) throw failures[0];
      exit.code = 1;
    });
}

/** An added index. The hint for an installed plugin's name is `upgrade`. @throws AppError INDEX_UNKNOWN */
function named(context: Context, name: string) {
  try {
    return addedIndexes(context, name)[0]!;
  } catch (error) {
    const isPlugin = /^[a-z0-9]+(-[a-z0-9]+)*$/.test(name) && exists(context.layout().receipt(name));
    if (!(error instanceof AppError) || !isPlugin) throw error;
    throw new AppError(error.code, error.message, {
      hint: `"${name}" is a plugin: krew-wasm upgrade ${name}`,
    });
  }
}
