/** What a command needs of the process in order to run a plugin, for commands that run none. */

import type { RunHost } from "../../runtime/run/run.ts";

function none(): never {
  throw new Error("no plugin is run here");
}

/** Fails wherever it is called. */
export const unusedHost: RunHost = { recompile: none, keep: none, end: none };
