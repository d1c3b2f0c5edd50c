/** What a plugin may open beside regular files and directories. Both file trees ask here, of what they have open. */

import { WasiError } from "../errno.ts";
import type { NodeType } from "./file_tree.ts";

/** Devices in `/dev` that hold nothing of anybody's. */
export const HARMLESS_DEVICES = ["null", "zero", "full", "random", "urandom", "tty"] as const;

/** Whether opening a file could do something by itself: devices and pipes notice it. */
export function isSpecial(type: NodeType | undefined): boolean {
  return type !== undefined && type !== "regular-file" && type !== "directory" && type !== "symbolic-link";
}

/**
 * Refuses disks and memory by their devices, consoles, and whatever else is no file: what lies there is not held to any grant.
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
