/**
 * Completes a command line. The scripts of all shells (cli/commands/completion.ts) call it at each press of Tab.
 */

import type { CommandUnknownOpts, Option } from "@commander-js/extra-typings";
import { findCommand } from "./arguments.ts";

/** A candidate for the next word. */
export interface Candidate {
  readonly word: string;
  readonly about: string;
}

/** The candidates, and whether the shell should complete files, too. */
export interface Completion {
  readonly candidates: readonly Candidate[];
  readonly files: boolean;
}

/** Existing names to complete. */
export interface KnownNames {
  readonly plugins: () => readonly Candidate[];
  readonly indexes: () => readonly Candidate[];
  /** Plugins in the indexes. */
  readonly offers: () => readonly Candidate[];
  /** Topics of `krew-wasm help`. */
  readonly topics: () => readonly Candidate[];
}

/** The kind of a command's arguments. */
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
  update: "indexes",
  inspect: "plugins",
  "index push": "files",
  completion: "shells",
};

/** Completes the last of `words`, the arguments of `krew-wasm`. It may be empty. Pure, except for reading the names. */
export function complete(
  program: CommandUnknownOpts,
  words: readonly string[],
  names: KnownNames,
): Completion {
  const { before, begun, split } = joinEquals(words);
  let command = program;
  let path = "";
  let awaiting: Option | undefined;
  let helping = false;
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
    if (path === "" && word === "help") {
      helping = true;
      continue;
    }
    const sub = findCommand(command, word);
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
  if (/^--[\w-]+=/.test(begun) && !helping) {
    const at = begun.indexOf("=") + 1;
    const option = optionOf(command, program, begun);
    if (!option?.required) return { candidates: [], files: false };
    const { candidates, files } = valuesOf(option, names, (all, files = false) => ({
      candidates: all.filter(({ word }) => word.startsWith(begun.slice(at))),
      files,
    }));
    const prefix = split ? "" : begun.slice(0, at);
    return { candidates: candidates.map(({ word, about }) => ({ word: `${prefix}${word}`, about })), files };
  }
  if (begun.startsWith("-")) {
    const options = command.options.filter(({ hidden }) => !hidden);
    return pick([
      ...options.flatMap((option) => option.long ? [{ word: option.long, about: option.description }] : []),
      { word: "--help", about: "display help" },
    ]);
  }
  if (command.commands.length > 0) {
    const topics = helping && command === program ? names.topics() : [];
    return pick([
      ...command.commands.filter((each) => !(each as { _hidden?: boolean })._hidden)
        .map((each) => ({ word: each.name(), about: each.description() })),
      ...topics.filter(({ word }) => !command.commands.some((each) => each.name() === word)),
    ]);
  }
  if (helping) return { candidates: [], files: false };
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

/**
 * Joins `--output=js`, which bash passes as three words. bash then expects a completion of the last one only; `split` says
 * so. Other shells pass one word.
 */
function joinEquals(words: readonly string[]): { before: string[]; begun: string; split: boolean } {
  const joined: string[] = [];
  let split = false;
  for (let at = 0; at < words.length; at++) {
    const last = joined.at(-1);
    split = words[at] === "=" && last !== undefined && /^--[\w-]+$/.test(last);
    if (split) joined[joined.length - 1] = `${last}=${words[++at] ?? ""}`;
    else joined.push(words[at]!);
  }
  return { before: joined.slice(0, -1), begun: joined.at(-1) ?? "", split };
}

function valuesOf(
  option: Option,
  names: KnownNames,
  pick: (candidates: readonly Candidate[], files?: boolean) => Completion,
): Completion {
  if (option.argChoices) return pick(option.argChoices.map((word) => ({ word, about: "" })));
  if (option.long === "--index") return pick(names.indexes());
  if (option.long === "--allow-cluster") {
    return pick(["none", "read-only", "full"].map((word) => ({ word, about: "" })), true);
  }
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

/** Output for the shells' scripts: one candidate a line, a tab, its description. A last line `:files` asks for files. */
export function formatCompletion({ candidates, files }: Completion): string {
  const line = (text: string) => text.replace(/[\t\r\n]+/g, " ");
  return candidates.map(({ word, about }) => `${line(word)}${about === "" ? "" : `\t${line(about)}`}\n`).join(
    "",
  ) +
    (files ? ":files\n" : "");
}
