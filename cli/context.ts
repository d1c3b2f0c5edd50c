/** The environment of a command. Tests replace it. */

import { layoutAt, storeRoot } from "../runtime/store/layout.ts";
import type { Layout } from "../runtime/store/layout.ts";
import { POLICY_PATH } from "../runtime/policy/policy_path.ts";
import { isVerbose } from "../runtime/run/error_report.ts";
import { type ColorMode, useColors } from "../runtime/base/colors.ts";
import { colored, colorModeIn, type Paint, paintLabels, plain } from "./terminal/color.ts";
import { type Output, processOutput, terminalColumns } from "./terminal/output.ts";

/** The environment of one command. */
export interface Context extends Output {
  readonly env: (name: string) => string | undefined;
  readonly cwd: () => string;
  /** The store's paths, computed on demand because `--help` needs none. @throws AppError NO_HOME, USAGE */
  readonly layout: () => Layout;
  readonly now: () => Date;
  /** Path of the administrator's policy. */
  readonly policyPath: string;
  readonly stderrIsTerminal: boolean;
  /** The width of the terminal that stdout is; undefined for another stdout. */
  readonly columns?: () => number | undefined;
  /** Paints text for stdout; without it there are no colours. */
  readonly paint?: Paint;
  /** The value of `--color`; `auto` without it. */
  readonly color?: ColorMode;
  /** Traces to stderr. */
  verbose: boolean;
}

/** The manager's exit code, set by the command that ran. */
export interface Exit {
  code: number;
}

/** The environment of this process. `args`: the command line, which may have `--color`. */
export function processContext(args: readonly string[] = []): Context {
  const env = (name: string) => Deno.env.get(name);
  const mode = colorModeIn(args);
  const paintFor = (isTerminal: boolean) => useColors(mode, env, isTerminal) ? colored : plain;
  const output = processOutput();
  const labels = paintFor(Deno.stderr.isTerminal());
  return {
    ...output,
    stderr: (text) => output.stderr(paintLabels(text, labels)),
    color: mode,
    paint: paintFor(Deno.stdout.isTerminal()),
    columns: () => Deno.stdout.isTerminal() ? terminalColumns() : undefined,
    env,
    cwd: () => Deno.cwd(),
    layout: () => layoutAt(storeRoot((name) => Deno.env.get(name))),
    now: () => new Date(),
    policyPath: POLICY_PATH,
    stderrIsTerminal: Deno.stderr.isTerminal(),
    verbose: isVerbose(),
  };
}
