/** The manager's command tree. */

import { Command, CommanderError, type CommandUnknownOpts } from "@commander-js/extra-typings";
import { exitCodeOf } from "../runtime/base/errors.ts";
import { Interrupted } from "../runtime/sandbox/dialog.ts";
import { formatError } from "../runtime/run/error_report.ts";
import type { RunHost } from "../runtime/run/run.ts";
import { repairSelf } from "../registry/store/links.ts";
import { checkStore } from "../runtime/store/check.ts";
import { installedNames } from "../runtime/store/read.ts";
import { type Context, type Exit, processContext } from "./context.ts";
import { linkTarget } from "./install/link_target.ts";
import { buildCommand } from "./commands/build.ts";
import { bundleCommand } from "./commands/bundle.ts";
import { completeCommand, completionCommand } from "./commands/completion.ts";
import { doctorCommand } from "./commands/doctor.ts";
import { grantsCommand } from "./commands/grants.ts";
import { helpCommand } from "./commands/help.ts";
import { indexCommand } from "./commands/plugin_index.ts";
import { infoCommand } from "./commands/info.ts";
import { inspectCommand } from "./commands/inspect.ts";
import { listCommand } from "./commands/list.ts";
import { logCommand } from "./commands/log.ts";
import { loginCommand } from "./commands/login.ts";
import { logoutCommand } from "./commands/logout.ts";
import { outdatedCommand } from "./commands/outdated.ts";
import { pullCommand } from "./commands/pull.ts";
import { pushCommand } from "./commands/push.ts";
import { rmCommand } from "./commands/rm.ts";
import { rollbackCommand } from "./commands/rollback.ts";
import { runCommand } from "./commands/run.ts";
import { searchCommand } from "./commands/search.ts";
import { selfUpdateCommand } from "./commands/self_update.ts";
import { syncCommand } from "./commands/sync.ts";
import { tagsCommand } from "./commands/tags.ts";
import { upgradeCommand } from "./commands/upgrade.ts";
import { versionCommand, versionText } from "./commands/version.ts";
import { updateCommand } from "./commands/update.ts";
import { commandNames, commandPath, findCommand, normalizeArguments } from "./terminal/arguments.ts";
import { colorOption } from "./terminal/color.ts";
import { helpText, rootHelp } from "./terminal/help_text.ts";
import { terminalColumns } from "./terminal/output.ts";
import { usageText } from "./terminal/usage.ts";

const COMMANDS = [
  pullCommand,
  searchCommand,
  updateCommand,
  indexCommand,
  listCommand,
  infoCommand,
  outdatedCommand,
  upgradeCommand,
  rollbackCommand,
  rmCommand,
  runCommand,
  grantsCommand,
  logCommand,
  buildCommand,
  pushCommand,
  inspectCommand,
  tagsCommand,
  loginCommand,
  logoutCommand,
  syncCommand,
  bundleCommand,
  doctorCommand,
  completionCommand,
  versionCommand,
  selfUpdateCommand,
] as const;

const VERBOSE = ["-v, --verbose", "trace to stderr (also KREW_WASM_VERBOSE=1)"] as const;

/** Runs the manager with the process's arguments. Returns the exit code: 0, 1 or 2, or that of a plugin. */
export async function runManager(
  args: readonly string[],
  host: RunHost,
  context: Context = processContext(args),
): Promise<number> {
  const exit: Exit = { code: 0 };
  const program = createProgram(context, exit, host);
  try {
    const bare = bareGroup(program, args);
    if (bare) bare.outputHelp();
    else await program.parseAsync(normalizeArguments(program, args), { from: "user" });
    return exit.code;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2; // commander has printed a message
    if (error instanceof Interrupted) return 130; // Ctrl-C at a question
    if (error instanceof Deno.errors.BrokenPipe) return 141; // like a program ended by SIGPIPE
    try {
      context.stderr(formatError(error, context.verbose));
    } catch { /* stderr is closed, too */ }
    return exitCodeOf(error);
  }
}

/** The program or the group of commands that the arguments name without one of its commands. */
function bareGroup(program: CommandUnknownOpts, args: readonly string[]): CommandUnknownOpts | undefined {
  let command: CommandUnknownOpts = program;
  for (const word of args) {
    if (/^(?:-v|--verbose|--color=(?:auto|always|never))$/.test(word)) continue;
    const sub = findCommand(command, word);
    if (!sub) return undefined;
    command = sub;
  }
  return command.commands.length > 0 ? command : undefined;
}

/** The command tree. `exit` gets the exit code of the command that ran. */
export function createProgram(context: Context, exit: Exit, host: RunHost) {
  const program = new Command("krew-wasm")
    .description("Installs kubectl plugins written in WebAssembly from registries, and runs them.")
    .usage("COMMAND [OPTIONS]")
    .option(...VERBOSE)
    .addOption(colorOption())
    .version(versionText(), "-V, --version", "print the version")
    .enablePositionalOptions()
    .showSuggestionAfterError()
    .configureOutput({
      writeOut: context.stdout,
      writeErr: context.stderr,
      getOutHelpWidth: helpWidth,
      getErrHelpWidth: helpWidth,
    })
    .configureHelp({
      minWidthToWrap: 30,
      subcommandTerm: (command) => [command.name(), ...command.aliases()].join(", "),
      formatHelp: (command, help) => command.parent ? helpText(command, help) : rootHelp(command),
    })
    .exitOverride();
  program.hook("preAction", (_, command) => {
    if (program.opts().verbose || (command.opts() as { verbose?: boolean }).verbose) context.verbose = true;
    repairLinks(context);
  });
  program.helpCommand(false);
  for (
    const command of [...COMMANDS.map((make) => make(context, exit, host)), helpCommand(context, program)]
  ) {
    for (const each of [command, ...command.commands] as unknown as Command[]) {
      each.copyInheritedSettings(program);
      if (!each.options.some(({ long }) => long === "--verbose")) each.option(...VERBOSE);
      each.addOption(colorOption());
    }
    program.addCommand(command as unknown as Command);
  }
  program.addCommand(completeCommand(context, program) as unknown as Command, { hidden: true });
  explainMisuse(program as unknown as Command, () => pluginNames(context));
  return program;
}

/** Makes a command and its subcommands report wrong usage in the format of all errors. */
function explainMisuse(command: Command, plugins: () => readonly string[]): void {
  command.configureOutput({
    outputError: (text, write) =>
      write(
        usageText(text, commandPath(command), (command.commands as Command[]).flatMap(commandNames), plugins),
      ),
  });
  for (const sub of command.commands as Command[]) explainMisuse(sub, plugins);
}

/** Names of the installed plugins, for suggestions; none if the store cannot be used. */
function pluginNames(context: Context): string[] {
  try {
    checkStore(context.layout());
    return installedNames(context.layout());
  } catch {
    return [];
  }
}

/** Repairs the plugins' links after the binary was moved. Runs before every command. */
function repairLinks(context: Context): void {
  if (!Deno.build.standalone) return;
  try {
    const layout = context.layout();
    if (repairSelf(layout, () => linkTarget(context.env, layout.bin)) && context.verbose) {
      context.stderr(`krew-wasm: repaired ${layout.self}\n`);
    }
  } catch { /* no HOME: the command reports it if it needs one */ }
}

function helpWidth(): number {
  return Math.max(60, Math.min(terminalColumns() ?? 80, 120));
}
