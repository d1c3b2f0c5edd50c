/** `krew-wasm info`: describes a plugin. */

import { linkFiles } from "../../registry/store/links.ts";
import { Command, Option } from "@commander-js/extra-typings";
import { isCompiledIntact, readIntact } from "../../registry/store/blobs.ts";
import { AppError } from "../../runtime/base/errors.ts";
import { effectiveGrants } from "../../runtime/grants/merge_grants.ts";
import type { Grants } from "../../runtime/grants/grants.ts";
import { grantsToJson } from "../../runtime/grants/grants_json.ts";
import { BINDGEN } from "../../runtime/store/bindgen.ts";
import { checkStore } from "../../runtime/store/check.ts";
import { readHistory, sameVersion } from "../../runtime/store/history.ts";
import { homeDirectory, type Layout } from "../../runtime/store/layout.ts";
import { readReceipt } from "../../runtime/store/read.ts";
import type { Receipt } from "../../runtime/store/receipt.ts";
import { printable } from "../../runtime/base/text.ts";
import type { Context } from "../context.ts";
import { cells, effectiveRows } from "../grants/grant_rows.ts";
import { addedIndexes, chooseOffer, isIndexName } from "../install/refresh_indexes.ts";
import { formatAge, formatSize, formatValue } from "../terminal/output.ts";
import { plainHttpOption } from "../install/open_registry.ts";
import { shortDigest, versionText } from "../install/update_words.ts";
import { ROOTS } from "../../runtime/policy/verify_rule.ts";
import { describeSignature } from "../install/verify_option.ts";
import { kindText, originText } from "../install/plugin_words.ts";
import { inspectCommand } from "./inspect.ts";
import { pluginJson } from "./list.ts";

/** The state of an installed plugin. */
export interface PluginInfo {
  readonly receipt: Receipt;
  /** Earlier versions that are kept, newest first. */
  readonly earlier: readonly Receipt[];
  readonly link: string;
  readonly data: string;
  /** Whether its bytes match the digest. */
  readonly intact: boolean;
  /** `ready`, `stale` (from another version of the compiler), or `broken`. */
  readonly compiled: "ready" | "stale" | "broken";
}

/** The command. */
export function infoCommand(context: Context) {
  return new Command("info")
    .description("show all that is known of a plugin, installed or not")
    .argument("<plugin>", "a name as krew-wasm list shows it, one of an index, or a reference")
    .addOption(new Option("-o, --output <format>", "output format").choices(["json", "yaml"] as const))
    .addOption(plainHttpOption())
    .addHelpText(
      "after",
      "\nExamples:\n  krew-wasm info decoder\n  krew-wasm info ghcr.io/acme/plugins/decoder:v2",
    )
    .action(async (text, options) => {
      const layout = context.layout();
      checkStore(layout);
      const receipt = isIndexName(text) ? installed(layout, text.replaceAll("_", "-")) : undefined;
      if (receipt) {
        const info = examine(layout, receipt);
        if (options.output === undefined) {
          return context.stdout(formatInfo(info, homeDirectory(context.env), context.now()));
        }
        const value = infoJson(info);
        return context.stdout(
          await formatValue(value, options.output),
        );
      }
      const added = isIndexName(text) ? addedIndexes(context, undefined) : [];
      if (isIndexName(text) && added.length === 0) readReceipt(layout, text.replaceAll("_", "-")); // throws the error
      const reference = added.length > 0 ? chooseOffer(context, added, text, true).plugin.reference : text;
      const inspect = inspectCommand(context);
      await inspect.parseAsync([
        reference,
        ...(options.output === undefined ? [] : ["-o", options.output]),
        ...(options.plainHttp ? ["--plain-http"] : []),
      ], { from: "user" });
    });
}

function installed(layout: Layout, name: string): Receipt | undefined {
  try {
    return readReceipt(layout, name);
  } catch (error) {
    if (error instanceof AppError && error.code === "NOT_INSTALLED") return undefined;
    throw error;
  }
}

/** Examines a plugin. Tries again if another process replaced the plugin meanwhile. */
function examine(layout: Layout, receipt: Receipt): PluginInfo {
  for (let tried = 1;; tried++) {
    const info = examineOnce(layout, receipt);
    const now = info.intact && info.compiled !== "broken" ? receipt : readReceipt(layout, receipt.name);
    if (tried === 10 || JSON.stringify(now) === JSON.stringify(receipt)) return info;
    receipt = now;
  }
}

function examineOnce(layout: Layout, receipt: Receipt): PluginInfo {
  let earlier: Receipt[] = [];
  try {
    earlier = readHistory(layout, receipt.name).filter((version) => !sameVersion(version, receipt));
  } catch { /* doctor reports it */ }
  const directory = layout.compiledDir(receipt.digest, receipt.bindgen);
  return {
    receipt,
    earlier,
    link: linkFiles(layout, receipt.name)[0]!,
    data: layout.dataDir(receipt.name),
    intact: readIntact(layout.blob(receipt.digest), receipt) !== undefined,
    compiled: receipt.bindgen !== BINDGEN
      ? "stale"
      : isCompiledIntact(directory, receipt.compiled)
      ? "ready"
      : "broken",
  };
}

/** The value of `-o json`: a stable format, documented in docs/output.md. */
function infoJson(
  { receipt, earlier, link, data, intact, compiled }: PluginInfo,
): Record<string, unknown> {
  return {
    ...pluginJson(receipt),
    grants: grantsToJson(receipt.grants),
    link,
    data,
    intact,
    compiled,
    earlier: earlier.map(({ reference, manifestDigest, digest, version, installedAt }) => ({
      reference,
      manifestDigest,
      digest,
      ...(version === undefined ? {} : { version }),
      installedAt,
    })),
  };
}

function completionInWords({ completion }: Grants): string {
  return completion ? "asks it to complete its arguments" : "asks it nothing: that is denied";
}

/** The text for people. Pure. */
function formatInfo(
  { receipt, earlier, link, data, intact, compiled }: PluginInfo,
  home: string,
  now: Date,
): string {
  const { name, description, version, reference, kind, size, digest, manifestDigest, signatures, source } =
    receipt;
  const state = {
    ready: "ready",
    stale: "of another version; the next run makes it anew",
    broken: "missing or changed",
  };
  const age = (at: string) => `${formatAge(new Date(at), now)} ago`;
  const lines: [label: string, text: string | undefined][] = [
    ["name", name],
    ["about", description],
    ["version", version],
    ["from", originText({ reference, source })],
    ["kind", `${kindText(kind)}, ${formatSize(size)}`],
    ["digest", manifestDigest],
    ["wasm", `${digest}${intact ? "" : " (missing or changed: krew-wasm doctor --fix)"}`],
    ...signatures.map((signature, at): [string, string] => [
      at === 0 ? "signed" : "",
      `by ${describeSignature(signature)}${signature.names === undefined ? "" : `, as ${signature.names}`}${
        signature.kind === "key" ? "" : `, by ${ROOTS[signature.trustRoot.of]}`
      }`,
    ]),
    ["Tab", receipt.completion && completionInWords(effectiveGrants(receipt.grants))],
    ["installed", age(receipt.installedAt)],
    ["compiled", state[compiled]],
    ["link", link],
    ["data", data],
    ...effectiveRows(receipt.grants, home).map((row, at): [string, string] => [
      at === 0 ? "may" : "",
      row.risk === "" ? cells(row)[1] : `${row.what} (${row.risk})`,
    ]),
    ...earlier.map((each, at): [string, string] => [
      at === 0 ? "earlier" : "",
      each.version === undefined
        ? `${shortDigest(each.manifestDigest)} (${age(each.installedAt)})`
        : `${versionText(each)} (${shortDigest(each.manifestDigest)}, ${age(each.installedAt)})`,
    ]),
  ];
  return lines.filter(([, text]) => text !== undefined).map(([label, text]) =>
    `${label.padEnd(9)}  ${printable(text!, 1000).replace(/ {2,}/g, " ")}\n`
  ).join("");
}
