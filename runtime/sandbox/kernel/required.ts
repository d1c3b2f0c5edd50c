/** Checks whether a run requires the kernel's wall, and refuses the run if the wall is missing. */

import { AppError } from "../../base/errors.ts";
import { printable } from "../../base/text.ts";
import type { Standing } from "./restrict.ts";

const VARIABLE = "KREW_WASM_REQUIRE_WALLS";

/**
 * The variable that requires the kernel's wall, if it is set. The administrator's policy may require it too.
 *
 * @throws AppError USAGE for an unknown wall
 */
export function wallsRequiredBy(env: (name: string) => string | undefined): string | undefined {
  const value = env(VARIABLE) ?? "";
  if (value === "" || value === "kernel") return value === "" ? undefined : VARIABLE;
  throw new AppError("USAGE", `${VARIABLE} is "${printable(value, 100)}", and must be "kernel"`);
}

/** Refuses a run without the full wall. @throws AppError WALL_MISSING */
export async function checkStanding(requiredBy: string | undefined, standing: Standing): Promise<void> {
  if (requiredBy === undefined || standing === "full") return;
  const { kernelSupport } = await import("./support.ts");
  throw new AppError(
    "WALL_MISSING",
    `${requiredBy} asks for the kernel's wall, which can't be raised here: ${kernelSupport().why}`,
    { hint: "krew-wasm doctor shows the walls of this system" },
  );
}
