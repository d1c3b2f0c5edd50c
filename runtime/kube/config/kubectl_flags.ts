/**
 * kubectl's connection flags among a plugin's arguments, and where the kubeconfig lies. The user chooses the cluster
 * by them; the arguments themselves reach the plugin unchanged. Pure but for one question: which files are there.
 */

import { hostPath, isRoot, pathBelow } from "../../base/host_path.ts";
import { DENO_PATHS, walkPath } from "../../base/path_walk.ts";
import { printable } from "../../base/text.ts";
import { isStdin } from "./text_file.ts";

/** What the flags say; every field is as written. */
export interface ConnectionFlags {
  readonly kubeconfig?: string;
  readonly context?: string;
  readonly cluster?: string;
  readonly user?: string;
  readonly namespace?: string;
  readonly server?: string;
  readonly token?: string;
  readonly username?: string;
  readonly password?: string;
  readonly certificateAuthority?: string;
  readonly clientCertificate?: string;
  readonly clientKey?: string;
  readonly tlsServerName?: string;
  readonly proxyUrl?: string;
  readonly insecureSkipTlsVerify?: boolean;
  readonly disableCompression?: boolean;
  readonly requestTimeout?: string;
  readonly as?: string;
  readonly asUid?: string;
  readonly asGroup?: readonly string[];
  readonly asUserExtra?: readonly string[];
  /** What is wrong with one of them; it counts when the cluster is used, not for the plugin's `--help`. */
  readonly problem?: string;
}

// genericclioptions.ConfigFlags of k8s.io/cli-runtime. `-s` for --server is left to the plugins: many give it a
// meaning of their own, and a wrong guess would send them to another server.
const VALUES: Readonly<Record<string, keyof ConnectionFlags>> = {
  "kubeconfig": "kubeconfig",
  "context": "context",
  "cluster": "cluster",
  "user": "user",
  "namespace": "namespace",
  "server": "server",
  "token": "token",
  "username": "username",
  "password": "password",
  "certificate-authority": "certificateAuthority",
  "client-certificate": "clientCertificate",
  "client-key": "clientKey",
  "tls-server-name": "tlsServerName",
  "proxy-url": "proxyUrl",
  "request-timeout": "requestTimeout",
  "as": "as",
  "as-uid": "asUid",
};
const LISTS: Readonly<Record<string, "asGroup" | "asUserExtra">> = {
  "as-group": "asGroup",
  "as-user-extra": "asUserExtra",
};
const SWITCHES: Readonly<Record<string, "insecureSkipTlsVerify" | "disableCompression">> = {
  "insecure-skip-tls-verify": "insecureSkipTlsVerify",
  "disable-compression": "disableCompression",
};

/** A connection flag among arguments. */
interface FoundFlag {
  /** Without its dashes; `namespace` for `-n`. */
  readonly name: string;
  /** undefined for a switch that stands alone. */
  readonly value: string | undefined;
  /** Which argument holds the value, and what stands before it there. */
  readonly index: number;
  readonly prefix: string;
}

/** Finds the flags, up to `--`, as pflag does: `--flag value`, `--flag=value`, `-n value`, `-nvalue`. */
export function findFlags(args: readonly string[]): FoundFlag[] {
  const found: FoundFlag[] = [];
  for (let index = 0; index < args.length; index++) {
    const arg = args[index]!;
    if (arg === "--") break;
    if (arg.startsWith("--")) {
      const equals = arg.indexOf("=");
      const name = arg.slice(2, equals < 0 ? undefined : equals);
      const isSwitch = Object.hasOwn(SWITCHES, name);
      if (!isSwitch && !Object.hasOwn(VALUES, name) && !Object.hasOwn(LISTS, name)) continue;
      if (equals >= 0) {
        found.push({ name, value: arg.slice(equals + 1), index, prefix: arg.slice(0, equals + 1) });
      } else if (isSwitch) found.push({ name, value: undefined, index, prefix: arg });
      // Without a value the plugin's own parser will complain.
      else if (++index < args.length) found.push({ name, value: args[index]!, index, prefix: "" });
    } else if (arg === "-n") {
      if (++index < args.length) found.push({ name: "namespace", value: args[index]!, index, prefix: "" });
    } else if (arg.startsWith("-n")) {
      const prefix = arg[2] === "=" ? "-n=" : "-n";
      found.push({ name: "namespace", value: arg.slice(prefix.length), index, prefix });
    }
  }
  return found;
}

/** Reads the flags: of one that is there twice the last counts. */
export function parseConnectionFlags(args: readonly string[]): ConnectionFlags {
  const flags: Record<string, unknown> = {};
  const lists: Record<string, string[]> = {};
  for (const { name, value } of findFlags(args)) {
    if (Object.hasOwn(SWITCHES, name)) {
      const on = value === undefined ? true : booleanOf(value);
      if (on === undefined) flags.problem = `--${name}="${printable(value!, 50)}" is neither true nor false`;
      else flags[SWITCHES[name]!] = on;
    } else if (Object.hasOwn(LISTS, name)) (lists[LISTS[name]!] ??= []).push(value!);
    else flags[VALUES[name]!] = value;
  }
  // What is empty says nothing, as in clientcmd.
  return Object.fromEntries(Object.entries({ ...flags, ...lists }).filter(([, value]) => value !== ""));
}

/** Go's strconv.ParseBool; undefined for what is neither. */
function booleanOf(text: string): boolean | undefined {
  if (/^(1|t|T|true|TRUE|True)$/.test(text)) return true;
  return /^(0|f|F|false|FALSE|False)$/.test(text) ? false : undefined;
}

/** Where kubeconfig files may be, first wins, and which of them a plugin's stand-in takes the place of. */
export interface KubeconfigPaths {
  /** Absolute, without `..`; none needs to be there. */
  readonly paths: readonly string[];
  /** Those with a `..` behind a name as they are written: a link before it has a say in which file it is. */
  readonly written: readonly string[];
  /** Whether the user named them (flag or variable), so that a missing one is worth an error. */
  readonly named: boolean;
  /** The first that is there. */
  readonly redactedPath: string | undefined;
}

/** By kubectl's rules: `--kubeconfig`, else the list in `KUBECONFIG`, else `~/.kube/config`. Reads no file. */
export function kubeconfigPaths(
  env: Readonly<Record<string, string>>,
  args: readonly string[],
  home: string,
  cwd: string,
  isThere: (path: string) => boolean = isFile,
): KubeconfigPaths {
  const flag = parseConnectionFlags(args).kubeconfig;
  const separator = Deno.build.os === "windows" ? ";" : ":";
  // A list of nothing, `:`, is a list: kubectl does not look into the home directory then either.
  const listed = flag ? [flag] : env.KUBECONFIG?.split(separator).filter((path) => path !== "");
  const named = listed !== undefined && (listed.length > 0 || env.KUBECONFIG !== "");
  const texts = named ? listed : [`${home}/.kube/config`];
  const unique = [...new Set(texts.map((path) => opened(path, cwd)))];
  const written = [...new Set(texts.map((path) => whole(path, cwd)).filter(leavesLinks))];
  return { paths: unique, written, named, redactedPath: unique.find(isThere) };
}

/**
 * The path of what the system opens: on POSIX `..` is above the directory that a link before it leads to, which kubectl, as
 * any program, leaves to the system.
 */
function opened(path: string, cwd: string): string {
  const full = whole(path, cwd);
  if (!leavesLinks(full)) return absolute(path, cwd);
  const end = full.lastIndexOf("/..") + 3;
  return absolute(`${walkPath(full.slice(0, end), DENO_PATHS).path}${full.slice(end)}`, cwd);
}

function leavesLinks(path: string): boolean {
  return Deno.build.os !== "windows" && /\/\.\.(?:\/|$)/.test(path);
}

/** A path from the root, as it is written. */
function whole(path: string, cwd: string): string {
  const named = hostPath(path);
  return /^(?:\/|[A-Za-z]:\/)/.test(named) ? named : `${hostPath(cwd)}/${named}`;
}

/** An absolute path without `.`, `..` and doubled slashes; on Windows with slashes. */
export function absolute(path: string, cwd: string): string {
  const full = whole(path, cwd);
  // A share's two slashes, on Windows, are no doubled ones.
  const [root = ""] = /^(?:[A-Za-z]:\/|\/\/(?=[^/])|\/)/.exec(full) ?? [];
  const names: string[] = [];
  for (const name of full.slice(root.length).split("/")) {
    if (name === "..") names.pop();
    else if (name !== "" && name !== ".") names.push(name);
  }
  return `${root === "//" && Deno.build.os !== "windows" ? "/" : root}${names.join("/")}`;
}

/** A path below the home directory with `~` for it, as people write it. */
export function tilde(path: string, home: string): string {
  const below = isRoot(home) ? undefined : pathBelow(path, home);
  return below === undefined ? path : `~/${below}`;
}

/** Whether something is there that is no directory. */
export function isFile(path: string): boolean {
  if (isStdin(path)) return true;
  try {
    return !Deno.statSync(path).isDirectory;
  } catch {
    return false;
  }
}
