/** `krew-wasm upgrade`: installs newer versions. */

import { Command } from "@commander-js/extra-typings";
import { parseReference } from "../../registry/oci/mirrored_reference.ts";
import { checkUpdate, type Update } from "../../registry/install/find_updates.ts";
import { AppError } from "../../runtime/base/errors.ts";
import { formatError } from "../../runtime/run/error_report.ts";
import { checkStore } from "../../runtime/store/check.ts";
import { printable } from "../../runtime/base/text.ts";
import type { Receipt } from "../../runtime/store/receipt.ts";
import type { Context, Exit } from "../context.ts";
import { allOf, eachOf, keepOption } from "../each_plugin.ts";
import { grantsOf } from "../grants/grant_flags.ts";
import { type Installer, openInstaller } from "../install/installer.ts";
import { completionLine } from "../install/report_installed.ts";
import { plainHttpOption } from "../install/open_registry.ts";
import { readPolicies } from "../policies.ts";
import { installedPlugins } from "../selected_plugins.ts";
import { shortDigest, tellUnseen, versionText, wayOut, whyNot } from "../install/update_words.ts";
import { decideGrants, grantsCommandOf } from "../grants/wished_grants.ts";
import { CHECKS_AT_ONCE } from "./outdated.ts";

/** The command. */
export function upgradeCommand(context: Context, exit: Exit) {
  return new Command("upgrade")
    .description("install newer versions of plugins, each on its tag's track")
    .argument("[names...]", "plugins; all of them without it")
    .option("--to <tag>", "go over to another tag, which the plugin follows from then on")
    .option("-n, --dry-run", "say what would be done")
    .addOption(keepOption())
    .addOption(plainHttpOption())
    .option("--no-prompt", "never ask for what a newer version wishes to be granted")
    .option("-q, --quiet", "print the names of what was upgraded only")
    .addHelpText(
      "after",
      `
A plugin installed as v1 stays on v1.x.y, one installed as v1.2 on v1.2.y. One
installed as v1.2.3, or by a digest, stays what it is; --to takes another. What
was granted stays granted. krew-wasm rollback goes back.

Examples:
  krew-wasm upgrade
  krew-wasm upgrade decoder --to v2`,
    )
    .action(async (names, options) => {
      if (options.to !== undefined && names.length !== 1) {
        throw new AppError("USAGE", "--to needs the name of one plugin");
      }
      const layout = context.layout();
      checkStore(layout);
      const receipts = installedPlugins(context, layout, names, exit);
      const noChange = await grantsOf({}, context);
      const policies = await readPolicies(context);
      await using installer = await openInstaller(context, policies, options);
      const checked = await allOf(receipts, CHECKS_AT_ONCE, async (installed) => {
        const receipt = options.to === undefined
          ? installed
          : { ...installed, reference: retagged(installed, options.to) };
        const update = await checkAllowedUpdate(installer, receipt);
        return { receipt, update: options.to === undefined ? update : toTag(update, installed, options.to) };
      });
      const available: { receipt: Receipt; update: Extract<Update, { status: "available" }> }[] = [];
      let seen = true;
      for (const { receipt, update } of checked) {
        seen &&= update.unlisted === undefined;
        if (tellUnseen(context, receipt, update)) exit.code = 1;
        if (update.status === "available") {
          available.push({ receipt, update });
          continue;
        }
        const why = whyNot(receipt, update);
        if (why === undefined) {
          if (names.length > 0 && !options.quiet) context.stdout(`${receipt.name} is ${update.status}\n`);
          continue;
        }
        exit.code = 1;
        const hint = wayOut(receipt, update);
        const code = "error" in update ? update.error.code : "REGISTRY_NOT_FOUND";
        context.stderr(formatError(new AppError(code, why, { hint }), false));
      }
      const failures = await eachOf(available, async ({ receipt, update }) => {
        const { name } = receipt;
        const change = `${versionText(receipt)} -> ${update.tag} (${shortDigest(update.manifestDigest)})`;
        const same = update.manifestDigest === receipt.manifestDigest;
        const follows = `${printable(update.tag, 100)} (the same version, ${
          shortDigest(update.manifestDigest)
        })`;
        if (options.dryRun) {
          const what = same ? `Would let ${name} follow ${follows}` : `Would upgrade ${name} ${change}`;
          return context.stdout(options.quiet ? `${name}\n` : `${what}\n`);
        }
        const installed = await installer.install({
          reference: parseReference(receipt.reference),
          pin: update.manifestDigest,
          pinnedIndex: update.indexDigest,
          name,
          force: true,
          upgrades: true,
          earlier: receipt.signatures,
          keep: options.keep,
          grants: decideGrants(context, {
            layout,
            policy: policies.administrator,
            mode: undefined,
            flags: noChange,
            prompt: options.prompt && !options.quiet,
            grantCommand: grantsCommandOf(name),
          }),
        });
        context.stdout(
          options.quiet
            ? `${name}\n`
            : same
            ? `${name} now follows ${follows}\n`
            : `Upgraded ${name} ${versionText(receipt)} -> ${versionText(installed)}${
              update.tag === installed.version ? "" : ` (${update.tag})`
            }\n${completionLine(installed, receipt)}`,
        );
      }, context);
      if (failures.length > 0) {
        if (available.length === 1) throw failures[0];
        context.stderr(`${available.length - failures.length} of ${available.length} upgraded\n`);
        exit.code = 1;
      }
      if (available.length === 0 && seen && exit.code === 0 && names.length === 0 && !options.quiet) {
        context.stdout("All plugins are current\n");
      }
    });
}

/** Asks the registry for an update, unless a policy refuses the plugin already. */
async function checkAllowedUpdate(installer: Installer, receipt: Receipt): Promise<Update> {
  try {
    installer.check(parseReference(receipt.reference), receipt.signatures);
  } catch (error) {
    if (!(error instanceof AppError)) throw error;
    return { status: "refused", error };
  }
  return await checkUpdate(installer.client, receipt, false);
}

/** With `--to`, a moved tag counts as an available update, and so does another tag of the installed version. */
function toTag(update: Update, installed: Receipt, to: string): Update {
  if (update.status === "moved") return { ...update, status: "available" };
  if (update.status !== "current" || retagged(installed, to) === installed.reference) return update;
  const { manifestDigest, indexDigest } = installed;
  return { status: "available", tag: to, manifestDigest, indexDigest };
}

function retagged(receipt: Receipt, tag: string): string {
  const { registry, repository } = parseReference(receipt.reference);
  const text = `${registry}/${repository}:${tag}`;
  parseReference(text);
  return text;
}
