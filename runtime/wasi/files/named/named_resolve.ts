/** Resolves a plugin's paths by name, and finds out what it must not see there. */

import type { Overlay } from "../../../sandbox/types.ts";
import { baseName, parentOf } from "../../../base/host_path.ts";
import { foundOf } from "../../../base/path_walk.ts";
import { WasiError } from "../../errno.ts";
import { denied, type Grant } from "../file_decisions.ts";
import { HostNode } from "../host_node.ts";
import { checkWindowsName, type Resolved, resolvePath, type Tree } from "../resolve_by_name.ts";
import { linkTarget, lstatIfThere } from "./deno_calls.ts";
import { entryOf } from "./file_info.ts";
import type { NamedDirectory } from "./named_nodes.ts";
import { type NamedState, pathIn } from "./named_state.ts";

/** A resolved path: the host path, and the file there. */
export interface Found extends Resolved {
  readonly host: string;
  readonly info: Deno.FileInfo | undefined;
}

/**
 * Resolves a path and finds the file there. `makes`: the file is to be created or replaced.
 *
 * @throws WasiError no-entry; not-permitted or read-only for a denied path that it makes
 */
export function resolve(
  state: NamedState,
  from: NamedDirectory,
  path: string,
  follow: boolean,
  makes = false,
): Found {
  HostNode.check(from);
  const { root } = from;
  const { mount } = root;
  const resolved = resolvePath(treeOf(state, root), from.path, path, follow);
  refuseHidden(root, resolved.path);
  // The grant is for a file. A directory in its place is not granted.
  if (
    mount.only && resolved.path.length > 0 &&
    lstatIfThere(pathIn(mount, resolved.path.slice(0, 1)))?.isDirectory
  ) {
    throw new WasiError("no-entry");
  }
  const host = pathIn(mount, resolved.path);
  const found = { ...resolved, host, info: lstatIfThere(host) };
  if (resolved.denied && !overlayAt(state, root, found)) {
    throw denied(root, makes && resolved.denied !== "above");
  }
  return found;
}

/** Resolves a name to create, move or remove. Does not follow a link at the end, even with slashes after it. */
export function resolveLast(state: NamedState, from: NamedDirectory, path: string, makes = false): Found {
  const bare = path.replace(/\/+$/, "");
  const found = resolve(state, from, bare === "" ? path : bare, false, makes);
  return { ...found, directory: found.directory || bare !== path };
}

/** Resolves the path of an existing file. @throws WasiError no-entry, not-directory */
export function resolveExisting(
  state: NamedState,
  from: NamedDirectory,
  path: string,
  follow: boolean,
): Found & { readonly info: Deno.FileInfo } {
  const found = resolve(state, from, path, follow);
  const { host, info, directory } = found;
  if (!info) throw new WasiError("no-entry");
  refuseDeniedFile(state, host, info);
  if (directory && !info.isDirectory) throw new WasiError("not-directory");
  return { ...found, info };
}

/** Refuses a file with a further name below something denied. @throws WasiError no-entry */
export function refuseDeniedFile(
  { decisions }: NamedState,
  host: string,
  info: Deno.FileInfo | undefined,
): void {
  if (!decisions.denies || !info || info.isDirectory) return;
  if (decisions.now().deniesLinkOf(entryOf(info, host))) throw new WasiError("no-entry");
}

/** The overlay at a path, or for the same file under another name. */
export function overlayAt(
  { files, host: lookup, decisions }: NamedState,
  { mount }: Grant,
  { host, info, denied }: Pick<Found, "host" | "info"> & Partial<Found>,
): Overlay | undefined {
  if (files.overlays.length === 0 || info?.isDirectory) return undefined;
  // A link shows as a link. But if the overlay's own name is a denied link, nothing reveals that.
  if (info?.isSymlink && !denied) return undefined;
  const now = decisions.now();
  const overlay = info && now.overlayOf(foundOf(info, host).identity);
  if (overlay || host === mount.host) return overlay;
  return now.overlayNamed(lookup.find(parentOf(host))?.identity ?? "", baseName(host));
}

/** The files of a mount, for resolving. */
function treeOf({ host, decisions }: NamedState, root: Grant): Tree {
  const { mount } = root;
  const tree: Tree = {
    readLink(names) {
      refuseHidden(root, names);
      const host = pathIn(mount, names);
      return lstatIfThere(host)?.isSymlink ? linkTarget(host) : undefined;
    },
    isDirectory(names) {
      const info = lstatIfThere(pathIn(mount, names));
      if (!info) throw new WasiError("no-entry");
      return info.isDirectory;
    },
  };
  if (!decisions.denies) return tree;
  const denies = decisions.denials({
    above: () => host.above(mount.host),
    identity: (names) => host.find(pathIn(mount, names))?.identity,
    text: (names) => baseName(pathIn(mount, names)),
    aboveMounted(names) {
      const path = pathIn(mount, names);
      return host.isElsewhere(path) ? host.above(path) : [];
    },
  });
  return { ...tree, denies };
}

/** Refuses names that mean something else on Windows, and those beside single granted files. @throws WasiError no-entry */
function refuseHidden({ mount: { only } }: Grant, names: readonly string[]): void {
  if (Deno.build.os === "windows") names.forEach(checkWindowsName);
  if (only && names.length > 0 && !only.includes(names[0]!)) throw new WasiError("no-entry");
}
