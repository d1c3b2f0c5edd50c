/**
 * Finds kubectl's connection flags among a plugin's arguments, and the kubeconfig's path. The user chooses the
 * cluster with them. Pure, but looks which files exist.
 */

import { hostPath, isRoot, pathBelow } from "../../base/host_path.ts";
import { DENO_PATHS, walkPath } from "../../base/path_walk.ts";
import { printable } from "../../base/text.ts";
import { isStdin } from "./text_file.ts";

/** The values of the flags, as written. */
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
  /** The mistake in a flag. It matters when the cluster is used, not for the plugin's `--help`. */
  readonly problem?: string;
}

// genericclioptions.ConfigFlags of k8s.io/cli-runtime. `-s` for --server is not among them: many plugins give it
// another meaning, and a wrong guess would send them to another server.
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
  /** undefined for a switch without a value. */
  readonly value: string | undefined;
  /** The index of the argument with the value, and the text before the value in it. */
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
      // A flag without a value: the plugin's own parser will complain.
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

/** Parses the flags. The last of repeated flags counts. */
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
  // An empty value counts as unset, as in clientcmd.
  return Object.fromEntries(Object.entries({ ...flags, ...lists }).filter(([, value]) => value !== ""));
}

/** Go's strconv.ParseBool; undefined for another text. */
function booleanOf(text: string): boolean | undefined {
  if (/^(1|t|T|true|TRUE|True)$/.test(text)) return true;
  return /^(0|f|F|false|FALSE|False)$/.test(text) ? false : undefined;
}

/** Paths where kubeconfig files may be, the first wins, and which of them a plugin reads redacted. */
export interface KubeconfigPaths {
  /** Absolute, without `..`. The files need not exist. */
  readonly paths: readonly string[];
  /** Paths with a `..` after a name, as written: if that name is a link, the link decides which file is meant. */
  readonly written: readonly string[];
  /** Whether the user named them (flag or variable), so that a missing file is an error. */
  readonly named: boolean;
  /** The first that exists. */
  readonly redactedPath: string | undefined;
}

/** kubectl's rules: `--kubeconfig`, else the list in `KUBECONFIG`, else `~/.kube/config`. Reads no file. */
export function kubeconfigPaths(
  env: Readonly<Record<string, string>>,
  args: readonly string[],
  home: string,
  cwd: string,
  isThere: (path: string) => boolean = isReadable,
): KubeconfigPaths {
  const flag = parseConnectionFlags(args).kubeconfig;
  const separator = Deno.build.os === "windows" ? ";" : ":";
  // An empty list, `:`, is a list, too: kubectl then does not look into the home directory either.
  const listed = flag ? [flag] : env.KUBECONFIG?.split(separator).filter((path) => path !== "");
  const named = listed !== undefined && (listed.length > 0 || env.KUBECONFIG !== "");
  const texts = named ? listed : [`${home}/.kube/config`];
  const unique = [...new Set(texts.map((path) => opened(path, cwd)))];
  const written = [...new Set(texts.map((path) => whole(path, cwd)).filter(leavesLinks))];
  return { paths: unique, written, named, redactedPath: unique.find(isThere) };
}

/**
 * The path that the system opens. On POSIX `..` after a link means the parent of the link's target; kubectl leaves
 * that to the system, as any program does.
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

/** An absolute path, otherwise as written. */
function whole(path: string, cwd: string): string {
  const named = hostPath(path);
  return /^(?:\/|[A-Za-z]:\/)/.test(named) ? named : `${hostPath(cwd)}/${named}`;
}

/** An absolute path without `.`, `..` and doubled slashes; on Windows with slashes. */
export function absolute(path: string, cwd: string): string {
  const full = whole(path, cwd);
  // A Windows share's two slashes stay.
  const [root = ""] = /^(?:[A-Za-z]:\/|\/\/(?=[^/])|\/)/.exec(full) ?? [];
  const names: string[] = [];
  for (const name of full.slice(root.length).split("/")) {
    if (name === "..") names.pop();
    else if (name !== "" && name !== ".") names.push(name);
  }
  return `${root === "//" && Deno.build.os !== "windows" ? "/" : root}${names.join("/")}`;
}

/** Abbreviates the home directory with `~`. */
export function tilde(path: string, home: string): string {
  const below = isRoot(home) ? undefined : pathBelow(path, home);
  return below === undefined ? path : `~/${below}`;
}

/** Whether kubectl can read a file there: stdin, or anything but a directory. */
export function isReadable(path: string): boolean {
  if (isStdin(path)) return true;
  try {
    return !Deno.statSync(path).isDirectory;
  } catch {
    return false;
  }
}
