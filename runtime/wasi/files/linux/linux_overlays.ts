/** Recognises overlays on Linux, by the opened file. */

import type { Overlay } from "../../../sandbox/types.ts";
import { latin1 } from "./byte_paths.ts";
import type { Glance } from "./attribute_calls.ts";
import { AT_FDCWD } from "./call_numbers.ts";
import type { Kernel } from "./file_calls.ts";
import { linkToOpen, type LinuxState } from "./linux_state.ts";

/** The file may have been replaced by one that the plugin must not see: open it again. */
export class Replaced extends Error {}

/** The overlay for a file, whatever name led to it. */
export function overlayOf({ kernel, files: { overlays } }: LinuxState, stat: Glance): Overlay | undefined {
  if (overlays.length === 0 || stat.type === "directory" || stat.type === "symbolic-link") return undefined;
  return overlays.find(({ host }) => isSame(kernel.glanceHost(host), stat));
}

/**
 * The attributes of an opened file, and its overlay. Programs replace a kubeconfig by renaming a new one over it. A
 * file that was opened just before is then the old kubeconfig, with credentials, and looks like any other file.
 *
 * @param made the file is new
 * @throws Replaced if such a file changed since the last look, or the opened file has lost its name
 */
export function lookAtOpened<T extends Glance>(
  state: LinuxState,
  fd: number,
  look: (fd: number) => T,
  made: boolean,
): { readonly stat: T; readonly overlay: Overlay | undefined } {
  const { kernel, files: { overlays, deniedPaths: denied = [] } } = state;
  if (overlays.length === 0 && denied.length === 0) return { stat: look(fd), overlay: undefined };
  const before = state.seen;
  const now = [...overlays.map(({ host }) => host), ...denied].map((host) => kernel.glanceHost(host));
  state.seen = now;
  // Look after that, so that a file that was replaced meanwhile shows it.
  const stat = look(fd);
  if (stat.type === "directory") return { stat, overlay: undefined };
  const overlay = overlays.find((_, index) => isSame(now[index], stat));
  // The writer of a pipe would see it closed if it was opened again.
  if (overlay || made || stat.type !== "regular-file") return { stat, overlay };
  // An inode number may be reused. The opened file keeps its own number, and shows that it has no name.
  const named = stat.links > 0n || !isDeleted(kernel, fd);
  if (!named || !now.every((glance, index) => isSame(glance, before[index]))) throw new Replaced();
  return { stat, overlay };
}

/** Whether an open file has lost its name. Some file systems do not count links, so the count alone is not enough. */
function isDeleted(kernel: Kernel, fd: number): boolean {
  try {
    return latin1(kernel.readLink(AT_FDCWD, linkToOpen(fd))).endsWith(" (deleted)");
  } catch {
    return true; // without /proc
  }
}

/** Whether two are the same file, or both are missing. */
function isSame(one: Glance | undefined, other: Glance | undefined): boolean {
  return one?.ino === other?.ino && one?.dev === other?.dev;
}
