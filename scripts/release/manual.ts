/** Manual pages (man, section 1), made from the command tree: one for krew-wasm and one for each command. */

import type { CommandUnknownOpts } from "@commander-js/extra-typings";

/** The pages by file name. */
export function manualPages(program: CommandUnknownOpts, version: string): Map<string, string> {
  const pages = new Map<string, string>();
  const add = (command: CommandUnknownOpts, words: readonly string[]) => {
    const help = command.createHelp();
    const commands = help.visibleCommands(command).filter((each) =>
      each.name() !== "help"
    ) as CommandUnknownOpts[];
    pages.set(`${words.join("-")}.1`, page(command, words, commands, version));
    for (const sub of commands) add(sub, [...words, sub.name()]);
  };
  add(program, [program.name()]);
  return pages;
}

function page(
  command: CommandUnknownOpts,
  words: readonly string[],
  commands: readonly CommandUnknownOpts[],
  version: string,
): string {
  const help = command.createHelp();
  const list = (items: readonly (readonly [term: string, text: string])[]) =>
    items.flatMap(([term, text]) => [".TP", `.B ${roff(term)}`, roff(text)]);
  const section = (title: string, lines: readonly string[]) =>
    lines.length === 0 ? [] : [`.SH ${title}`, ...lines];
  const name = words.join("-");
  return [
    `.TH ${name.toUpperCase()} 1 "" "krew-wasm ${version}" "krew-wasm"`,
    ...section("NAME", [`${roff(name)} \\- ${roff(command.description())}`]),
    ...section("SYNOPSIS", [`.B ${roff(help.commandUsage(command))}`]),
    ...section(
      "ARGUMENTS",
      list(
        help.visibleArguments(command).map((each) =>
          [help.argumentTerm(each), help.argumentDescription(each)] as const
        ),
      ),
    ),
    ...section(
      "OPTIONS",
      list(
        help.visibleOptions(command).map((each) =>
          [help.optionTerm(each), help.optionDescription(each)] as const
        ),
      ),
    ),
    ...section("COMMANDS", list(commands.map((each) => [each.name(), each.description()] as const))),
    ...section(
      "SEE ALSO",
      commands.map((each, at) =>
        `.BR ${roff([...words, each.name()].join("-"))} (1)${at < commands.length - 1 ? "," : ""}`
      ),
    ),
    "",
  ].join("\n");
}

/** Text without meaning for roff. */
function roff(text: string): string {
  const escaped = text.replaceAll("\\", "\\e").replaceAll("-", "\\-").replaceAll("\n", " ");
  return /^[.']/.test(escaped) ? `\\&${escaped}` : escaped;
}
