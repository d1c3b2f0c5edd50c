/** `krew-wasm search`: finds plugins in the indexes. */

import { Command, Option } from "@commander-js/extra-typings";
import { type Offer, searchOffers } from "../../registry/fleet/index_offers.ts";
import { AppError } from "../../runtime/base/errors.ts";
import { readReceipts } from "../../runtime/store/read.ts";
import type { Context, Exit } from "../context.ts";
import { addedIndexes, freshIndexes } from "../install/refresh_indexes.ts";
import { formatTable, formatValue, type TableOptions } from "../terminal/output.ts";
import { openRegistry, plainHttpOption } from "../install/open_registry.ts";

/** The command. */
export function searchCommand(context: Context, exit: Exit) {
  return new Command("search")
    .description("find plugins in the indexes that were added")
    .argument("[word]", "part of a name or a description, roughly; everything without it")
    .option("--index <name>", "look in this index only")
    .option("--offline", "look in the copies that are kept, and ask no registry")
    .addOption(plainHttpOption())
    .addOption(
      new Option("-o, --output <format>", "output format").choices(["json", "yaml", "name"] as const),
    )
    .option("--no-headers", "leave out the header line")
    .addHelpText(
      "after",
      "\nExamples:\n  krew-wasm index add ghcr.io/acme/index\n  krew-wasm search secret\n  krew-wasm pull decoder",
    )
    .action(async (word, options) => {
      const added = addedIndexes(context, options.index);
      if (added.length === 0) {
        throw new AppError("INDEX_UNKNOWN", "No index was added to search in", {
          hint: "krew-wasm index add REF",
        });
      }
      const indexes = options.offline
        ? added
        : await freshIndexes(context, openRegistry(context, options), added);
      const offers = await searchOffers(indexes, word);
      const installed = new Set(readReceipts(context.layout()).receipts.map(({ name }) => name));
      context.stdout(
        await formatOffers(offers, installed, options.output, {
          headers: options.headers,
          width: context.columns?.(),
        }),
      );
      if (offers.length === 0) {
        if (options.output === undefined) context.stderr("Nothing found\n");
        exit.code = 1; // like grep
      }
    });
}

/** The result as text. JSON and YAML hold `{"plugins": [...]}`, documented in docs/output.md. */
async function formatOffers(
  offers: readonly Offer[],
  installed: ReadonlySet<string>,
  format: "json" | "yaml" | "name" | undefined,
  table: TableOptions,
): Promise<string> {
  if (format === "name") return [...new Set(offers.map(({ plugin }) => `${plugin.name}\n`))].join("");
  if (format !== undefined) {
    const plugins = offers.map(({ index, plugin }) => ({
      ...plugin,
      index,
      installed: installed.has(plugin.name),
    }));
    return await formatValue({ plugins }, format);
  }
  if (offers.length === 0) return "";
  return formatTable(
    ["NAME", "VERSION", "INSTALLED", "INDEX", "DESCRIPTION"],
    offers.map(({ index, plugin }) => [
      plugin.name,
      plugin.version ?? "",
      installed.has(plugin.name) ? "yes" : "no",
      index,
      plugin.description ?? "",
    ]),
    table,
  );
}
