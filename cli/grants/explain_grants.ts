/** Explains in sentences what a plugin can do. Pure. */

import { DEFAULT_DESCRIPTORS, type FileGrant, type Grants } from "../../runtime/grants/grants.ts";
import { isCredentialVariable } from "../../runtime/grants/granted_environment.ts";
import { effectiveGrants } from "../../runtime/grants/merge_grants.ts";
import type { ClusterGrant, ClusterRule } from "../../runtime/kube/allow/rules.ts";
import { holdsCredentials } from "./path_risk.ts";
import { ruleInWords } from "./rule_words.ts";
import { formatMemory, listed, portsInWords, quotedPath } from "./shown_words.ts";

/** The administrator's further rules for a plugin. Its grants are within the limits already. */
export interface AdministratorView {
  /** Path of the policy. */
  readonly path: string;
  /** The limit for each request. */
  readonly cluster: ClusterGrant;
  /** The reason why the plugin does not run at all. */
  readonly refused: string | undefined;
}

/** Explains in sentences what a plugin can do, one paragraph a subject. */
export function explainGrants(
  granted: Grants,
  own: string,
  home: string,
  administrator?: AdministratorView,
): [subject: string, text: string][] {
  const grants = effectiveGrants(granted);
  const { cluster, limits } = grants;
  return [
    ...(administrator?.refused === undefined
      ? []
      : [["Not run", `${administrator.refused} (${administrator.path}).`] as [string, string]]),
    ["Files", filesText(grants, own, home)],
    ["Environment", environmentText(grants)],
    ["Cluster", clusterText(grants, administrator)],
    [
      "Network",
      (cluster === "none"
        ? "It reaches nothing on the network."
        : "It reaches that API server, and nothing else on the network.") +
      (grants.listen.length === 0
        ? " It accepts no connections."
        : ` It accepts connections from this machine at ${portsInWords(grants.listen)}.`),
    ],
    ["Credentials", credentialsText(grants, home)],
    [
      "Terminal",
      (grants.terminal
        ? "It reads what you type while it runs, and may draw on the terminal."
        : "The terminal is hidden from it.") +
      (grants.completion ? "" : " It is never asked to complete its arguments."),
    ],
    [
      "Limits",
      `Its memory ends at ${formatMemory(limits.maxMemory)}, open files at ${limits.descriptors}${
        limits.descriptors === DEFAULT_DESCRIPTORS ? "" : " (changed)"
      }; processor time and disk in its private directory are not limited.`,
    ],
  ];
}

/** `a, b and c` */
function list(items: readonly string[]): string {
  return items.length < 2 ? items.join("") : `${items.slice(0, -1).join(", ")} and ${items.at(-1)}`;
}

function filesText(grants: Grants, own: string, home: string): string {
  const { files, deny } = grants;
  const shown = ({ host, guest, real = host }: FileGrant) =>
    `${quotedPath(host)}${real === host ? "" : ` (which leads to ${quotedPath(real)})`}${
      guest === host ? "" : ` (it sees it as ${quotedPath(guest)})`
    }`;
  const reads = files.filter(({ write }) => !write).map(shown);
  const writes = [
    ...(grants.home ? [`all of your home directory ${home}`] : []),
    ...files.filter(({ write }) => write).map(shown),
  ];
  return [
    reads.length > 0 ? `It reads ${list(reads)}.` : "",
    writes.length > 0
      ? `It reads, changes and deletes files in ${list(writes)}, and in its private directory ${own}.`
      : `It changes nothing but its private directory ${own}.`,
    "It sees no other file; krew-wasm's own files can't be changed by any plugin.",
    deny.read.length > 0 || deny.home
      ? `It never sees ${
        list([...(deny.home ? [`anything in ${home}`] : []), ...deny.read.map(quotedPath)])
      }, whatever is granted.`
      : "",
    deny.write.length > 0 ? `It never changes ${list(deny.write.map(quotedPath))}.` : "",
  ].filter((text) => text !== "").join(" ");
}

function environmentText({ env, deny }: Grants): string {
  const heldBack = deny.env !== "all" && deny.env.length > 0
    ? ` ${list(deny.env.map((name) => listed([name])))} never.`
    : "";
  return env === "all"
    ? `It sees all environment variables, credentials among them.${heldBack}`
    : env === "default"
    ? `It sees all environment variables but those whose name says credential.${heldBack}`
    : env.length === 0
    ? "It sees no environment variable."
    : `It sees the environment variables ${list(env.map((name) => listed([name])))} and no other.`;
}

function clusterText({ cluster, deny }: Grants, administrator: AdministratorView | undefined): string {
  const discovery = "It may ask which resources and versions there are.";
  const allowed = cluster === "none"
    ? ["It can't reach the cluster."]
    : cluster === "full"
    ? ["On the cluster of the context in use it may do everything that you may do, in your name."]
    : [
      cluster === "read-only" || cluster.readOnly
        ? "On the cluster of the context in use it may look at everything that you may see, Secrets too, and try changes out as a dry run; it can't change anything, nor open a shell or a port of a container."
        : "",
      ...(typeof cluster === "object"
        ? cluster.rules.map((rule) =>
          `It may ${ruleInWords(rule)}${
            rule.namespaces || rule.nonResourceURLs ? "" : ", in all namespaces"
          }.`
        )
        : []),
      discovery,
    ];
  const denied = Array.isArray(deny.cluster)
    ? (deny.cluster as readonly ClusterRule[]).map((rule) => `It never may ${ruleInWords(rule)}.`)
    : [];
  const bound = administrator?.cluster ?? "full";
  if (cluster !== "none" && bound !== "full" && JSON.stringify(bound) !== JSON.stringify(cluster)) {
    denied.push(
      `Whatever is granted, ${administrator!.path} lets it do no more than ${boundInWords(bound)}.`,
    );
  }
  return [...allowed, ...denied].filter((text) => text !== "").join(" ");
}

function credentialsText(
  { kubeconfig, cluster, files, home: all, env }: Grants,
  home: string,
): string {
  if (kubeconfig === true) return "It reads your real kubeconfig, with the credentials in it.";
  const added = cluster === "none" ? "" : ", and krew-wasm adds yours to its requests";
  const where = [
    ...(all ||
        files.some(({ host, real = host }) => [host, real].some((path) => holdsCredentials(path, home)))
      ? ["the files it may read"]
      : []),
    ...(env === "all" || env !== "default" && env.some(isCredentialVariable) ? ["its environment"] : []),
  ];
  return where.length === 0
    ? `It never holds your credentials: it reads a kubeconfig without them${added}.`
    : `It reads a kubeconfig without your credentials${added}; but keys, tokens and passwords of yours may be in ${
      list(where)
    }.`;
}

function boundInWords(bound: Exclude<ClusterGrant, "full">): string {
  if (bound === "none") return "nothing";
  const looking = "look at everything, and try changes out as a dry run";
  if (bound === "read-only") return looking;
  return [...(bound.readOnly ? [looking] : []), ...bound.rules.map(ruleInWords)].join("; ");
}
