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
 * bash hands over `--output=js` as three words, and takes a completion for the last of them; other shells as one. `split`
 * says that the begun word was put together.
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

/** As the shells' scripts read it: a line a candidate, a tab and what it is; `:files` last where files may come. */
export function formatCompletion({ candidates, files }: Completion): string {
  const line = (text: string) => text.replace(/[\t\r\n]+/g, " ");
  return candidates.map(({ word, about }) => `${line(word)}${about === "" ? "" : `\t${line(about)}`}\n`).join(
    "",
  ) +
    (files ? ":files\n" : "");
}
