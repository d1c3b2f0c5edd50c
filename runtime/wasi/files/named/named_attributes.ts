/** Attributes and times of files by name. */

import { foundOf } from "../../../base/path_walk.ts";
import { WasiError } from "../../errno.ts";
import type { MaybePromise } from "../../streams/streams.ts";
import { type Grant, refuseDirectoryOfFiles } from "../file_decisions.ts";
import type { AnyFile, GuestPath, NewTime, Stat } from "../file_tree.ts";
import { toText } from "../guest_paths.ts";
import { HostNode } from "../host_node.ts";
import { lstat, lstatIfThere, setTimesOf } from "./deno_calls.ts";
import { applyTimes, entryOf, statOf as statOfInfo } from "./file_info.ts";
import { type NamedDirectory, NamedFile } from "./named_nodes.ts";
import { overlayStat, refuseKernel } from "./named_open.ts";
import { NamedPlace } from "./named_places.ts";
import { overlayAt, refuseDeniedFile, resolve, resolveExisting } from "./named_resolve.ts";
import { type NamedState, pathIn } from "./named_state.ts";

/** The attributes of an open file or directory. */
export function statOf(state: NamedState, node: NamedDirectory | AnyFile): Stat {
  HostNode.check(node);
  if (node.kind === "file") return node.stat();
  const host = pathIn(node.root.mount, node.path);
  return shown(state, host, lstat(host));
}

/** The attributes of the file at a path. An overlay has the size of its own content. */
export function statAt(
  state: NamedState,
  from: NamedDirectory,
  path: GuestPath,
  follow: boolean,
): MaybePromise<Stat> {
  const found = resolve(state, from, toText(path), follow);
  const { host, info, directory } = found;
  const overlay = overlayAt(state, from.root, found);
  if (overlay) return state.contents.statOf(overlay, overlayStat(host, info));
  refuseDeniedFile(state, host, info);
  if (!info) throw new WasiError("no-entry");
  if (directory && !info.isDirectory) throw new WasiError("not-directory");
  return shown(state, host, info);
}

function shown({ decisions }: NamedState, host: string, info: Deno.FileInfo): Stat {
  return decisions.shown(statOfInfo(info), foundOf(info, host).identity);
}

/** Sets the times of the file at a path. */
export function setTimesAt(
  state: NamedState,
  from: NamedDirectory,
  path: GuestPath,
  follow: boolean,
  accessed: NewTime,
  modified: NewTime,
): void {
  const { host, info } = resolveExisting(state, from, toText(path), follow);
  const { root } = from;
  if (host === root.mount.host) refuseDirectoryOfFiles(root);
  checkTimes(state, root, host, info);
  refuseKernel(host, true);
  applyTimes(info, accessed, modified, (a, m) => setTimesOf(host, info, a, m));
}

/** Sets the times of an open file or directory. */
export function setTimes(
  state: NamedState,
  node: NamedDirectory | AnyFile,
  accessed: NewTime,
  modified: NewTime,
): void {
  HostNode.check(node);
  if (node.kind === "file") {
    if (!(node instanceof NamedFile)) throw new WasiError("read-only");
    // POSIX lets the owner set times through any descriptor; a grant to read does not.
    if (!node.writable) checkTimes(state, node.root, node.host, lstatIfThere(node.host));
    return node.setTimes(accessed, modified);
  }
  const { root } = node;
  const host = pathIn(root.mount, node.path);
  if (host === root.mount.host) refuseDirectoryOfFiles(root);
  checkTimes(state, root, host, lstatIfThere(host));
  const info = lstat(host);
  applyTimes(info, accessed, modified, (a, m) => setTimesOf(host, info, a, m));
}

function checkTimes(state: NamedState, root: Grant, host: string, info: Deno.FileInfo | undefined): void {
  state.decisions.checkContent(new NamedPlace(state.host, root, host), info && entryOf(info, host));
}
