/**
 * What a change of grants gives and takes: what a lock file, a bundle or a rollback would change is shown as this. Grants are
 * compared by what they say, not by how they are shown. Pure.
 */

import { DEFAULT_MAX_MEMORY, type Grants, isCredentialVariable, LEAST } from "../../runtime/grants/grants.ts";
import { isWithin } from "../../runtime/base/host_path.ts";
import type { ClusterRule } from "../../runtime/kube/allow/rules.ts";
import { printable } from "../../runtime/base/text.ts";
import { cells, formatMemory, type GrantRow, grantRows } from "./grant_words.ts";
import { formatWholeTable } from "../terminal/output.ts";

/** See the file's comment. */
export interface GrantChanges {
  /** What the plugin may do more, denials that are lifted among it: nothing of it is to happen without a person's word. */
  readonly given: readonly GrantRow[];
  /** What holds from then on where more held before, new denials among it. */
  readonly held: readonly GrantRow[];
  /** What it may not do any more. */
  readonly taken: readonly GrantRow[];
}

/** One thing that grants say. */
interface Item {
  /** The same for the same thing only. */
  readonly key: string;
  readonly row: GrantRow;
  /** Whether it is more than grants that don't say it. */
  readonly isMoreThan: (before: Grants) => boolean;
  /** What is to be told when it is said no more. */
  readonly whenGone: (after: Grants) => "given" | "taken" | undefined;
}

/** What changes from one to the other. `before`: what every plugin has, for a new one. */
export function grantChanges(before: Grants, after: Grants, home: string): GrantChanges {
  const [old, now] = [itemsOf(before, home), itemsOf(after, home)];
  const changes = { given: [] as GrantRow[], held: [] as GrantRow[], taken: [] as GrantRow[] };
  for (const item of now.values()) {
    if (!old.has(item.key)) changes[item.isMoreThan(before) ? "given" : "held"].push(item.row);
  }
  for (const item of old.values()) {
    const told = now.has(item.key) ? undefined : item.whenGone(after);
    if (told === "taken") changes.taken.push(item.row);
    else if (told) changes.given.push({ ...item.row, kind: "not denied", risk: "it was denied" });
  }
  return changes;
}

/** The same in words, to follow what is done: `, grant: …, hold to: …, take back: …`; empty where nothing changes. */
export function changesInWords({ given, held, taken }: GrantChanges): string {
  const words = (rows: readonly GrantRow[]) =>
    rows.map((row) => printable(cells(row)[1], Infinity)).join("; ");
  return ([["grant", given], ["hold to", held], ["take back", taken]] as const)
    .map(([verb, rows]) => rows.length > 0 ? `, ${verb}: ${words(rows)}` : "").join("");
}

/** A table of what is given, with what is risky marked. */
export function givenTable(title: string, { given }: GrantChanges): string {
  return `${printable(title, 500)}\n${formatWholeTable(["GRANT", "MAY", "RISK"], given.map(cells))}`;
}

function itemsOf(grants: Grants, home: string): Map<string, Item> {
  const items = Object.values(ITEMS).flatMap((of) => of(grants, home));
  return new Map(items.map((item) => [item.key, item]));
}

const always = () => true;
const never = () => false;
const taken = () => "taken" as const;
const untold = () => undefined;

/** The row of a kind that grants have which say one thing beside what every plugin has. */
function rowOf(kind: string, part: Partial<Grants>, home: string): GrantRow {
  return grantRows({ ...LEAST, ...part }, home).find((row) => row.kind === kind)!;
}

function ownRow(kind: string, what: string): GrantRow {
  return { kind, what, risk: "", flag: "" };
}

/** A rule in one spelling: the same fields in the same order. */
function ruleKey(rule: ClusterRule): string {
  const { verbs, apiGroups, resources, resourceNames, namespaces, nonResourceURLs } = rule;
  return JSON.stringify([verbs, apiGroups, resources, resourceNames, namespaces, nonResourceURLs]);
}

/** What each field of grants says: a field that is not here would be given without a word. */
const ITEMS: { readonly [Field in keyof Grants]: (grants: Grants, home: string) => Item[] } = {
  files: ({ files }, home) =>
    files.map((file) => {
      const { host, guest, write, real } = file;
      return {
        key: `file ${JSON.stringify([host, guest, write, real])}`,
        row: rowOf("files", { files: [file] }, home),
        // To read what it could change is less.
        isMoreThan: (before) =>
          !before.files.some((one) =>
            one.host === host && one.guest === guest && one.real === real && (one.write || !write)
          ),
        whenGone: taken,
      };
    }),
  home: ({ home: all }, home) =>
    all
      ? [{ key: "home", row: rowOf("files", { home: true }, home), isMoreThan: always, whenGone: taken }]
      : [],
  env: ({ env }, home) => [{
    key: `env ${JSON.stringify(typeof env === "string" ? env : [...env].sort())}`,
    row: env === "default"
      ? ownRow("environment", "see all variables but those whose name says credential")
      : rowOf("environment", { env }, home),
    isMoreThan: (before) => seesMore(before.env, env),
    whenGone: untold,
  }],
  kubeconfig: ({ kubeconfig }, home) =>
    kubeconfig
      ? [{
        key: "kubeconfig",
        row: rowOf("kubeconfig", { kubeconfig: true }, home),
        isMoreThan: always,
        whenGone: taken,
      }]
      : [],
  cluster: ({ cluster }, home) => {
    const rules = typeof cluster === "object" ? cluster.rules : [];
    const word = typeof cluster === "string" ? cluster : cluster.readOnly ? "read-only" : "rules";
    const whenGone = (after: Grants) => after.cluster === "full" ? undefined : "taken";
    const isMoreThan = (before: Grants) => before.cluster !== "full";
    return [
      ...(word === "rules" && rules.length > 0 ? [] : [{
        key: `cluster ${word}`,
        row: rowOf("cluster", { cluster: word === "rules" ? { rules: [] } : word }, home),
        isMoreThan: word === "none" ? never : isMoreThan,
        whenGone: word === "none" || word === "rules" ? untold : whenGone,
      }]),
      ...rules.map((rule): Item => ({
        key: `rule ${ruleKey(rule)}`,
        row: rowOf("cluster", { cluster: { rules: [rule] } }, home),
        isMoreThan,
        whenGone,
      })),
    ];
  },
  terminal: ({ terminal }) => [{
    key: `terminal ${terminal}`,
    row: ownRow("terminal", terminal ? "use the terminal as such" : "not use the terminal as such"),
    isMoreThan: () => terminal,
    whenGone: untold,
  }],
  completion: ({ completion }) => [{
    key: `completion ${completion}`,
    row: ownRow("completion", completion ? "complete its arguments" : "not complete its arguments"),
    isMoreThan: () => completion,
    whenGone: untold,
  }],
  limits: ({ limits: { maxMemory, descriptors } }, home) => [
    {
      key: `memory ${maxMemory}`,
      row: maxMemory === DEFAULT_MAX_MEMORY
        ? ownRow("memory", `use up to ${formatMemory(maxMemory)}`)
        : rowOf("memory", { limits: { maxMemory, descriptors } }, home),
      isMoreThan: ({ limits }) => maxMemory > limits.maxMemory,
      whenGone: untold,
    },
    {
      key: `descriptors ${descriptors}`,
      row: ownRow("descriptors", `have up to ${descriptors} files open`),
      isMoreThan: ({ limits }) => descriptors > limits.descriptors,
      whenGone: untold,
    },
  ],
  deny: ({ deny }, home) => {
    const denied = (
      key: string,
      part: Partial<Grants["deny"]>,
      still: (deny: Grants["deny"]) => boolean,
    ): Item => ({
      key: `deny ${key}`,
      row: rowOf("denied", { deny: { ...LEAST.deny, ...part } }, home),
      isMoreThan: never,
      whenGone: (after) => still(after.deny) ? undefined : "given",
    });
    const below = (path: string, roots: readonly string[]) => roots.some((root) => isWithin(path, root));
    return [
      ...deny.read.map((path) => denied(`read ${path}`, { read: [path] }, ({ read }) => below(path, read))),
      ...deny.write.map((path) =>
        denied(`write ${path}`, { write: [path] }, ({ read, write }) => below(path, [...read, ...write]))
      ),
      ...(deny.home ? [denied("home", { home: true }, never)] : []),
      ...(deny.env === "all"
        ? [denied("env", { env: "all" }, never)]
        : deny.env.map((name) => denied(`env ${name}`, { env: [name] }, ({ env }) => env === "all"))),
      ...(deny.kubeconfig ? [denied("kubeconfig", { kubeconfig: true }, never)] : []),
      ...(deny.cluster === true
        ? [denied("cluster", { cluster: true }, never)]
        : (deny.cluster || []).map((rule) =>
          denied(`rule ${ruleKey(rule)}`, { cluster: [rule] }, ({ cluster }) => cluster === true)
        )),
      ...(deny.terminal ? [denied("terminal", { terminal: true }, never)] : []),
      ...(deny.completion ? [denied("completion", { completion: true }, never)] : []),
    ];
  },
};

function seesMore(before: Grants["env"], after: Grants["env"]): boolean {
  if (before === "all") return false;
  if (typeof after === "string") return true;
  return after.some((name) => before === "default" ? isCredentialVariable(name) : !before.includes(name));
}
