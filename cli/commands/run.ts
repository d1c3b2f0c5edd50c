/** `krew-wasm run`: runs an installed plugin, or a file that is not installed. */

import { Command, Option } from "@commander-js/extra-typings";
import { AppError } from "../../runtime/base/errors.ts";
import { type GrantChange, type Grants, LEAST } from "../../runtime/grants/grants.ts";
import { mergeGrants } from "../../runtime/grants/merge_grants.ts";
import { parsePluginName } from "../../runtime/base/names.ts";
import { EXIT_HOST_FAILED, formatError } from "../../runtime/run/error_report.ts";
import {
  askerFor,
  governed,
  type Program,
  runAsAsked,
  type RunHost,
  runInstalled,
  type RunOptions,
} from "../../runtime/run/run.ts";
import { type WhatIf, whatIfOf } from "../../runtime/run/what_if.ts";
import { type Modules, prepare } from "../../runtime/run/prepare.ts";
import { type CachedForm, cacheForm, findCached } from "../../registry/store/form_cache.ts";
import type { Layout } from "../../runtime/store/layout.ts";
import { sha256 } from "../../runtime/store/load_form.ts";
import { lowerFirst, printable } from "../../runtime/base/text.ts";
import type { Context, Exit } from "../context.ts";
import { grantsOf, withGrantFlags } from "../grants/grant_flags.ts";
import { ProgramFile, readStdin } from "../install/program_file.ts";
import { plainHttpOption } from "../install/open_registry.ts";
import { findProgram, type FindProgramOptions, isRemote } from "../install/remote_program.ts";
import { trustRootOption, verifyOption } from "../install/verify_option.ts";
import { exists, realPath } from "../../runtime/base/host_path.ts";

/** The command. */
export function runCommand(context: Context, exit: Exit, host: RunHost) {
  const command = new Command("run")
    .description("run a plugin: installed, in a file, or in a registry")
    .argument("<plugin>", "a name, a .wasm file, - for stdin, a reference, or a directory to build")
    .argument("[args...]", "the plugin's own arguments")
    .addOption(plainHttpOption())
    .addOption(verifyOption())
    .addOption(trustRootOption())
    .option("-v, --verbose", "trace to stderr what the plugin asks for")
    .option("--what-if", "change nothing on the cluster; show what would change (krew-wasm help guard-rails)")
    .addOption(
      new Option("-o, --output <format>", "form of what would change").choices(["text", "json"] as const),
    )
    .passThroughOptions();
  return withGrantFlags(command)
    .addHelpText(
      "after",
      `
Grants hold for this run, in addition to those of the installation. The exit
code is the plugin's (krew-wasm help exit-codes).

Examples:
  krew-wasm run --allow-read=. ./lint.wasm -- deployment.yaml
  krew-wasm run ghcr.io/acme/plugins/decoder:v1 -- secret foo
  krew-wasm run ./cmd/kubectl-tree -- deployment web`,
    )
    .action(async (plugin, args, options) => {
      if (options.output !== undefined && !options.whatIf) {
        throw new AppError("USAGE", "-o is the form of what would change, so it needs --what-if");
      }
      const whatIf = options.whatIf
        ? { format: options.output ?? "text", color: context.color ?? "auto" } as const
        : whatIfOf(context.env, context.color);
      const grants = await grantsOf(options, context);
      const rest = args[0] === "--" ? args.slice(1) : args;
      try {
        const run: ProgramRun = { args: rest, grants, prompt: options.prompt ?? true, context, host, whatIf };
        exit.code = isRemote(plugin, exists)
          ? await runReference(plugin, run, options)
          : plugin === "-" || /[\\/]|\.wasm$|^\.\.?$/.test(plugin)
          ? await runFile(plugin, run)
          : await runName(context.layout(), plugin, rest, grants, {
            host,
            verbose: context.verbose,
            prompt: options.prompt ?? true,
            policyPath: context.policyPath,
            whatIf,
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

/** A run of a program that is not installed. */
interface ProgramRun {
  /** The plugin's own arguments. */
  readonly args: readonly string[];
  readonly grants: GrantChange;
  readonly prompt: boolean;
  readonly context: Context;
  readonly host: RunHost;
  readonly whatIf: WhatIf | undefined;
}

/** Runs a file, stdin, or what a directory is built to. */
async function runFile(path: string, run: ProgramRun): Promise<number> {
  const { context, grants } = run;
  if (path === "-" && Deno.stdin.isTerminal()) {
    throw new AppError("USAGE", "There is no plugin on stdin, which is a terminal", {
      hint: "krew-wasm run FILE",
    });
  }
  const { bytes, rules } = path === "-"
    ? await readGovernedStdin(context)
    : isDirectory(path)
    ? await readBuilt(path, context)
    : await readGoverned(path, context);
  const name = path === "-" ? "stdin" : path.split(/[\\/]/).at(-1)!.replace(/\.wasm$/, "");
  return await runProgram({
    name,
    called: path,
    digest: await sha256(bytes),
    read: () => Promise.resolve(bytes),
    grants: mergeGrants(LEAST, grants),
    rules,
  }, run);
}

/** Runs a plugin of a registry without installing it. */
async function runReference(
  text: string,
  run: ProgramRun,
  options: Omit<FindProgramOptions, "flags" | "prompt">,
): Promise<number> {
  const { context, grants: flags, prompt } = run;
  const { provenance, ...program } = await findProgram(context, text, { ...options, flags, prompt });
  const { reference, digest } = provenance;
  const rules = await governed(provenance, context.layout(), context.policyPath);
  return await runProgram({ ...program, called: reference, digest, rules }, run);
}

/** Asks the policy about a file, then reads its bytes. @throws AppError */
async function readGoverned(path: string, context: Context) {
  using file = ProgramFile.open(path);
  const rules = await governed({ file: file.path }, context.layout(), context.policyPath);
  return { bytes: file.read(), rules };
}

/** The same for stdin. Policies know it as `/dev/stdin`. @throws AppError */
async function readGovernedStdin(context: Context) {
  const rules = await governed({ file: "/dev/stdin" }, context.layout(), context.policyPath);
  return { bytes: readStdin(), rules };
}

/** Builds a directory's program. The policy's rules for files apply to the directory. @throws AppError */
async function readBuilt(path: string, context: Context) {
  const directory = realPath(path);
  const rules = await governed({ file: directory }, context.layout(), context.policyPath);
  const { buildGo } = await import("../../registry/build/go_build.ts");
  let bytes: Uint8Array<ArrayBuffer> | undefined;
  await buildGo({
    directory,
    target: ".",
    flags: [],
    note: (line) => context.stderr(`${printable(line, 500)}\n`),
  }, async ({ path }) => {
    bytes = await Deno.readFile(path);
  }).catch((error) => {
    throw error instanceof AppError && error.hint === undefined
      ? new AppError(error.code, error.message, {
        hint: "krew-wasm builds Go programs; build others to a .wasm file and run that",
        cause: error.cause,
      })
      : error;
  });
  return { bytes: bytes!, rules };
}

function isDirectory(path: string): boolean {
  try {
    return Deno.statSync(path).isDirectory;
  } catch {
    return false;
  }
}

/** A program that is not installed. */
interface NamedProgram {
  readonly name: string;
  /** Its argv[0]. */
  readonly called: string;
  readonly digest: string;
  /** Reads its WebAssembly, of that digest. */
  readonly read: () => Promise<Uint8Array<ArrayBuffer>>;
  readonly grants: Grants;
  readonly rules: Awaited<ReturnType<typeof governed>>;
}

/** Runs a program. Keeps its compiled form, so that later runs need not read the WebAssembly. */
async function runProgram(
  { name, called, digest, read, grants, rules }: NamedProgram,
  { args, prompt, context, host, whatIf }: ProgramRun,
): Promise<number> {
  const { prompts, requests, ...governance } = rules;
  const layout = context.layout();
  const cached = await findCached(layout, digest, prepare);
  const program = cached ? cachedProgram(cached) : await compileProgram(called, await read(), digest, layout);
  return await runAsAsked(program, whatIf, {
    name,
    args: [called, ...args],
    grants,
    layout,
    installed: false,
    ...(cached ? { code: cached.directory } : {}),
    verbose: context.verbose,
    ask: askerFor(host, prompt && prompts, false),
    ...governance,
    recordRequests: requests,
  });
}

/** A program from the cache. */
function cachedProgram({ kind, files, names, prepared }: CachedForm<Modules>): Program {
  return {
    kind,
    files: [...files.keys()],
    read: async (file) => files.get(file) ?? await names(file),
    ...(prepared ? { modules: prepared } : {}),
  };
}

/** Compiles a program, and caches the result. @throws AppError WASM_INVALID, TOO_LARGE, PLUGIN_UNSUPPORTED, COMPILE_FAILED */
async function compileProgram(
  called: string,
  bytes: Uint8Array<ArrayBuffer>,
  digest: string,
  layout: Layout,
): Promise<Program> {
  const { compilePlugin } = await import("../../registry/compile/compile.ts");
  try {
    const compiled = await compilePlugin(bytes);
    cacheForm(layout, digest, compiled);
    const files = new Map(compiled.files.map(({ name, bytes }) => [name, bytes]));
    return {
      kind: compiled.kind,
      files: [...files.keys()],
      read: (file) => Promise.resolve(files.get(file)!),
    };
  } catch (error) {
    if (!(error instanceof AppError)) throw error;
    throw new AppError(error.code, `Cannot run "${printable(called)}": ${lowerFirst(error.message)}`, {
      hint: error.hint,
      cause: error,
    });
  }
}
