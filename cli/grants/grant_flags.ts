/** The grant flags that `pull`, `run` and `grants` share. */

import type { Command } from "@commander-js/extra-typings";
import { isAbsolute, join, normalize } from "node:path";
import { AppError, firstLineOf } from "../../runtime/base/errors.ts";
import { resolveChange } from "../../runtime/grants/granted_path.ts";
import { exists, hostPath, withoutSlash } from "../../runtime/base/host_path.ts";
import { homeDirectory } from "../../runtime/store/layout.ts";
import type { GrantChange } from "../../runtime/grants/grants.ts";
import { type GrantFlags, parseGrantFlags } from "../../runtime/grants/parse_grant_flags.ts";
import { printable } from "../../runtime/base/text.ts";
import type { Context } from "../context.ts";
import { spellingWarnings } from "./rule_spelling.ts";
import { readTextFile } from "../terminal/read_file.ts";

const collect = (value: string, before: string[] | undefined): string[] => [...(before ?? []), value];

/** Maximum size of a file of rules. Bytes. */
const MAX_RULES = 1 << 20;

/** A type alias, not an interface, because commander needs an index signature. */
type Flags = { [Name in keyof GrantFlags]: GrantFlags[Name] } & { prompt?: boolean };

type Option = readonly [flags: string, description: string, repeatable?: typeof collect];

// deno-fmt-ignore -- one flag a line
const OPTIONS: readonly Option[] = [
  ["--allow-read <path>", "read a file or directory; HOST::GUEST shows it under another path (repeatable)", collect],
  ["--allow-write <path>", "read and change a file or directory (repeatable)", collect],
  ["--allow-home", "read and change all of your home directory"],
  ["--allow-env <names>", "see these variables only, comma-separated; '*' for all (repeatable)", collect],
  ["--allow-kubeconfig", "read the real kubeconfig, with credentials"],
  ["--allow-kubeconfig=switch", "change contexts, their namespaces and the current context in the kubeconfig"],
  ["--allow-cluster <what>",
    "none, read-only, full (the default), a YAML file of RBAC rules, or a rule such as list,watch:pods@default (repeatable)",
    collect],
  ["--allow-listen <ports>",
    "accept connections from this machine at these ports, comma-separated; '*' for all (repeatable)", collect],
  ["--allow-terminal", "use the terminal (allowed by default)"],
  ["--allow-completion", "complete its arguments when you press Tab (allowed by default)"],
  ["--allow-all", "all of the above; krew-wasm's own files stay protected"],
  ["--deny-read <path>", "never see a file or directory (repeatable)", collect],
  ["--deny-write <path>", "never change a file or directory (repeatable)", collect],
  ["--deny-home", "never see your home directory"],
  ["--deny-env <names>", "never see these variables; '*' for all (repeatable)", collect],
  ["--deny-kubeconfig", "never read the real kubeconfig, nor change contexts in it"],
  ["--deny-cluster <what>", "all, or rules that it may never use (repeatable)", collect],
  ["--deny-listen", "never accept connections"],
  ["--deny-terminal", "hide the terminal from the plugin"],
  ["--deny-completion", "never complete its arguments"],
  ["--deny-all", "nothing but its private directory; a denial wins over every grant"],
  ["--no-prompt", "never ask at the terminal (also KREW_WASM_NO_PROMPT=1)"],
  ["--max-memory <size>", "limit of its memory, such as 512Mi (default: 4Gi)"],
];

/** Whether an option is one of these. */
export function isGrantFlag({ long }: { readonly long?: string | undefined }): boolean {
  return OPTIONS.some(([flags]) => flags.split(" ")[0] === long);
}

/** Adds `--allow-…`, `--deny-…` and `--max-memory` to a command. */
// deno-lint-ignore ban-types -- commander's own empty type parameters
export function withGrantFlags<A extends unknown[], O extends {}, G extends {}>(
  command: Command<A, O, G>,
): Command<A, O & Flags, G> {
  // A loop instead of a chain of calls: inferring the type of such a chain takes the compiler minutes.
  const plain = command as unknown as {
    option(flags: string, description: string, parse?: typeof collect): void;
  };
  for (const option of OPTIONS) plain.option(...option);
  return command as unknown as Command<A, O & Flags, G>;
}

/**
 * Converts parsed flags to a change of grants. Makes paths absolute, resolves their links, and reads files of rules.
 *
 * @throws AppError GRANT_INVALID, FILE_UNREADABLE
 */
export async function grantsOf(flags: GrantFlags, context: Context): Promise<GrantChange> {
  const change = await parseGrantFlags(flags, {
    resolve: (path) => absolutePath(path, context),
    readRules: (path) => readYaml(absolutePath(path, context)),
  });
  const resolved = resolveChange(change);
  // Someone else may have made the link, so show where it leads.
  for (const { host, real = host } of resolved.files) {
    if (real !== host) context.stderr(`${printable(host, 300)} leads to ${printable(real, 300)}\n`);
  }
  // A misspelt path would be granted in silence. A file that may be written may come later.
  for (const { host, write } of resolved.files) {
    if (!write && !exists(host)) context.stderr(`warning: ${printable(host, 300)} does not exist\n`);
  }
  for (const path of [...resolved.deny.read, ...resolved.deny.write]) {
    if (!exists(path)) context.stderr(`warning: ${printable(path, 300)} does not exist\n`);
  }
  const denied = resolved.deny.cluster;
  for (
    const warning of spellingWarnings([...resolved.rules, ...(typeof denied === "boolean" ? [] : denied)])
  ) {
    context.stderr(`warning: ${warning}\n`);
  }
  return resolved;
}

/** Whether any grant flag is set. */
export function isChange(flags: GrantFlags): boolean {
  return Object.entries(flags).some(([name, value]) =>
    /^(allow|deny)[A-Z]|^maxMemory$/.test(name) && value !== undefined
  );
}

function absolutePath(path: string, context: Context): string {
  if (path === "~" || hostPath(path).startsWith("~/")) path = homeDirectory(context.env) + path.slice(1);
  return withoutSlash(hostPath(normalize(isAbsolute(path) ? path : join(context.cwd(), path))));
}

/** @throws AppError FILE_UNREADABLE, GRANT_INVALID */
async function readYaml(path: string): Promise<unknown> {
  const text = readTextFile(path, { action: "read the rules in", limit: MAX_RULES });
  try {
    return (await import("yaml")).parse(text, { maxAliasCount: 0 });
  } catch (error) {
    throw new AppError(
      "GRANT_INVALID",
      `"${printable(path)}" is not YAML: ${printable(firstLineOf(error), 200)}`,
    );
  }
}
