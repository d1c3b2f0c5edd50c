/** Errors and hints for wrong usage, in krew-wasm's words instead of commander's. Pure. */

import { nearest } from "../../runtime/base/nearest.ts";
import { printable } from "../../runtime/base/text.ts";

/** Commands of kubectl, Krew, docker, helm and brew, and the same thing here. */
const FOREIGN: Readonly<Record<string, string>> = {
  add: "pull",
  allow: "grants",
  apply: "sync",
  auth: "login",
  check: "doctor",
  config: "grants",
  create: "build",
  delete: "rm",
  deny: "grants",
  describe: "info",
  docs: "help",
  download: "pull",
  erase: "rm",
  exec: "run",
  export: "bundle save",
  find: "search",
  get: "list",
  import: "bundle load",
  lock: "list -o lock",
  logs: "log",
  man: "help",
  permissions: "grants",
  plugin: "list",
  plugins: "list",
  prune: "sync --prune",
  publish: "push",
  refresh: "update",
  registry: "login",
  repo: "index",
  save: "bundle save",
  show: "info",
  source: "index",
  status: "doctor",
  tap: "index add",
  undo: "rollback",
  unlink: "rm",
  verify: "pull --verify",
  view: "info",
};

/**
 * Rewrites commander's message about a wrong command line in the format of krew-wasm's errors: `error: …`, `hint: …`.
 *
 * @param message commander's message, such as `error: unknown option '--nope'`
 * @param path the command, such as `krew-wasm index add`
 * @param commands names and aliases of its subcommands
 * @param plugins names of the installed plugins
 */
export function usageText(
  message: string,
  path: string,
  commands: readonly string[],
  plugins: () => readonly string[] = () => [],
): string {
  const [, text, meant] = /^error: ([^]*?)(?:\n\(Did you mean (?:one of )?([^]*)\?\))?\s*$/.exec(message) ??
    ["", message, undefined];
  const suggestion = meant === undefined ? undefined : `did you mean ${meant.replaceAll(", ", " or ")}?`;
  const help = `${path} --help`;
  const show = (what: string, hint = suggestion ?? help) =>
    `error: ${printable(what, 500)}\nhint: ${printable(hint, 500)}\n`;
  let match: RegExpExecArray | null;
  if ((match = /^unknown command '([^]*)'$/.exec(text!))) {
    return show(...unknownCommand(match[1]!, path, commands, plugins()));
  }
  if ((match = /^unknown option '([^]*)'$/.exec(text!))) return show(`Unknown option "${match[1]}"`);
  if ((match = /^missing required argument '(.*)'$/.exec(text!))) {
    return show(`Missing required argument: ${match[1]}`);
  }
  if ((match = /^too many arguments.*Expected (\d+) arguments? but got (\d+): ([^]*)\.$/.exec(text!))) {
    const [, expected, got, all] = match;
    return show(
      `Too many arguments: ${path} takes ${expected === "0" ? "none" : expected}, not ${got}: ${all}`,
    );
  }
  if ((match = /^option '(.*?)' argument missing$/.exec(text!))) {
    return show(`${long(match[1]!)} needs a value`);
  }
  if ((match = /^option '(.*?)' argument '([^]*)' is invalid\. ([^]*?)\.?$/.exec(text!))) {
    return show(`${long(match[1]!)}="${match[2]}" ${reason(match[3]!)}`);
  }
  if ((match = /^command-argument value '([^]*)' is invalid for argument '.*?'\. ([^]*?)\.?$/.exec(text!))) {
    return show(`"${match[1]}" ${reason(match[2]!)}`);
  }
  return show(text!.replace(/^[a-z]/, (first) => first.toUpperCase()).replace(/\.$/, ""));
}

/** The message and the hint for an unknown command. Knows other tools' names for ours, and the names of plugins. */
export function unknownCommand(
  word: string,
  path: string,
  commands: readonly string[],
  plugins: readonly string[] = [],
): [message: string, hint: string] {
  const isRoot = !path.includes(" ");
  const message = `Unknown command "${word}"${isRoot ? "" : ` of ${path}`}`;
  const plugin = word.replaceAll("_", "-");
  if (isRoot && plugins.includes(plugin)) {
    return [message, `"${plugin}" is a plugin: krew-wasm run ${plugin}`];
  }
  const near = isRoot && Object.hasOwn(FOREIGN, word) ? [FOREIGN[word]!] : nearest(word, commands);
  return [
    message,
    near.length > 0
      ? `did you mean ${near.join(" or ")}?`
      : commands.length > 0
      ? `${path} --help lists the commands`
      : `${path} has none: ${path} --help`,
  ];
}

/** The long flag: `--output` for `-o, --output <format>`. */
function long(flags: string): string {
  return /--[\w-]+/.exec(flags)?.[0] ?? flags;
}

function reason(words: string): string {
  return words.replace(/^Allowed choices are /, "must be one of ");
}
