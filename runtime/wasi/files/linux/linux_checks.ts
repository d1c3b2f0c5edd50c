/** Checks of opened files on Linux: denied files, special files, files of the kernel. */

import { WasiError } from "../../errno.ts";
import type { NodeType } from "../file_tree.ts";
import { isSpecial, refuseKernelFile, refuseSpecial } from "../special_files.ts";
import type { Glance } from "./attribute_calls.ts";
import { AT_FDCWD, O_NONBLOCK, O_PATH } from "./call_numbers.ts";
import { identityOf, type Root } from "./linux_nodes.ts";
import { overlayOf } from "./linux_overlays.ts";
import { closeOnError, entryOf, linkToOpen, type LinuxState, textOf } from "./linux_state.ts";

/** Refuses a denied file, unless an overlay hides its content. @throws WasiError no-entry */
export function refuseDeniedFile(state: LinuxState, root: Root, stat: Glance): void {
  if (!state.decisions.denies) return;
  if (state.decisions.deniesFile(root, entryOf(stat)) && !overlayOf(state, stat)) {
    throw new WasiError("no-entry");
  }
}

/** Returns the descriptor unless the file is denied. @throws WasiError no-entry, after closing it */
export function unlessDenied(state: LinuxState, root: Root, fd: number): number {
  if (!state.decisions.denies) return fd;
  return closeOnError(state.kernel, fd, () => {
    refuseDeniedFile(state, root, state.kernel.glance(fd));
    return fd;
  });
}

/** Refuses files of processes, and changes of the kernel's files. @throws WasiError access */
export function refuseKernel(state: LinuxState, fd: number, { dev }: Glance, changes: boolean): void {
  if (dev === state.plainDevice) return;
  const { kernel, devices } = state;
  if (!devices.has(dev)) devices.set(dev, kernel.kernelFiles(fd));
  const kind = devices.get(dev);
  if (kind === undefined) {
    state.plainDevice = dev;
    return;
  }
  refuseKernelFile(kind, () => textOf(kernel.readLink(AT_FDCWD, linkToOpen(fd))), changes);
}

/** Refuses disks, memory and other special files. @throws WasiError access */
export function refuseSpecialFile({ kernel }: LinuxState, root: Root, fd: number, { type }: Glance): void {
  refuseSpecial(type, root.mount.only !== undefined, () => kernel.isHarmlessDevice(fd));
}

/** Opens a file as a path, or for use. */
export function openAs(
  state: LinuxState,
  root: Root,
  type: NodeType | undefined,
  flags: number,
  open: (flags: number) => number,
): number {
  return (flags & O_PATH) === 0 ? openToUse(state, root, type, flags, open) : open(flags);
}

/**
 * Opens a file for use. A device, or the other end of a pipe, notices nothing until the opening is allowed.
 *
 * @param type the file's type a moment ago
 */
export function openToUse(
  state: LinuxState,
  root: Root,
  type: NodeType | undefined,
  flags: number,
  open: (flags: number) => number,
): number {
  // If another file took its place, open it without blocking and refuse it after a look.
  if (!isSpecial(type)) return open(flags | O_NONBLOCK);
  const { kernel } = state;
  const seen = open(O_PATH | flags & kernel.O_NOFOLLOW);
  let identity: string;
  try {
    const glance = kernel.glance(seen);
    refuseSpecialFile(state, root, seen, glance);
    identity = identityOf(glance);
  } finally {
    kernel.close(seen);
  }
  const fd = open(flags);
  return closeOnError(kernel, fd, () => {
    if (identityOf(kernel.glance(fd)) !== identity) throw new WasiError("access");
    return fd;
  });
}
