/** Paths of the host, for files outside of all mounts. */

import type { Mount } from "../../sandbox/types.ts";
import { baseName, parentOf } from "../../base/host_path.ts";
import type { FileTree, Stat } from "./file_tree.ts";
import { joined, normalized } from "./guest_paths.ts";

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
