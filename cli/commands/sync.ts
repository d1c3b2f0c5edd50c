/** `krew-wasm sync`: makes this machine match a lock file. */

import { Command } from "@commander-js/extra-typings";
import { type LockedPlugin, MAX_LOCK, parseLock, planSync } from "../../registry/fleet/lockfile.ts";
import { formatReference } from "../../registry/oci/mirrored_reference.ts";
import { removePlugins, updateReceipt } from "../../registry/store/commit.ts";
import { AppError } from "../../runtime/base/errors.ts";
import { checkStore } from "../../runtime/store/check.ts";
import { homeDirectory } from "../../runtime/store/layout.ts";
import { type Receipt, withInstalledGrants } from "../../runtime/store/receipt.ts";
import { readReceipts } from "../../runtime/store/read.ts";
import { printable } from "../../runtime/base/text.ts";
import type { Context, Exit } from "../context.ts";
import { eachOf } from "../each_plugin.ts";
import { type Policies, readPolicies } from "../policies.ts";
import { changesInWords } from "../grants/grant_changes.ts";
import { readTextFile, tooLarge, unreadable } from "../terminal/read_file.ts";
import { openInstaller } from "../install/installer.ts";
import { plainHttpOption } from "../install/open_registry.ts";
import { confirmGrants, type GrantedStep, grantedSteps } from "../grants/lockfile_grants.ts";
import { whyRefused } from "../doctor/environment_checks.ts";
import { shortDigest, versionText } from "../install/update_words.ts";
import { completionLine, pathHint } from "../install/report_installed.ts";

/** The command. */
export function syncCommand(context: Context, exit: Exit) {
  return new Command("sync")
    .description("make this machine the same as a lock file: digests, names and grants")
    .argument("<file>", "as krew-wasm list -o lock writes it; - for stdin")
    .option("--prune", "remove plugins that are not in the file")
    .option("-n, --dry-run", "say what would be done, with all that would be granted")
    .option("--check", "do nothing; the exit code is 1 when something would be done")
    .option("-y, --yes", "grant what the file grants without asking")
    .option("--with-grants", "the same as --yes")
    .addOption(plainHttpOption())
    .option("-q, --quiet", "print nothing but failures")
    .addHelpText(
      "after",
      `
The digests of the file are what is installed, whatever tags stand for by now.
What is there already costs no request. Grants become those of the file: what
a plugin would get beyond what it has, or a new one beyond what every plugin
has, is shown and asked about. Without a terminal, in CI, --yes is needed for
that; without it nothing is changed and the exit code is 1.

Examples:
  krew-wasm list -o lock > plugins.lock
  krew-wasm sync plugins.lock --prune
  krew-wasm sync plugins.lock --yes
  krew-wasm sync plugins.lock --check`,
    )
    .action(async (file, options) => {
      const home = homeDirectory(context.env);
      const layout = context.layout();
      checkStore(layout);
      const shown = file === "-" ? "stdin" : file;
      const locked = parseLock(await readLock(file), home, shown);
      const { receipts, broken } = readReceipts(layout);
      const policies = await readPolicies(context);
      const refused = await refusedPlugins(policies, receipts);
      const planned = planSync(locked, receipts, broken.map(({ name }) => name), refused)
        .filter(({ kind }) => kind !== "keep");
      const due = await grantedSteps(
        context,
        policies.administrator,
        planned.filter(({ kind }) => kind !== "extra" || options.prune),
      );
      const say = (line: string) => {
        if (!options.quiet) context.stdout(line);
      };
      const tellExtra = () => {
        for (const step of planned) {
          if (step.kind === "extra" && !options.prune) {
            context.stderr(`${step.name} is not in the lock file; --prune removes it\n`);
          }
        }
      };
      if (due.length === 0) {
        tellExtra();
        return say("Everything is as the lock file says\n");
      }
      if (options.check || options.dryRun) {
        for (const step of due) say(`Would ${describeStep(step)}`);
        tellExtra();
        if (options.check) exit.code = 1;
        return;
      }
      await using installer = await openInstaller(context, policies, options);
      confirmGrants(context, due, {
        shown,
        agreed: options.yes ?? options.withGrants ?? false,
        quiet: options.quiet ?? false,
      });
      const notice = (line: string) => context.stderr(`${line}\n`);
      const install = async ({ plugin, grants }: { plugin: LockedPlugin; grants: Receipt["grants"] }) => {
        const { reference, manifestDigest, indexDigest, digest, name } = plugin;
        return await installer.install({
          reference,
          pin: manifestDigest,
          pinnedIndex: indexDigest,
          pinnedBlob: digest,
          name,
          force: true,
          grants,
        });
      };
      const extra = due.flatMap(({ step }) => step.kind === "extra" ? [step.name] : []);
      const removals = extra.length === 0 ? [] : await removePlugins(layout, extra, notice);
      const removed = new Map(removals.map(({ name, error }) => [name, error]));
      const receiptsBefore = new Map(receipts.map((receipt) => [receipt.name, receipt]));
      const failures = await eachOf(due, async (granted) => {
        const { step } = granted;
        let now: Receipt | undefined;
        if (step.kind === "extra") {
          const error = removed.get(step.name);
          // Another process removed it, which is the wanted result.
          if (error && !(error instanceof AppError && error.code === "NOT_INSTALLED")) throw error;
        } else if (step.kind === "change") {
          const { plugin, installed } = step;
          const { grants } = granted;
          const isChanged = await overtaken(async (other) => {
            now = await updateReceipt(
              layout,
              step.name,
              (receipt) =>
                isAnother(receipt, installed)
                  ? other(receipt)
                  : { ...withInstalledGrants(receipt, grants), reference: formatReference(plugin.reference) },
              { task: `sync ${file}`, notice, batch: installer.batch },
            );
          });
          if (isChanged) now = await install({ plugin, grants });
        } else if (step.kind !== "keep") now = await install({ plugin: step.plugin, grants: granted.grants });
        say(describeStep(granted).replace(/^\w+/, (verb) => DONE[verb] ?? verb));
        if (now) say(completionLine(now, receiptsBefore.get(now.name)));
      }, context);
      tellExtra();
      const hint = pathHint(layout.bin, context.env);
      const installed = due.length > failures.length && due.some(({ step }) => step.kind === "install");
      if (hint !== undefined && !options.quiet && installed) context.stderr(hint);
      if (failures.length > 0) {
        if (due.length === 1) throw failures[0];
        context.stderr(`${due.length - failures.length} of ${due.length} done\n`);
        exit.code = 1;
      }
    });
}

/** Names of plugins that the current policies refuse. They must be verified again, even if the lock file matches. */
async function refusedPlugins(
  policies: Policies,
  receipts: readonly Receipt[],
): Promise<ReadonlySet<string>> {
  const refused = new Set<string>();
  for (const policy of policies.all) {
    for (const receipt of receipts) if (await whyRefused(policy, receipt)) refused.add(receipt.name);
  }
  return refused;
}

/** Whether a receipt differs from the planned one. */
function isAnother(receipt: Receipt, planned: Receipt): boolean {
  return receipt.manifestDigest !== planned.manifestDigest || receipt.reference !== planned.reference ||
    receipt.source.kind !== planned.source.kind;
}

/**
 * Whether another process replaced or removed a plugin since it was planned. `sync` then installs it instead of changing
 * it. `change` passes a different receipt to `other`.
 */
async function overtaken(change: (other: (receipt: Receipt) => Receipt) => Promise<void>): Promise<boolean> {
  let replaced = false;
  try {
    await change((receipt) => {
      replaced = true;
      return receipt;
    });
  } catch (error) {
    if (error instanceof AppError && error.code === "NOT_INSTALLED") return true;
    throw error;
  }
  return replaced;
}

const DONE: Readonly<Record<string, string>> = {
  install: "Installed",
  replace: "Replaced",
  change: "Changed",
  remove: "Removed",
};

/** Describes a step as a line that follows "Would". Pure. */
function describeStep({ step, changes }: GrantedStep): string {
  const words = changesInWords(changes);
  switch (step.kind) {
    case "extra":
      return `remove ${step.name}\n`;
    case "keep":
      return `keep ${step.name}\n`;
    case "install":
      return `install ${step.name} ${where(step.plugin)}${words}\n`;
    case "replace":
      return `replace ${step.name} ${step.installed ? versionText(step.installed) : "(broken)"} -> ${
        where(step.plugin)
      }${words}\n`;
    case "change": {
      const reference = formatReference(step.plugin.reference);
      const followed = reference === step.installed.reference ? "" : `, follow ${printable(reference, 400)}`;
      return `change ${step.name}${followed}${words}\n`;
    }
  }
}

function where({ reference, manifestDigest }: LockedPlugin): string {
  return `${printable(formatReference(reference), 400)} (${shortDigest(manifestDigest)})`;
}

async function readLock(file: string): Promise<string> {
  if (file !== "-") return readTextFile(file, { limit: MAX_LOCK });
  try {
    const chunks: Uint8Array<ArrayBuffer>[] = [];
    let size = 0;
    for await (const chunk of Deno.stdin.readable) {
      size += chunk.length;
      if (size > MAX_LOCK) throw new Error(tooLarge(MAX_LOCK));
      chunks.push(chunk);
    }
    return await new Blob(chunks).text();
  } catch (error) {
    throw unreadable("stdin", error);
  }
}
