/** A run that changes nothing on the cluster, and its report on stdout. */

import { writeAllSync } from "../base/bytes.ts";
import { useColors } from "../base/colors.ts";
import { whatIfJson, whatIfText } from "../kube/what_if/what_if_report.ts";
import type { SandboxContext } from "../sandbox/sandbox_context.ts";
import { screenOf } from "../sandbox/screen.ts";
import { EXIT_PIPE } from "./error_report.ts";
import { isCompleting } from "./invocation.ts";
import type { WhatIf } from "./what_if.ts";

/**
 * Runs a plugin and prints what it would have changed.
 *
 * @param run runs the plugin and returns its exit code
 * @returns that code; 141 if the report went into a closed pipe
 */
export async function runWithReport(
  { format, color }: WhatIf,
  context: SandboxContext,
  run: (context: SandboxContext) => Promise<number>,
): Promise<number> {
  const whatIf = { tried: [], refused: [] };
  const terminal = Deno.stdout.isTerminal();
  // The run gives up the environment.
  const colors = useColors(color, Deno.env.get, terminal);
  // The plugin's output may leave the terminal in any state.
  const reset = terminal ? screenOf(Deno.env.get)?.reset ?? "" : "";
  const code = await run({ ...context, whatIf });
  if (isCompleting(context.args.slice(1))) return code; // stdout belongs to the shell
  const text = reset + (format === "json" ? whatIfJson(whatIf) : await whatIfText(whatIf, colors));
  try {
    writeAllSync(Deno.stdout, new TextEncoder().encode(text));
  } catch (error) {
    if (error instanceof Deno.errors.BrokenPipe) return EXIT_PIPE;
    throw error;
  }
  return code;
}
