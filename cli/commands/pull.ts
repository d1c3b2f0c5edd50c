/** `krew-wasm pull`: from a reference to an installed plugin. */

import { Command, Option } from "@commander-js/extra-typings";
import { delimiter } from "node:path";
import type { RegistryClient } from "../../registry/client.ts";
import { parseReference, type Reference } from "../../registry/reference.ts";
import { linkName, nameOfLink } from "../../runtime/names.ts";
import { AppError, exitCodeOf } from "../../runtime/errors.ts";
import { effectiveGrants } from "../../runtime/grants.ts";
import { checkStore } from "../../runtime/store/check.ts";
import type { Layout } from "../../runtime/store/layout.ts";
import type { Receipt } from "../../runtime/store/receipt.ts";
import { hostPath } from "../../runtime/host_path.ts";
import { shellCommand } from "../../runtime/shell_word.ts";
import { sourceInWords } from "../../runtime/provenance.ts";
import { printable } from "../../runtime/text.ts";
import type { Exit } from "../app.ts";
import type { Context } from "../context.ts";
import { eachOf, keepOption } from "../each.ts";
import { grantsOf, withGrantFlags } from "../grants.ts";
import { formatSize } from "../output.ts";
import { describeSignature, trustRootOption, verifyOption } from "../verify.ts";
import { decideGrants, WISH_MODES } from "../wish.ts";
import { addedIndexes, chooseOffer, freshIndexes, isIndexName } from "../indexes.ts";
import { openInstaller } from "../installer.ts";
import { shadowOf } from "../on_path.ts";
import { plainHttpOption } from "../registry.ts";

/** The command. */
export function pullCommand(context: Context, exit: Exit) {
  const command = new Command("pull")
    .alias("install")
    .description("install plugins from an OCI registry")
    .argument(
      "<references...>",
      "[HOST/]REPOSITORY[:TAG][@DIGEST]; without a host docker.io, without a tag latest; or a name of an index",
    )
    .option("--name <name>", "name of the plugin; the repository's last segment without it")
    .option("--index <name>", "the index to look names up in; all that were added without it")
    .option("-f, --force", "replace an installed plugin of that name")
    .addOption(plainHttpOption())
    .addOption(
      new Option("--grants <mode>", "what its publisher wishes for: all of it, none of it, or nothing at all")
        .choices(WISH_MODES),
    )
    .addOption(keepOption())
    .addOption(verifyOption())
    .addOption(trustRootOption())
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
  krew-wasm pull --verify=acme.pub ghcr.io/acme/plugins/decoder:v1
  krew-wasm pull -f --allow-read=~/manifests ghcr.io/acme/lint@sha256:4f53…`,
    )
    .action(async (texts, options) => {
      if (options.name !== undefined && texts.length > 1) {
        throw new AppError(
          "USAGE",
          `--name="${printable(options.name, 100)}" can't name ${texts.length} plugins`,
        );
      }
      checkStore(context.layout());
      const installer = openInstaller(context, options);
      // What is misspelt, not there, or offered by nobody, is told before anything is done, and before a registry is asked.
      const flags = await grantsOf(options, context);
      await installer.check();
      const wanted = await resolveAll(texts, options, installer.client, context);
      const layout = context.layout();
      const failures = await eachOf(wanted, async ({ reference, name, bare }) => {
        const receipt = await installer.install({
          reference,
          name: options.name ?? name,
          force: options.force ?? false,
          keep: options.keep,
          grants: decideGrants(context, {
            layout,
            mode: options.grants,
            flags,
            prompt: options.prompt !== false && !options.quiet,
          }),
        }).catch((error) => {
          throw bare === undefined ? error : withoutIndex(error, bare);
        });
        if (options.quiet) context.stdout(`${receipt.name}\n`);
        else tellInstalled(context, layout, receipt);
        if (context.verbose) context.stderr(`krew-wasm: the link is ${layout.link(receipt.name)}\n`);
      }, context);
      if (failures.length > 0) {
        if (wanted.length === 1) throw failures[0];
        context.stderr(`${wanted.length - failures.length} of ${wanted.length} installed\n`);
        exit.code = Math.max(...failures.map(exitCodeOf));
      }
      const hint = pathHint(layout.bin, context.env);
      if (hint !== undefined && !options.quiet && failures.length < wanted.length) context.stderr(hint);
    });
}

/** A plugin to install: what an argument of the command line means. */
interface Wanted {
  readonly reference: Reference;
  /** The name that an index gives it. */
  readonly name: string | undefined;
  /** A bare name that was taken for a repository of docker.io, as there is no index to look it up in. */
  readonly bare?: string | undefined;
}

/** A name that no registry knows may have been meant for an index. */
function withoutIndex(error: unknown, name: string): unknown {
  if (!(error instanceof AppError) || !error.code.startsWith("REGISTRY_")) return error;
  if (isFile(name)) return ofFile(error, name);
  return new AppError(error.code, error.message, {
    hint: `no index was added to look "${printable(name, 100)}" up in: krew-wasm index add REF; ` +
      "a reference looks like ghcr.io/acme/plugins/decoder:v1",
    cause: error.cause,
  });
}

function referenceOf(text: string): Reference {
  try {
    return parseReference(text);
  } catch (error) {
    throw error instanceof AppError && isFile(text) ? ofFile(error, text) : error;
  }
}

function isFile(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false;
  }
}

/** A file is no reference; where there is one of that name, it was meant. */
function ofFile({ code, message, cause }: AppError, path: string): AppError {
  return new AppError(code, message, {
    hint: `"${printable(path, 100)}" is a file: krew-wasm run runs it, krew-wasm push publishes it`,
    cause,
  });
}

/** References as they are; a bare name is looked up in the indexes, where any was added. */
async function resolveAll(
  texts: readonly string[],
  options: {
    readonly index?: string | undefined;
    readonly prompt?: boolean;
    readonly quiet?: boolean | undefined;
  },
  client: RegistryClient,
  context: Context,
): Promise<Wanted[]> {
  const names = texts.filter(isIndexName);
  const added = names.length > 0 || options.index !== undefined ? addedIndexes(context, options.index) : [];
  const lookUp = (text: string) => added.length > 0 && (options.index !== undefined || isIndexName(text));
  const others = texts.map((text) => lookUp(text) ? undefined : referenceOf(text));
  const indexes = texts.some(lookUp) ? await freshIndexes(context, client, added) : [];
  return texts.map((text, at): Wanted => {
    const reference = others[at];
    if (reference) return { reference, name: undefined, bare: isIndexName(text) ? text : undefined };
    const { plugin } = chooseOffer(context, indexes, text, options.prompt !== false && !options.quiet);
    return { reference: parseReference(plugin.reference), name: plugin.name };
  });
}

/** Tells what was installed, and how it is called. */
export function tellInstalled(context: Context, layout: Layout, receipt: Receipt): void {
  const call = nameOfLink(linkName(receipt.name));
  // Without bin/ on PATH there is a hint that puts it before all others.
  const other = pathHint(layout.bin, context.env) === undefined
    ? shadowOf(context, layout, receipt.name)
    : undefined;
  context.stdout(
    `Installed ${receipt.name} (${receipt.kind}, ${formatSize(receipt.size)})\n` +
      `  from    ${printable(receipt.reference, 400)}${sourceInWords(receipt.source)}\n` +
      `  digest  ${receipt.manifestDigest}\n` +
      receipt.signatures.map((signature) => `  signed  by ${describeSignature(signature)}\n`).join("") +
      (receipt.completion === undefined || !effectiveGrants(receipt.grants).completion
        ? ""
        : `  Tab     asks it to complete its arguments (krew-wasm grants ${receipt.name} --deny-completion)\n`) +
      `  run     ${other === undefined ? `kubectl ${call}` : `krew-wasm run ${receipt.name}`}\n`,
  );
  if (other === undefined) return;
  context.stderr(
    `warning: kubectl ${call} runs ${printable(other, 300)}, which comes first on PATH\n` +
      `hint: put ${printable(layout.bin, 300)} first on PATH, or choose another name with --name\n`,
  );
}

/** How to put bin/ on PATH, where it is not: the exact line for the user's shell. Pure. */
export function pathHint(bin: string, env: (name: string) => string | undefined): string | undefined {
  const entries = (env("PATH") ?? "").split(delimiter).map(hostPath);
  if (entries.some((entry) => entry.replace(/(?<=.)\/+$/, "") === hostPath(bin))) return undefined;
  const notFound = `\nkubectl does not find it yet: ${printable(bin)} is not on PATH.`;
  const home = env("HOME");
  const below = home && bin.startsWith(`${home}/`) ? bin.slice(home.length) : "";
  const isPlain = /^[\w/.+-]+$/.test(below);
  const word = isPlain ? `"$HOME${below}"` : shellCommand([bin]);
  if (word === undefined) return `${notFound} Add it there.\n`;
  const added = `export PATH=${isPlain ? `"$HOME${below}:$PATH"` : `${word}:"$PATH"`}`;
  const shell = (env("SHELL") ?? "").split("/").at(-1);
  const [file, line] = shell === "fish"
    ? ["~/.config/fish/config.fish", `fish_add_path ${word}`]
    : shell === "zsh"
    ? ["~/.zshrc", added]
    : Deno.build.os === "windows"
    ? ["your PowerShell profile", `$env:Path = "${bin};$env:Path"`]
    : ["~/.bashrc", added];
  return `${notFound} Add this line to ${file}:\n  ${line}\n`;
}
