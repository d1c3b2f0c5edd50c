/** Paths of a plugin and of the host, for files outside of all mounts. Pure, but for {@linkcode realIn}. */

import type { Mount } from "../../sandbox/types.ts";
import { baseName, parentOf } from "../../base/host_path.ts";
import type { FileTree, GuestPath, Stat } from "./file_tree.ts";

/** The real path, free of links. For a missing file, based on its directory. */
export function realIn(tree: FileTree, host: string): string {
  const parent = () => tree.probe(parentOf(host))?.real ?? parentOf(host);
  return tree.probe(host)?.real ?? joined(parent(), baseName(host));
}

/** Attributes of a directory that exists only for the plugin. */
export function synthetic(path: string): Stat {
  let hash = 0xcbf29ce484222325n; // FNV-1a
  for (const byte of new TextEncoder().encode(path)) {
    hash = BigInt.asUintN(64, (hash ^ BigInt(byte)) * 0x100000001b3n);
  }
  return {
    type: "directory",
    dev: 0n,
    ino: hash,
    links: 1n,
    size: 0n,
    accessed: 0n,
    modified: 0n,
    changed: 0n,
  };
}

/** A path as text; undefined if its bytes are not text. */
export function textOf(path: GuestPath): string | undefined {
  if (typeof path === "string") return path;
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(path);
  } catch {
    return undefined;
  }
}

/** Removes empty names, dots, and names before `..`. */
export function normalized(path: string): string {
  const names: string[] = [];
  for (const name of path.split("/")) {
    if (name === "" || name === ".") continue;
    if (name === "..") names.pop();
    else names.push(name);
  }
  return `/${names.join("/")}`;
}

/** The part of a path below a root, or `.`. */
export function restOf(path: string, root: string): string {
  return path === root ? "." : path.slice(root === "/" ? 1 : root.length + 1);
}

/** A name in a directory. */
export function joined(directory: string, name: string): string {
  return directory === "/" ? `/${name}` : `${directory}/${name}`;
}

/** The host path in a mount. If a link was granted, the link's path, which the user knows. */
export function onHost(mount: Mount, below: string): string {
  if (!mount.only) {
    const host = mount.through?.[0] ?? mount.host;
    return below === "/" ? host : joined(host, normalized(below).slice(1));
  }
  if (below === "/") return mount.host;
  const [first = "", ...rest] = normalized(below).slice(1).split("/");
  const link = mount.through?.find((path) => baseName(path) === first);
  return [link ?? joined(mount.host, mount.names?.get(first) ?? first), ...rest].join("/");
}
