/** `krew-wasm inspect`: shows the artifact of a reference without installing it. */

import { Command, Option } from "@commander-js/extra-typings";
import {
  parseWish,
  startingGrants,
  WISH_ANNOTATION,
  wishedGrants,
} from "../../registry/install/plugin_wish.ts";
import {
  type ConfigReport,
  fetchBytes,
  fetchConfig,
  readWit,
  reportWasm,
  type WasmReport,
} from "../../registry/oci/inspect_artifact.ts";
import { parseManifest, type PluginManifest } from "../../registry/oci/manifest.ts";
import { readIntact } from "../../registry/store/blobs.ts";
import { formatReference, parseReference } from "../../registry/oci/mirrored_reference.ts";
import { AppError, messageOf } from "../../runtime/base/errors.ts";
import { repositoryOf } from "../../runtime/policy/provenance.ts";
import { checkStore } from "../../runtime/store/check.ts";
import { readReceipt } from "../../runtime/store/read.ts";
import { addedIndexes, chooseOffer, isIndexName } from "../install/refresh_indexes.ts";
import { homeDirectory } from "../../runtime/store/layout.ts";
import { lowerFirst, printable, printableLines } from "../../runtime/base/text.ts";
import type { Context } from "../context.ts";
import { grantRows } from "../grants/grant_rows.ts";
import { formatSize, formatValue } from "../terminal/output.ts";
import { openProgress, openRegistry, plainHttpOption } from "../install/open_registry.ts";

/** The result. */
export interface Inspection {
  readonly reference: string;
  readonly manifestDigest: string;
  readonly indexDigest: string | undefined;
  readonly plugin: PluginManifest;
  readonly config: ConfigReport;
  readonly wasm: WasmReport;
  /** The WIT of a component. */
  readonly wit: string | undefined;
}

/** The command. */
export function inspectCommand(context: Context) {
  return new Command("inspect")
    .description("show what a reference stands for, without installing it")
    .argument("<reference>", "[HOST/]REPOSITORY[:TAG][@DIGEST], or the name of a plugin")
    .addOption(new Option("-o, --output <format>", "output format").choices(["json", "yaml", "wit"]))
    .option("-q, --quiet", "show no progress")
    .addOption(plainHttpOption())
    .addHelpText(
      "after",
      `
The WebAssembly is downloaded and read, not run, and not kept.

Examples:
  krew-wasm inspect ghcr.io/acme/plugins/decoder:v1
  krew-wasm inspect ghcr.io/acme/plugins/decoder:v1 -o wit
  krew-wasm inspect ghcr.io/acme/decoder:v1 -o json | jq -r .manifestDigest`,
    )
    .action(async (text, options) => {
      const reference = parseReference(isIndexName(text) ? referenceOfName(context, text) : text);
      const progress = openProgress(context, options.quiet ?? false);
      const client = openRegistry(context, options, progress);
      const shown = printable(formatReference(reference), 400);
      progress.wait(`Waiting for ${reference.registry}`);
      const manifest = await client.fetchManifest(reference, "inspect").finally(progress.end);
      const plugin = parseManifest(manifest.text, shown, "inspect");
      const config = await fetchConfig(client, reference, plugin);
      const bytes = readIntact(context.layout().blob(plugin.digest), plugin) ??
        await fetchBytes(client, reference, plugin, progress.show).finally(progress.end);
      let wasm: WasmReport;
      let wit: string | undefined;
      try {
        wasm = reportWasm(bytes);
        if (wasm.kind === "component") wit = await readWit(bytes);
        else if (options.output === "wit") {
          throw new AppError("ARTIFACT_UNSUPPORTED", "It is a core module, which has no WIT");
        }
      } catch (error) {
        if (!(error instanceof AppError)) throw error;
        const why = messageOf(error);
        throw new AppError(error.code, `Cannot inspect "${shown}": ${lowerFirst(why)}`, {
          cause: error,
        });
      }
      const inspection: Inspection = {
        reference: formatReference(reference),
        manifestDigest: manifest.digest,
        indexDigest: manifest.indexDigest,
        plugin,
        config,
        wasm,
        wit,
      };
      switch (options.output) {
        case "wit":
          return context.stdout(safeLines(wit ?? ""));
        case "json":
        case "yaml":
          return context.stdout(await formatValue(inspectionJson(inspection), options.output));
      }
      context.stdout(formatInspection(inspection, homeDirectory(context.env)));
    });
}

/** The reference of an installed plugin at its digest, or of a plugin in an index. Otherwise the name is a repository's. */
function referenceOfName(context: Context, text: string): string {
  const layout = context.layout();
  checkStore(layout);
  try {
    const receipt = readReceipt(layout, text.replaceAll("_", "-"));
    return `${repositoryOf(receipt)}@${receipt.indexDigest ?? receipt.manifestDigest}`;
  } catch (error) {
    if (!(error instanceof AppError) || error.code !== "NOT_INSTALLED") throw error;
  }
  const added = addedIndexes(context, undefined);
  return added.length > 0 ? chooseOffer(context, added, text, true).plugin.reference : text;
}

/** The value of `-o json`: a stable format, documented in docs/output.md. */
export function inspectionJson(
  { reference, manifestDigest, indexDigest, plugin, config, wasm, wit }: Inspection,
): Record<string, unknown> {
  const wish = wishOf(plugin);
  return {
    reference,
    manifestDigest,
    ...(indexDigest === undefined ? {} : { indexDigest }),
    digest: plugin.digest,
    size: plugin.size,
    mediaType: plugin.mediaType,
    kind: wasm.kind,
    ...(config.created === undefined ? {} : { created: config.created }),
    ...(config.author === undefined ? {} : { author: config.author }),
    ...(config.platform === undefined ? {} : { platform: config.platform }),
    annotations: plugin.annotations,
    abilities: wasm.abilities,
    imports: wasm.imports,
    exports: wasm.exports,
    ...(wish === undefined ? {} : { wishes: wish }),
    ...(wit === undefined ? {} : { wit }),
  };
}

/** The publisher's wish: the annotation's JSON, or its text if it is not JSON. */
function wishOf({ annotations }: PluginManifest): unknown {
  const text = Object.hasOwn(annotations, WISH_ANNOTATION) ? annotations[WISH_ANNOTATION] : undefined;
  if (text === undefined) return undefined;
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

const MANY = 12;

/** One line for each grant, like `krew-wasm grants`. An invalid wish is shown as JSON. */
function wishInWords(wish: unknown, home: string): string[] {
  const text = typeof wish === "string" ? wish : JSON.stringify(wish);
  try {
    const parsed = parseWish(text, home);
    const rows = grantRows(wishedGrants(startingGrants(parsed), parsed), home);
    return [
      ...(parsed.why === undefined ? [] : [`"${parsed.why}"`]),
      ...rows.map(({ kind, what, risk }) => `${kind}: ${what}${risk === "" ? "" : ` (${risk})`}`),
    ];
  } catch {
    return [text];
  }
}

/** The text for people. `home` is the user's home directory. Pure. */
export function formatInspection(inspection: Inspection, home: string): string {
  const { reference, manifestDigest, indexDigest, plugin, config, wasm, wit } = inspection;
  const created = plugin.annotations["org.opencontainers.image.created"] ?? config.created;
  const rows: [string, string | undefined][] = [
    ["reference", printable(reference, 400)],
    ["digest", manifestDigest],
    ["index", indexDigest],
    ["wasm", plugin.digest],
    ["kind", wasm.kind],
    ["size", formatSize(plugin.size)],
    ["created", created && printable(created, 100)],
    ["author", config.author && printable(config.author, 100)],
  ];
  let text = rows.filter(([, value]) => value !== undefined)
    .map(([name, value]) => `${name.padEnd(10)} ${value}\n`).join("");
  const block = (title: string, lines: readonly string[]) => {
    if (lines.length === 0) return;
    const shown = lines.slice(0, MANY).map((line) => `  ${printable(line, 200)}\n`).join("");
    const more = lines.length > MANY ? `  and ${lines.length - MANY} more: -o json shows all\n` : "";
    text += `${title}:\n${shown}${more}`;
  };
  block(
    "annotations",
    Object.entries(plugin.annotations).filter(([name]) => name !== WISH_ANNOTATION)
      .map(([name, value]) => `${name}: ${value}`),
  );
  block("where its grants let it, it", wasm.abilities);
  block("imports", wasm.imports);
  block("exports", wasm.exports);
  const wish = wishOf(plugin);
  if (wish !== undefined) block("its publisher wishes it to be granted", wishInWords(wish, home));
  const world = wit === undefined ? undefined : /^world [\s\S]*?^}/m.exec(wit)?.[0];
  if (world !== undefined) block("world (-o wit shows all)", world.split("\n"));
  return text;
}

/** Makes each line of a text safe to print. */
function safeLines(text: string): string {
  return printableLines(text, 2000).replace(/\n*$/, "\n");
}
