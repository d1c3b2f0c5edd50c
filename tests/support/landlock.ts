/** Whether this machine has Landlock, and commands for which it has none. */

import { fileURLToPath } from "node:url";
import { FULL_ABI } from "../../runtime/sandbox/kernel/landlock.ts";
import { landlockVersion } from "../../runtime/sandbox/kernel/restrict.ts";
import { Syscalls } from "../../runtime/sandbox/kernel/kernel_calls.ts";
import { findProgram, missing } from "./programs.ts";

/** Whether tests that need it are left out. */
export function landlockMissing(): boolean {
  if (Deno.build.os !== "linux") return true;
  const system = Syscalls.load();
  const has = system !== undefined && landlockVersion(system) >= FULL_ABI;
  return missing("Landlock", has, "Linux 6.7 or later, with landlock in /sys/kernel/security/lsm");
}

/** Whether tests of a kernel without it are left out. */
export function withoutLandlockMissing(): boolean {
  return Deno.build.os !== "linux" ||
    missing("python3", findProgram("python3") !== undefined, "apt-get install python3");
}

/** Words that start a command for which the kernel has none, as an older one (ENOSYS) or a container (EPERM) would. */
export function withoutLandlock(errno: "ENOSYS" | "EOPNOTSUPP" | "EPERM" = "ENOSYS"): string[] {
  return withoutCalls("landlock", errno);
}

/** The same of other system calls. */
export function withoutCalls(name: "landlock" | "prctl" | "seccomp", errno: string): string[] {
  return ["python3", fileURLToPath(new URL("without_calls.py", import.meta.url)), name, errno];
}
