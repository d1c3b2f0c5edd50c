/** Checks whether a run requires the kernel's restrictions, and refuses the run if they are missing. */

import { AppError } from "../../base/errors.ts";
import { printable } from "../../base/text.ts";
import type { Standing } from "./restrict.ts";

const VARIABLE = "KREW_WASM_REQUIRE_WALLS";

/**
 * The variable that requires the kernel's restrictions, if it is set. The administrator's policy may require it too.
 *
 * @throws AppError USAGE for an unknown wall
 */
export function wallsRequiredBy(env: (name: string) => string | undefined): string | undefined {
  const value = env(VARIABLE) ?? "";
  if (value === "" || value === "kernel") return value === "" ? undefined : VARIABLE;
  throw new AppError("USAGE", `${VARIABLE} is "${printable(value, 100)}", and must be "kernel"`);
}

/** Refuses a run without all of the kernel's restrictions. @throws AppError WALL_MISSING */
export async function checkStanding(requiredBy: string | undefined, standing: Standing): Promise<void> {
  if (requiredBy === undefined || standing === "full") return;
  const { kernelSupport } = await import("./support.ts");
  throw new AppError(
    "WALL_MISSING",
    `${requiredBy} requires the kernel's restrictions, which are not available here: ${kernelSupport().why}`,
    { hint: "krew-wasm doctor shows what this system supports" },
  );
}
