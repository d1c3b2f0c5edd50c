/**
 * What may come next on a command line. The shells' scripts (cli/commands/completion.ts) ask for it at each press of Tab,
 * so that there is one answer for all of them.
 */

import type { CommandUnknownOpts, Option } from "@commander-js/extra-typings";

/** A word that may come next. */
export interface Candidate {
  readonly word: string;
  readonly about: string;
}

/** What may come next, and whether the shell's own completion of files may. */
export interface Completion {
  readonly candidates: readonly Candidate[];
  readonly files: boolean;
}

/** Names that are there by now. */
export interface KnownNames {
  readonly plugins: () => readonly Candidate[];
  readonly indexes: () => readonly Candidate[];
  /** Plugins that indexes offer. */
  readonly offers: () => readonly Candidate[];
}

/** What a command's arguments are. */
const ARGUMENTS: Readonly<Record<string, "plugins" | "indexes" | "offers" | "files" | "shells">> = {
  rm: "plugins",
  run: "plugins",
  info: "plugins",
  grants: "plugins",
  outdated: "plugins",
  upgrade: "plugins",
  rollback: "plugins",
  log: "plugins",
  pull: "offers",
  sync: "files",
  push: "files",
  "bundle save": "plugins",
  "bundle load": "files",
  "index remove": "indexes",
  "index push": "files",
  completion: "shells",
};

/** `words`: what stands behind `krew-wasm`, the last of them begun only, perhaps empty. Pure but for the names. */
export function complete(
  program: CommandUnknownOpts,
  words: readonly string[],
  names: KnownNames,
): Completion {
  const before = words.slice(0, -1);
  const begun = words.at(-1) ?? "";
  let command = program;
  let path = "";
  let awaiting: Option | undefined;
  for (const word of before) {
    if (awaiting) {
      awaiting = undefined;
      continue;
    }
    if (word === "--") return { candidates: [], files: true };
    if (word.startsWith("-")) {
      const option = optionOf(command, program, word);
      awaiting = option?.required && !word.includes("=") ? option : undefined;
      continue;
    }
    const sub = command.commands.find((each) => each.name() === word || each.aliases().includes(word));
    if (sub) {
      command = sub;
      path = path === "" ? sub.name() : `${path} ${sub.name()}`;
    } else if (path === "run") return { candidates: [], files: true }; // the plugin's own arguments
  }
  const pick = (candidates: readonly Candidate[], files = false): Completion => ({
    candidates: candidates.filter(({ word }) => word.startsWith(begun)),
    files,
  });
  if (awaiting) return valuesOf(awaiting, names, pick);
  if (begun.startsWith("-")) {
    const options = [...new Set([...command.options, ...program.options])].filter(({ hidden }) => !hidden);
    return pick([
      ...options.flatMap((option) => option.long ? [{ word: option.long, about: option.description }] : []),
      { word: "--help", about: "display help" },
    ]);
  }
  if (command.commands.length > 0) {
    return pick(
      command.commands.filter((each) => !(each as { _hidden?: boolean })._hidden)
        .map((each) => ({ word: each.name(), about: each.description() })),
    );
  }
  switch (ARGUMENTS[path]) {
    case "plugins":
      return pick(names.plugins(), path === "run");
    case "indexes":
      return pick(names.indexes());
    case "offers":
      return pick(names.offers());
    case "shells":
      return pick(command.registeredArguments[0]?.argChoices?.map((word) => ({ word, about: "" })) ?? []);
    case "files":
      return { candidates: [], files: true };
    default:
      return { candidates: [], files: false };
  }
}

function valuesOf(
  option: Option,
  names: KnownNames,
  pick: (candidates: readonly Candidate[], files?: boolean) => Completion,
): Completion {
  if (option.argChoices) return pick(option.argChoices.map((word) => ({ word, about: "" })));
  if (option.long === "--index") return pick(names.indexes());
  return { candidates: [], files: /<(path|file|key|signer)>/.test(option.flags) };
}

function optionOf(
  command: CommandUnknownOpts,
  program: CommandUnknownOpts,
  word: string,
): Option | undefined {
  const flag = word.split("=", 1)[0];
  return [...command.options, ...program.options].find(({ short, long }) => short === flag || long === flag);
}

/** As the shells' scripts read it: a line a candidate, a tab and what it is; `:files` last where files may come. */
export function formatCompletion({ candidates, files }: Completion): string {
  const line = (text: string) => text.replace(/[\t\r\n]+/g, " ");
  return candidates.map(({ word, about }) => `${line(word)}${about === "" ? "" : `\t${line(about)}`}\n`).join(
    "",
  ) +
    (files ? ":files\n" : "");
}
