/** `krew-wasm pull`: installs the plugin of a reference. */

import { Command, Option } from "@commander-js/extra-typings";
import type { RegistryClient } from "../../registry/oci/registry_client.ts";
import { parseReference, type Reference } from "../../registry/oci/mirrored_reference.ts";
import { AppError, exitCodeOf } from "../../runtime/base/errors.ts";
import { defaultPluginName, parsePluginName } from "../../runtime/base/names.ts";
import { checkStore } from "../../runtime/store/check.ts";
import { shellCommand } from "../../runtime/base/shell_word.ts";
import { printable } from "../../runtime/base/text.ts";
import type { Context, Exit } from "../context.ts";
import { eachOf, keepOption } from "../each_plugin.ts";
import { grantsOf, withGrantFlags } from "../grants/grant_flags.ts";
import { readPolicies } from "../policies.ts";
import { trustRootOption, verifyOption } from "../install/verify_option.ts";
import { decideGrants, grantsCommandOf, WISH_MODES } from "../grants/wished_grants.ts";
import { sameInstalled } from "../install/already_installed.ts";
import { pathHint, tellAlreadyInstalled, tellInstalled } from "../install/report_installed.ts";
import { addedIndexes, chooseOffer, freshIndexes, isIndexName } from "../install/refresh_indexes.ts";
import { openInstaller } from "../install/installer.ts";
import { plainHttpOption } from "../install/open_registry.ts";

/** The command. */
export function pullCommand(context: Context, exit: Exit) {
  const command = new Command("pull")
    .alias("install")
    .description("install plugins from an OCI registry")
    .argument(
      "<references...>",
      "[HOST/]REPOSITORY[:TAG][@DIGEST], or names in an index",
    )
    .option("--name <name>", "name of the plugin (default: end of the repository)")
    .option("--index <name>", "index to look names up in (default: all)")
    .option("-f, --force", "replace an installed plugin")
    .addOption(plainHttpOption())
    .addOption(
      new Option(
        "--grants <mode>",
        "the publisher's wish: wished grants it, default does not",
      )
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
Examples:
  krew-wasm pull ghcr.io/acme/plugins/decoder:v1
  krew-wasm pull --verify=acme.pub ghcr.io/acme/plugins/decoder:v1`,
    )
    .action(async (texts, options) => {
      if (options.name !== undefined && texts.length > 1) {
        throw new AppError(
          "USAGE",
          `--name="${printable(options.name, 100)}" can't name ${texts.length} plugins`,
        );
      }
      checkStore(context.layout());
      // Report wrong flags, files and names before any change and before any request to a registry.
      const flags = await grantsOf(options, context);
      const policies = await readPolicies(context);
      await using installer = await openInstaller(context, policies, options);
      const wanted = await resolveAll(texts, options, installer.client, context);
      const layout = context.layout();
      const failures = await eachOf(wanted, async ({ reference, name, bare }) => {
        const plugin = options.name ?? name ?? defaultPluginName(reference.repository);
        let isThere = false;
        const receipt = await installer.install({
          reference,
          name: plugin,
          force: options.force ?? false,
          keep: options.keep,
          grants: decideGrants(context, {
            layout,
            policy: policies.administrator,
            mode: options.grants,
            flags,
            prompt: options.prompt !== false && !options.quiet,
            grantCommand: grantsCommandOf(plugin),
          }),
        }).catch(async (error) => {
          isThere = true;
          return await sameInstalled(error, {
            layout,
            name: parsePluginName(plugin),
            reference,
            client: installer.client,
            ignored: ignoredFlags(options),
          });
        }).catch((error) => {
          throw bare === undefined ? error : withoutIndex(error, bare);
        });
        if (options.quiet) context.stdout(`${receipt.name}\n`);
        else if (isThere) tellAlreadyInstalled(context, receipt);
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

/** Options that change nothing for a plugin that is installed already. Grant flags have their values. */
function ignoredFlags(options: Readonly<Record<string, unknown>>): string[] {
  return Object.entries(options).flatMap(([name, value]) => {
    const flag = `--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
    if (["verify", "trustRoot", "grants"].includes(name) && value !== undefined) return [flag];
    if (!/^(allow|deny)[A-Z]|^maxMemory$/.test(name) || value === undefined) return [];
    if (typeof value === "boolean") return [flag];
    return [value].flat().flatMap((one) => shellCommand([`${flag}=${one}`]) ?? []);
  });
}

/** A plugin to install, from one argument of the command line. */
interface Wanted {
  readonly reference: Reference;
  /** The plugin's name in an index. */
  readonly name: string | undefined;
  /** A bare name, read as a repository of docker.io because there is no index. */
  readonly bare?: string | undefined;
}

/** Adds a hint to an error about a bare name: perhaps the user meant a name of an index. */
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

/** Adds a hint to an error about a reference: a file of that name exists. */
function ofFile({ code, message, cause }: AppError, path: string): AppError {
  return new AppError(code, message, {
    hint: `"${printable(path, 100)}" is a file: krew-wasm run runs it, krew-wasm push publishes it`,
    cause,
  });
}

/** Parses references, and looks bare names up in the indexes, if there are any. */
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
