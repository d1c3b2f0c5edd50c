/**
 * Opens a plugin's paths on Linux. The kernel resolves them (openat2), except where something denied could be on the
 * way, and in a directory of single granted files.
 */

import { isAbsence, WasiError } from "../../errno.ts";
import type { GuestPath, Stat } from "../file_tree.ts";
import { HostNode } from "../host_node.ts";
import { MAX_LINKS, resolvePath, type Tree } from "../resolve_by_name.ts";
import { bytesOf, fromLatin1, latin1, SLASH } from "./byte_paths.ts";
import { O_PATH } from "./call_numbers.ts";
import { openAs, unlessDenied } from "./linux_checks.ts";
import { identityOf, type OpenDirectory } from "./linux_nodes.ts";
import { overlayOf } from "./linux_overlays.ts";
import { closeOnError, type LinuxState, textOf, unlessMissing } from "./linux_state.ts";

const encoder = new TextEncoder();

/** Opens a path. A directory of single files has only the granted names. The caller closes it. */
export function openPath(
  state: LinuxState,
  from: OpenDirectory,
  path: GuestPath,
  flags: number,
  follow: boolean,
): number {
  HostNode.check(from);
  const { root, fd } = from;
  const { kernel } = state;
  if (!root.mount.only) return unlessDenied(state, root, reach(state, from, path, flags, follow));
  let names = onlyName(from, path);
  for (let links = 0; links <= MAX_LINKS; links++) {
    if (names === undefined) return kernel.open(fd, ".", flags, true);
    const stat = kernel.statAt(fd, names.bare);
    if (stat.type === "directory") throw new WasiError("no-entry");
    if (stat.type !== "symbolic-link" || !follow) {
      const { name } = names;
      const open = (flags: number) => kernel.open(fd, name, flags, true);
      return unlessDenied(state, root, openAs(state, root, stat.type, flags | kernel.O_NOFOLLOW, open));
    }
    names = onlyName(from, kernel.readLink(fd, names.bare));
  }
  throw new WasiError("loop");
}

/** Opens a path without using the file; undefined if nothing is there. The caller closes it. */
export function openExisting(
  state: LinuxState,
  from: OpenDirectory,
  path: GuestPath,
  follow: boolean,
): { readonly fd: number; readonly stat: Stat } | undefined {
  return unlessMissing(() => {
    const fd = openPath(state, from, path, O_PATH, follow);
    return closeOnError(state.kernel, fd, () => ({ fd, stat: state.kernel.stat(fd) }));
  });
}

/**
 * Opens a path. Usually the kernel resolves it. If something denied could be on the way, this function resolves the
 * path name by name and lets the kernel follow no link. So no error reveals what is in a denied directory.
 *
 * @param denied the path may go through something denied, to reach an overlay or an exempt directory
 */
export function reach(
  state: LinuxState,
  from: OpenDirectory,
  path: GuestPath,
  flags: number,
  follow: boolean,
  denied = false,
): number {
  const { kernel, decisions } = state;
  const { root, fd } = from;
  const last = follow ? 0 : kernel.O_NOFOLLOW;
  if (!decisions.denies || !decisions.isEntangled(root)) {
    const type = (flags & O_PATH) === 0 ? kernel.typeAt(fd, path, follow) : undefined;
    return openAs(state, root, type, flags | last, (flags) => kernel.open(fd, path, flags, true));
  }
  const bytes = bytesOf(path);
  if (bytes.length === 0 && denied) return kernel.open(fd, ".", flags, true);
  const resolved = resolvePath(treeFrom(state, from), [], latin1(bytes), follow);
  const names = fromLatin1((resolved.path.join("/") || ".") + (resolved.directory ? "/" : ""));
  if (!resolved.denied || denied) {
    const type = (flags & O_PATH) === 0 ? kernel.typeAt(fd, names, false) : undefined;
    return openAs(state, root, type, flags | last, (flags) => kernel.openPlain(fd, names, flags));
  }
  return openOverlaid(state, fd, names, flags | last);
}

/** Opens a denied file if an overlay hides its content. @throws WasiError no-entry */
function openOverlaid(state: LinuxState, directory: number, names: Uint8Array, flags: number): number {
  const { kernel } = state;
  let fd: number;
  try {
    fd = kernel.openPlain(directory, names, flags);
  } catch (error) {
    throw isAbsence(error) ? new WasiError("no-entry") : error;
  }
  return closeOnError(kernel, fd, () => {
    if (!overlayOf(state, kernel.glance(fd))) throw new WasiError("no-entry");
    return fd;
  });
}

/** The files below an open directory, for resolving. Names are bytes, one character each. */
function treeFrom({ kernel, decisions, host }: LinuxState, { root, fd }: OpenDirectory): Tree {
  const pathOf = (names: readonly string[]) => fromLatin1(names.join("/") || ".");
  const stat = (names: readonly string[]) => unlessMissing(() => kernel.statAt(fd, pathOf(names)));
  const denialOf = decisions.denials({
    above: () => host.above(fd),
    identity(names) {
      const found = stat(names);
      return found && identityOf(found);
    },
    text: (names) => textOf(fromLatin1(names.at(-1)!)),
    aboveMounted: (names, file) =>
      file !== undefined && root.hasMounts() ? host.aboveMounted(fd, pathOf(names)) : [],
  });
  return {
    readLink: (names) =>
      stat(names)?.type === "symbolic-link" ? latin1(kernel.readLink(fd, pathOf(names))) : undefined,
    isDirectory: (names) => kernel.statAt(fd, pathOf(names)).type === "directory",
    denies: denialOf,
  };
}

/**
 * The granted name that a path refers to in a directory of single files; undefined for the directory itself.
 *
 * @returns the host's name, with a slash at the end if the path has one (`name`) and without it (`bare`)
 */
export function onlyName(
  { root: { mount } }: OpenDirectory,
  path: GuestPath,
): { name: Uint8Array; bare: Uint8Array } | undefined {
  const bytes = bytesOf(path);
  if (bytes.length === 0) throw new WasiError("no-entry");
  if (bytes.includes(0)) throw new WasiError("invalid");
  if (bytes[0] === SLASH) throw new WasiError("not-permitted");
  let found: string | undefined;
  let slash = false;
  for (const name of latin1(bytes).split("/")) {
    if (name === "" || name === ".") {
      slash = found !== undefined;
      continue;
    }
    if (found !== undefined) throw new WasiError("not-directory");
    if (name === "..") throw new WasiError("not-permitted");
    const shown = mount.only!.find((each) => latin1(encoder.encode(each)) === name);
    if (shown === undefined) throw new WasiError("no-entry");
    const host = mount.names?.get(shown);
    found = host === undefined ? name : latin1(encoder.encode(host));
  }
  if (found === undefined) return undefined;
  const bare = fromLatin1(found);
  return { name: slash ? Uint8Array.of(...bare, SLASH) : bare, bare };
}
