/** Which of the walls of docs/security.md this system supports. */

import type { Finding } from "../../registry/fleet/findings.ts";
import { AppError } from "../../runtime/base/errors.ts";
import { wallsRequiredBy } from "../../runtime/sandbox/kernel/required.ts";
import type { Standing } from "../../runtime/sandbox/kernel/restrict.ts";
import { kernelSupport } from "../../runtime/sandbox/kernel/support.ts";
import type { Context } from "../context.ts";
import { readAdministratorsPolicy } from "../policies.ts";

/** How far each wall is available. */
export interface Walls {
  readonly sandbox: Standing;
  /** Process permissions, by Deno. */
  readonly permissions: Standing;
  /** Kernel restrictions, by Landlock and seccomp. */
  readonly kernel: Standing;
}

/** The walls of this system, and the version of Landlock (0 without Landlock). */
export function wallsHere(): { readonly walls: Walls; readonly landlock: number } {
  const { standing, landlock } = kernelSupport();
  // Deno can revoke a path only if the build allowed that path (scripts/compile.ts).
  const permissions = Deno.build.standalone && Deno.build.os !== "windows" ? "full" : "partial";
  return { walls: { sandbox: "full", permissions, kernel: standing }, landlock };
}

/** Reports which walls this system has, and whether the required ones are among them. */
export async function examineWalls(context: Context): Promise<Finding[]> {
  const check = "walls";
  const { standing, landlock, why } = kernelSupport();
  let requiredBy: string | undefined;
  try {
    requiredBy = wallsRequiredBy(context.env) ?? await policyThatRequires(context);
  } catch (error) {
    if (!(error instanceof AppError)) throw error;
    return [{ check, level: "error", message: error.message, fix: error.hint }];
  }
  const two = "the sandbox and Deno's permissions";
  if (standing === "full") {
    return [{
      check,
      level: "ok",
      message: `Plugins are held by ${two}, and by the kernel (Landlock ${landlock}, seccomp)`,
    }];
  }
  if (requiredBy !== undefined) {
    return [{
      check,
      level: "error",
      message: `${requiredBy} requires the kernel's restrictions, without which no plugin runs: ${why}`,
      fix: "run plugins on Linux 6.7 or later with Landlock and seccomp",
    }];
  }
  const kernel = standing === "partial" ? "by the kernel in part" : "not by the kernel";
  return [{ check, level: "ok", message: `Plugins are held by ${two}, ${kernel}: ${why}` }];
}

async function policyThatRequires(context: Context): Promise<string | undefined> {
  try {
    const administrator = await readAdministratorsPolicy(context);
    return administrator?.walls === "kernel" ? administrator.path : undefined;
  } catch (error) {
    if (error instanceof AppError) return undefined; // the check of the policies reports it
    throw error;
  }
}
