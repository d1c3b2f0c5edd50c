/** Whether a run has to have the kernel's wall, and what is told where there is none. */

import { AppError } from "../../base/errors.ts";
import { printable } from "../../base/text.ts";
import type { Standing } from "./restrict.ts";

const VARIABLE = "KREW_WASM_REQUIRE_WALLS";

/**
 * The variable that asks for the kernel's wall, where it does. The administrator's file may ask, too.
 *
 * @throws AppError USAGE for a wall that there is not
 */
export function wallsRequiredBy(env: (name: string) => string | undefined): string | undefined {
  const value = env(VARIABLE) ?? "";
  if (value === "" || value === "kernel") return value === "" ? undefined : VARIABLE;
  throw new AppError("USAGE", `${VARIABLE} is "${printable(value, 100)}", and must be "kernel"`);
}

/** Refuses a run whose wall does not stand in full. @throws AppError WALL_MISSING */
export async function checkStanding(requiredBy: string | undefined, standing: Standing): Promise<void> {
  if (requiredBy === undefined || standing === "full") return;
  const { kernelSupport } = await import("./support.ts");
  throw new AppError(
    "WALL_MISSING",
    `${requiredBy} asks for the kernel's wall, which can't be raised here: ${kernelSupport().why}`,
    { hint: "krew-wasm doctor shows the walls of this system" },
  );
}
