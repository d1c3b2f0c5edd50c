/**
 * The rights of a plugin beyond the defaults, as data: parsed once, from flags, a receipt or the policy. A plugin gets
 * nothing that is not granted here. Only `openSandbox` in sandbox.ts turns grants into a sandbox.
 */

import { AppError } from "../base/errors.ts";
import { isWithin } from "../base/host_path.ts";
import {
  type ClusterGrant,
  type ClusterRule,
  parseRules,
  parseRuleWord,
  withRules,
} from "../kube/allow/rules.ts";
import { printable } from "../base/text.ts";
import { eitherListen, type ListenGrant, parsePorts } from "./listen_grant.ts";

/** A file or directory of the host that a plugin may reach. */
export interface FileGrant {
  /** Absolute host path. */
  readonly host: string;
  /** The path in the plugin: absolute, and equal to the host's unless the grant maps it. */
  readonly guest: string;
  readonly write: boolean;
  /** Whether it is a directory, with everything below it; absent until the path is resolved. */
  readonly directory?: boolean;
  /**
   * Where `host` led when the user granted it: absolute, free of links (granted_path.ts). krew-wasm refuses a run if it
   * leads elsewhere. Absent until the path is resolved.
   */
  readonly real?: string;
}

/** Environment variables. `default`: all whose name does not suggest a credential; `all`; or only these names. */
export type EnvGrant = "default" | "all" | readonly string[];

/**
 * The kubeconfig: `true` is the real one in place of the redacted one. `switch`: what the plugin changes of contexts in the
 * redacted one is changed in the user's files.
 */
export type KubeconfigGrant = boolean | "switch";

/** Resource limits of a run. */
export interface Limits {
  /** Bytes of a plugin's linear memories. */
  readonly maxMemory: number;
  /** Files, directories and sockets open at the same time. */
  readonly descriptors: number;
}

/** What a plugin may not do. Denials take precedence over grants. */
export interface Denials {
  /** Absolute host paths: the plugin cannot see, read or change anything at or below them. */
  readonly read: readonly string[];
  /** Absolute host paths: the plugin cannot change anything at or below them. */
  readonly write: readonly string[];
  /** $HOME, as if listed in `read`. The plugin's private directory and the redacted kubeconfig stay. */
  readonly home: boolean;
  /** Environment variables. */
  readonly env: "all" | readonly string[];
  /** The real kubeconfig, and changes of contexts in it. */
  readonly kubeconfig: boolean;
  /** The whole cluster, or the requests that these rules cover. */
  readonly cluster: boolean | readonly ClusterRule[];
  /** Accepting connections. */
  readonly listen: boolean;
  /** Hide the terminal from the plugin. */
  readonly terminal: boolean;
  /** kubectl does not ask the plugin for completions. */
  readonly completion: boolean;
}

/** A plugin's grants. */
export interface Grants {
  readonly files: readonly FileGrant[];
  /** All of $HOME, read and write. */
  readonly home: boolean;
  readonly env: EnvGrant;
  readonly kubeconfig: KubeconfigGrant;
  readonly cluster: ClusterGrant;
  /** Accept connections from this machine. */
  readonly listen: ListenGrant;
  /** isatty() is true for real terminals; the plugin may read single keys and learn the size. */
  readonly terminal: boolean;
  /** The plugin may complete its arguments on Tab, if its artifact declares that it can. */
  readonly completion: boolean;
  readonly limits: Limits;
  /** Takes precedence over all of the above. */
  readonly deny: Denials;
}

/** Denies nothing. */
export const NO_DENIALS: Denials = {
  read: [],
  write: [],
  home: false,
  env: [],
  kubeconfig: false,
  cluster: false,
  listen: false,
  terminal: false,
  completion: false,
};

/** The most that wasm32 can address. */
export const DEFAULT_MAX_MEMORY = 4 * 2 ** 30;
/** The most descriptors that a plugin can have. */
export const DEFAULT_DESCRIPTORS = 16384;

/** The grants of every plugin. */
export const LEAST: Grants = {
  files: [],
  home: false,
  env: "default",
  kubeconfig: false,
  cluster: "full",
  listen: [],
  terminal: true,
  completion: true,
  limits: { maxMemory: DEFAULT_MAX_MEMORY, descriptors: DEFAULT_DESCRIPTORS },
  deny: NO_DENIALS,
};

/** The changes that flags ask for. An undefined field changes nothing. */
export interface GrantChange {
  readonly files: readonly FileGrant[];
  readonly home: boolean | undefined;
  readonly env: EnvGrant | undefined;
  readonly kubeconfig: KubeconfigGrant | undefined;
  readonly cluster: ClusterGrant | undefined;
  /** Rules to add to the cluster grant. If the plugin has full access, they replace it. */
  readonly rules: readonly ClusterRule[];
  readonly listen: ListenGrant | undefined;
  readonly terminal: boolean | undefined;
  readonly completion: boolean | undefined;
  readonly limits: Partial<Limits>;
  readonly deny: Denials;
}

/** The grant flags of `pull`, `run` and `grants`, from the command line's parser. */
export interface GrantFlags {
  readonly allowRead?: readonly string[] | undefined;
  readonly allowWrite?: readonly string[] | undefined;
  readonly allowHome?: boolean | undefined;
  readonly allowEnv?: readonly string[] | undefined;
  readonly allowKubeconfig?: boolean | undefined;
  readonly "allowKubeconfig=switch"?: boolean | undefined;
  readonly allowCluster?: readonly string[] | undefined;
  readonly allowListen?: readonly string[] | undefined;
  readonly allowTerminal?: boolean | undefined;
  readonly allowCompletion?: boolean | undefined;
  readonly allowAll?: boolean | undefined;
  readonly denyRead?: readonly string[] | undefined;
  readonly denyWrite?: readonly string[] | undefined;
  readonly denyHome?: boolean | undefined;
  readonly denyEnv?: readonly string[] | undefined;
  readonly denyKubeconfig?: boolean | undefined;
  readonly denyCluster?: readonly string[] | undefined;
  readonly denyListen?: boolean | undefined;
  readonly denyTerminal?: boolean | undefined;
  readonly denyCompletion?: boolean | undefined;
  readonly denyAll?: boolean | undefined;
  readonly maxMemory?: string | undefined;
}

/** What {@linkcode parseGrantFlags} needs from its caller. */
export interface FlagContext {
  /** Makes a path absolute against the current directory and expands a leading `~`. */
  readonly resolve: (path: string) => string;
  /** The parsed content of a YAML or JSON file of cluster rules. @throws AppError */
  readonly readRules: (path: string) => Promise<unknown>;
}

/**
 * Parses grant flags.
 *
 * `--allow-read=PATH` and `--allow-write=PATH` also accept `HOST::GUEST`. `--allow-env` accepts comma-separated names, `*`,
 * or nothing for no variable. `--allow-cluster` accepts `none`, `read-only`, `full`, a file with rules, or a rule as one
 * word (`parseRuleWord`). `--allow-listen` accepts comma-separated ports or `*`. `--deny-cluster` accepts `all`, such a file or such a word.
 *
 * @throws AppError GRANT_INVALID
 */
export async function parseGrantFlags(flags: GrantFlags, context: FlagContext): Promise<GrantChange> {
  const { resolve } = context;
  const all = flags.allowAll ?? false;
  const none = flags.denyAll ?? false;
  const rulesOf = async (flag: string, path: string): Promise<ClusterRule[]> => {
    const value = await context.readRules(path);
    try {
      return parseRules(value);
    } catch (error) {
      throw new AppError(
        "GRANT_INVALID",
        `${flag}="${printable(path, 200)}": ${printable((error as Error).message)}`,
      );
    }
  };
  let cluster: ClusterGrant | undefined = all ? "full" : undefined;
  const rules: ClusterRule[] = [];
  for (const text of flags.allowCluster ?? []) {
    const word = parseRuleWord(text);
    if (text === "none" || text === "read-only" || text === "full") cluster = text;
    else if (word) rules.push(...word);
    else cluster = { rules: await rulesOf("--allow-cluster", filePath("--allow-cluster", text)) };
  }
  let denyCluster: boolean | ClusterRule[] = false;
  for (const text of flags.denyCluster ?? []) {
    if (text === "all") denyCluster = true;
    else if (denyCluster !== true) {
      const more = parseRuleWord(text) ?? await rulesOf("--deny-cluster", filePath("--deny-cluster", text));
      denyCluster = [...(denyCluster || []), ...more];
    }
  }
  return {
    files: [
      ...(all ? [{ host: "/", guest: "/", write: true }] : []),
      ...(flags.allowRead ?? []).map((text) => parseFileGrant(text, false, resolve)),
      ...(flags.allowWrite ?? []).map((text) => parseFileGrant(text, true, resolve)),
    ],
    home: all || flags.allowHome || undefined,
    env: flags.allowEnv === undefined
      ? all ? "all" : undefined
      : parseEnvGrant(flags.allowEnv, "--allow-env"),
    kubeconfig: all || flags.allowKubeconfig || (flags["allowKubeconfig=switch"] ? "switch" : undefined),
    cluster,
    rules,
    listen: flags.allowListen === undefined
      ? all ? "all" : undefined
      : parsePorts(flags.allowListen, "--allow-listen"),
    terminal: all || flags.allowTerminal || undefined,
    completion: all || flags.allowCompletion || undefined,
    limits: flags.maxMemory === undefined ? {} : { maxMemory: parseSize(flags.maxMemory, "--max-memory") },
    deny: {
      read: [
        ...(none ? ["/"] : []),
        ...(flags.denyRead ?? []).map((text) => denyPath("--deny-read", text, resolve)),
      ],
      write: (flags.denyWrite ?? []).map((text) => denyPath("--deny-write", text, resolve)),
      home: none || (flags.denyHome ?? false),
      env: none ? "all" : flags.denyEnv === undefined ? [] : parseEnvGrant(flags.denyEnv, "--deny-env"),
      kubeconfig: none || (flags.denyKubeconfig ?? false),
      cluster: none || denyCluster,
      listen: none || (flags.denyListen ?? false),
      terminal: none || (flags.denyTerminal ?? false),
      completion: none || (flags.denyCompletion ?? false),
    },
  };
}

/** A value that is not a known word must look like a file's path, so that a misspelt word is an error. */
function filePath(flag: string, value: string): string {
  if (/[\\/]|\.(ya?ml|json)$/i.test(value)) return value;
  const words = flag === "--allow-cluster" ? "none, read-only, full" : "all";
  throw new AppError(
    "GRANT_INVALID",
    `${flag}="${
      printable(value, 100)
    }" is neither ${words}, nor a rule such as list:pods@default, nor a .yaml file`,
  );
}

/**
 * Merges grants for one run: everything that either grants, without anything that either denies. Cluster, environment and
 * limits of the change replace those of the base.
 */
export function mergeGrants(base: Grants, change: GrantChange): Grants {
  return {
    files: mergeFiles(base.files, change.files),
    home: change.home ?? base.home,
    env: change.env === undefined ? base.env : mergeEnv(base.env, change.env),
    kubeconfig: change.kubeconfig ?? base.kubeconfig,
    cluster: withRules(change.cluster ?? base.cluster, change.rules),
    listen: change.listen === undefined ? base.listen : eitherListen(base.listen, change.listen),
    terminal: change.terminal ?? base.terminal,
    completion: change.completion ?? base.completion,
    limits: { ...base.limits, ...change.limits },
    deny: mergeDenials(base.deny, change.deny),
  };
}

/**
 * Merges a lasting change, for `krew-wasm grants`. Like {@linkcode mergeGrants}, but a grant removes an earlier denial of
 * the same, and vice versa.
 */
export function changeGrants(base: Grants, change: GrantChange): Grants {
  const { deny } = base;
  const allowed = new Set(change.files.map(({ host }) => host));
  const allowedToChange = new Set(change.files.filter(({ write }) => write).map(({ host }) => host));
  const names = Array.isArray(change.env) ? change.env as readonly string[] : [];
  const lifted: Grants = {
    ...base,
    deny: {
      read: deny.read.filter((path) => !allowed.has(path)),
      write: deny.write.filter((path) => !allowedToChange.has(path)),
      home: change.home ? false : deny.home,
      env: change.env === "all" || deny.env === "all" && change.env !== undefined
        ? []
        : deny.env === "all"
        ? "all"
        : deny.env.filter((name) => !names.includes(name)),
      kubeconfig: change.kubeconfig ? false : deny.kubeconfig,
      cluster: change.cluster !== undefined && change.cluster !== "none" ||
          change.rules.length > 0 && deny.cluster === true
        ? false
        : Array.isArray(deny.cluster)
        ? without(deny.cluster, change.rules)
        : deny.cluster,
      listen: change.listen !== undefined && change.listen.length > 0 ? false : deny.listen,
      terminal: change.terminal ? false : deny.terminal,
      completion: change.completion ? false : deny.completion,
    },
  };
  const merged = mergeGrants(lifted, change);
  const denied = change.deny;
  return {
    ...merged,
    files: merged.files.flatMap((grant) => {
      if (denied.read.includes(grant.host)) return [];
      return denied.write.includes(grant.host) ? [{ ...grant, write: false }] : [grant];
    }),
    home: merged.home && !denied.home,
    kubeconfig: denied.kubeconfig ? false : merged.kubeconfig,
    listen: denied.listen ? [] : merged.listen,
    env: typeof merged.env === "string" || denied.env === "all"
      ? merged.env
      : merged.env.filter((name) => !denied.env.includes(name)),
  };
}

/** Removes denied grants. File grants go only if a denial covers them whole. */
export function effectiveGrants(grants: Grants): Grants {
  const { deny } = grants;
  return {
    ...grants,
    files: grants.files.filter(({ host }) => !deny.read.some((path) => isWithin(host, path)))
      .map((grant) =>
        grant.write && deny.write.some((path) => isWithin(grant.host, path))
          ? { ...grant, write: false }
          : grant
      ),
    home: grants.home && !deny.home,
    env: deny.env === "all"
      ? []
      : typeof grants.env === "string"
      ? grants.env
      : grants.env.filter((name) => !deny.env.includes(name)),
    kubeconfig: deny.kubeconfig ? false : grants.kubeconfig,
    cluster: deny.cluster === true ? "none" : grants.cluster,
    listen: deny.listen ? [] : grants.listen,
    terminal: grants.terminal && !deny.terminal,
    completion: grants.completion && !deny.completion,
  };
}

/** The rules that the second list does not contain in the same words. */
function without(
  rules: readonly ClusterRule[],
  others: readonly ClusterRule[],
): readonly ClusterRule[] | false {
  const taken = new Set(others.map((rule) => JSON.stringify(rule)));
  const left = rules.filter((rule) => !taken.has(JSON.stringify(rule)));
  return left.length > 0 && left;
}

function mergeFiles(base: readonly FileGrant[], more: readonly FileGrant[]): FileGrant[] {
  const merged = new Map<string, FileGrant>();
  for (const grant of [...base, ...more]) {
    const key = `${grant.host}\0${grant.guest}`;
    const before = merged.get(key);
    // A path that now leads elsewhere is a different file: the old grant does not apply to it.
    const same = before !== undefined &&
      (grant.real ?? before.real ?? before.host) === (before.real ?? before.host);
    merged.set(key, same ? { ...before, ...grant, write: grant.write || before.write } : grant);
  }
  return [...merged.values()];
}

function mergeEnv(base: EnvGrant, more: EnvGrant): EnvGrant {
  if (base === "all" || more === "all") return "all";
  if (base === "default") return more;
  if (more === "default") return base;
  return [...new Set([...base, ...more])];
}

function mergeDenials(base: Denials, more: Denials): Denials {
  const union = (one: readonly string[], other: readonly string[]) => [...new Set([...one, ...other])];
  return {
    read: union(base.read, more.read),
    write: union(base.write, more.write),
    home: base.home || more.home,
    env: base.env === "all" || more.env === "all" ? "all" : union(base.env, more.env),
    kubeconfig: base.kubeconfig || more.kubeconfig,
    cluster: base.cluster === true || more.cluster === true
      ? true
      : base.cluster === false
      ? more.cluster
      : more.cluster === false
      ? base.cluster
      : [...base.cluster, ...more.cluster],
    listen: base.listen || more.listen,
    terminal: base.terminal || more.terminal,
    completion: base.completion || more.completion,
  };
}

function parseFileGrant(text: string, write: boolean, resolve: (path: string) => string): FileGrant {
  const flag = write ? "--allow-write" : "--allow-read";
  const parts = text.split("::");
  const [host = "", guest] = parts;
  if (parts.length > 2 || host === "" || guest === "" || text.includes("\0")) {
    throw new AppError("GRANT_INVALID", `${flag}="${printable(text, 200)}" is neither PATH nor HOST::GUEST`);
  }
  const absolute = resolve(host);
  // A trailing slash marks a directory, which does not have to exist yet.
  const directory = /.[\\/]$/.test(host) ? { directory: true } : {};
  return { host: absolute, guest: guest ?? absolute, write, ...directory };
}

function denyPath(flag: string, text: string, resolve: (path: string) => string): string {
  if (text === "" || text.includes("\0") || text.includes("::")) {
    throw new AppError("GRANT_INVALID", `${flag}="${printable(text, 200)}" is not a PATH of this machine`);
  }
  return resolve(text);
}

function parseEnvGrant(texts: readonly string[], flag: string): "all" | readonly string[] {
  const names = texts.flatMap((text) => text.split(",")).map((name) => name.trim()).filter((name) =>
    name !== ""
  );
  if (names.includes("*")) return "all";
  for (const name of names) {
    if (/[=\u0000-\u001f\u007f*]/.test(name)) {
      throw new AppError(
        "GRANT_INVALID",
        `${flag}: "${printable(name, 80)}" is not the name of a variable`,
      );
    }
  }
  return names;
}

const UNITS: Readonly<Record<string, number>> = {
  "": 1,
  k: 1e3,
  m: 1e6,
  g: 1e9,
  ki: 2 ** 10,
  mi: 2 ** 20,
  gi: 2 ** 30,
};

/**
 * Parses a size in bytes: `512Mi`, `1.5GiB`, `64M` or `1000000`, as Kubernetes and GNU programs write it.
 *
 * @throws AppError GRANT_INVALID if the text is not a size, is below one WebAssembly page (64 KiB), or above 16 GiB
 */
export function parseSize(text: string, flag: string): number {
  const match = /^(\d+(?:\.\d+)?)\s*([kmg]i?)?b?$/i.exec(text.trim());
  const bytes = match ? Math.floor(Number(match[1]) * UNITS[(match[2] ?? "").toLowerCase()]!) : NaN;
  if (!(bytes >= 65536 && bytes <= 16 * 2 ** 30)) {
    throw new AppError(
      "GRANT_INVALID",
      `${flag}="${printable(text, 50)}" is not a size from 64Ki to 16Gi, such as 512Mi`,
    );
  }
  return bytes;
}

/**
 * Parts of variable names that suggest a credential: upper-case, compared with the name between underscores. A plugin gets
 * such a variable only if --allow-env names it. docs/security.md lists them. Every run checks every variable, and compiling
 * one large regular expression would take longer than all of these comparisons.
 */
const IN_CREDENTIALS = [
  ...["TOKEN", "SECRET", "PASSWORD", "PASSWD", "PASSPHRASE", "CREDENTIAL", "AUTHORIZATION", "COOKIE"],
  ...["API_KEY", "APIKEY", "ACCESS_KEY", "ACCESSKEY", "PRIVATE_KEY", "PRIVATEKEY"],
  ...["SESSION_ID", "SESSIONID", "SESSION_KEY", "SESSIONKEY"],
  ...["DATABASE_URL", "CONNECTION_STRING", "CONNECTIONSTRING"],
  ...["_PASS_", "_AUTH_", "_CRED_", "_CREDS_", "_JWT_", "SSHPASS"],
];
const END_OF_CREDENTIALS = ["_PWD_", "_DSN_", "_PAT_", "_SESSION_"];
/** OP_SESSION_account is 1Password's. */
const START_OF_CREDENTIALS = ["AZURE_", "GPG", "GNUPG", "OP_SESSION_"];
/** These names end like a credential's, but hold the current directory and the kind of desktop. */
const NO_CREDENTIALS: ReadonlySet<string> = new Set(["PWD", "DESKTOP_SESSION"]);
/** A cloud's prefix, and the parts of names with this prefix that hold credentials. */
const CLOUDS = [["_AWS_", "KEY", "ID"], ["_GOOGLE_", "KEY", "JSON"]] as const;
const CREDENTIALS: ReadonlySet<string> = new Set(
  ["SSH_AUTH_SOCK", "SSH_AGENT_PID", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "FTP_PROXY", "NETRC"],
);

/** Whether a variable's name suggests a credential. A proxy's URL may hold a password. */
export function isCredentialVariable(name: string): boolean {
  const upper = name.toUpperCase();
  const text = `_${upper}_`;
  for (const part of IN_CREDENTIALS) if (text.includes(part)) return true;
  for (const [start, one, other] of CLOUDS) {
    const { length } = start;
    if (text.startsWith(start) && (text.includes(one, length) || text.includes(other, length))) return true;
  }
  for (const start of START_OF_CREDENTIALS) if (upper.startsWith(start)) return true;
  for (const end of END_OF_CREDENTIALS) if (text.endsWith(end) && !NO_CREDENTIALS.has(upper)) return true;
  return CREDENTIALS.has(upper);
}

/** Splits the environment into the variables that a plugin gets and the names that are withheld. Pure. */
export function grantedEnvironment(
  env: Readonly<Record<string, string>>,
  grant: EnvGrant,
  deny: Denials["env"] = [],
): { readonly given: [name: string, value: string][]; readonly withheld: string[] } {
  const allowed = typeof grant === "string" ? undefined : new Set(grant);
  const denied = typeof deny === "string" ? undefined : new Set(deny);
  const given: [string, string][] = [];
  const withheld: string[] = [];
  for (const [name, value] of Object.entries(env)) {
    const give = denied !== undefined && !denied.has(name) &&
      (allowed ? allowed.has(name) : grant === "all" || !isCredentialVariable(name));
    if (give) given.push([name, value]);
    else withheld.push(name);
  }
  return { given, withheld };
}
