/** Which walls this system has, for who asks: nothing is raised. */

import { FULL_ABI, OLDEST_ABI } from "./landlock.ts";
import { landlockVersion, type Standing } from "./restrict.ts";
import { Syscalls } from "./syscalls.ts";

/** What the kernel can do for a run. */
export interface KernelSupport {
  readonly standing: Standing;
  /** The version of Landlock's interface; 0 for none. */
  readonly landlock: number;
  readonly seccomp: boolean;
  /** What is missing, or would be, where it is not `full`. */
  readonly why: string;
}

const SECCOMP_GET_ACTION_AVAIL = 2;
const SECCOMP_RET_ERRNO = 0x00050000;
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
  if (landlock === 0) return { ...none(whyNoLandlock()), seccomp };
  const told = { landlock, seccomp };
  if (landlock < OLDEST_ABI) {
    return { ...told, standing: "none", why: "its Landlock is too old (before Linux 5.19)" };
  }
  // From source, modules are read whenever they are needed, from wherever they are.
  if (!Deno.build.standalone) return { ...told, standing: "none", why: "krew-wasm runs from source" };
  if (!seccomp) return { ...told, standing: "partial", why: "the kernel, or this container, has no seccomp" };
  return landlock < FULL_ABI
    ? { ...told, standing: "partial", why: "its Landlock does not restrict ports of TCP (before Linux 6.7)" }
    : { ...told, standing: "full", why: "a thread of the process could not be restricted" };
}

function hasSeccomp(system: Syscalls): boolean {
  system.view.setUint32(0, SECCOMP_RET_ERRNO, true);
  return system.call(system.numbers.seccomp, SECCOMP_GET_ACTION_AVAIL, 0, system.address) === 0n;
}

/** By the error of the last call. */
function whyNoLandlock(): string {
  const errno = lastErrno();
  return errno === ENOSYS
    ? "the kernel has no Landlock (before Linux 5.13, or built without)"
    : errno === EOPNOTSUPP
    ? "Landlock is switched off (it is missing from the boot parameter lsm=)"
    : "this container does not let Landlock be asked for";
}

function lastErrno(): number {
  const { symbols } = Deno.dlopen("libc.so.6", {
    syscall: { parameters: ["i64", "i64", "i64", "i64"], result: "i64" },
    __errno_location: { parameters: [], result: "pointer" },
  });
  symbols.syscall(444n, 0n, 0n, 1n);
  return new Int32Array(Deno.UnsafePointerView.getArrayBuffer(symbols.__errno_location()!, 4))[0]!;
}
