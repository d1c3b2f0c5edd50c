/** Finds Landlock on this machine, and runs commands without it. */

import { fileURLToPath } from "node:url";
import { FULL_ABI } from "../../runtime/sandbox/kernel/landlock.ts";
import { landlockVersion } from "../../runtime/sandbox/kernel/restrict.ts";
import { Syscalls } from "../../runtime/sandbox/kernel/kernel_calls.ts";
import { findProgram, missing } from "./programs.ts";

/** Whether to skip tests that need Landlock. */
export function landlockMissing(): boolean {
  if (Deno.build.os !== "linux") return true;
  const system = Syscalls.load();
  const has = system !== undefined && landlockVersion(system) >= FULL_ABI;
  return missing("Landlock", has, "Linux 6.7 or later, with landlock in /sys/kernel/security/lsm");
}

/** Whether to skip tests of a kernel without Landlock. */
export function withoutLandlockMissing(): boolean {
  return Deno.build.os !== "linux" ||
    missing("python3", findProgram("python3") !== undefined, "apt-get install python3");
}

/** A command prefix that hides Landlock, as an older kernel (ENOSYS) or a container (EPERM) would. */
export function withoutLandlock(errno: "ENOSYS" | "EOPNOTSUPP" | "EPERM" = "ENOSYS"): string[] {
  return withoutCalls("landlock", errno);
}

/** The same for other system calls. */
export function withoutCalls(name: "landlock" | "prctl" | "seccomp", errno: string): string[] {
  return ["python3", fileURLToPath(new URL("without_calls.py", import.meta.url)), name, errno];
}
