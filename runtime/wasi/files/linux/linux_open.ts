/** Opens files and directories on Linux. A file is recognised after it was opened, so its name does not matter. */

import { WasiError } from "../../errno.ts";
import type { MaybePromise } from "../../streams/streams.ts";
import type { AnyFile, DirectoryNode, GuestPath, OpenOptions } from "../file_tree.ts";
import { isDots } from "./byte_paths.ts";
import { O_CREAT, O_EXCL, O_NOCTTY, O_RDONLY, O_RDWR, O_WRONLY } from "./call_numbers.ts";
import { openToUse, refuseDeniedFile, refuseKernel, refuseSpecialFile } from "./linux_checks.ts";
import { OpenDirectory, OpenFile } from "./linux_nodes.ts";
import { lookAtOpened, overlayOf, Replaced } from "./linux_overlays.ts";
import { atEnd, type LinuxPlace, missingOverlay } from "./linux_places.ts";
import { openExisting, openPath } from "./linux_resolve.ts";
import { closeOnError, entryOf, type LinuxState } from "./linux_state.ts";

/** Opens the file or directory at a path. @throws WasiError */
export function openAt(
  state: LinuxState,
  from: OpenDirectory,
  path: GuestPath,
  options: OpenOptions,
): MaybePromise<DirectoryNode | AnyFile> {
  for (let attempts = 0;; attempts++) {
    try {
      return openOnce(state, from, path, options);
    } catch (error) {
      if (!(error instanceof Replaced)) throw error;
      if (attempts === 1000) throw new WasiError("busy");
    }
  }
}

/** @throws WasiError, Replaced */
function openOnce(
  state: LinuxState,
  from: OpenDirectory,
  path: GuestPath,
  options: OpenOptions,
): MaybePromise<DirectoryNode | AnyFile> {
  const { write, truncate, directory, follow } = options;
  // Opening can't create a directory.
  const create = options.create && !directory;
  if (options.create && options.exclusive && typeAtEnd(state, from, path, false)) {
    throw new WasiError("exist");
  }
  if (!create && !write && !truncate) return openToRead(state, from, path, options);
  if (directory) {
    // A directory can't be opened for writing, whether it exists or not.
    const type = typeAtEnd(state, from, path, follow);
    throw new WasiError(!type ? "no-entry" : type === "directory" ? "is-directory" : "not-directory");
  }
  if (!from.root.mount.write) return openReadOnly(state, from, path, options);
  return atEnd(state, from, path, follow, (place) => openToWrite(state, place, options));
}

/** The type of the file at a path; undefined if there is none. */
function typeAtEnd(state: LinuxState, from: OpenDirectory, path: GuestPath, follow: boolean) {
  const there = openExisting(state, from, path, follow);
  if (there) state.kernel.close(there.fd);
  return there?.stat.type;
}

/** Opens a file that exists, or refuses the change with the error that POSIX requires. */
function openReadOnly(
  state: LinuxState,
  from: OpenDirectory,
  path: GuestPath,
  options: OpenOptions,
): MaybePromise<DirectoryNode | AnyFile> {
  const { create, write, truncate, follow } = options;
  const there = openExisting(state, from, path, follow);
  if (there === undefined) throw new WasiError(create ? "read-only" : "no-entry");
  state.kernel.close(there.fd);
  if (there.stat.type === "symbolic-link") throw new WasiError("loop");
  if (there.stat.type === "directory") throw new WasiError("is-directory");
  if (create && !write && !truncate && !overlayOf(state, there.stat)) {
    return openToRead(state, from, path, options); // the file exists, so nothing is created
  }
  throw new WasiError("read-only");
}

/** Opens a file to write, truncate or create it. */
function openToWrite(state: LinuxState, place: LinuxPlace, options: OpenOptions): OpenFile {
  const { kernel, decisions } = state;
  const { grant: root, bare } = place;
  const { write, truncate, create } = options;
  if (isDots(bare)) throw new WasiError("is-directory");
  decisions.refuseDenied(place, create);
  const reads = options.read || !write;
  const access = write || truncate ? reads || truncate ? O_RDWR : O_WRONLY : O_RDONLY;
  const { fd, made } = openOrCreate(state, place, access | O_NOCTTY | kernel.O_NOFOLLOW, options);
  return closeOnError(kernel, fd, () => {
    const isNew = made && options.exclusive;
    const { stat, overlay } = lookAtOpened(state, fd, (fd) => kernel.stat(fd), isNew);
    if (stat.type === "directory") throw new WasiError("is-directory");
    if (overlay) throw new WasiError("read-only");
    refuseDeniedFile(state, root, stat);
    refuseSpecialFile(state, root, fd, stat);
    refuseKernel(state, fd, stat, true);
    if (!made && (write || truncate)) decisions.checkContent(place, entryOf(stat));
    if (truncate && stat.type === "regular-file") kernel.setSize(fd, 0n);
    return new OpenFile(kernel, root, fd, stat.type, reads, write);
  });
}

/** Opens an existing file with these flags; if there is none, creates it if wanted. */
function openOrCreate(
  state: LinuxState,
  place: LinuxPlace,
  flags: number,
  { create, exclusive }: OpenOptions,
): { readonly fd: number; readonly made: boolean } {
  const { kernel, decisions } = state;
  const { grant: root, directory, name, bare } = place;
  try {
    const type = kernel.typeAt(directory, bare, false);
    const open = (flags: number) => kernel.open(directory, name, flags, true);
    return { fd: openToUse(state, root, type, flags, open), made: false };
  } catch (error) {
    if (!(error instanceof WasiError)) throw error;
    // The user may not write it, or it is a running program, such as krew-wasm itself: the kernel's error comes first.
    if (["access", "not-permitted", "text-file-busy"].includes(error.errno)) {
      decisions.checkContent(place, entryOf(place.stat()));
    }
    if (error.errno !== "no-entry") throw error;
    if (place.overlay()) throw new WasiError("read-only");
    if (!create) throw error;
    if (place.hasSlash) throw new WasiError("is-directory");
    decisions.checkCreation(place, "regular-file");
    const fd = kernel.open(directory, name, flags | O_CREAT | (exclusive ? O_EXCL : 0), true);
    return { fd, made: true };
  }
}

function openToRead(
  state: LinuxState,
  from: OpenDirectory,
  path: GuestPath,
  { follow, directory }: OpenOptions,
): MaybePromise<DirectoryNode | AnyFile> {
  const { kernel, contents } = state;
  const kind = directory ? kernel.O_DIRECTORY : 0;
  let fd: number;
  try {
    fd = openPath(state, from, path, O_RDONLY | O_NOCTTY | kind, follow);
  } catch (error) {
    if (!(error instanceof WasiError)) throw error;
    return openUnreadable(state, from, path, follow, error);
  }
  const found = closeOnError(kernel, fd, () => {
    const { stat: glance, overlay } = lookAtOpened(state, fd, (fd) => kernel.glance(fd), false);
    if (glance.type === "directory") return new OpenDirectory(from.root, fd, () => kernel.close(fd));
    if (overlay) return { overlay, stat: kernel.stat(fd) };
    refuseSpecialFile(state, from.root, fd, glance);
    refuseKernel(state, fd, glance, false);
    return new OpenFile(kernel, from.root, fd, glance.type, true, false);
  });
  if (!("overlay" in found)) return found;
  kernel.close(fd);
  return contents.open(found.overlay, found.stat);
}

/** Opens an overlay whose file is missing or unreadable, or a directory that can be entered but not listed. */
function openUnreadable(
  state: LinuxState,
  from: OpenDirectory,
  path: GuestPath,
  follow: boolean,
  error: WasiError,
): MaybePromise<DirectoryNode | AnyFile> {
  const { kernel, contents } = state;
  const missing = missingOverlay(state, from, path, follow, error);
  if (missing) return contents.open(missing.overlay, missing.stat);
  if (error.errno !== "access") throw error;
  const found = openExisting(state, from, path, follow);
  if (found === undefined) throw error;
  if (found.stat.type === "directory") {
    return new OpenDirectory(from.root, found.fd, () => kernel.close(found.fd));
  }
  const overlay = closeOnError(kernel, found.fd, () => overlayOf(state, found.stat));
  kernel.close(found.fd);
  if (overlay) return contents.open(overlay, found.stat);
  throw error;
}
