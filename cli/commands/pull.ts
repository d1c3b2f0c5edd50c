/** `krew-wasm pull`: from a reference to an installed plugin. */

import { Command, Option } from "@commander-js/extra-typings";
import { fileURLToPath } from "node:url";
import { delimiter } from "node:path";
import { installPlugin } from "../../registry/install.ts";
import { formatReference, parseReference } from "../../registry/reference.ts";
import type { LinkTarget } from "../../registry/store/links.ts";
import { checkAllowed, readPolicy } from "../../runtime/policy.ts";
import { homeDirectory } from "../../runtime/store/layout.ts";
import { linkName } from "../../runtime/names.ts";
import type { Receipt } from "../../runtime/store/receipt.ts";
import { printable } from "../../runtime/text.ts";
import type { Context } from "../context.ts";
import { grantsOf, withGrantFlags } from "../grants.ts";
import { formatSize } from "../output.ts";
import { decideGrants, WISH_MODES } from "../wish.ts";
import { openProgress, openRegistry, plainHttpOption } from "../registry.ts";

/** The command. */
export function pullCommand(context: Context) {
  const command = new Command("pull")
    .alias("install")
    .description("install a plugin from an OCI registry")
    .argument(
      "<reference>",
      "[HOST/]REPOSITORY[:TAG][@DIGEST]; without a host docker.io, without a tag latest",
    )
    .option("--name <name>", "name of the plugin; the repository's last segment without it")
    .option("-f, --force", "replace an installed plugin of that name")
    .addOption(plainHttpOption())
    .addOption(
      new Option("--grants <mode>", "what its publisher wishes for: all of it, none of it, or nothing at all")
        .choices(WISH_MODES),
    )
    .option("-q, --quiet", "print the plugin's name only");
  return withGrantFlags(command)
    .addHelpText(
      "after",
      `
A plugin reads a stand-in for your kubeconfig and a private directory of its
own, and reaches the API server of your current context as you; --allow-… lets
it do more. What is granted here holds for every run, and for later versions.
What its publisher wishes for is shown and asked about: --grants=wished takes
all of it, default none of it, and none leaves it nothing but its directory.

Examples:
  krew-wasm pull ghcr.io/acme/plugins/decoder:v1
  krew-wasm pull ghcr.io/acme/plugins/events:v2 --name watch-events
  krew-wasm pull --force --allow-read=~/manifests ghcr.io/acme/lint@sha256:4f53…`,
    )
    .action(async (text, options) => {
      const reference = parseReference(text);
      const flags = await grantsOf(options, context);
      const layout = context.layout();
      checkAllowed(
        await readPolicy(context.policyPath, homeDirectory(context.env)),
        formatReference(reference),
      );
      const trace = (line: string) => {
        if (context.verbose) context.stderr(`krew-wasm: ${printable(line, 2000)}\n`);
      };
      const notice = (line: string) => {
        progress.end();
        if (!options.quiet) context.stderr(`${line}\n`);
      };
      const progress = openProgress(context, options.quiet ?? false);
      const receipt = await installPlugin({
        layout,
        reference,
        name: options.name,
        force: options.force ?? false,
        grants: decideGrants(context, {
          layout,
          mode: options.grants,
          flags,
          prompt: options.prompt !== false && !options.quiet,
        }),
        target: linkTarget(),
        client: openRegistry(context, options, progress),
        compile: async (bytes) => {
          progress.end();
          return await (await import("../../registry/compile.ts")).compilePlugin(bytes);
        },
        now: context.now,
        notice,
        progress: progress.show,
      }).finally(() => progress.end());
      if (options.quiet) return context.stdout(`${receipt.name}\n`);
      context.stdout(formatInstalled(receipt));
      const hint = pathHint(layout.bin, context.env);
      if (hint !== undefined) context.stderr(hint);
      if (!context.verbose) return;
      trace(`the link is ${layout.link(receipt.name)}`);
    });
}

/** What was installed, for people. Pure. */
export function formatInstalled(receipt: Receipt): string {
  const call = linkName(receipt.name).slice("kubectl-".length).replaceAll("_", "-");
  return `Installed ${receipt.name} (${receipt.kind}, ${formatSize(receipt.size)})\n` +
    `  from    ${printable(receipt.reference, 400)}\n` +
    `  digest  ${receipt.digest}\n` +
    `  run     kubectl ${call}\n`;
}

/** What a link of this process's making starts. */
export function linkTarget(): LinkTarget {
  if (Deno.build.standalone) return { kind: "binary", path: Deno.execPath() };
  const main = fileURLToPath(new URL("../../main.ts", import.meta.url));
  return {
    kind: "launcher",
    command: [Deno.execPath(), "run", "--quiet", "--allow-all", "--no-prompt", main],
  };
}

/** How to put bin/ on PATH, where it is not: the exact line for the user's shell. Pure. */
export function pathHint(bin: string, env: (name: string) => string | undefined): string | undefined {
  if ((env("PATH") ?? "").split(delimiter).some((entry) => entry.replace(/(?<=.)[\\/]+$/, "") === bin)) {
    return undefined;
  }
  const home = env("HOME");
  const shown = home && bin.startsWith(`${home}/`) ? `$HOME${bin.slice(home.length)}` : bin;
  const shell = (env("SHELL") ?? "").split("/").at(-1);
  const [file, line] = shell === "fish"
    ? ["~/.config/fish/config.fish", `fish_add_path "${shown}"`]
    : shell === "zsh"
    ? ["~/.zshrc", `export PATH="${shown}:$PATH"`]
    : Deno.build.os === "windows"
    ? ["your PowerShell profile", `$env:Path = "${bin};$env:Path"`]
    : ["~/.bashrc", `export PATH="${shown}:$PATH"`];
  return `\nkubectl does not find it yet: ${bin} is not on PATH. Add this line to ${file}:\n  ${line}\n`;
}
