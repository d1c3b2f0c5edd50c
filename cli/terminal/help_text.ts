/** Lays out help so that it fits a screen: commands in groups, grant flags under one heading. Pure. */

import type { CommandUnknownOpts, Help, Option } from "@commander-js/extra-typings";
import { isGrantFlag } from "../grants/grant_flags.ts";

/** The groups of the root's help. A test checks that they have every command. */
const GROUPS: readonly (readonly [heading: string, commands: string, about: string])[] = [
  ["Install", "pull, search, index, update", "by reference or name"],
  ["", "list, info, rm", "what is installed"],
  ["", "outdated, upgrade, rollback", "newer and earlier versions"],
  ["Run", "run", "a plugin, file or reference"],
  ["Permissions", "grants, log", "what plugins may do"],
  ["Publish", "build, push, inspect, tags", "to a registry"],
  ["", "login, logout", "credentials for registries"],
  ["Many machines", "sync, bundle", "lock files; without network"],
  ["Help", "help, doctor, completion", "topics: krew-wasm help help"],
  ["", "version, self-update", "of krew-wasm itself"],
];

/** The help of krew-wasm itself, at most 24 lines. */
export function rootHelp(root: CommandUnknownOpts): string {
  const [first, second] = [15, 35];
  const lines = GROUPS.map(([heading, commands, about]) =>
    `  ${heading.padEnd(first)}${commands.padEnd(second)}${about}`
  );
  return `Usage: ${root.name()} COMMAND [OPTIONS]

${root.description()}

${lines.join("\n")}

Options: -h, --help; -v, --verbose; -V, --version; --color=auto|always|never
Help of a command: krew-wasm COMMAND --help

Examples:
  krew-wasm pull ghcr.io/acme/plugins/decoder:v1    install a plugin
  kubectl decoder secret foo                        use it
`;
}

/** The commands that {@linkcode rootHelp} names. */
export const GROUPED_COMMANDS: readonly string[] = GROUPS.flatMap(([, commands]) => commands.split(", "));

/** The help of a command. Grant flags are one line, because `krew-wasm help grants` describes them. */
export function helpText(command: CommandUnknownOpts, help: Help): string {
  const width = help.helpWidth ?? 80;
  const term = (text: string, about: string, indent: number) => help.formatItem(text, indent, about, help);
  const section = (title: string, items: readonly (readonly [string, string])[]) => {
    if (items.length === 0) return "";
    const indent = Math.min(28, Math.max(...items.map(([text]) => text.length)));
    return `\n${title}:\n${items.map(([text, about]) => term(text, about, indent)).join("\n")}\n`;
  };
  const options = help.visibleOptions(command);
  const own = options.filter((option) => !isGrantFlag(option));
  const items = own.map((option): [string, string] => [
    help.optionTerm(option),
    help.optionDescription(option),
  ]);
  const grants = options.length > own.length
    ? section("Grants", [
      ["--allow-…, --deny-…", `${grantNames(options)} (krew-wasm help grants)`],
      ...options.filter(({ long }) => long === "--max-memory" || long === "--no-prompt")
        .map((option): [string, string] => [help.optionTerm(option), help.optionDescription(option)]),
    ])
    : "";
  const commands = help.visibleCommands(command)
    .map((sub): [string, string] => [help.subcommandTerm(sub), help.subcommandDescription(sub)]);
  return `Usage: ${help.commandUsage(command)}\n\n${
    help.boxWrap(help.commandDescription(command), width)
  }\n` +
    section(
      "Arguments",
      help.visibleArguments(command).map((each) => [help.argumentTerm(each), help.argumentDescription(each)]),
    ) +
    section("Options", items) + grants + section("Commands", commands);
}

/** `read, write, home, …`: the grants that flags of a command allow. */
function grantNames(options: readonly Option[]): string {
  return options.flatMap(({ long }) => /^--allow-(.+)$/.exec(long ?? "")?.[1] ?? []).join(", ");
}
