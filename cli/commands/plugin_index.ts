/** `krew-wasm index`: manages the indexes that map names to references. */

import { Command, Option } from "@commander-js/extra-typings";
import { timestamp } from "../../registry/oci/artifact.ts";
import { parseManifest } from "../../registry/oci/manifest.ts";
import { fetchIndex, removeIndex, storeIndex } from "../../registry/fleet/index_file.ts";
import {
  formatIndexDocument,
  type IndexedPlugin,
  makeIndexArtifact,
  parseIndexDocument,
} from "../../registry/fleet/index_document.ts";
import { pushBlob, pushManifest } from "../../registry/oci/push_artifact.ts";
import { formatReference, parseReference } from "../../registry/oci/mirrored_reference.ts";
import { AppError } from "../../runtime/base/errors.ts";
import { defaultPluginName, parsePluginName } from "../../runtime/base/names.ts";
import { printable } from "../../runtime/base/text.ts";
import type { Context, Exit } from "../context.ts";
import { allOf, eachOf } from "../each_plugin.ts";
import { addedIndexes } from "../install/refresh_indexes.ts";
import { formatAge, formatTable, formatValue } from "../terminal/output.ts";
import { readTextFile } from "../terminal/read_file.ts";
import { openRegistry, plainHttpOption } from "../install/open_registry.ts";

/** The command. */
export function indexCommand(context: Context, exit: Exit) {
  const command = new Command("index")
    .description("manage where plugins are found by name")
    .addHelpText(
      "after",
      `
An index is a list of plugins that somebody publishes to a registry. Once it is
added, krew-wasm search finds in it, and krew-wasm pull NAME installs from it.

Examples:
  krew-wasm index add ghcr.io/acme/index
  krew-wasm index build ghcr.io/acme/decoder:v1 > index.json
  krew-wasm index push index.json ghcr.io/acme/index`,
    );
  for (
    const sub of [
      addCommand(context),
      listCommand(context),
      removeCommand(context, exit),
      buildCommand(context),
      pushCommand(context),
    ]
  ) command.addCommand(sub as unknown as Command);
  return command;
}

function addCommand(context: Context) {
  return new Command("add")
    .description("add an index")
    .argument("<reference>", "[HOST/]REPOSITORY[:TAG][@DIGEST]")
    .option("--name <name>", "how to call it; the repository's first segment without it")
    .addOption(plainHttpOption())
    .addHelpText("after", "\nExamples:\n  krew-wasm index add ghcr.io/acme/index")
    .action(async (text, options) => {
      const reference = parseReference(text);
      const name = options.name ?? reference.repository.split("/")[0]!.replace(/[^a-z0-9]+/g, "-");
      const fetched = await fetchIndex(openRegistry(context, options), reference, undefined);
      await storeIndex(
        context.layout(),
        {
          name,
          reference: formatReference(reference),
          ...fetched,
          fetchedAt: timestamp(context.now()),
        },
        false,
        (line) => context.stderr(`${line}\n`),
      );
      const count = fetched.document.plugins.length;
      context.stdout(`Added ${name} (${count} ${count === 1 ? "plugin" : "plugins"})\n`);
    });
}

function listCommand(context: Context) {
  return new Command("list")
    .alias("ls")
    .description("list the indexes that were added")
    .addOption(
      new Option("-o, --output <format>", "output format").choices(["json", "yaml", "name"] as const),
    )
    .option("--no-headers", "leave out the header line")
    .addHelpText("after", "\nExamples:\n  krew-wasm index list")
    .action(async ({ output, headers }) => {
      const indexes = addedIndexes(context, undefined);
      if (output === "name") return context.stdout(indexes.map(({ name }) => `${name}\n`).join(""));
      if (output !== undefined) {
        const value = {
          indexes: indexes.map(({ name, reference, manifestDigest, fetchedAt, document }) => ({
            name,
            reference,
            manifestDigest,
            fetchedAt,
            plugins: document.plugins.length,
          })),
        };
        return context.stdout(
          await formatValue(value, output),
        );
      }
      if (indexes.length === 0) {
        return context.stderr("No index was added; krew-wasm index add REF adds one\n");
      }
      context.stdout(formatTable(
        ["NAME", "PLUGINS", "CHANGED", "REFERENCE"],
        indexes.map(({ name, reference, fetchedAt, document }) => [
          name,
          String(document.plugins.length),
          formatAge(new Date(fetchedAt), context.now()),
          reference,
        ]),
        { headers },
      ));
    });
}

function removeCommand(context: Context, exit: Exit) {
  return new Command("remove")
    .alias("rm")
    .description("remove indexes; plugins that came from them stay")
    .argument("<names...>", "as krew-wasm index list shows them")
    .addHelpText("after", "\nExamples:\n  krew-wasm index remove acme")
    .action(async (names) => {
      const failures = await eachOf(names, async (name) => {
        await removeIndex(context.layout(), name, (line) => context.stderr(`${line}\n`));
        context.stdout(`Removed ${printable(name, 100)}\n`);
      }, context);
      if (failures.length === 0) return;
      if (names.length === 1) throw failures[0];
      exit.code = 1;
    });
}

function buildCommand(context: Context) {
  return new Command("build")
    .description("write an index of plugins, as JSON, to stdout")
    .argument("<plugins...>", "references, or NAME=REFERENCE")
    .option("--from <file>", "an index to start from; plugins of the same name are replaced")
    .addOption(plainHttpOption())
    .addHelpText(
      "after",
      `
Versions and descriptions are those of the artifacts' annotations.

Examples:
  krew-wasm index build watch=ghcr.io/acme/events:v2 > index.json`,
    )
    .action(async (texts, options) => {
      const client = openRegistry(context, options);
      const wanted = texts.map((text) => {
        const [, name, rest = text] = /^([A-Za-z0-9_-]+)=(.*)$/.exec(text) ?? [];
        const reference = parseReference(rest);
        return {
          name: name === undefined ? defaultPluginName(reference.repository) : parsePluginName(name),
          reference,
        };
      });
      const before = options.from === undefined
        ? []
        : parseIndexDocument(readTextFile(options.from, { limit: 8 << 20 }), options.from).plugins;
      const built = await allOf(wanted, 8, async ({ name, reference }): Promise<IndexedPlugin> => {
        const shown = formatReference(reference);
        const { version, description, annotations } = parseManifest(
          (await client.fetchManifest(reference, "read")).text,
          shown,
        );
        const homepage = annotations["org.opencontainers.image.url"];
        return {
          name,
          reference: shown,
          ...(version === undefined ? {} : { version }),
          ...(description === undefined ? {} : { description }),
          ...(homepage === undefined ? {} : { homepage }),
        };
      });
      const names = new Set(built.map(({ name }) => name));
      const text = formatIndexDocument({
        plugins: [...before.filter(({ name }) => !names.has(name)), ...built],
      });
      parseIndexDocument(text, "What was given"); // check for duplicate names
      context.stdout(text);
    });
}

function pushCommand(context: Context) {
  return new Command("push")
    .description("publish an index")
    .argument("<file>", "as krew-wasm index build writes it")
    .argument("<reference>", "[HOST/]REPOSITORY[:TAG]")
    .addOption(plainHttpOption())
    .addHelpText("after", "\nExamples:\n  krew-wasm index push index.json ghcr.io/acme/index")
    .action(async (file, text, options) => {
      const reference = parseReference(text);
      if (reference.digest !== undefined) {
        throw new AppError(
          "USAGE",
          `"${printable(text, 300)}" names a digest, which follows from what is pushed`,
        );
      }
      const document = parseIndexDocument(readTextFile(file, { limit: 8 << 20 }), file);
      const artifact = makeIndexArtifact(formatIndexDocument(document), context.now());
      const client = openRegistry(context, options);
      for (const blob of [artifact.config, artifact.layer]) await pushBlob(client, reference, blob);
      const { digest } = await pushManifest(client, reference, artifact.manifest, artifact.mediaType);
      context.stdout(
        `Pushed ${formatReference(reference)} (${document.plugins.length} plugins)\n  digest  ${digest}\n`,
      );
    });
}
