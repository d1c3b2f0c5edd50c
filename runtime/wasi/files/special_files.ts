/** Decides which special files, and which files of the kernel, a plugin may use. Both file trees ask here. */

import { WasiError } from "../errno.ts";
import type { NodeType } from "./file_tree.ts";

/** Devices in `/dev` without anybody's data. */
export const HARMLESS_DEVICES = ["null", "zero", "full", "random", "urandom", "tty"] as const;

/** Whether opening a file alone has an effect: devices and pipes notice it. */
export function isSpecial(type: NodeType | undefined): boolean {
  return type !== undefined && type !== "regular-file" && type !== "directory" && type !== "symbolic-link";
}

/**
 * Refuses disks, memory, consoles and other special files, because no grant would limit their content.
 *
 * @param named it was granted by itself, not as one of a directory's files
 * @param isHarmless whether a character device is one of {@linkcode HARMLESS_DEVICES}
 * @throws WasiError access
 */
export function refuseSpecial(type: NodeType, named: boolean, isHarmless: () => boolean): void {
  if (!isSpecial(type)) return;
  if ((type === "fifo" || type === "socket") && named) return;
  if (type === "character-device" && isHarmless()) return;
  throw new WasiError("access");
}

/** The kernel's pseudo file systems. proc: processes. state: the kernel's state. debug: its debugging interfaces. */
export type KernelFiles = "proc" | "state" | "debug";

/** Files of processes, the kernel's memory and its log. */
const SECRET_IN_PROC = /\/(?:\d+(?:\/|$)|(?:kcore|kmsg|vmcore)$|kpage\w*$)/;

/**
 * Refuses files of processes: their memory, environment and open files belong to the host and to others. The kernel's
 * other files can be read, except its memory, its log and its debugging interfaces, and can't be changed.
 *
 * @param path the host path; a file without one has none that starts with a slash
 * @throws WasiError access
 */
export function refuseKernelFile(kind: KernelFiles, path: () => string, changes: boolean): void {
  if (changes || kind === "debug") throw new WasiError("access");
  if (kind !== "proc") return;
  const name = path();
  if (!name.startsWith("/") || SECRET_IN_PROC.test(name)) throw new WasiError("access");
}

/** The kernel's pseudo file system at a host path of Linux, by its usual place; undefined elsewhere. */
export function kernelFilesAt(path: string): KernelFiles | undefined {
  if (/^\/sys\/(?:kernel\/(?:debug|tracing)|fs\/(?:bpf|pstore))\//.test(path)) return "debug";
  if (path.startsWith("/sys/")) return "state";
  return path.startsWith("/proc/") ? "proc" : undefined;
}
