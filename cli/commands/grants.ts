/** `krew-wasm grants`: shows and changes what installed plugins may do. */

import { Command, Option } from "@commander-js/extra-typings";
import { updateReceipt } from "../../registry/store/commit.ts";
import { AppError, messageOf } from "../../runtime/base/errors.ts";
import { changeGrants } from "../../runtime/grants/merge_grants.ts";
import { grantsToJson } from "../../runtime/grants/grants_json.ts";
import { parsePluginName } from "../../runtime/base/names.ts";
import { homeDirectory } from "../../runtime/store/layout.ts";
import type { Policy } from "../../runtime/policy/policy.ts";
import { administratorOf, judge } from "../../runtime/policy/verdict.ts";
import { checkStore } from "../../runtime/store/check.ts";
import { readReceipt, readReceipts } from "../../runtime/store/read.ts";
import { type Receipt, withChangedGrants, withInstalledGrants } from "../../runtime/store/receipt.ts";
import { printable } from "../../runtime/base/text.ts";
import { limitFor } from "../grants/policy_bounds.ts";
import type { Context } from "../context.ts";
import { readAdministratorsPolicy } from "../policies.ts";
import { type AdministratorView, explainGrants } from "../grants/explain_grants.ts";
import { cells, effectiveRows } from "../grants/grant_rows.ts";
import { givenTable, grantChanges } from "../grants/grant_changes.ts";
import { confirm } from "../terminal/confirm.ts";
import { grantsOf, isChange, withGrantFlags } from "../grants/grant_flags.ts";
import { formatValue, formatWholeTable, withoutHeader } from "../terminal/output.ts";

/** The command. */
export function grantsCommand(context: Context) {
  const command = new Command("grants")
    .description("show what plugins may do, and change it")
    .argument("[name]", "a plugin (default: all)")
    .addOption(new Option("-o, --output <format>", "output format").choices(["json", "yaml"] as const))
    .option("--no-headers", "leave out the header line")
    .option("--explain", "explain in sentences")
    .option("--reset", "first go back to the grants of the installation")
    .option("-y, --yes", "do not ask if --reset grants more");
  return withGrantFlags(command)
    .addHelpText(
      "after",
      `
--allow-X removes an earlier --deny-X, and vice versa. Otherwise a denial wins.

Examples:
  krew-wasm grants
  krew-wasm grants decoder --allow-read=~/manifests --allow-cluster=read-only
  krew-wasm grants decoder --allow-cluster=list,watch:pods,deployments.apps@demo
  krew-wasm grants decoder --explain`,
    )
    .action(async (name, options) => {
      const change = await grantsOf(options, context);
      const changes = isChange(options) || options.reset === true;
      if (name === undefined) {
        if (changes) {
          throw new AppError("USAGE", "Name the plugin whose grants to change", {
            hint: "krew-wasm grants NAME --help",
          });
        }
        return await showAll(context, options.output, options);
      }
      const layout = context.layout();
      checkStore(layout);
      const plugin = parsePluginName(name);
      const notice = (line: string) => context.stderr(`${line}\n`);
      const policy = changes || options.output === undefined
        ? await readAdministratorsPolicy(context)
        : undefined;
      const before = options.reset ? readReceipt(layout, plugin) : undefined;
      if (before) confirmReset(context, before, options.yes ?? false);
      const receipt = changes
        ? await updateReceipt(layout, plugin, async (receipt) => {
          if (before && !hasSameGrants(before, receipt)) throw overtaken(plugin);
          const limit = await limitFor(context, policy, receipt, false);
          const base = before
            ? withInstalledGrants(receipt, receipt.installedGrants ?? receipt.grants)
            : receipt;
          const grants = limit(changeGrants(base.grants, change));
          return isChange(options) ? withChangedGrants(base, grants) : { ...base, grants };
        }, { notice })
        : readReceipt(layout, plugin);
      await show(context, policy, [receipt], options.output, options, true);
    });
}

/** Shows what a reset grants beyond the present grants, and asks. @throws AppError GRANTS_UNCONFIRMED; Interrupted */
function confirmReset(context: Context, { name, grants, installedGrants }: Receipt, agreed: boolean): void {
  const changes = grantChanges(grants, installedGrants ?? grants, homeDirectory(context.env));
  if (changes.given.length === 0) return;
  context.stderr(givenTable(`The grants of the installation let ${name} do more:`, changes));
  if (agreed) return;
  const answer = confirm(context, "Grant this again?");
  if (answer) return;
  throw new AppError(
    "GRANTS_UNCONFIRMED",
    answer === undefined
      ? "krew-wasm cannot ask without a terminal: nothing was changed"
      : "You did not agree: nothing was changed",
    { hint: `krew-wasm grants ${name} --reset --yes` },
  );
}

function hasSameGrants(one: Receipt, other: Receipt): boolean {
  const text = ({ grants, installedGrants }: Receipt) => JSON.stringify([grants, installedGrants]);
  return text(one) === text(other);
}

function overtaken(name: string): AppError {
  return new AppError("GRANTS_UNCONFIRMED", `Another process changed the grants of "${name}" meanwhile`, {
    hint: `krew-wasm grants ${name} --reset`,
  });
}

/** How to show grants to people. */
interface View {
  readonly explain?: boolean | undefined;
  readonly headers: boolean;
}

async function showAll(
  context: Context,
  output: "json" | "yaml" | undefined,
  view: View,
): Promise<void> {
  const layout = context.layout();
  checkStore(layout);
  const { receipts, broken } = readReceipts(layout);
  for (const { error } of broken) context.stderr(`warning: ${printable(messageOf(error))}\n`);
  const policy = output === undefined ? await readAdministratorsPolicy(context) : undefined;
  await show(context, policy, receipts, output, view, false);
  if (receipts.length === 0 && output === undefined) {
    context.stderr("No plugins installed; krew-wasm pull REF installs one\n");
  }
}

async function show(
  context: Context,
  policy: Policy | undefined,
  receipts: readonly Receipt[],
  output: "json" | "yaml" | undefined,
  { explain = false, headers }: View,
  single: boolean,
): Promise<void> {
  const home = homeDirectory(context.env);
  if (output !== undefined) {
    const plugins = receipts.map(({ name, grants }) => ({ name, grants: grantsToJson(grants) }));
    const value = single ? plugins[0] : { plugins };
    context.stdout(await formatValue(value, output));
    return;
  }
  const views = await Promise.all(receipts.map(async (receipt) => {
    const verdict = await judge(policy, receipt);
    return {
      receipt,
      administrator: administratorOf(verdict, home),
      refused: verdict.refused && messageOf(verdict.refused),
    };
  }));
  if (explain) {
    const layout = context.layout();
    const texts = views.map(({ receipt, administrator, refused }) =>
      formatExplanation(
        { ...receipt, grants: administrator?.limit(receipt.grants) ?? receipt.grants },
        layout.dataDir(receipt.name),
        home,
        78,
        policy && { path: policy.path, cluster: administrator?.cluster ?? "full", refused },
      )
    );
    return context.stdout(texts.join("\n"));
  }
  if (views.length === 0) return;
  const table = formatGrants(
    views.map(({ receipt: { name, grants }, administrator }) => ({
      name,
      grants: administrator?.limit(grants) ?? grants,
    })),
    home,
  );
  context.stdout(headers ? table : withoutHeader(table));
}

/** One row for each grant: plugin, kind, grant, risk. Pure. */
export function formatGrants(receipts: readonly Pick<Receipt, "name" | "grants">[], home: string): string {
  return formatWholeTable(
    ["NAME", "GRANT", "MAY", "RISK"],
    receipts.flatMap(({ name, grants }) => effectiveRows(grants, home).map((row) => [name, ...cells(row)])),
  );
}

/** Sentences, wrapped at `width` columns. Pure. */
export function formatExplanation(
  receipt: Pick<Receipt, "name" | "reference" | "grants">,
  own: string,
  home: string,
  width: number,
  administrator?: AdministratorView,
): string {
  const { name, reference, grants } = receipt;
  const paragraphs = explainGrants(grants, own, home, administrator).map(([subject, text]) =>
    wrap(`${subject}: ${printable(text, 20_000)}`, width, "  ")
  );
  return `${name} (${printable(reference, 400)})\n${paragraphs.join("")}`;
}

function wrap(text: string, width: number, indent: string): string {
  let line = indent;
  let wrapped = "";
  for (const word of text.split(" ")) {
    if (line.trim() !== "" && line.length + word.length > width) {
      wrapped += `${line.trimEnd()}\n`;
      line = `${indent}  `;
    }
    line += `${word} `;
  }
  return `${wrapped}${line.trimEnd()}\n`;
}
