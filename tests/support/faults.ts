/** Makes commands fail at each of their changes to the store, which tracing finds (tests/fixtures/faults.c). */

import { fileURLToPath } from "node:url";
import { findProgram, missing } from "./programs.ts";

const source = fileURLToPath(new URL("../fixtures/faults.c", import.meta.url));

/** The kind of failure; see faults.c. */
export type FaultMode = "kill" | "full" | "ro" | "eio";

/** Whether to skip tests with faults. */
export function faultsMissing(): boolean {
  if (Deno.build.os !== "linux") return true;
  return missing("clang", findProgram("clang") !== undefined, "Debian: apt-get install clang");
}

/** Builds the library; returns its path. */
export async function buildFaults(directory: string): Promise<string> {
  const library = `${directory}/faults.so`;
  const { success, stderr } = await new Deno.Command("clang", {
    args: ["-O1", "-shared", "-fPIC", "-o", library, source, "-ldl"],
  }).output();
  if (!success) throw new Error(new TextDecoder().decode(stderr));
  return library;
}

/** The environment that makes a command fail, or only log its changes. */
export function faultEnv(
  library: string,
  root: string,
  fault: { readonly at: number; readonly mode: FaultMode } | { readonly log: string },
): Record<string, string> {
  return {
    LD_PRELOAD: library,
    FAULT_ROOT: root,
    ...("log" in fault ? { FAULT_LOG: fault.log } : { FAULT_AT: String(fault.at), FAULT_MODE: fault.mode }),
  };
}
