/** Finds out which restrictions this system supports, without applying any. */

import { ASK_VERSION, FULL_ABI, OLDEST_ABI, THREADS_ABI } from "./landlock.ts";
import { landlockVersion, PR_SET_NO_NEW_PRIVS, type Standing } from "./restrict.ts";
import { Syscalls } from "./kernel_calls.ts";

/** What the kernel supports. */
export interface KernelSupport {
  readonly standing: Standing;
  /** The version of Landlock's interface; 0 if it has none. */
  readonly landlock: number;
  readonly seccomp: boolean;
  /** What is missing, if it is not `full`. */
  readonly why: string;
}

const SECCOMP_GET_ACTION_AVAIL = 2;
const SECCOMP_RET_ERRNO = 0x00050000;
const EINVAL = 22;
const ENOSYS = 38;
const EOPNOTSUPP = 95;

/** Asks the kernel. */
export function kernelSupport(): KernelSupport {
  const none = (why: string): KernelSupport => ({ standing: "none", landlock: 0, seccomp: false, why });
  if (Deno.build.os !== "linux") return none("only Linux has one that krew-wasm knows");
  const system = Syscalls.load();
  if (!system) return none("it takes glibc");
  const landlock = landlockVersion(system);
  const seccomp = hasSeccomp(system);
  if (landlock === 0) return { ...none(whyNoLandlock(system)), seccomp };
  const told = { landlock, seccomp };
  if (landlock < OLDEST_ABI) {
    return { ...told, standing: "none", why: "its Landlock is too old (before Linux 5.19)" };
  }
  // From source, the engine reads modules when they are needed, from any place.
  if (!Deno.build.standalone) return { ...told, standing: "none", why: "krew-wasm runs from source" };
  // The other argument is wrong, so nothing changes. A container that refuses the call returns another error.
  if (errnoOf(system.numbers.prctl, PR_SET_NO_NEW_PRIVS, 0) !== EINVAL) {
    return {
      ...told,
      standing: "none",
      why: "this container refuses prctl, without which nothing is restricted",
    };
  }
  const partial = (why: string): KernelSupport => ({ ...told, standing: "partial", why });
  if (!seccomp) return partial("the kernel, or this container, has no seccomp");
  if (landlock < FULL_ABI) return partial("its Landlock does not restrict ports of TCP (before Linux 6.7)");
  if (landlock < THREADS_ABI && !seesThreads(system)) {
    return partial("/proc, by which the threads of a process are found, is not mounted");
  }
  return {
    ...told,
    standing: "full",
    why: "a call was refused (openat2 perhaps), or one of the process's threads did not answer",
  };
}

function seesThreads(system: Syscalls): boolean {
  const tasks = system.open("/proc/self/task", 0);
  system.close(tasks);
  return tasks >= 0;
}

function hasSeccomp(system: Syscalls): boolean {
  system.view.setUint32(0, SECCOMP_RET_ERRNO, true);
  return system.call(system.numbers.seccomp, SECCOMP_GET_ACTION_AVAIL, 0, system.address) === 0n;
}

function whyNoLandlock({ numbers }: Syscalls): string {
  const errno = errnoOf(numbers.landlockCreateRuleset, 0, 0, ASK_VERSION);
  return errno === ENOSYS
    ? "the kernel has no Landlock (before Linux 5.13, or built without)"
    : errno === EOPNOTSUPP
    ? "Landlock is switched off (it is missing from the boot parameter lsm=)"
    : "this container does not let Landlock be asked for";
}

/** The error number of a call; 0 for success. */
function errnoOf(number: number, a: number, b: number, c = 0): number {
  const { symbols } = Deno.dlopen("libc.so.6", {
    syscall: { parameters: ["i64", "i64", "i64", "i64"], result: "i64" },
    __errno_location: { parameters: [], result: "pointer" },
  });
  if (symbols.syscall(BigInt(number), BigInt(a), BigInt(b), BigInt(c)) >= 0n) return 0;
  return new Int32Array(Deno.UnsafePointerView.getArrayBuffer(symbols.__errno_location()!, 4))[0]!;
}
