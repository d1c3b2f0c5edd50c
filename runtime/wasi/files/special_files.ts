/** Decides which special files a plugin may open. Both file trees use it on the opened file. */

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
