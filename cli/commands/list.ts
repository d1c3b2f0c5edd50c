/** `krew-wasm list`: what is installed. */

import { Command, Option } from "@commander-js/extra-typings";
import { grantsToJson } from "../../runtime/grants.ts";
import { checkStore } from "../../runtime/store/check.ts";
import { homeDirectory } from "../../runtime/store/layout.ts";
import type { Receipt } from "../../runtime/store/receipt.ts";
import { readReceipts } from "../../runtime/store/read.ts";
import { messageOf } from "../../runtime/errors.ts";
import { printable } from "../../runtime/text.ts";
import type { Exit } from "../app.ts";
import type { Context } from "../context.ts";
import {
  formatAge,
  formatJson,
  formatSize,
  formatTable,
  OUTPUT_FORMATS,
  type OutputFormat,
} from "../output.ts";

/** The command. */
export function listCommand(context: Context, exit: Exit) {
  return new Command("list")
    .alias("ls")
    .description("list the installed plugins")
    .addOption(
      new Option("-o, --output <format>", "output format").choices([...OUTPUT_FORMATS, "lock"] as const),
    )
    .option("--no-headers", "leave out the header line")
    .addHelpText(
      "after",
      "\nExamples:\n  krew-wasm list\n  krew-wasm list -o wide\n  krew-wasm list -o json | jq -r '.plugins[].digest'\n  krew-wasm list -o lock > plugins.lock",
    )
    .action(async ({ output, headers }) => {
      const layout = context.layout();
      checkStore(layout);
      const { receipts, broken } = readReceipts(layout);
      for (const { name, error } of broken) {
        context.stderr(`warning: ${printable(messageOf(error))}\n`);
        if (context.verbose) context.stderr(`krew-wasm: skipped receipt "${printable(name)}"\n`);
      }
      if (output === "lock") {
        const { formatLock } = await import("../../registry/lockfile.ts");
        if (broken.length > 0) exit.code = 1; // what is not in the file is not on the other machines
        return context.stdout(formatLock(receipts, homeDirectory(context.env)));
      }
      context.stdout(await formatList(receipts, output, context.now(), headers));
      if (receipts.length === 0 && output === undefined) {
        context.stderr("No plugins installed; krew-wasm pull REF installs one\n");
      }
    });
}

/** The list as text. JSON and YAML hold `{"plugins": [...]}`, documented in docs/output.md. */
export async function formatList(
  receipts: readonly Receipt[],
  format: OutputFormat | undefined,
  now: Date,
  headers = true,
): Promise<string> {
  if (format === "name") return receipts.map((receipt) => `${receipt.name}\n`).join("");
  if (format === "json" || format === "yaml") {
    const value = { plugins: receipts.map(pluginJson) };
    return format === "json" ? formatJson(value) : (await import("yaml")).stringify(value);
  }
  if (receipts.length === 0) return "";
  const wide = format === "wide";
  const header = ["NAME", "KIND", "SIZE", "AGE", ...(wide ? ["VERSION", "DIGEST"] : []), "REFERENCE"];
  const table = formatTable(
    header,
    receipts.map((receipt) => [
      receipt.name,
      receipt.kind,
      formatSize(receipt.size),
      formatAge(new Date(receipt.installedAt), now),
      ...(wide ? [receipt.version ?? "", receipt.digest] : []),
      receipt.reference,
    ]),
  );
  return headers ? table : table.slice(table.indexOf("\n") + 1);
}

/** One plugin as `-o json` shows it: a stable shape. */
export function pluginJson(receipt: Receipt): Record<string, unknown> {
  return {
    name: receipt.name,
    reference: receipt.reference,
    manifestDigest: receipt.manifestDigest,
    digest: receipt.digest,
    size: receipt.size,
    kind: receipt.kind,
    ...(receipt.version === undefined ? {} : { version: receipt.version }),
    ...(receipt.description === undefined ? {} : { description: receipt.description }),
    ...(receipt.verified === undefined ? {} : { verified: receipt.verified }),
    grants: grantsToJson(receipt.grants),
    installedAt: receipt.installedAt,
  };
}
