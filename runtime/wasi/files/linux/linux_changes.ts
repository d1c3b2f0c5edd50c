/** Creates, moves, links and removes names on Linux. Each checks the name and the file before it calls the kernel. */

import { WasiError } from "../../errno.ts";
import { checkLinkTarget } from "../file_decisions.ts";
import type { GuestPath } from "../file_tree.ts";
import { bytesOf, isDots } from "./byte_paths.ts";
import { O_PATH } from "./call_numbers.ts";
import { identityOf, type OpenDirectory } from "./linux_nodes.ts";
import { inParent, type LinuxPlace } from "./linux_places.ts";
import { openPath } from "./linux_resolve.ts";
import { entryOf, type LinuxState } from "./linux_state.ts";

/** Creates a directory. */
export function createDirectoryAt(state: LinuxState, from: OpenDirectory, path: GuestPath): void {
  inParent(state, from, path, (place) => {
    state.decisions.refuseDenied(place, true);
    if (place.statIfThere()) throw new WasiError("exist");
    state.decisions.checkCreation(place, "directory");
    state.kernel.makeDirectory(place.directory, place.name);
  });
}

/** Removes an empty directory. */
export function removeDirectoryAt(state: LinuxState, from: OpenDirectory, path: GuestPath): void {
  inParent(state, from, path, (place) => {
    state.decisions.refuseDenied(place, false);
    const stat = place.stat();
    if (stat.type !== "directory") throw new WasiError("not-directory");
    state.decisions.checkRemoval(place, entryOf(stat));
    state.kernel.remove(place.directory, place.name, true);
  });
}

/** Removes anything but a directory. */
export function unlinkFileAt(state: LinuxState, from: OpenDirectory, path: GuestPath): void {
  inParent(state, from, path, (place) => {
    state.decisions.refuseDenied(place, false);
    const stat = place.stat();
    if (stat.type === "directory") throw new WasiError("is-directory");
    if (place.hasSlash) throw new WasiError("not-directory");
    state.decisions.checkRemoval(place, entryOf(stat));
    state.kernel.remove(place.directory, place.name, false);
  });
}

/** Moves a file or directory, and replaces what has the new name. */
export function renameAt(
  state: LinuxState,
  from: OpenDirectory,
  path: GuestPath,
  to: OpenDirectory,
  newPath: GuestPath,
): void {
  inParent(
    state,
    from,
    path,
    (source) => inParent(state, to, newPath, (target) => rename(state, source, target)),
  );
}

function rename({ kernel, decisions }: LinuxState, source: LinuxPlace, target: LinuxPlace): void {
  decisions.refuseDenied(source, false);
  const stat = source.stat();
  if (isDots(source.bare) || isDots(target.bare)) throw new WasiError("busy");
  decisions.refuseDenied(target, true);
  decisions.checkMove(source, entryOf(stat), target, () => {
    const there = target.statIfThere();
    return there && entryOf(there);
  });
  kernel.rename(source.directory, source.name, target.directory, target.name);
  if (!target.grant.mount.only) return;
  // The name may have changed hands: keep only a file.
  if (target.stat().type === "regular-file") return;
  kernel.rename(target.directory, target.bare, source.directory, source.bare);
  throw new WasiError("access");
}

/** Makes a hard link. */
export function linkAt(
  state: LinuxState,
  from: OpenDirectory,
  path: GuestPath,
  follow: boolean,
  to: OpenDirectory,
  newPath: GuestPath,
): void {
  if (follow) throw new WasiError("invalid");
  inParent(
    state,
    from,
    path,
    (source) => inParent(state, to, newPath, (target) => link(state, source, target)),
  );
}

function link({ kernel, decisions }: LinuxState, source: LinuxPlace, target: LinuxPlace): void {
  decisions.refuseDenied(source, false);
  const stat = source.stat();
  if (source.hasSlash && stat.type !== "directory") throw new WasiError("not-directory");
  if (stat.type === "directory") throw new WasiError("not-permitted");
  decisions.refuseDenied(target, true);
  if (target.statIfThere()) throw new WasiError("exist");
  decisions.checkLink(source, entryOf(stat), target);
  kernel.link(source.directory, source.name, target.directory, target.name);
  // The name may have changed hands: keep the link only if it is the checked file.
  if (identityOf(target.stat()) !== identityOf(stat)) {
    kernel.remove(target.directory, target.bare, false);
    throw new WasiError("access");
  }
}

/** Makes a symbolic link. */
export function symlinkAt(state: LinuxState, target: GuestPath, to: OpenDirectory, newPath: GuestPath): void {
  const text = bytesOf(target);
  checkLinkTarget(text);
  inParent(state, to, newPath, (place) => {
    state.decisions.refuseDenied(place, true);
    if (place.statIfThere()) throw new WasiError("exist");
    state.decisions.checkCreation(place, "symbolic-link");
    state.kernel.symlink(text, place.directory, place.name);
  });
}

/** The target of the link at a path. @throws WasiError invalid if it is not a link */
export function readLinkAt(state: LinuxState, from: OpenDirectory, path: GuestPath): Uint8Array {
  const { kernel } = state;
  const fd = openPath(state, from, path, O_PATH, false);
  try {
    if (kernel.stat(fd).type !== "symbolic-link") throw new WasiError("invalid");
    return kernel.readLink(fd, "");
  } finally {
    kernel.close(fd);
  }
}
