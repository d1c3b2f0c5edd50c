/** How a run is asked to change nothing on the cluster. Pure. */

import type { ColorMode } from "../base/colors.ts";

/** What-if, and how its report is printed. */
export interface WhatIf {
  readonly format: "text" | "json";
  readonly color: ColorMode;
}

/**
 * What KREW_WASM_WHAT_IF asks for: `1` or `json`. Any other text but an empty one and `0` asks for it, too: nobody who sets
 * the variable wants a change.
 */
export function whatIfOf(
  env: (name: string) => string | undefined,
  color: ColorMode = "auto",
): WhatIf | undefined {
  const value = env("KREW_WASM_WHAT_IF") ?? "";
  return value === "" || value === "0" ? undefined : { format: value === "json" ? "json" : "text", color };
}
