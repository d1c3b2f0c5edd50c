/** Creates, moves, links and removes names, each after a check of the name and the file. */

import { WasiError } from "../../errno.ts";
import { checkLinkTarget } from "../file_decisions.ts";
import type { GuestPath } from "../file_tree.ts";
import { toText } from "../guest_paths.ts";
import { entriesOf, link, makeDirectory, readLink, remove, rename, symlink } from "./deno_calls.ts";
import { entryOf } from "./file_info.ts";
import type { NamedDirectory } from "./named_nodes.ts";
import { NamedPlace } from "./named_places.ts";
import { resolveExisting, resolveLast } from "./named_resolve.ts";
import { endsInDots, type NamedState } from "./named_state.ts";

/** Creates a directory. */
export function createDirectoryAt(state: NamedState, from: NamedDirectory, path: GuestPath): void {
  const { host, info } = resolveLast(state, from, toText(path), true);
  if (info) throw new WasiError("exist");
  state.decisions.checkCreation(placeOf(state, from, host), "directory");
  makeDirectory(host);
}

/** Removes an empty directory. */
export function removeDirectoryAt(state: NamedState, from: NamedDirectory, path: GuestPath): void {
  const text = toText(path);
  const { host, info } = resolveLast(state, from, text);
  if (endsInDots(text)) {
    throw new WasiError(text.replace(/\/+$/, "").endsWith("..") ? "not-empty" : "invalid");
  }
  if (!info) throw new WasiError("no-entry");
  if (!info.isDirectory) throw new WasiError("not-directory");
  state.decisions.checkRemoval(placeOf(state, from, host), entryOf(info, host));
  remove(host);
}

/** Removes anything but a directory. */
export function unlinkFileAt(state: NamedState, from: NamedDirectory, path: GuestPath): void {
  const { host, info, directory } = resolveLast(state, from, toText(path));
  if (!info) throw new WasiError("no-entry");
  if (info.isDirectory) throw new WasiError("is-directory");
  if (directory) throw new WasiError("not-directory");
  state.decisions.checkRemoval(placeOf(state, from, host), entryOf(info, host));
  remove(host);
}

/** Moves a file or directory, and replaces what has the new name. */
export function renameAt(
  state: NamedState,
  from: NamedDirectory,
  path: GuestPath,
  to: NamedDirectory,
  newPath: GuestPath,
): void {
  const [text, newText] = [toText(path), toText(newPath)];
  const source = resolveLast(state, from, text);
  const target = resolveLast(state, to, newText, true);
  const [{ info, host }, { info: there, host: newHost }] = [source, target];
  if (!info) throw new WasiError("no-entry");
  if (endsInDots(text) || endsInDots(newText)) throw new WasiError("busy");
  if (!info.isDirectory && (source.directory || target.directory)) throw new WasiError("not-directory");
  state.decisions.checkMove(
    placeOf(state, from, host),
    entryOf(info, host),
    placeOf(state, to, newHost),
    () => there && entryOf(there, newHost),
  );
  if (there?.isDirectory && !info.isDirectory) throw new WasiError("is-directory");
  if (there && !there.isDirectory && info.isDirectory) throw new WasiError("not-directory");
  if (Deno.build.os === "windows" && info.isDirectory && there?.isDirectory) makeWay(host, newHost);
  rename(host, newHost);
}

/** Removes an empty directory in the way: POSIX rename replaces it, Windows does not. */
function makeWay(host: string, newHost: string): void {
  const [from, to] = [`${host}/`.toLowerCase(), `${newHost}/`.toLowerCase()];
  if (from === to) return;
  if (to.startsWith(from)) throw new WasiError("invalid");
  if (entriesOf(newHost).length > 0) throw new WasiError("not-empty");
  remove(newHost);
}

/** Makes a hard link. */
export function linkAt(
  state: NamedState,
  from: NamedDirectory,
  path: GuestPath,
  follow: boolean,
  to: NamedDirectory,
  newPath: GuestPath,
): void {
  const [text, newText] = [toText(path), toText(newPath)];
  if (follow) throw new WasiError("invalid");
  const { host, info, directory } = resolveLast(state, from, text);
  const target = resolveLast(state, to, newText, true);
  if (!info) throw new WasiError("no-entry");
  if (directory && !info.isDirectory) throw new WasiError("not-directory");
  if (info.isDirectory) throw new WasiError("not-permitted");
  if (target.info) throw new WasiError("exist");
  if (target.directory) throw new WasiError("no-entry");
  state.decisions.checkLink(
    placeOf(state, from, host),
    entryOf(info, host),
    placeOf(state, to, target.host),
  );
  link(host, target.host);
}

/** Makes a symbolic link. */
export function symlinkAt(
  state: NamedState,
  target: GuestPath,
  to: NamedDirectory,
  newPath: GuestPath,
): void {
  const [content, text] = [toText(target), toText(newPath)];
  checkLinkTarget(content);
  const { host, info, directory } = resolveLast(state, to, text, true);
  if (info) throw new WasiError("exist");
  if (directory) throw new WasiError("no-entry");
  state.decisions.checkCreation(placeOf(state, to, host), "symbolic-link");
  symlink(content, host);
}

/** The target of the link at a path. @throws WasiError invalid if it is not a link */
export function readLinkAt(state: NamedState, from: NamedDirectory, path: GuestPath): Uint8Array {
  const { host, info } = resolveExisting(state, from, toText(path), false);
  if (!info.isSymlink) throw new WasiError("invalid");
  return new TextEncoder().encode(readLink(host));
}

function placeOf(state: NamedState, { root }: NamedDirectory, host: string): NamedPlace {
  return new NamedPlace(state.host, root, host);
}
