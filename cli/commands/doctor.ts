/** `krew-wasm doctor`: finds problems, and shows the command that fixes each. */

import { Command, Option } from "@commander-js/extra-typings";
import { examineStore } from "../../registry/fleet/store_checks.ts";
import type { Finding, StoreFinding } from "../../registry/fleet/findings.ts";
import { repairStore } from "../../registry/fleet/repair_store.ts";
import { parseReference } from "../../registry/oci/mirrored_reference.ts";
import { openForReading } from "../../registry/store/open.ts";
import { AppError } from "../../runtime/base/errors.ts";
import type { Layout } from "../../runtime/store/layout.ts";
import { readReceipts } from "../../runtime/store/read.ts";
import type { Receipt } from "../../runtime/store/receipt.ts";
import { printable } from "../../runtime/base/text.ts";
import { examineAddressSpace } from "../doctor/address_space.ts";
import type { Context, Exit } from "../context.ts";
import { type Installer, type InstallerOptions, openInstaller } from "../install/installer.ts";
import { linkTarget } from "../install/link_target.ts";
import { type Paint, plain } from "../terminal/color.ts";
import { formatValue } from "../terminal/output.ts";
import { openProgress, openRegistry, plainHttpOption } from "../install/open_registry.ts";
import { readPolicies } from "../policies.ts";
import { examineWalls } from "../doctor/walls.ts";
import {
  curable,
  examineCluster,
  examineKubectl,
  examinePath,
  examinePolicy,
  examineRegistries,
} from "../doctor/environment_checks.ts";

/** The command. */
export function doctorCommand(context: Context, exit: Exit) {
  return new Command("doctor")
    .description("find problems of the store and the environment, and say how to fix them")
    .option("--fix", "fix what can be fixed")
    .option("--offline", "ask no registry and no cluster")
    .option("--context <name>", "check the cluster of this context (default: the current one)")
    .addOption(plainHttpOption())
    .addOption(new Option("-o, --output <format>", "output format").choices(["json", "yaml"] as const))
    .addHelpText(
      "after",
      `
The exit code is 1 if there is an error. Warnings do not count.

Examples:
  krew-wasm doctor
  krew-wasm doctor --fix
  krew-wasm doctor --offline -o json`,
    )
    .action(async (options) => {
      const layout = context.layout();
      const target = linkTarget(context.env, layout.bin);
      const notice = (line: string) => context.stderr(`${line}\n`);
      const examine = () => examineLocked(layout, () => examineStore(layout, target), notice);
      let store = await examine();
      if (options.fix && store.some(({ repair }) => repair)) {
        const failures = await repairStore(layout, store, {
          target,
          compile: async (bytes) =>
            await (await import("../../registry/compile/compile.ts")).compilePlugin(bytes),
          notice,
        });
        if (!options.offline) failures.push(...await pullAnew(context, options, lostOf(store)));
        for (const failure of failures) context.stderr(`warning: ${printable(failure, 1000)}\n`);
        const before = store;
        store = await examine();
        const left = new Set(store.map(({ message }) => message));
        for (const { level, message } of before) {
          if (level !== "ok" && !left.has(message)) context.stderr(`fixed: ${message}\n`);
        }
      }
      const refused = store.some(({ check, level }) => check === "store" && level === "error");
      if (options.fix && !options.offline && !refused) {
        const unknown = await curable(context, readReceipts(layout).receipts);
        for (const failure of await pullAnew(context, options, unknown)) {
          context.stderr(`warning: ${printable(failure, 1000)}\n`);
        }
      }
      const receipts = refused ? [] : readReceipts(layout).receipts;
      const findings: Finding[] = [
        ...store.map(({ check, level, message, fix }) => ({ check, level, message, fix })),
        ...refused ? [] : await examinePolicy(context, receipts),
        ...await examineWalls(context),
        ...examinePath(context, layout, receipts),
        ...await examineKubectl(layout, receipts),
        ...examineAddressSpace(),
      ];
      if (!options.offline) {
        // Registries first: the first connection sets the process's TLS roots, and a cluster's roots do not cover
        // registries.
        findings.push(
          ...await examineRegistries(openRegistry(context, options, openProgress(context, false)), receipts),
          ...await examineCluster(context, options.context),
        );
      }
      const value = { findings };
      context.stdout(
        options.output === undefined
          ? formatFindings(findings, context.paint)
          : await formatValue(value, options.output),
      );
      if (findings.some(({ level }) => level === "error")) exit.code = 1;
    });
}

/** Runs `look` under the store's lock. Without the lock it runs too, and may report the reason itself. */
async function examineLocked<T>(layout: Layout, look: () => T, notice: (line: string) => void): Promise<T> {
  let lock: Disposable | undefined;
  try {
    lock = await openForReading(layout, notice);
  } catch (error) {
    if (!(error instanceof AppError)) throw error;
  }
  try {
    return look();
  } finally {
    lock?.[Symbol.dispose]();
  }
}

/** Plugins with missing or damaged bytes. */
function lostOf(findings: readonly StoreFinding[]): Receipt[] {
  const lost = new Map<string, Receipt>();
  for (const { repair } of findings) {
    if (repair?.kind === "pull") lost.set(repair.receipt.name, repair.receipt);
  }
  return [...lost.values()];
}

/** Pulls plugins again at their digest, and verifies them. Grants stay. */
async function pullAnew(
  context: Context,
  options: InstallerOptions,
  receipts: readonly Receipt[],
): Promise<string[]> {
  if (receipts.length === 0) return [];
  const failures: string[] = [];
  let installer: Installer;
  try {
    installer = await openInstaller(context, await readPolicies(context), options);
  } catch (error) {
    if (!(error instanceof AppError)) throw error;
    return [error.message];
  }
  await using _swept = installer;
  for (const receipt of receipts) {
    try {
      await installer.install({
        reference: parseReference(receipt.reference),
        pin: receipt.manifestDigest,
        pinnedIndex: receipt.indexDigest,
        pinnedBlob: receipt.digest,
        name: receipt.name,
        force: true,
        upgrades: true,
        grants: receipt.grants,
      });
    } catch (error) {
      if (!(error instanceof AppError)) throw error;
      failures.push(error.message);
    }
  }
  return failures;
}

const LEVELS = { ok: "green", warning: "yellow", error: "red" } as const;

/** One line for each finding, followed by the command that fixes it. Pure. */
function formatFindings(findings: readonly Finding[], paint: Paint = plain): string {
  const width = findings.reduce((widest, { check }) => Math.max(widest, check.length), 0);
  return findings.map(({ check, level, message, fix }) =>
    `${paint(LEVELS[level], level)}${" ".repeat(9 - level.length)}${check.padEnd(width)}  ${
      printable(message, 2000)
    }\n` +
    (fix === undefined ? "" : paint("dim", `${" ".repeat(11 + width)}fix: ${printable(fix, 500)}`) + "\n")
  ).join("");
}
