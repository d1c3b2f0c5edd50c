/** Parses the grant flags of the command line. */

import { AppError } from "../base/errors.ts";
import { printable } from "../base/text.ts";
import { type ClusterGrant, type ClusterRule, parseRules, parseRuleWord } from "../kube/allow/rules.ts";
import type { FileGrant, GrantChange } from "./grants.ts";
import { parsePorts } from "./listen_grant.ts";
import { parseSize } from "./size.ts";

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
