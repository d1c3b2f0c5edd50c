/** Rewrites arguments that users of kubectl type and commander does not read: `-o=json`, `--quiet=true`. Pure. */

import type { CommandUnknownOpts, Option } from "@commander-js/extra-typings";

/**
 * Rewrites `-x=VALUE` to `-xVALUE`, and switches with `=true` or `=false` to the switch or to nothing. Leaves the arguments
 * of plugins, and those after `--`, unchanged.
 */
export function normalizeArguments(program: CommandUnknownOpts, args: readonly string[]): string[] {
  const result: string[] = [];
  let command = program;
  let isValue = false;
  for (const [at, word] of args.entries()) {
    if (isValue) {
      result.push(word);
      isValue = false;
      continue;
    }
    const sub = word.startsWith("-") ? undefined : findCommand(command, word);
    if (word === "--" || command.name().startsWith("__") || !sub && beginsPlugin(command, word)) {
      return [...result, ...args.slice(at)];
    }
    const option = optionOf(command, word);
    isValue = option !== undefined && option.required && !word.includes("=");
    if (sub) command = sub;
    result.push(...option ? rewrite(option, word) : [word]);
  }
  return result;
}

/** The command of one word, by its name or an alias. */
export function findCommand(parent: CommandUnknownOpts, word: string): CommandUnknownOpts | undefined {
  return parent.commands.find((each) => each.name() === word || each.aliases().includes(word));
}

/** The name and aliases of a command; none of an internal one. */
export function commandNames(command: CommandUnknownOpts): string[] {
  return command.name().startsWith("__") ? [] : [command.name(), ...command.aliases()];
}

/** The full name of a command, such as `krew-wasm index add`. */
export function commandPath(command: CommandUnknownOpts): string {
  return command.parent ? `${commandPath(command.parent)} ${command.name()}` : command.name();
}

/** Whether a word and all after it are a plugin's, as in `krew-wasm run PLUGIN ARGS…`. */
function beginsPlugin(command: CommandUnknownOpts, word: string): boolean {
  return command.name() === "run" && !word.startsWith("-");
}

/** The option that a word sets, with or without a value. For `-qo=json` it is the last of the letters. */
function optionOf(command: CommandUnknownOpts, word: string): Option | undefined {
  const [, long, letters] = /^(?:(--[a-z][\w-]*)|-([A-Za-z]+))(?:=|$)/.exec(word) ?? [];
  if (long !== undefined) return command.options.find((option) => option.long === long);
  if (letters === undefined || letters.length > 1 && !word.includes("=")) return undefined;
  const options = [...letters].map((letter) => command.options.find(({ short }) => short === `-${letter}`));
  const switches = options.slice(0, -1).every((option) => option !== undefined && !takesValue(option));
  return switches ? options.at(-1) : undefined;
}

function takesValue({ required, optional }: Option): boolean {
  return required || optional;
}

function rewrite(option: Option, word: string): string[] {
  const [, flag, value] = /^(-{1,2}[^=]+)=([^]*)$/.exec(word) ?? [];
  if (flag === undefined || value === undefined) return [word];
  if (takesValue(option)) {
    return flag.startsWith("--") ? [word] : value === "" ? [flag, ""] : [`${flag}${value}`];
  }
  return value === "true" ? [flag] : value === "false" && !/^-[^-]./.test(flag) ? [] : [word];
}
