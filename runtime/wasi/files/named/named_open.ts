/** Opens files and directories by name. Afterwards it checks that no link took the place of the intended file. */

import type { Overlay } from "../../../sandbox/types.ts";
import { parentOf } from "../../../base/host_path.ts";
import { WasiError } from "../../errno.ts";
import type { MaybePromise } from "../../streams/streams.ts";
import type { Grant } from "../file_decisions.ts";
import type { AnyFile, DirectoryNode, GuestPath, OpenOptions, Stat } from "../file_tree.ts";
import { toText } from "../guest_paths.ts";
import { kernelFilesAt, refuseKernelFile, refuseSpecial } from "../special_files.ts";
import { attempt, isHarmlessDevice, lstat, openFile } from "./deno_calls.ts";
import { entryOf, statOf, typeOf } from "./file_info.ts";
import type { NamedHost } from "./named_host.ts";
import { NamedDirectory, NamedFile } from "./named_nodes.ts";
import { isPlain, NamedPlace } from "./named_places.ts";
import { type Found, overlayAt, refuseDeniedFile, resolve } from "./named_resolve.ts";
import { type NamedState } from "./named_state.ts";

/** Opens the file or directory at a path. @throws WasiError */
export function openAt(
  state: NamedState,
  from: NamedDirectory,
  path: GuestPath,
  options: OpenOptions,
): MaybePromise<DirectoryNode | AnyFile> {
  const follow = options.follow && !(options.create && options.exclusive);
  const found = resolve(state, from, toText(path), follow, options.create && !options.directory);
  const { host, info } = found;
  const overlay = overlayAt(state, from.root, found);
  if (!overlay) refuseDeniedFile(state, host, info);
  else if (!info?.isDirectory && !found.directory && !options.directory) {
    return openOverlay(state, overlay, found, options);
  }
  refuseOtherKind(found, options);
  if (info?.isDirectory) return new NamedDirectory(from.root, found.path);
  return openNamed(state, from.root, found, options);
}

/** Refuses a file of another kind than wanted, and one that must not exist. */
function refuseOtherKind({ info, directory }: Found, options: OpenOptions): void {
  if (directory && info && !info.isDirectory && !info.isSymlink) throw new WasiError("not-directory");
  if (info && options.create && options.exclusive) throw new WasiError("exist");
  // The caller does not want to follow it.
  if (info?.isSymlink) throw new WasiError(options.directory ? "not-directory" : "loop");
  if (info?.isDirectory) {
    const changes = options.write || options.truncate || options.create && !options.directory;
    if (changes) throw new WasiError("is-directory");
    return;
  }
  if (info && (options.directory || directory)) throw new WasiError("not-directory");
}

/** Opens or creates a file that is no directory. */
function openNamed(state: NamedState, root: Grant, found: Found, options: OpenOptions): NamedFile {
  const { host, info } = found;
  const { write, truncate, create } = options;
  if (info) refuseSpecialFile(root, info);
  refuseKernel(host, write || truncate);
  if (!info && (!create || options.directory || found.directory)) {
    throw new WasiError(create && !options.directory && found.directory ? "is-directory" : "no-entry");
  }
  const changes = write || truncate || !info;
  const place = new NamedPlace(state.host, root, host);
  if (changes && info) state.decisions.checkContent(place, entryOf(info, host));
  if (!info) state.decisions.checkCreation(place, "regular-file");
  const read = options.read || !write;
  const file = openFile(host, {
    read,
    // Deno creates and truncates only files that it opens for writing. The node refuses writes that were not asked for.
    write: changes,
    // Never create a file that existed a moment ago: a link may have appeared in its place.
    create: !info,
    createNew: !info && options.exclusive,
    truncate,
  });
  try {
    verify(state.host, root, host, file);
  } catch (error) {
    file.close();
    throw error;
  }
  return new NamedFile(file, root, host, read, write);
}

/** Checks that the opened file is the one at the path, with no link on the way. @throws WasiError access */
function verify(lookup: NamedHost, root: Grant, host: string, file: Deno.FsFile): void {
  const opened = attempt(() => file.statSync());
  const meant = lstat(host);
  refuseSpecialFile(root, opened);
  const same = opened.dev === meant.dev && opened.ino === meant.ino && !meant.isSymlink;
  if (!same || !isPlain(lookup, root.mount, parentOf(host))) throw new WasiError("access");
}

function refuseSpecialFile({ mount: { only } }: Grant, info: Deno.FileInfo): void {
  refuseSpecial(typeOf(info), only !== undefined, () => isHarmlessDevice(info));
}

/** Refuses files of processes, and changes of the kernel's files. @throws WasiError access */
export function refuseKernel(host: string, changes: boolean): void {
  const kind = Deno.build.os === "linux" ? kernelFilesAt(host) : undefined;
  if (kind) refuseKernelFile(kind, () => host, changes);
}

function openOverlay(
  state: NamedState,
  overlay: Overlay,
  { host, info }: Found,
  { write, truncate, create, exclusive }: OpenOptions,
): MaybePromise<AnyFile> {
  if (info && create && exclusive) throw new WasiError("exist");
  if (write || truncate || !info && create) throw new WasiError("read-only");
  return state.contents.open(overlay, overlayStat(host, info));
}

/** The attributes of an overlay's file, which need not exist. */
export function overlayStat(host: string, info: Deno.FileInfo | undefined): Stat {
  return statOf(info ?? lstat(parentOf(host)), "regular-file");
}
