/** Attributes and times of files on Linux. */

import type { Overlay } from "../../../sandbox/types.ts";
import { WasiError } from "../../errno.ts";
import type { MaybePromise } from "../../streams/streams.ts";
import { refuseDirectoryOfFiles } from "../file_decisions.ts";
import type { AnyFile, GuestPath, NewTime, Stat } from "../file_tree.ts";
import { HostNode } from "../host_node.ts";
import { isDots, isName, nameOf, SLASH } from "./byte_paths.ts";
import { AT_FDCWD, O_PATH } from "./call_numbers.ts";
import { refuseKernel } from "./linux_checks.ts";
import { identityOf, OpenDirectory, OpenFile, type Root } from "./linux_nodes.ts";
import { overlayOf } from "./linux_overlays.ts";
import { atEnd, LinuxPlace, missingOverlay } from "./linux_places.ts";
import { openExisting, openPath } from "./linux_resolve.ts";
import { entryOf, linkToOpen, type LinuxState } from "./linux_state.ts";

/** A directory, in place of one of its names. */
const ITSELF = Uint8Array.of();

/** The attributes of an open file or directory. */
export function statOf(state: LinuxState, node: OpenDirectory | AnyFile): Stat {
  HostNode.check(node);
  return node.kind === "file" ? node.stat() : shown(state, node.root, state.kernel.stat(node.fd));
}

/** The attributes of the file at a path. An overlay has the size of its own content. */
export function statAt(
  state: LinuxState,
  from: OpenDirectory,
  path: GuestPath,
  follow: boolean,
): MaybePromise<Stat> {
  HostNode.check(from);
  let stat: Stat;
  let overlay: Overlay | undefined;
  try {
    stat = existingStat(state, from, path, follow);
    overlay = overlayOf(state, stat);
  } catch (error) {
    if (!(error instanceof WasiError)) throw error;
    const missing = missingOverlay(state, from, path, follow, error);
    if (!missing) throw error;
    ({ overlay, stat } = missing);
  }
  return overlay ? state.contents.statOf(overlay, stat) : shown(state, from.root, stat);
}

function existingStat(state: LinuxState, from: OpenDirectory, path: GuestPath, follow: boolean): Stat {
  const { kernel } = state;
  if (!follow && isName(path) && !from.root.mount.only && !state.decisions.denies) {
    return kernel.statAt(from.fd, path);
  }
  const fd = openPath(state, from, path, O_PATH, follow);
  try {
    return kernel.stat(fd);
  } finally {
    kernel.close(fd);
  }
}

function shown({ decisions }: LinuxState, root: Root, stat: Stat): Stat {
  if (stat.type !== "directory" || !decisions.denies || !decisions.isEntangled(root)) return stat;
  return decisions.shown(stat, identityOf(stat));
}

/** Sets the times of the file at a path. */
export function setTimesAt(
  state: LinuxState,
  from: OpenDirectory,
  path: GuestPath,
  follow: boolean,
  accessed: NewTime,
  modified: NewTime,
): void {
  const { kernel, decisions } = state;
  const found = openExisting(state, from, path, follow);
  if (found === undefined) throw new WasiError("no-entry");
  kernel.close(found.fd);
  if (!from.root.mount.write) throw new WasiError("read-only");
  if (isDots(nameOf(path).bare)) {
    const fd = openPath(state, from, path, O_PATH, follow);
    try {
      setDirectoryTimes(state, from.root, fd, accessed, modified);
    } finally {
      kernel.close(fd);
    }
    return;
  }
  atEnd(state, from, path, follow, (place) => {
    const fd = kernel.open(place.directory, place.name, O_PATH | kernel.O_NOFOLLOW, true);
    try {
      const stat = kernel.stat(fd);
      if (stat.type === "symbolic-link" && follow) throw new WasiError("loop"); // the next turn follows the link
      decisions.refuseDenied(place, false);
      decisions.checkContent(place, entryOf(stat));
      refuseKernel(state, fd, stat, true);
      kernel.setTimes(fd, accessed, modified);
    } finally {
      kernel.close(fd);
    }
  });
}

/** Sets the times of an open file or directory. */
export function setTimes(
  state: LinuxState,
  node: OpenDirectory | AnyFile,
  accessed: NewTime,
  modified: NewTime,
): void {
  if (!(node instanceof OpenFile || node instanceof OpenDirectory) || !node.root.mount.write) {
    throw new WasiError("read-only");
  }
  if (node.kind === "directory") return setDirectoryTimes(state, node.root, node.fd, accessed, modified);
  // A file that was opened for writing was checked then.
  if (!node.writable) {
    const stat = node.stat();
    state.decisions.checkOpenFile(node.root, entryOf(stat), () => aboveFile(state, node.fd));
    refuseKernel(state, node.fd, stat, true);
  }
  state.kernel.setTimes(node.fd, accessed, modified);
}

function setDirectoryTimes(
  state: LinuxState,
  root: Root,
  fd: number,
  accessed: NewTime,
  modified: NewTime,
): void {
  refuseDirectoryOfFiles(root);
  state.decisions.checkDirectory(new LinuxPlace(state, root, fd, ITSELF, ITSELF));
  state.kernel.setTimes(fd, accessed, modified);
}

/** Identities of the directories above a file, under the name that the kernel knows. */
function* aboveFile({ kernel, host }: LinuxState, fd: number): Generator<string> {
  const name = kernel.readLink(AT_FDCWD, linkToOpen(fd));
  const parent = name.subarray(0, Math.max(1, name.lastIndexOf(SLASH)));
  const directory = kernel.open(AT_FDCWD, parent, O_PATH | kernel.O_DIRECTORY, false);
  try {
    yield* host.above(directory);
  } finally {
    kernel.close(directory);
  }
}
