/** `krew-wasm run`: runs an installed plugin, or a file that is not installed. */

import { Command } from "@commander-js/extra-typings";
import { AppError } from "../../runtime/base/errors.ts";
import { type GrantChange, LEAST, mergeGrants } from "../../runtime/grants/grants.ts";
import { parsePluginName } from "../../runtime/base/names.ts";
import { EXIT_HOST_FAILED, formatError } from "../../runtime/run/error_report.ts";
import {
  askerFor,
  governed,
  type RunHost,
  runInstalled,
  type RunOptions,
  runProgram,
} from "../../runtime/run/run.ts";
import type { Layout } from "../../runtime/store/layout.ts";
import { lowerFirst, printable } from "../../runtime/base/text.ts";
import type { Context, Exit } from "../context.ts";
import { grantsOf, withGrantFlags } from "../grants/grant_flags.ts";
import { ProgramFile } from "../install/program_file.ts";

/** The command. */
export function runCommand(context: Context, exit: Exit, host: RunHost) {
  const command = new Command("run")
    .description("run a plugin: installed, in a file, or in a registry")
    .argument("<plugin>", "a name as krew-wasm list shows it, or a file (with a slash, or ending in .wasm)")
    .argument("[args...]", "the plugin's own arguments")
    .option("-v, --verbose", "trace to stderr what the plugin asks for")
    .passThroughOptions();
  return withGrantFlags(command)
    .addHelpText(
      "after",
      `
Grants given here hold for this run, beside those given to pull. The exit code
is the plugin's; 125 says that krew-wasm could not run it, 134 that it crashed.

Examples:
  krew-wasm run ./decoder.wasm -- secret foo
  krew-wasm run --allow-read=. ./lint.wasm -- deployment.yaml
  krew-wasm run -v decoder secret foo`,
    )
    .action(async (plugin, args, options) => {
      const grants = await grantsOf(options, context);
      const rest = args[0] === "--" ? args.slice(1) : args;
      try {
        exit.code = /[\\/]|\.wasm$/.test(plugin)
          ? await runFile(plugin, rest, grants, context, options.prompt, host)
          : await runName(context.layout(), plugin, rest, grants, {
            host,
            verbose: context.verbose,
            prompt: options.prompt ?? true,
            policyPath: context.policyPath,
          });
      } catch (error) {
        context.stderr(formatError(error, context.verbose));
        exit.code = error instanceof AppError && error.code === "NAME_INVALID" ? 2 : EXIT_HOST_FAILED;
      }
    });
}

async function runName(
  layout: Layout,
  text: string,
  args: readonly string[],
  grants: GrantChange,
  options: RunOptions,
): Promise<number> {
  const name = parsePluginName(text);
  return await runInstalled(layout, name, [`kubectl-${name.replaceAll("-", "_")}`, ...args], {
    ...options,
    grants: (granted) => mergeGrants(granted, grants),
  });
}

/** Asks the policy about a file, then reads its bytes. @throws AppError */
async function readGoverned(path: string, context: Context) {
  using file = ProgramFile.open(path);
  const rules = await governed({ file: file.path }, context.layout(), context.policyPath);
  return { bytes: file.read(), rules };
}

/** Compiles a file and runs it. Stores nothing. */
async function runFile(
  path: string,
  args: readonly string[],
  grants: GrantChange,
  context: Context,
  prompt: boolean | undefined,
  host: RunHost,
): Promise<number> {
  const { bytes, rules } = await readGoverned(path, context);
  const { prompts, requests, ...governance } = rules;
  const { compilePlugin } = await import("../../registry/compile/compile.ts");
  let compiled: Awaited<ReturnType<typeof compilePlugin>>;
  try {
    compiled = await compilePlugin(bytes);
  } catch (error) {
    if (!(error instanceof AppError)) throw error;
    throw new AppError(
      error.code,
      `Cannot run "${printable(path)}": ${lowerFirst(error.message)}`,
      {
        ...(error.hint === undefined ? {} : { hint: error.hint }),
        cause: error,
      },
    );
  }
  const files = new Map(compiled.files.map(({ name, bytes }) => [name, bytes]));
  const program = {
    kind: compiled.kind,
    files: [...files.keys()],
    read: (file: string) => Promise.resolve(files.get(file)!),
  };
  const name = path.split(/[\\/]/).at(-1)!.replace(/\.wasm$/, "");
  return await runProgram(program, {
    name,
    args: [path, ...args],
    grants: mergeGrants(LEAST, grants),
    layout: context.layout(),
    installed: false,
    verbose: context.verbose,
    ask: askerFor(host, (prompt ?? true) && prompts, false),
    ...governance,
    recordRequests: requests,
  });
}
