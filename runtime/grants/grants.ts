/**
 * What a plugin may do beyond the least: data, parsed once, from flags, a receipt or the administrator's file. What is not
 * granted here is not given anywhere; `openSandbox` in sandbox.ts is the one place that turns it into a sandbox.
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

/** A file or directory of the host that a plugin may reach. */
export interface FileGrant {
  /** Absolute host path. */
  readonly host: string;
  /** Where the plugin sees it: an absolute path, the host's own unless the grant maps it. */
  readonly guest: string;
  readonly write: boolean;
  /** Whether it is a directory, with all below it; left out where nobody has looked yet. */
  readonly directory?: boolean;
  /**
   * Where `host` led when a person granted it: absolute, free of links (granted_path.ts). It leads there at every run, or
   * the run is refused. Left out where nobody has looked yet.
   */
  readonly real?: string;
}

/** Variables of the environment. `default`: all but what a name says is a credential; `all`; or these names only. */
export type EnvGrant = "default" | "all" | readonly string[];

/** How much of the machine a run may take. */
export interface Limits {
  /** Bytes of a plugin's linear memories. */
  readonly maxMemory: number;
  /** Files, directories and sockets open at a time. */
  readonly descriptors: number;
}

/** What a plugin may not do, whatever is granted beside it. */
export interface Denials {
  /** Absolute host paths: nothing at or below them is seen, read or changed. */
  readonly read: readonly string[];
  /** Absolute host paths: nothing at or below them is changed. */
  readonly write: readonly string[];
  /** $HOME, as if it stood in `read`; the plugin's own directory and the kubeconfig's stand-in stay. */
  readonly home: boolean;
  /** Variables that are held back. */
  readonly env: "all" | readonly string[];
  /** The real kubeconfig. */
  readonly kubeconfig: boolean;
  /** All of the cluster, or what these rules cover. */
  readonly cluster: boolean | readonly ClusterRule[];
  /** The plugin's streams are no terminals in its eyes. */
  readonly terminal: boolean;
  /** It is not asked for completions. */
  readonly completion: boolean;
}

/** A plugin's grants. */
export interface Grants {
  readonly files: readonly FileGrant[];
  /** All of $HOME, read and write. */
  readonly home: boolean;
  readonly env: EnvGrant;
  /** The real kubeconfig in place of the stand-in. */
  readonly kubeconfig: boolean;
  readonly cluster: ClusterGrant;
  /** Its streams are terminals in its eyes where they are: it may read single keys and learn the size. */
  readonly terminal: boolean;
  /** It may complete its arguments, at a press of Tab, where its artifact says that it can. */
  readonly completion: boolean;
  readonly limits: Limits;
  /** Wins over all of the above. */
  readonly deny: Denials;
}

/** Nothing is denied. */
export const NO_DENIALS: Denials = {
  read: [],
  write: [],
  home: false,
  env: [],
  kubeconfig: false,
  cluster: false,
  terminal: false,
  completion: false,
};

/** What wasm32 can address. */
export const DEFAULT_MAX_MEMORY = 4 * 2 ** 30;
/** As many as files.ts lets a plugin have open at most. */
export const DEFAULT_DESCRIPTORS = 16384;

/** What every plugin has. */
export const LEAST: Grants = {
  files: [],
  home: false,
  env: "default",
  kubeconfig: false,
  cluster: "full",
  terminal: true,
  completion: true,
  limits: { maxMemory: DEFAULT_MAX_MEMORY, descriptors: DEFAULT_DESCRIPTORS },
  deny: NO_DENIALS,
};

/** What flags ask to be otherwise: what is undefined stays as it is. */
export interface GrantChange {
  readonly files: readonly FileGrant[];
  readonly home: boolean | undefined;
  readonly env: EnvGrant | undefined;
  readonly kubeconfig: boolean | undefined;
  readonly cluster: ClusterGrant | undefined;
  /** Rules beside what holds of the cluster; where all of it was granted, only what they say. */
  readonly rules: readonly ClusterRule[];
  readonly terminal: boolean | undefined;
  readonly completion: boolean | undefined;
  readonly limits: Partial<Limits>;
  readonly deny: Denials;
}

/** The flags of `pull`, `run` and `grants`, as the command line's parser hands them over. */
export interface GrantFlags {
  readonly allowRead?: readonly string[] | undefined;
  readonly allowWrite?: readonly string[] | undefined;
  readonly allowHome?: boolean | undefined;
  readonly allowEnv?: readonly string[] | undefined;
  readonly allowKubeconfig?: boolean | undefined;
  readonly allowCluster?: readonly string[] | undefined;
  readonly allowTerminal?: boolean | undefined;
  readonly allowCompletion?: boolean | undefined;
  readonly allowAll?: boolean | undefined;
  readonly denyRead?: readonly string[] | undefined;
  readonly denyWrite?: readonly string[] | undefined;
  readonly denyHome?: boolean | undefined;
  readonly denyEnv?: readonly string[] | undefined;
  readonly denyKubeconfig?: boolean | undefined;
  readonly denyCluster?: readonly string[] | undefined;
  readonly denyTerminal?: boolean | undefined;
  readonly denyCompletion?: boolean | undefined;
  readonly denyAll?: boolean | undefined;
  readonly maxMemory?: string | undefined;
}

/** What {@linkcode parseGrantFlags} asks of its surroundings. */
export interface FlagContext {
  /** Makes a path absolute against the current directory and expands a leading `~`. */
  readonly resolve: (path: string) => string;
  /** The parsed content of a YAML or JSON file of cluster rules. @throws AppError */
  readonly readRules: (path: string) => Promise<unknown>;
}

/**
 * What flags ask for.
 *
 * `--allow-read=PATH` and `--allow-write=PATH` take `HOST::GUEST` too; `--allow-env` takes names parted by commas,
 * or `*`, and nothing for none; `--allow-cluster` takes `none`, `read-only`, `full`, a file with rules, or a rule in one word
 * (`parseRuleWord`), `--deny-cluster` `all`, such a file or word.
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
    kubeconfig: all || flags.allowKubeconfig || undefined,
    cluster,
    rules,
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
      terminal: none || (flags.denyTerminal ?? false),
      completion: none || (flags.denyCompletion ?? false),
    },
  };
}

/** A value that is not one of the words is the path of a file, told by its look, so that a misspelt word is an error. */
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
 * Both together, for one run: what either grants, less what either denies. What the change says of the cluster, the
 * environment and limits holds in place of what was.
 */
export function mergeGrants(base: Grants, change: GrantChange): Grants {
  return {
    files: mergeFiles(base.files, change.files),
    home: change.home ?? base.home,
    env: change.env === undefined ? base.env : mergeEnv(base.env, change.env),
    kubeconfig: change.kubeconfig ?? base.kubeconfig,
    cluster: withRules(change.cluster ?? base.cluster, change.rules),
    terminal: change.terminal ?? base.terminal,
    completion: change.completion ?? base.completion,
    limits: { ...base.limits, ...change.limits },
    deny: mergeDenials(base.deny, change.deny),
  };
}

/**
 * A change that stays, as `krew-wasm grants` makes it: as {@linkcode mergeGrants}, and what is allowed now takes back
 * the same denial of earlier, as what is denied now takes back the same grant.
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
    kubeconfig: merged.kubeconfig && !denied.kubeconfig,
    env: typeof merged.env === "string" || denied.env === "all"
      ? merged.env
      : merged.env.filter((name) => !denied.env.includes(name)),
  };
}

/** What is left of grants once their own denials are taken off; of files, what is granted and denied as a whole. */
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
    kubeconfig: grants.kubeconfig && !deny.kubeconfig,
    cluster: deny.cluster === true ? "none" : grants.cluster,
    terminal: grants.terminal && !deny.terminal,
    completion: grants.completion && !deny.completion,
  };
}

/** The rules that are not among others, word for word. */
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
    // What leads elsewhere by now is another file: what was granted of the one before does not hold for it.
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
  // A slash at its end says that it is a directory, which need not be there yet.
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
 * Bytes of `512Mi`, `1.5GiB`, `64M` or `1000000`, as Kubernetes and programs of GNU write sizes.
 *
 * @throws AppError GRANT_INVALID for what is none, below one page of WebAssembly (64 KiB), or above 16 GiB
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
 * What names of variables that hold credentials have in them, upper-cased, between an underscore at each end. A plugin sees
 * none of these unless --allow-env names it. docs/security.md lists them. No regular expression, as every run asks about
 * every variable, and to compile a large one takes longer than all of the answers.
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
/** They end like a credential: the directory that a program is started in, and the kind of desktop. */
const NO_CREDENTIALS: ReadonlySet<string> = new Set(["PWD", "DESKTOP_SESSION"]);
/** Of a cloud: what its names begin with, and what follows in those that hold credentials. */
const CLOUDS = [["_AWS_", "KEY", "ID"], ["_GOOGLE_", "KEY", "JSON"]] as const;
const CREDENTIALS: ReadonlySet<string> = new Set(
  ["SSH_AUTH_SOCK", "SSH_AGENT_PID", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "FTP_PROXY", "NETRC"],
);

/** Whether a variable's name says that its value is a credential. A proxy's URL may hold a password. */
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

/** The environment a plugin gets, and the names that were held back. Pure. */
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
