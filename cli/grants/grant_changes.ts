/**
 * The effect of a change of grants, for lock files, bundles and rollbacks. Compares the grants themselves, not their
 * words. Pure.
 */

import { DEFAULT_MAX_MEMORY, type Grants, LEAST } from "../../runtime/grants/grants.ts";
import { isCredentialVariable } from "../../runtime/grants/granted_environment.ts";
import { bothListen } from "../../runtime/grants/listen_grant.ts";
import { isWithin } from "../../runtime/base/host_path.ts";
import type { ClusterRule } from "../../runtime/kube/allow/rules.ts";
import { printable } from "../../runtime/base/text.ts";
import { cells, type GrantRow, grantRows } from "./grant_rows.ts";
import { formatMemory } from "./shown_words.ts";
import { formatWholeTable } from "../terminal/output.ts";

/** The effect of a change of grants. */
export interface GrantChanges {
  /** New rights, including removed denials. They need the user's consent. */
  readonly given: readonly GrantRow[];
  /** Restrictions: grants narrower than before, and new denials. */
  readonly held: readonly GrantRow[];
  /** Removed rights. */
  readonly taken: readonly GrantRow[];
}

/** One statement of the grants. */
interface Item {
  /** Identifies the statement. */
  readonly key: string;
  readonly row: GrantRow;
  /** Whether it is a right that `before`, which lacks it, does not cover. */
  readonly isMoreThan: (before: Grants) => boolean;
  /** What its removal means: new rights, removed rights, or nothing. */
  readonly whenGone: (after: Grants) => "given" | "taken" | undefined;
}

/** Compares grants. For a new plugin, `before` is what every plugin has. */
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

/** The changes in words, to append to a sentence: `, grant: …, hold to: …, take back: …`. Empty without changes. */
export function changesInWords({ given, held, taken }: GrantChanges): string {
  const words = (rows: readonly GrantRow[]) =>
    rows.map((row) => printable(cells(row)[1], Infinity)).join("; ");
  return ([["grant", given], ["hold to", held], ["take back", taken]] as const)
    .map(([verb, rows]) => rows.length > 0 ? `, ${verb}: ${words(rows)}` : "").join("");
}

/** A table of new rights, with risks marked. */
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
const unreported = () => undefined;

/** The row of the given kind for grants that differ from every plugin's in one field. */
function rowOf(kind: string, part: Partial<Grants>, home: string): GrantRow {
  return grantRows({ ...LEAST, ...part }, home).find((row) => row.kind === kind)!;
}

function ownRow(kind: string, what: string): GrantRow {
  return { kind, what, risk: "", flag: "" };
}

/** A rule in canonical form: the same fields in the same order. */
function ruleKey(rule: ClusterRule): string {
  const { verbs, apiGroups, resources, resourceNames, namespaces, nonResourceURLs } = rule;
  return JSON.stringify([verbs, apiGroups, resources, resourceNames, namespaces, nonResourceURLs]);
}

/** The statements of all fields. A field missing here would be granted silently. */
const ITEMS: { readonly [Field in keyof Grants]: (grants: Grants, home: string) => Item[] } = {
  files: ({ files }, home) =>
    files.map((file) => {
      const { host, guest, write, real } = file;
      return {
        key: `file ${JSON.stringify([host, guest, write, real])}`,
        row: rowOf("files", { files: [file] }, home),
        // Read access is less than the write access it had.
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
    whenGone: unreported,
  }],
  kubeconfig: ({ kubeconfig }, home) =>
    kubeconfig
      ? [{
        key: kubeconfig === true ? "kubeconfig" : "kubeconfig contexts",
        row: rowOf("kubeconfig", { kubeconfig }, home),
        isMoreThan: (before) => before.kubeconfig !== true && before.kubeconfig !== kubeconfig,
        whenGone: (after) => after.kubeconfig === true ? undefined : "taken",
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
        whenGone: word === "none" || word === "rules" ? unreported : whenGone,
      }]),
      ...rules.map((rule): Item => ({
        key: `rule ${ruleKey(rule)}`,
        row: rowOf("cluster", { cluster: { rules: [rule] } }, home),
        isMoreThan,
        whenGone,
      })),
    ];
  },
  listen: ({ listen }, home) =>
    (listen === "all" ? [listen] : listen.map((port) => [port])).map((some): Item => ({
      key: `listen ${some}`,
      row: rowOf("listen", { listen: some }, home),
      isMoreThan: (before) => bothListen(before.listen, some).length < some.length,
      whenGone: (after) => bothListen(after.listen, some).length < some.length ? "taken" : undefined,
    })),
  terminal: ({ terminal }) => [{
    key: `terminal ${terminal}`,
    row: ownRow("terminal", terminal ? "use the terminal as such" : "not use the terminal as such"),
    isMoreThan: () => terminal,
    whenGone: unreported,
  }],
  completion: ({ completion }) => [{
    key: `completion ${completion}`,
    row: ownRow("completion", completion ? "complete its arguments" : "not complete its arguments"),
    isMoreThan: () => completion,
    whenGone: unreported,
  }],
  limits: ({ limits: { maxMemory, descriptors } }, home) => [
    {
      key: `memory ${maxMemory}`,
      row: maxMemory === DEFAULT_MAX_MEMORY
        ? ownRow("memory", `use up to ${formatMemory(maxMemory)}`)
        : rowOf("memory", { limits: { maxMemory, descriptors } }, home),
      isMoreThan: ({ limits }) => maxMemory > limits.maxMemory,
      whenGone: unreported,
    },
    {
      key: `descriptors ${descriptors}`,
      row: ownRow("descriptors", `have up to ${descriptors} files open`),
      isMoreThan: ({ limits }) => descriptors > limits.descriptors,
      whenGone: unreported,
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
      ...(deny.listen ? [denied("listen", { listen: true }, never)] : []),
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
