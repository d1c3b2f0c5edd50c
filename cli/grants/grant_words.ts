/** Grants in words: rows of a table, sentences, and flags. Pure. */

import {
  DEFAULT_DESCRIPTORS,
  DEFAULT_MAX_MEMORY,
  type FileGrant,
  type Grants,
} from "../../runtime/grants/grants.ts";
import { effectiveGrants } from "../../runtime/grants/merge_grants.ts";
import { isCredentialVariable } from "../../runtime/grants/granted_environment.ts";
import type { ListenGrant } from "../../runtime/grants/listen_grant.ts";
import { isRoot, isWithin, pathBelow } from "../../runtime/base/host_path.ts";
import { type ClusterGrant, type ClusterRule, parseRuleWord } from "../../runtime/kube/allow/rules.ts";
import { isRightToLeft, shownValue } from "../../runtime/sandbox/question.ts";

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

/** Paths below $HOME with credentials, or with files that run later. Lower case. */
const SENSITIVE = [
  ...[".ssh", ".aws", ".azure", ".gnupg", ".kube", ".docker", ".netrc", ".git-credentials", ".gitconfig"],
  ...[".npmrc", ".pypirc", ".cargo", ".m2", ".gem", ".terraform.d", ".vault-token", ".password-store"],
  ...[".mozilla", ".thunderbird", ".krew-wasm", ".krew", ".local/bin", ".local/share/keyrings", "bin"],
  ...[".config/gcloud", ".config/gh", ".config/git", ".config/containers", ".config/helm", ".config/sops"],
  ...[
    ".config/fish",
    ".config/systemd",
    ".config/autostart",
    ".config/environment.d",
    ".config/google-chrome",
  ],
  ...[
    ".config/chromium",
    "library/keychains",
    "library/launchagents",
    "library/application support",
    "appdata",
  ],
];
/** Startup files of shells, below $HOME. */
const SHELL_FILE = /^\.(?:bash|zsh|profile|login|xprofile|xsession)\w*(?:\/|$)/;
const SYSTEM = /^\/(?:etc|root|boot|proc|sys|dev|usr|bin|sbin|lib|var|run|opt)?(?:\/|$)/;
/** The same for Windows, on any drive. */
const WINDOWS_SYSTEM = /^[a-z]:\/(?:windows|program files(?: \(x86\))?|programdata|\$\w+)(?:\/|$)/i;

/** Whether a path holds credentials, itself or deeper down. */
function holdsCredentials(path: string, home: string): boolean {
  if (isRoot(path) || isWithin(home, path)) return true;
  return isSensitive(pathBelow(path, home) ?? "");
}

/** Whether a path below $HOME is a sensitive place, is inside of one, or contains one. */
function isSensitive(below: string): boolean {
  const path = below.toLowerCase();
  return SHELL_FILE.test(path) ||
    path !== "" && SENSITIVE.some((place) => isWithin(path, place) || isWithin(place, path));
}

/** The risk of access to a path; empty without one. `home` is the user's home directory, absolute. */
export function pathRisk(
  path: string,
  write: boolean,
  home: string,
  windows = Deno.build.os === "windows",
): string {
  return placeRisk(path, write, home, windows) || (write ? "it can change and delete what is there" : "");
}

/** The specific risk of a sensitive place; empty for other paths. */
function placeRisk(
  path: string,
  write: boolean,
  home: string,
  windows = Deno.build.os === "windows",
): string {
  if (isRoot(path)) {
    return path === "/"
      ? "all files of this machine that you may reach"
      : "all files there that you may reach";
  }
  if (isWithin(home, path, windows)) return "your keys, tokens and the shell's own files lie there";
  const below = pathBelow(path, home, windows);
  if (below !== undefined && isSensitive(below)) return "credentials, or what your shell runs, lie there";
  const isSystem = !windows && SYSTEM.test(path) && !/^\/(?:tmp|var\/tmp)(?:\/|$)/.test(path);
  if (below === undefined && (isSystem || windows && WINDOWS_SYSTEM.test(path))) {
    return write ? "the system's own files lie there" : "the system's settings lie there";
  }
  return "";
}

/** The risk of a grant of files, by its path or its target; empty without one. */
function fileRisk({ host, write, real = host }: FileGrant, home: string): string {
  return placeRisk(host, write, home) || pathRisk(real, write, home);
}

const READING = new Set(["get", "list", "watch"]);
/** Verbs that escalate the user's own rights. */
const MORE_RIGHTS = new Set(["impersonate", "escalate", "bind", "approve", "sign"]);
/** Resources that define access rights. */
const RIGHTS = /^(?:cluster)?role(?:binding)?s$/;
/** Subresources that reach into running containers, or bypass Kubernetes' rules. */
const INSIDE = /\/(?:exec|attach|portforward|proxy|token|ephemeralcontainers)$/;

/** All risks of a rule; empty without one. */
export function ruleRisk(rule: ClusterRule): string {
  const { verbs, resources = [] } = rule;
  const all = (list: readonly string[] | undefined) => list?.includes("*") ?? false;
  if (all(verbs) && all(resources)) return "everything that you may do";
  const reasons: string[] = [];
  if (all(verbs) || verbs.some((verb) => MORE_RIGHTS.has(verb)) || changes(verbs, resources, RIGHTS)) {
    reasons.push("it can give itself more rights");
  }
  if (all(resources) || resources.some((name) => INSIDE.test(name))) {
    reasons.push("it gets into containers and nodes, or makes tokens");
  }
  if (all(resources) || resources.includes("secrets")) reasons.push("Secrets are among it");
  if (reasons.length === 0 && !verbs.every((verb) => READING.has(verb))) {
    reasons.push("it changes the cluster");
  }
  return reasons.join("; ");
}

/** Whether a rule may change one of these resources. */
function changes(verbs: readonly string[], resources: readonly string[], which: RegExp): boolean {
  return verbs.some((verb) => !READING.has(verb)) &&
    resources.some((name) => name === "*" || which.test(name));
}

/** Joins words, and quotes those that could be read as several. */
function listed(words: readonly string[]): string {
  return words.map((word) => /^[\w.:*/@+-]+$/.test(word) ? word : quoted(word)).join(", ");
}

/** A path, in quotes if its row could be misread. */
function quotedPath(path: string): string {
  return /[\s"]/.test(path) || isRightToLeft(path) ? quoted(path) : path;
}

function quoted(text: string): string {
  return `"${shownValue(text).replaceAll('"', '\\"')}"`;
}

/** A rule in words: `get, list pods, pods/log in the namespace demo`. */
export function ruleInWords(rule: ClusterRule): string {
  const { verbs, apiGroups = [], resources = [], resourceNames, namespaces, nonResourceURLs } = rule;
  const doing = verbs.includes("*") ? "do anything with" : listed(verbs);
  if (nonResourceURLs) {
    return `${doing} the path${nonResourceURLs.length === 1 ? "" : "s"} ${listed(nonResourceURLs)}`;
  }
  const isCore = apiGroups.includes("");
  const others = apiGroups.filter((group) => group !== "");
  const groups = [...(isCore ? ["the core group"] : []), ...(others.length > 0 ? [listed(others)] : [])];
  const of = others.includes("*")
    ? " of any group"
    : others.length === 0
    ? ""
    : ` of ${groups.join(" and ")}`;
  const things = resources.includes("*") ? "every resource" : listed(resources);
  const named = resourceNames === undefined ? "" : ` named ${listed(resourceNames)}`;
  const where = namespaces === undefined
    ? ""
    : ` in the namespace${namespaces.length === 1 ? "" : "s"} ${listed(namespaces)}`;
  return `${doing} ${things}${of}${named}${where}`;
}

/** The flag that grants exactly this rule; undefined if there is none. */
function ruleFlag(rule: ClusterRule, flag: string): string | undefined {
  const word = ruleWords(rule);
  const read = parseRuleWord(word)?.flatMap(singleRules) ?? [];
  const meant = singleRules(rule);
  return read.length === meant.length && meant.every((one) => read.includes(one))
    ? `${flag}=${word}`
    : undefined;
}

/** Expands a rule to one text for each resource and name, so that two spellings of one rule compare equal. */
function singleRules(rule: ClusterRule): string[] {
  const {
    verbs,
    apiGroups = [""],
    resources = [""],
    resourceNames = [undefined],
    namespaces,
    nonResourceURLs = [""],
  } = rule;
  return apiGroups.flatMap((group) =>
    resources.flatMap((resource) =>
      resourceNames.flatMap((name) =>
        nonResourceURLs.map((url) => JSON.stringify([verbs, group, resource, name, namespaces, url]))
      )
    )
  );
}

function ruleWords(rule: ClusterRule): string {
  const { verbs, apiGroups = [], resources = [], resourceNames = [], namespaces, nonResourceURLs } = rule;
  if (nonResourceURLs) return `${verbs.join(",")}:${nonResourceURLs.join(",")}`;
  const words = resources.flatMap((name) =>
    apiGroups.flatMap((group) => {
      const [resource, sub] = name.split("/");
      const word = (resource === "*" && group === "*" || group === "" ? resource : `${resource}.${group}`) +
        (sub === undefined ? "" : `/${sub}`);
      return resourceNames.length === 0 ? [word] : resourceNames.map((object) => `${word}[${object}]`);
    })
  );
  return `${verbs.join(",")}:${words.join(",")}${namespaces ? `@${namespaces.join(",")}` : ""}`;
}

/** One row for each grant beyond those of every plugin, and for each denial. */
export function grantRows(grants: Grants, home: string): GrantRow[] {
  const rows: GrantRow[] = [];
  const { files, env, cluster, limits, deny } = grants;
  for (const grant of files) {
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
  if (grants.listen.length > 0) {
    rows.push({
      kind: "listen",
      what: `accept connections from this machine at ${portsInWords(grants.listen)}`,
      risk: "every program and user of this machine can connect",
      flag: `--allow-listen=${grants.listen === "all" ? "*" : grants.listen.join(",")}`,
    });
  }
  if (limits.maxMemory !== DEFAULT_MAX_MEMORY) {
    rows.push({
      kind: "memory",
      what: `use up to ${formatMemory(limits.maxMemory)}`,
      risk: "",
      flag: `--max-memory=${limits.maxMemory}`,
    });
  }
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

/** `port 8080`, `the ports 8080, 9090 and one that the system chooses`, `any port`. */
function portsInWords(ports: ListenGrant): string {
  if (ports === "all") return "any port";
  const words = ports.map((port) => port === 0 ? "a port that the system chooses" : String(port));
  const named = ports.filter((port) => port !== 0).length;
  const [first = ""] = words;
  if (words.length === 1) return named === 0 ? first : `port ${first}`;
  const last = ports[0] === 0 ? words.shift() : words.pop();
  return `port${named > 1 ? "s" : ""} ${words.join(", ")} and ${last}`;
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

/** Bytes in binary units: `512 MiB`. */
export function formatMemory(bytes: number): string {
  for (const [unit, size] of [["GiB", 2 ** 30], ["MiB", 2 ** 20], ["KiB", 2 ** 10]] as const) {
    if (bytes >= size) return `${Number((bytes / size).toFixed(1))} ${unit}`;
  }
  return `${bytes} B`;
}

/** Rows of `grants` that the other grants lack. */
export function moreRows(rows: readonly GrantRow[], than: readonly GrantRow[]): GrantRow[] {
  // A grant of a file and of a directory at the same path count as one.
  const identity = ({ flag, rule, what }: GrantRow) =>
    flag?.replace(/\/(?=$|::)/, "") ?? JSON.stringify([what, rule]);
  const known = new Set(than.map(identity));
  return rows.filter((row) => !known.has(identity(row)));
}

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
  const { files, env, cluster, deny, limits } = grants;
  const list = (items: readonly string[]) =>
    items.length < 2 ? items.join("") : `${items.slice(0, -1).join(", ")} and ${items.at(-1)}`;
  const shown = ({ host, guest, real = host }: FileGrant) =>
    `${quotedPath(host)}${real === host ? "" : ` (which leads to ${quotedPath(real)})`}${
      guest === host ? "" : ` (it sees it as ${quotedPath(guest)})`
    }`;
  const reads = files.filter(({ write }) => !write).map(shown);
  const writes = [
    ...(grants.home ? [`all of your home directory ${home}`] : []),
    ...files.filter(({ write }) => write).map(shown),
  ];
  const fileText = [
    reads.length > 0 ? `It reads ${list(reads)}.` : "",
    writes.length > 0
      ? `It reads, changes and deletes what is in ${list(writes)}, and in its private directory ${own}.`
      : `It changes nothing but its private directory ${own}.`,
    "It sees no other file; krew-wasm's own files can't be changed by any plugin.",
    deny.read.length > 0 || deny.home
      ? `It never sees ${
        list([...(deny.home ? [`anything in ${home}`] : []), ...deny.read.map(quotedPath)])
      }, whatever is granted.`
      : "",
    deny.write.length > 0 ? `It never changes ${list(deny.write.map(quotedPath))}.` : "",
  ];
  const heldBack = deny.env !== "all" && deny.env.length > 0
    ? ` ${list(deny.env.map((name) => listed([name])))} never.`
    : "";
  const envText = env === "all"
    ? `It sees all environment variables, credentials among them.${heldBack}`
    : env === "default"
    ? `It sees all environment variables but those whose name says credential.${heldBack}`
    : env.length === 0
    ? "It sees no environment variable."
    : `It sees the environment variables ${list(env.map((name) => listed([name])))} and no other.`;
  const discovery = "It may ask which resources and versions there are.";
  const clusterText = cluster === "none"
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
  return [
    ...(administrator?.refused === undefined
      ? []
      : [["Not run", `${administrator.refused} (${administrator.path}).`] as [string, string]]),
    ["Files", fileText.filter((text) => text !== "").join(" ")],
    ["Environment", envText],
    ["Cluster", [...clusterText, ...denied].filter((text) => text !== "").join(" ")],
    [
      "Network",
      (cluster === "none"
        ? "It reaches nothing on the network."
        : "It reaches that API server, and nothing else on the network.") +
      (grants.listen.length === 0
        ? " It accepts no connections."
        : ` It accepts connections from this machine at ${portsInWords(grants.listen)}.`),
    ],
    ["Credentials", credentialsText(grants, home, list)],
    [
      "Terminal",
      (grants.terminal
        ? "It reads what you type while it runs, and may draw on the terminal."
        : "Its streams are no terminals in its eyes.") +
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

function credentialsText(
  { kubeconfig, cluster, files, home: all, env }: Grants,
  home: string,
  list: (items: readonly string[]) => string,
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
