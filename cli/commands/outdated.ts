/** `krew-wasm outdated`: lists plugins with a newer version. */

import { Command, Option } from "@commander-js/extra-typings";
import { checkUpdate, type Update } from "../../registry/install/find_updates.ts";
import { checkStore } from "../../runtime/store/check.ts";
import type { Receipt } from "../../runtime/store/receipt.ts";
import { formatError } from "../../runtime/run/error_report.ts";
import type { Context, Exit } from "../context.ts";
import { allOf } from "../each_plugin.ts";
import { formatTable, formatValue } from "../terminal/output.ts";
import { openProgress, openRegistry, plainHttpOption } from "../install/open_registry.ts";
import { installedPlugins } from "../selected_plugins.ts";
import { availableText, tellUnseen, versionText, wayOut, whyNot } from "../install/update_words.ts";
import { AppError } from "../../runtime/base/errors.ts";

/** How many plugins are checked at once. */
export const CHECKS_AT_ONCE = 8;

/** The command. */
export function outdatedCommand(context: Context, exit: Exit) {
  return new Command("outdated")
    .description("show which plugins have a newer version, without installing it")
    .argument("[names...]", "plugins; all of them without it")
    .addOption(
      new Option("-o, --output <format>", "output format").choices(["json", "yaml", "name"] as const),
    )
    .option("-a, --all", "show plugins that are current or pinned too")
    .addOption(plainHttpOption())
    .option("--no-headers", "leave out the header line")
    .addHelpText(
      "after",
      `
A tag such as v1 or v1.2 is a track: the newest version of that number counts.
One such as v1.2.3 is that version, and is told of when it stands for something
else. Any other, such as latest, is what its publisher lets it stand for; a
digest is itself for ever.

Examples:
  krew-wasm outdated
  krew-wasm outdated --all
  krew-wasm upgrade $(krew-wasm outdated -o name)`,
    )
    .action(async (names, options) => {
      const layout = context.layout();
      checkStore(layout);
      const receipts = installedPlugins(context, layout, names, exit);
      const progress = openProgress(context, false);
      progress.wait("Waiting for registries");
      const client = openRegistry(context, options, progress);
      const checked = await allOf(
        receipts,
        CHECKS_AT_ONCE,
        async (receipt) => ({ receipt, update: await checkUpdate(client, receipt) }),
      ).finally(progress.end);
      const shown = checked.filter(({ update }) =>
        options.all || update.status === "available" || update.status === "moved" ||
        (options.output !== "name" && ["gone", "unreachable", "refused"].includes(update.status))
      );
      context.stdout(await formatOutdated(shown, options.output, options.headers));
      const seen = checked.every(({ update }) => update.unlisted === undefined);
      if (
        shown.length === 0 && seen && options.output === undefined &&
        (checked.length > 0 || names.length === 0)
      ) context.stderr("All plugins are current\n");
      for (const { receipt, update } of checked) {
        if (tellUnseen(context, receipt, update)) exit.code = 1;
        if (!["gone", "unreachable", "refused"].includes(update.status)) continue;
        exit.code = 1;
        const hint = wayOut(receipt, update);
        const failure = new AppError("REGISTRY_FAILED", whyNot(receipt, update)!, { hint });
        context.stderr(formatError(failure, false));
      }
    });
}

/** The result as text. JSON and YAML hold `{"plugins": [...]}`, documented in docs/output.md. */
async function formatOutdated(
  checked: readonly { readonly receipt: Receipt; readonly update: Update }[],
  format: "json" | "yaml" | "name" | undefined,
  headers: boolean,
): Promise<string> {
  if (format === "name") {
    return checked.map(({ receipt, update }) => update.status === "available" ? `${receipt.name}\n` : "")
      .join("");
  }
  if (format !== undefined) {
    const plugins = checked.map(({ receipt: { name, reference, manifestDigest, version }, update }) => {
      const { error: failure, unlisted, ...rest } = update as Update & { error?: AppError };
      const error = failure ?? unlisted;
      return {
        name,
        reference,
        manifestDigest,
        ...(version === undefined ? {} : { version }),
        update: { ...rest, ...(error === undefined ? {} : { code: error.code, message: error.message }) },
      };
    });
    return await formatValue({ plugins }, format);
  }
  if (checked.length === 0) return "";
  return formatTable(
    ["NAME", "INSTALLED", "STATUS", "AVAILABLE", "REFERENCE"],
    checked.map(({ receipt, update }) => [
      receipt.name,
      versionText(receipt),
      update.status,
      availableText(update),
      receipt.reference,
    ]),
    { headers },
  );
}
