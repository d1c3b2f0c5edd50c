/** `krew-wasm list`: the installed plugins. */

import { Command, Option } from "@commander-js/extra-typings";
import { grantsToJson } from "../../runtime/grants/grants_json.ts";
import { type Signature, signatureToJson } from "../../runtime/policy/provenance.ts";
import { checkStore } from "../../runtime/store/check.ts";
import { homeDirectory } from "../../runtime/store/layout.ts";
import type { Receipt } from "../../runtime/store/receipt.ts";
import { readReceipts } from "../../runtime/store/read.ts";
import { readSummaries, type Summary } from "../../runtime/store/summary.ts";
import { messageOf } from "../../runtime/base/errors.ts";
import { printable } from "../../runtime/base/text.ts";
import type { Context, Exit } from "../context.ts";
import { kindText, originText } from "../install/plugin_words.ts";
import { formatAge, formatSize, formatTable, formatValue, OUTPUT_FORMATS } from "../terminal/output.ts";

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
      const warn = (broken: readonly { readonly name: string; readonly error: unknown }[]) => {
        for (const { name, error } of broken) {
          context.stderr(`warning: ${printable(messageOf(error))}\n`);
          if (context.verbose) context.stderr(`krew-wasm: skipped receipt "${printable(name)}"\n`);
        }
      };
      if (output === "json" || output === "yaml" || output === "lock") {
        checkStore(layout);
        const { receipts, broken } = readReceipts(layout);
        warn(broken);
        if (output !== "lock") return context.stdout(await formatPlugins(receipts, output));
        if (broken.length > 0) exit.code = 1; // the lock file is incomplete
        const { formatLock } = await import("../../registry/fleet/lockfile.ts");
        return context.stdout(formatLock(receipts, homeDirectory(context.env)));
      }
      const { summaries, broken } = readSummaries(layout);
      warn(broken);
      context.stdout(formatList(summaries, output, context.now(), headers));
      if (summaries.length === 0 && output !== "name") {
        context.stderr("No plugins installed; krew-wasm pull REF installs one\n");
      }
    });
}

/** The list as a table, or one name a line. Pure. */
export function formatList(
  plugins: readonly Summary[],
  format: "wide" | "name" | undefined,
  now: Date,
  headers = true,
): string {
  if (format === "name") return plugins.map(({ name }) => `${name}\n`).join("");
  if (plugins.length === 0) return "";
  const wide = format === "wide";
  const header = ["NAME", "KIND", "SIZE", "AGE", ...(wide ? ["VERSION", "DIGEST"] : []), "REFERENCE"];
  return formatTable(
    header,
    plugins.map(({ name, kind, size, installedAt, version, manifestDigest, reference, source }) => [
      name,
      kindText(kind),
      formatSize(size),
      formatAge(new Date(installedAt), now),
      ...(wide ? [version ?? "", manifestDigest] : []),
      originText({ reference, source }),
    ]),
    { headers },
  );
}

/** `{"plugins": [...]}`, documented in docs/output.md. */
export async function formatPlugins(receipts: readonly Receipt[], format: "json" | "yaml"): Promise<string> {
  const value = { plugins: receipts.map(pluginJson) };
  return await formatValue(value, format);
}

/** One plugin for `-o json`: a stable format. */
export function pluginJson(receipt: Receipt): Record<string, unknown> {
  return {
    name: receipt.name,
    reference: receipt.reference,
    manifestDigest: receipt.manifestDigest,
    ...(receipt.indexDigest === undefined ? {} : { indexDigest: receipt.indexDigest }),
    digest: receipt.digest,
    size: receipt.size,
    kind: receipt.kind,
    ...(receipt.version === undefined ? {} : { version: receipt.version }),
    ...(receipt.description === undefined ? {} : { description: receipt.description }),
    ...(receipt.completion === undefined ? {} : { completion: receipt.completion }),
    source: receipt.source,
    ...verifiedJson(receipt.signatures),
    signatures: receipt.signatures.map(signatureToJson),
    grants: grantsToJson(receipt.grants),
    installedAt: receipt.installedAt,
  };
}

/** The last signature, in the older format for a single one. */
function verifiedJson(signatures: readonly Signature[]): Record<string, unknown> {
  const last = signatures.at(-1);
  if (!last) return {};
  const verified = last.kind === "key"
    ? { key: last.key, publicKey: last.publicKey }
    : { identity: last.identity, issuer: last.issuer };
  return { verified };
}
