/** Every command that krew-wasm prints, in hints, help and messages, must be one that krew-wasm accepts. */

import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import type { Command, CommandUnknownOpts } from "@commander-js/extra-typings";
import { createProgram } from "../../cli/app.ts";
import { processContext } from "../../cli/context.ts";
import { findCommand, normalizeArguments } from "../../cli/terminal/arguments.ts";
import { unusedHost } from "../support/unused_host.ts";

const root = fileURLToPath(new URL("../../", import.meta.url));

/** Words that follow "krew-wasm" in sentences. */
const PROSE = new Set(
  ("accepts and adds answers are asks can cannot carries checks cluster compares could did does finds for found " +
    "builds from got grants can't stored has had installs is itself knows lists looks makes may needs of on opens or prints reads refuses " +
    "removes restricts runs says verifies shows stand starts stores that then to tries uses verified was what which write writes")
    .split(" "),
);
/** Endings of files and directories whose name begins like the program. */
const NOT_COMMANDS = /^(?:bundle-|policy|placeholder)/;

/** Hints with a command of another tool. */
const OTHER_TOOLS = /kubectl |go build|curl /;

interface Printed {
  readonly place: string;
  readonly words: string;
}

function* sources(folder: string): Generator<string> {
  for (const { name, isDirectory } of Deno.readDirSync(folder)) {
    const path = `${folder}/${name}`;
    if (isDirectory) yield* sources(path);
    else if (name.endsWith(".ts")) yield path;
  }
}

/** A source with its comments blanked, so that lines keep their numbers. */
function readWithoutComments(path: string): string {
  return Deno.readTextFileSync(path).split("\n")
    .map((line) => /^\s*(?:\/\/|\/?\*)/.test(line) ? "" : line.replace(/\/\*.*?\*\//g, "")).join("\n");
}

/** All commands in the literals of a source. Values that are put in become the word VALUE. */
function printedIn(path: string): Printed[] {
  const code = readWithoutComments(path);
  const printed: Printed[] = [];
  for (const { index } of code.matchAll(/krew-wasm (?=[a-z_])/g)) {
    let rest = code.slice(index + "krew-wasm ".length, index + 400);
    // Values may hold quotes and braces, so remove them before looking for the literal's end.
    while (/\$\{[^{}]*\}/.test(rest)) rest = rest.replace(/\$\{[^{}]*\}/g, "VALUE");
    const words = rest.replace(/\\["']/g, "'").split(/\\n|[\n"`]| {2,}|[;|()>]|, | < |: /)[0]!
      .replace(/\.$/, "").replaceAll("\\", "").trim();
    printed.push({ place: `${path.slice(root.length)}:${code.slice(0, index).split("\n").length}`, words });
  }
  return printed;
}

/** The words of a command line, without the quotes of a shell. */
function split(words: string): string[] {
  return words.replace(/\$\([^)]*\)?/, "VALUE").replaceAll(
    /(?<=[\s=])'([^']*)'/g,
    (_, text) => text.replaceAll(" ", "_"),
  )
    .split(/\s+/).map((word) => word.replace(/[?,:]$/, "")).filter((word) => word !== "");
}

/** Why the product's own parser refuses a command line, or undefined. */
async function refusal(args: readonly string[]): Promise<string | undefined> {
  const context = { ...processContext(), stdout: () => {}, stderr: () => {} };
  const program = createProgram(context, { code: 0 }, unusedHost) as unknown as Command;
  const quiet = (command: CommandUnknownOpts) => {
    // A group's help is a command, too.
    if (command.commands.length === 0) (command as Command).action(() => {});
    else (command as Command).action(() => {}).allowExcessArguments(false);
    for (const sub of command.commands) quiet(sub);
  };
  for (const command of program.commands) quiet(command);
  let text = "";
  const silence = (command: CommandUnknownOpts) => {
    command.configureOutput({ writeErr: () => {}, outputError: (error) => void (text += error) });
    for (const sub of command.commands) silence(sub);
  };
  silence(program);
  try {
    await program.parseAsync(normalizeArguments(program, args), { from: "user" });
  } catch (error) {
    if ((error as { exitCode?: number }).exitCode !== 0) return text || String(error);
  }
}

/** Like {@linkcode refusal}, for a command that a sentence may follow: "krew-wasm list shows the plugins". */
async function refusalInSentence(words: readonly string[]): Promise<string | undefined> {
  const first = await refusal(words);
  let why = first;
  for (let end = words.length; why !== undefined && end > 1; end--) {
    if (!/^[a-z']+$/.test(words[end - 1]!)) break;
    why = await refusal(words.slice(0, end - 1));
  }
  return why === undefined ? undefined : first;
}

Deno.test("every command that krew-wasm prints is one that it accepts", async () => {
  const program = createProgram(processContext(), { code: 0 }, unusedHost);
  let checked = 0;
  const wrong: string[] = [];
  for (const folder of ["cli", "registry", "runtime"]) {
    for (const path of sources(`${root}${folder}`)) {
      for (const { place, words } of printedIn(path)) {
        const args = split(words);
        if (args.length === 0 || NOT_COMMANDS.test(words)) continue;
        if (!findCommand(program, args[0]!) && PROSE.has(args[0]!)) continue;
        const why = await refusalInSentence(args);
        if (why !== undefined) wrong.push(`${place}: krew-wasm ${words}: ${why.trim()}`);
        checked++;
      }
    }
  }
  assert.deepEqual(wrong, []);
  assert.ok(checked > 100, `only ${checked} commands were found`);
});

Deno.test("a hint with an unknown command or option is found", async () => {
  assert.match(await refusalInSentence(["pul", "REF"]) ?? "", /unknown command/);
  assert.match(
    await refusalInSentence(["upgrade", "--grants=wished", "grants", "it"]) ?? "",
    /unknown option/,
  );
  assert.match(await refusalInSentence(["rollback", "A", "B"]) ?? "", /too many arguments/);
  assert.match(await refusalInSentence(["list", "-o", "no"]) ?? "", /invalid/);
  assert.equal(await refusalInSentence(["list", "shows", "the", "plugins"]), undefined);
});

Deno.test("every option that a hint names is one of a command", () => {
  const known = new Set(["--help"]);
  const collect = (command: CommandUnknownOpts) => {
    for (const { long } of command.options) if (long) known.add(long);
    for (const sub of command.commands) collect(sub);
  };
  collect(createProgram(processContext(), { code: 0 }, unusedHost));
  let checked = 0;
  for (const folder of ["cli", "registry", "runtime"]) {
    for (const path of sources(`${root}${folder}`)) {
      for (const [, hint] of readWithoutComments(path).matchAll(/\b(?:hint|fix):?\s*[`"]([^\n]*)/g)) {
        for (const [flag] of hint!.matchAll(/(?<![\w-])--[a-z][a-z-]*[a-z]/g)) {
          checked++;
          assert.ok(known.has(flag) || OTHER_TOOLS.test(hint!), `${path}: ${hint}`);
        }
      }
    }
  }
  assert.ok(checked > 20, `only ${checked} options were found`);
});
