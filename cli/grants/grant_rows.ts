/** Grants as rows of a table: what, which risk, which flag. Pure. */

import { DEFAULT_MAX_MEMORY, type Grants } from "../../runtime/grants/grants.ts";
import { isCredentialVariable } from "../../runtime/grants/granted_environment.ts";
import { effectiveGrants } from "../../runtime/grants/merge_grants.ts";
import type { ClusterRule } from "../../runtime/kube/allow/rules.ts";
import { fileRisk, pathRisk } from "./path_risk.ts";
import { ruleFlag, ruleInWords, ruleRisk } from "./rule_words.ts";
import { formatMemory, listed, portsInWords, quotedPath } from "./shown_words.ts";

/** One grant beyond those of every plugin, or one denial. */
export interface GrantRow {
  /** `files`, `environment`, `cluster`, … */
  readonly kind: string;
  /** `read /etc/hosts` */
  readonly what: string;
  /** The risk in words; empty without one. */
  readonly risk: string;
  /** The flag that grants exactly this, as typed; undefined if there is none. */
  readonly flag: string | undefined;
  /** The cluster rule, if it is one. */
  readonly rule?: ClusterRule;
}

/** One row for each grant beyond those of every plugin, and for each denial. */
export function grantRows(grants: Grants, home: string): GrantRow[] {
  return [
    ...fileRows(grants, home),
    ...environmentRows(grants),
    ...kubeconfigRows(grants),
    ...clusterRows(grants),
    ...otherRows(grants),
    ...deniedRows(grants),
  ];
}

/** Files and the home directory. */
function fileRows(grants: Grants, home: string): GrantRow[] {
  const rows: GrantRow[] = [];
  for (const grant of grants.files) {
    const { host, guest, write, directory, real = host } = grant;
    const mapped = guest === host ? "" : ` as ${quotedPath(guest)}`;
    const leads = real === host ? "" : `, which leads to ${quotedPath(real)}`;
    rows.push({
      kind: "files",
      what: `${write ? "read and change" : "read"} ${quotedPath(host)}${leads}${mapped}`,
      risk: fileRisk(grant, home),
      flag: `${write ? "--allow-write" : "--allow-read"}=${host}${directory && host !== "/" ? "/" : ""}${
        guest === host ? "" : `::${guest}`
      }`,
    });
  }
  if (grants.home) {
    rows.push({
      kind: "files",
      what: "read and change all of your home directory",
      risk: pathRisk(home, true, home),
      flag: "--allow-home",
    });
  }
  return rows;
}

/** Environment variables. */
function environmentRows({ env }: Grants): GrantRow[] {
  const rows: GrantRow[] = [];
  if (env === "all") {
    rows.push({
      kind: "environment",
      what: "see all variables",
      risk: "credentials are among them",
      flag: "--allow-env=*",
    });
  } else if (env !== "default") {
    const secret = env.filter(isCredentialVariable);
    rows.push({
      kind: "environment",
      what: env.length === 0 ? "see no variable" : `see ${listed(env)}, and no other`,
      risk: secret.length === 0
        ? ""
        : `${listed(secret)} ${secret.length === 1 ? "looks" : "look"} like a credential`,
      flag: `--allow-env=${env.join(",")}`,
    });
  }
  return rows;
}

/** The kubeconfig. */
function kubeconfigRows(grants: Grants): GrantRow[] {
  const rows: GrantRow[] = [];
  if (grants.kubeconfig === "switch") {
    rows.push({
      kind: "kubeconfig",
      what: "change contexts, their namespaces and the current context",
      risk: "kubectl then acts on another cluster or namespace",
      flag: "--allow-kubeconfig=switch",
    });
  } else if (grants.kubeconfig) {
    rows.push({
      kind: "kubeconfig",
      what: "read the real kubeconfig",
      risk: "your credentials for the clusters are in it",
      flag: "--allow-kubeconfig",
    });
  }
  return rows;
}

/** Requests to the cluster. */
function clusterRows({ cluster }: Grants): GrantRow[] {
  const rows: GrantRow[] = [];
  const clusterRow = (what: string, risk: string, word: string) =>
    rows.push({ kind: "cluster", what, risk, flag: `--allow-cluster=${word}` });
  if (cluster === "full") clusterRow("do all that you may do", "it acts in your name", "full");
  else if (cluster === "none") clusterRow("nothing", "", "none");
  else if (cluster === "read-only" || cluster.readOnly) {
    clusterRow("look at everything", "Secrets are among it", "read-only");
  }
  if (typeof cluster === "object") {
    for (const rule of cluster.rules) {
      rows.push({
        kind: "cluster",
        what: ruleInWords(rule),
        risk: ruleRisk(rule),
        flag: ruleFlag(rule, "--allow-cluster"),
        rule,
      });
    }
    if (cluster.rules.length === 0 && !cluster.readOnly) clusterRow("nothing but discovery", "", "none");
  }
  return rows;
}

/** Connections to the plugin, and memory. */
function otherRows(grants: Grants): GrantRow[] {
  const rows: GrantRow[] = [];
  if (grants.listen.length > 0) {
    rows.push({
      kind: "listen",
      what: `accept connections from this machine at ${portsInWords(grants.listen)}`,
      risk: "every program and user of this machine can connect",
      flag: `--allow-listen=${grants.listen === "all" ? "*" : grants.listen.join(",")}`,
    });
  }
  if (grants.limits.maxMemory !== DEFAULT_MAX_MEMORY) {
    rows.push({
      kind: "memory",
      what: `use up to ${formatMemory(grants.limits.maxMemory)}`,
      risk: "",
      flag: `--max-memory=${grants.limits.maxMemory}`,
    });
  }
  return rows;
}

/** Denials. */
function deniedRows({ deny }: Grants): GrantRow[] {
  const rows: GrantRow[] = [];
  const denied = (what: string, flag: string | undefined) =>
    rows.push({ kind: "denied", what, risk: "", flag });
  for (const path of deny.read) denied(`see ${quotedPath(path)}`, `--deny-read=${path}`);
  for (const path of deny.write) denied(`change ${quotedPath(path)}`, `--deny-write=${path}`);
  if (deny.home) denied("see your home directory", "--deny-home");
  if (deny.env === "all") denied("see variables", "--deny-env=*");
  else if (deny.env.length > 0) denied(`see ${listed(deny.env)}`, `--deny-env=${deny.env.join(",")}`);
  if (deny.kubeconfig) denied("read the real kubeconfig, or change contexts in it", "--deny-kubeconfig");
  if (deny.cluster === true) denied("reach the cluster", "--deny-cluster=all");
  else if (deny.cluster !== false) {
    for (const rule of deny.cluster) denied(ruleInWords(rule), ruleFlag(rule, "--deny-cluster"));
  }
  if (deny.listen) denied("accept connections", "--deny-listen");
  if (deny.terminal) denied("use the terminal as such", "--deny-terminal");
  if (deny.completion) denied("complete its arguments", "--deny-completion");
  return rows;
}

/** The rows in effect: without grants that a denial cancels. */
export function effectiveRows(grants: Grants, home: string): GrantRow[] {
  const { env, cluster } = grants.deny;
  return grantRows(effectiveGrants(grants), home).filter(({ kind }) =>
    !(kind === "environment" && env === "all") && !(kind === "cluster" && cluster === true)
  );
}

/** The cells of a row: kind, what, risk. */
export function cells({ kind, what, risk }: GrantRow): [string, string, string] {
  return [kind, kind === "denied" ? `never ${what}` : what, risk === "" ? "-" : `! ${risk}`];
}

/** Rows of `grants` that the other grants lack. */
export function moreRows(rows: readonly GrantRow[], than: readonly GrantRow[]): GrantRow[] {
  // A grant of a file and of a directory at the same path count as one.
  const identity = ({ flag, rule, what }: GrantRow) =>
    flag?.replace(/\/(?=$|::)/, "") ?? JSON.stringify([what, rule]);
  const known = new Set(than.map(identity));
  return rows.filter((row) => !known.has(identity(row)));
}
