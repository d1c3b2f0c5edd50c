/** `krew-wasm tags`: the tags of a repository. */

import { Command, Option } from "@commander-js/extra-typings";
import { parseRepository } from "../../registry/oci/mirrored_reference.ts";
import { listTags } from "../../registry/oci/list_tags.ts";
import type { Context } from "../context.ts";
import { formatValue } from "../terminal/output.ts";
import { openProgress, openRegistry, plainHttpOption } from "../install/open_registry.ts";

/** The command. */
export function tagsCommand(context: Context) {
  return new Command("tags")
    .description("list the tags of a repository")
    .argument("<repository>", "[HOST/]REPOSITORY")
    .addOption(new Option("-o, --output <format>", "output format").choices(["json", "yaml"]))
    .option("--all", "include the tags that hold signatures")
    .addOption(plainHttpOption())
    .addHelpText(
      "after",
      "\nExamples:\n  krew-wasm tags ghcr.io/acme/plugins/decoder\n  krew-wasm tags ghcr.io/acme/decoder -o json | jq -r '.tags[-1]'",
    )
    .action(async (text, options) => {
      const repository = parseRepository(text);
      const progress = openProgress(context, false);
      progress.wait(`Waiting for ${repository.registry}`);
      const client = openRegistry(context, options, progress);
      const tags = await listTags(client, repository, options.all).finally(progress.end);
      if (options.output === undefined) {
        if (tags.length === 0) return context.stderr("The repository has no tags\n");
        return context.stdout(tags.map((tag) => `${tag}\n`).join(""));
      }
      const value = { repository: `${repository.registry}/${repository.repository}`, tags };
      context.stdout(
        await formatValue(value, options.output),
      );
    });
}
