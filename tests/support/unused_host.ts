/** A RunHost for commands that run no plugin. */

import type { RunHost } from "../../runtime/run/run.ts";

function none(): never {
  throw new Error("no plugin is run here");
}

/** Throws on every call. */
export const unusedHost: RunHost = { recompile: none, keep: none, end: none };
