/** Handles a publisher's wish: shows it as a table and asks at the terminal. Nothing is granted silently. */

import type { Arriving, DecideGrants } from "../../registry/install/install_plan.ts";
import {
  NOTHING,
  parseWish,
  startingGrants,
  type Wish,
  WISH_ANNOTATION,
  wishedGrants,
} from "../../registry/install/plugin_wish.ts";
import { parseManifest } from "../../registry/oci/manifest.ts";
import { messageOf } from "../../runtime/base/errors.ts";
import { changeGrants } from "../../runtime/grants/merge_grants.ts";
import type { GrantChange, Grants } from "../../runtime/grants/grants.ts";
import { type GrantFlags, parseGrantFlags } from "../../runtime/grants/parse_grant_flags.ts";
import type { Bounds, Policy } from "../../runtime/policy/policy.ts";
import { limitGrants } from "../../runtime/policy/limit_grants.ts";
import { isSamePublisher, repositoryOf } from "../../runtime/policy/provenance.ts";
import { openTerminal, type Terminal } from "../../runtime/sandbox/controlling_terminal.ts";
import { Dialog } from "../../runtime/sandbox/dialog.ts";
import { mayPrompt } from "../../runtime/sandbox/prompt.ts";
import { resolveGrants } from "../../runtime/grants/granted_path.ts";
import type { Layout } from "../../runtime/store/layout.ts";
import { homeDirectory } from "../../runtime/store/layout.ts";
import type { Receipt } from "../../runtime/store/receipt.ts";
import { shellCommand } from "../../runtime/base/shell_word.ts";
import { printable } from "../../runtime/base/text.ts";
import { limitFor } from "./policy_bounds.ts";
import type { Context } from "../context.ts";
import { cells, type GrantRow, grantRows, moreRows } from "./grant_rows.ts";
import { isYes, YES_NO } from "../terminal/confirm.ts";
import { formatWholeTable } from "../terminal/output.ts";

/** How to handle a wish: grant it, ignore it, or grant nothing at all. Without a mode, krew-wasm asks. */
export type WishMode = "wished" | "default" | "none";

/** The values of `--grants`. */
export const WISH_MODES: readonly WishMode[] = ["wished", "default", "none"];

/** Options for deciding on wishes. */
export interface WishOptions {
  /** The administrator's policy. */
  readonly policy: Policy | undefined;
  readonly layout: Layout;
  readonly mode: WishMode | undefined;
  /** Flags of the command line, which always apply. */
  readonly flags: GrantChange;
  readonly prompt: boolean;
  /** The words of the command that grants these flags, for hints. */
  readonly grantCommand: (flags: readonly string[]) => string[];
}

/** The command that changes the grants of an installed plugin. */
export function grantsCommandOf(name: string): WishOptions["grantCommand"] {
  return (flags) => ["krew-wasm", "grants", name, ...flags];
}

/**
 * Decides the grants of an installation. Grants of an earlier version of the same publisher stay. If the new version
 * wishes for more than the earlier one did, krew-wasm asks.
 */
export function decideGrants(context: Context, options: WishOptions): DecideGrants {
  return async (plugin, replaced) => {
    const limit = await limitFor(context, options.policy, plugin);
    return limit(await unbounded(context, options, plugin, replaced, homeDirectory(context.env)));
  };
}

async function unbounded(
  context: Context,
  options: WishOptions,
  plugin: Arriving,
  replaced: Receipt | undefined,
  home: string,
): Promise<Grants> {
  const { mode, flags, layout } = options;
  const { reference, annotations } = plugin;
  const wish = readWish(
    annotations,
    home,
    (why) =>
      context.stderr(
        `warning: what ${printable(reference, 400)} wishes to be granted is left out: ${
          printable(why, 300)
        }\n`,
      ),
  );
  if (mode === "none") return changeGrants(NOTHING, flags);
  const same = replaced !== undefined && isSamePublisher(replaced, plugin);
  // Only a bundle says that both versions are of one repository, so the new one inherits nothing silently.
  const claims = replaced !== undefined && !same && repositoryOf(replaced) === repositoryOf(plugin);
  const base = same
    ? replaced.grants
    : claims
    ? restrictionsOf(replaced.grants, wish, home)
    : startingGrants(wish);
  const decided = wish === undefined && !claims ? base : await decide(context, options, {
    base,
    wish,
    kept: claims ? replaced.grants : undefined,
    earlier: same ? earlierWish(layout, replaced, home) : undefined,
    fresh: !same,
    reference,
    home,
  });
  return changeGrants(decided, flags);
}

/** Keeps the user's restrictions and drops grants beyond those of every plugin. */
function restrictionsOf(grants: Grants, wish: Wish | undefined, home: string): Grants {
  const { cluster, limits } = startingGrants(wish);
  const least: Bounds = {
    read: [],
    write: [],
    home: false,
    homes: [],
    env: "default",
    kubeconfig: false,
    cluster,
    listen: [],
    maxMemory: limits.maxMemory,
    terminal: true,
    completion: true,
  };
  return limitGrants(grants, least, home);
}

interface Case {
  readonly base: Grants;
  readonly wish: Wish | undefined;
  /** Grants of the replaced version, if its publisher may be another. */
  readonly kept: Grants | undefined;
  /** The wish of the earlier version, which the user has answered. */
  readonly earlier: Wish | undefined;
  readonly fresh: boolean;
  readonly reference: string;
  readonly home: string;
}

async function decide(
  context: Context,
  { mode, prompt, grantCommand }: WishOptions,
  at: Case,
): Promise<Grants> {
  const { base, wish, kept, earlier, fresh, reference, home } = at;
  if (mode === "wished") {
    const wished = resolveGrants(wish ? wishedGrants(base, wish) : base, base);
    context.stderr(formatWish(reference, wish, "is granted", grantRows(wished, home)));
    return wished;
  }
  // Resolve paths before showing them, so that the user sees exactly the grants they agree to.
  const before = kept ?? base;
  const wished = resolveGrants(wish ? wishedGrants(before, wish) : before, before);
  const missing = moreRows(grantRows(wished, home), grantRows(base, home));
  const answered = earlier === undefined ? [] : grantRows(wishedGrants(base, earlier), home);
  const asked = moreRows(missing, answered);
  // The first time, show the whole wish, including grants that need no consent.
  const shown = fresh ? [...moreRows(grantRows(base, home), missing), ...missing] : asked;
  if (shown.length === 0 || mode === "default" && asked.length === 0) return base;
  const title = kept
    ? "is not known to be by the publisher of the version you have, which may"
    : fresh
    ? "wishes to be granted"
    : "wishes for more than the version you have";
  context.stderr(formatWish(reference, wish, title, shown));
  if (asked.length === 0 || mode === "default") return base;
  const terminal = prompt && mayPrompt(context.env) ? openTerminal(context.env) : undefined;
  if (!terminal) {
    const flags = asked.flatMap(({ flag }) => flag !== undefined && shellCommand([flag]) ? [flag] : []);
    const command = shellCommand(grantCommand(flags));
    context.stderr(
      flags.length === 0 || command === undefined
        ? "Not granted: krew-wasm cannot ask without a terminal\n"
        : `Not granted: krew-wasm cannot ask without a terminal. To grant it:\n  ${command}\n`,
    );
    return base;
  }
  const others = shown.length - asked.length;
  if (others > 0) {
    context.stderr(`${others} of these ${shown.length} need no answer: they restrict the plugin\n`);
  }
  try {
    const granted = askAbout(terminal, asked, others > 0);
    return granted.length === missing.length ? wished : resolveGrants(await withRows(base, granted), wished);
  } finally {
    terminal.close();
  }
}

/** The table of a wish. The publisher's text is made safe to print. Pure. */
function formatWish(
  reference: string,
  wish: Wish | undefined,
  title: string,
  rows: readonly GrantRow[],
): string {
  const why = wish?.why === undefined ? "" : `"${printable(wish.why.replace(/ +/g, " "), 500)}"\n`;
  return `${printable(reference, 400)} ${title}:\n${why}${
    formatWholeTable(["GRANT", "MAY", "RISK"], rows.map(cells))
  }`;
}

/** Asks about all rows or each. `last`: other rows were shown before. Returns the granted rows. @throws Interrupted */
function askAbout(terminal: Terminal, rows: readonly GrantRow[], last: boolean): GrantRow[] {
  using dialog = Dialog.open(terminal);
  if (!dialog) return [];
  const answer = (question: string) => {
    const line = dialog.ask(question);
    return typeof line === "string" ? "" : line.text.trim();
  };
  const several = rows.length > 1;
  const word = answer(
    `Grant ${
      several ? `${last ? "the last" : "these"} ${rows.length}` : `"${printable(rows[0]!.what, Infinity)}"`
    }? [y]es, [N]o${several ? ", [e]ach" : ""}: `,
  );
  if (isYes(word)) return [...rows];
  if (!several || word !== "e" && word !== "each") return [];
  return rows.filter(({ what, risk }) =>
    isYes(answer(`  ${printable(what, Infinity)}${risk === "" ? "" : ` (${risk})`}? ${YES_NO}`))
  );
}

/** Adds the rows to the grants. */
async function withRows(base: Grants, rows: readonly GrantRow[]): Promise<Grants> {
  const flags: Record<string, unknown> = {};
  for (const { flag, rule } of rows) {
    if (rule !== undefined || flag === undefined) continue;
    const [, name = "", value] = /^--([a-z-]+)(?:=(.*))?$/s.exec(flag) ?? [];
    const key = name.replace(/-(.)/g, (_, letter: string) => letter.toUpperCase());
    if (value === undefined) flags[key] = true;
    else if (key === "maxMemory") flags[key] = value;
    else flags[key] = [...((flags[key] ?? []) as string[]), value];
  }
  const change = await parseGrantFlags(flags as GrantFlags, {
    resolve: (path) => path,
    readRules: () => Promise.reject(new Error("a wish names no file of rules")),
  });
  return changeGrants(base, { ...change, rules: rows.flatMap(({ rule }) => rule ?? []) });
}

function readWish(
  annotations: Readonly<Record<string, string>>,
  home: string,
  broken: (why: string) => void,
): Wish | undefined {
  const text = Object.hasOwn(annotations, WISH_ANNOTATION) ? annotations[WISH_ANNOTATION] : undefined;
  if (text === undefined) return undefined;
  try {
    return parseWish(text, home);
  } catch (error) {
    broken(messageOf(error));
    return undefined;
  }
}

/** The wish of an installed plugin, from its stored manifest. */
function earlierWish(layout: Layout, receipt: Receipt, home: string): Wish | undefined {
  try {
    const text = Deno.readTextFileSync(layout.blob(receipt.manifestDigest));
    return readWish(parseManifest(text, receipt.reference).annotations, home, () => {});
  } catch {
    return undefined; // an old store has no manifest: ask about the whole new wish
  }
}
