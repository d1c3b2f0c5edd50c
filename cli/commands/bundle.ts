/** `krew-wasm bundle`: plugins in a file, for machines without network. */

import { writeAllSync } from "../../runtime/base/bytes.ts";
import { Command } from "@commander-js/extra-typings";
import { Bundle } from "../../registry/fleet/bundle_file.ts";
import { gatherBundle, type WriteBundle } from "../../registry/fleet/save_bundle.ts";
import { replaceFileAt } from "../../registry/store/replace_file.ts";
import { findSignatures } from "../../registry/signing/find_signatures.ts";
import { formatReference, parseReference } from "../../registry/oci/mirrored_reference.ts";
import type { DecideGrants } from "../../registry/install/install_plan.ts";
import { openForReading } from "../../registry/store/open.ts";
import { AppError, exitCodeOf } from "../../runtime/base/errors.ts";
import { systemWords } from "../../runtime/base/file_error.ts";
import { defaultPluginName, parsePluginName } from "../../runtime/base/names.ts";
import { resolveGrants } from "../../runtime/grants/granted_path.ts";
import { type Grants, LEAST } from "../../runtime/grants/grants.ts";
import { isSamePublisher } from "../../runtime/policy/provenance.ts";
import type { Policy } from "../../runtime/policy/policy.ts";
import { homeDirectory } from "../../runtime/store/layout.ts";
import { checkStore } from "../../runtime/store/check.ts";
import type { Receipt } from "../../runtime/store/receipt.ts";
import { printable } from "../../runtime/base/text.ts";
import { limitFor } from "../grants/policy_bounds.ts";
import type { Context, Exit } from "../context.ts";
import { eachOf, keepOption } from "../each_plugin.ts";
import { changesInWords, givenTable, grantChanges } from "../grants/grant_changes.ts";
import { grantsOf } from "../grants/grant_flags.ts";
import { openInstaller } from "../install/installer.ts";
import { readPolicies } from "../policies.ts";
import { formatSize } from "../terminal/output.ts";
import { openRegistry, plainHttpOption } from "../install/open_registry.ts";
import { unreadable } from "../terminal/read_file.ts";
import { installedPlugins } from "../selected_plugins.ts";
import { trustRootOption, verifyOption } from "../install/verify_option.ts";
import { decideGrants, grantsCommandOf } from "../grants/wished_grants.ts";
import { sameInstalled } from "../install/already_installed.ts";
import { pathHint, tellAlreadyInstalled, tellInstalled } from "../install/report_installed.ts";

/** The command. */
export function bundleCommand(context: Context, exit: Exit) {
  const command = new Command("bundle")
    .description("carry plugins to machines without network, in a file")
    .addHelpText(
      "after",
      `
A bundle is a tar archive of an OCI image layout, which skopeo reads and writes:
skopeo copy oci-archive:plugins.tar:ghcr.io/acme/decoder:v1 docker://…

Examples:
  krew-wasm bundle save plugins.tar
  krew-wasm bundle load plugins.tar`,
    );
  command.addCommand(saveCommand(context, exit));
  command.addCommand(loadCommand(context, exit));
  return command;
}

function saveCommand(context: Context, exit: Exit) {
  return new Command("save")
    .description("write installed plugins into a bundle")
    .argument("<file>", "the bundle; - for stdout")
    .argument("[names...]", "plugins; all of them without it")
    .addOption(plainHttpOption())
    .addHelpText(
      "after",
      "\nExamples:\n  krew-wasm bundle save plugins.tar\n  krew-wasm bundle save decoder.tar decoder",
    )
    .action(async (file, names, options) => {
      if (file === "-" && Deno.stdout.isTerminal()) {
        throw new AppError("USAGE", "A bundle is not text: krew-wasm does not write it to a terminal", {
          hint: "krew-wasm bundle save FILE",
        });
      }
      const layout = context.layout();
      checkStore(layout);
      const receipts = installedPlugins(context, layout, names, exit);
      if (exit.code !== 0) return;
      const client = openRegistry(context, options);
      const gather = async (receipts: readonly Receipt[]) => {
        if (receipts.length === 0) throw new AppError("NOT_INSTALLED", "No plugins are installed to save");
        const warnings: string[] = [];
        const orWarn = async <T>(name: string, ask: () => Promise<T>): Promise<T | undefined> => {
          try {
            return await ask();
          } catch (error) {
            if (!(error instanceof AppError)) throw error;
            warnings.push(`warning: "${name}" is saved without its signature: ${error.message}\n`);
            return undefined;
          }
        };
        const bundle = await gatherBundle(layout, receipts, {
          missing: client,
          signatures: async (receipt, repository, digest) =>
            await orWarn(
              receipt.name,
              async () => await Array.fromAsync(findSignatures(client, repository, digest)),
            ) ?? [],
          index: async ({ name }, reference) =>
            await orWarn(name, async () => (await client.fetchAnyManifest(reference, "save")).text),
        }, homeDirectory(context.env));
        return { bundle, warnings, of: JSON.stringify(receipts) };
      };
      // Slow requests to registries run without the lock.
      const before = await gather(receipts).catch((error) => {
        if (error instanceof AppError) return undefined; // another process may have just removed a plugin
        throw error;
      });
      // The lock keeps the plugins in place while they are saved.
      using _lock = await openForReading(layout, (line) => context.stderr(`${line}\n`));
      const saved = installedPlugins(context, layout, names, exit);
      if (exit.code !== 0) return;
      const { bundle, warnings } = before?.of === JSON.stringify(saved) ? before : await gather(saved);
      for (const warning of warnings) context.stderr(warning);
      const size = await writeFile(file, bundle);
      if (file !== "-") {
        context.stdout(
          `Saved ${saved.length} ${saved.length === 1 ? "plugin" : "plugins"} to ${printable(file, 300)} (${
            formatSize(size)
          })\n`,
        );
      }
    });
}

function loadCommand(context: Context, exit: Exit) {
  return new Command("load")
    .description("install the plugins of a bundle; no network is needed")
    .argument("<file>", "the bundle; - for stdin")
    .argument("[names...]", "plugins; all of them without it")
    .option("--name <name>", "name of the plugin, where the bundle has one")
    .option("-f, --force", "replace installed plugins of those names")
    .option("--with-grants", "grant what was granted where the bundle was made, which is shown")
    .addOption(verifyOption())
    .addOption(trustRootOption())
    .addOption(keepOption())
    .option("-q, --quiet", "print the plugins' names only")
    .addHelpText(
      "after",
      "\nExamples:\n  krew-wasm bundle load plugins.tar\n  krew-wasm bundle load plugins.tar decoder --force",
    )
    .action(async (file, names, options) => {
      // Reading a bundle needs random access, which a pipe does not have.
      using staged = file === "-" ? await stageStdin() : undefined;
      const home = homeDirectory(context.env);
      using bundle = staged ? Bundle.open(staged.path, home, "stdin") : Bundle.open(file, home);
      const found = names.length === 0
        ? bundle.plugins
        : bundle.plugins.filter(({ name }) => name !== undefined && names.includes(name));
      for (const name of names) {
        if (!found.some((plugin) => plugin.name === name)) {
          throw new AppError("BUNDLE_INVALID", `The bundle has no plugin "${printable(name, 100)}"`);
        }
      }
      if (found.length === 0) throw new AppError("BUNDLE_INVALID", "The bundle is empty");
      if (options.name !== undefined && found.length > 1) {
        throw new AppError(
          "USAGE",
          `--name="${printable(options.name, 100)}" can't name ${found.length} plugins`,
        );
      }
      const noChange = await grantsOf({}, context);
      const layout = context.layout();
      const policies = await readPolicies(context);
      const policy = policies.administrator;
      await using installer = await openInstaller(context, policies, options);
      const failures = await eachOf(found, async (plugin) => {
        if (options.withGrants && !plugin.grants) {
          const shown = printable(formatReference(plugin.reference), 400);
          context.stderr(`The bundle does not say what ${shown} was granted: another tool made it\n`);
        }
        const name = options.name ?? plugin.name ?? defaultPluginName(plugin.reference.repository);
        let isThere = false;
        const receipt = await installer.install({
          client: bundle,
          signatures: bundle,
          reference: plugin.reference,
          pin: plugin.manifestDigest,
          pinnedIndex: plugin.indexDigest,
          name,
          force: options.force ?? false,
          keep: options.keep,
          grants: options.withGrants && plugin.grants
            ? bundledGrants(context, policy, plugin.grants, options.quiet ?? false)
            : decideGrants(context, {
              layout,
              policy,
              mode: undefined,
              flags: noChange,
              prompt: !options.quiet,
              grantCommand: grantsCommandOf(name),
            }),
        }).catch(async (error) => {
          isThere = true;
          return await sameInstalled(error, {
            layout,
            name: parsePluginName(name),
            reference: plugin.reference,
            client: bundle,
            manifestDigest: plugin.manifestDigest,
            ignored: options.verify || options.trustRoot || options.withGrants ? ["--verify"] : [],
          });
        });
        if (options.quiet) context.stdout(`${receipt.name}\n`);
        else if (isThere) tellAlreadyInstalled(context, receipt);
        else tellInstalled(context, layout, receipt);
      }, context);
      if (failures.length > 0) {
        if (found.length === 1) throw failures[0];
        context.stderr(`${found.length - failures.length} of ${found.length} installed\n`);
        exit.code = Math.max(...failures.map(exitCodeOf));
      }
      const hint = pathHint(layout.bin, context.env);
      if (hint !== undefined && !options.quiet && failures.length < found.length) context.stderr(hint);
    });
}

/** Copies stdin to a temporary file, which disposal removes. */
async function stageStdin(): Promise<{ readonly path: string } & Disposable> {
  const path = Deno.makeTempFileSync({ prefix: "krew-wasm-bundle-" });
  const staged = { path, [Symbol.dispose]: () => Deno.removeSync(path) };
  try {
    await Deno.writeFile(path, Deno.stdin.readable);
    return staged;
  } catch (error) {
    staged[Symbol.dispose]();
    throw unreadable("stdin", error);
  }
}

/** The grants of a bundle. Shows them as they will be stored. */
function bundledGrants(
  context: Context,
  policy: Policy | undefined,
  bundled: Grants,
  quiet: boolean,
): DecideGrants {
  const home = homeDirectory(context.env);
  return async (plugin, replaced) => {
    const before = replaced && isSamePublisher(replaced, plugin) ? replaced.grants : LEAST;
    const grants = (await limitFor(context, policy, plugin))(resolveGrants(bundled, before));
    const changes = grantChanges(before, grants, home);
    const shown = formatReference(parseReference(plugin.reference));
    if (!quiet && changes.given.length > 0) {
      context.stderr(givenTable(`The bundle grants ${shown}:`, changes));
    }
    const rest = changesInWords({ ...changes, given: [] });
    if (!quiet && rest !== "") context.stderr(`${printable(shown, 400)}${rest}\n`);
    return grants;
  };
}

/** Writes a bundle atomically, so that a failure leaves no file. Returns its size. */
async function writeFile(path: string, bundle: WriteBundle): Promise<number> {
  let size = 0;
  if (path === "-") {
    bundle((bytes) => {
      writeAllSync(Deno.stdout, bytes);
      size += bytes.length;
    });
    return size;
  }
  try {
    await replaceFileAt(path, { mode: 0o666 }, (write) =>
      bundle((bytes) => {
        write(bytes);
        size += bytes.length;
      }));
    return size;
  } catch (error) {
    if (error instanceof AppError) throw error;
    const why = error instanceof Deno.errors.NotFound ? "there is no such directory" : systemWords(error);
    throw new AppError("FILE_UNREADABLE", `Cannot write "${printable(path, 300)}": ${why}`, { cause: error });
  }
}
