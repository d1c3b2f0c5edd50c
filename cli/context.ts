/** What a command gets from the outside, so that a test can hand in another. */

import { layoutAt, storeRoot } from "../runtime/store/layout.ts";
import type { Layout } from "../runtime/store/layout.ts";
import { POLICY_PATH } from "../runtime/policy/policy_path.ts";
import { isVerbose } from "../runtime/run/error_report.ts";
import { type Output, processOutput } from "./terminal/output.ts";

/** The surroundings of one command. */
export interface Context extends Output {
  readonly env: (name: string) => string | undefined;
  readonly cwd: () => string;
  /** The store; computed when asked for, since `--help` needs none. @throws AppError NO_HOME, USAGE */
  readonly layout: () => Layout;
  readonly now: () => Date;
  /** The administrator's file. */
  readonly policyPath: string;
  readonly stderrIsTerminal: boolean;
  /** A trace of what happens on stderr. */
  verbose: boolean;
}

/** The exit code of the manager. The command that ran sets it. */
export interface Exit {
  code: number;
}

/** The process's own surroundings. */
export function processContext(): Context {
  return {
    ...processOutput(),
    env: (name) => Deno.env.get(name),
    cwd: () => Deno.cwd(),
    layout: () => layoutAt(storeRoot((name) => Deno.env.get(name))),
    now: () => new Date(),
    policyPath: POLICY_PATH,
    stderrIsTerminal: Deno.stderr.isTerminal(),
    verbose: isVerbose(),
  };
}
