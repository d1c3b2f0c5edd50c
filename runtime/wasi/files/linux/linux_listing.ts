/** Lists directories on Linux, without the names that the plugin must not see. */

import type { Entry, Listing } from "../file_tree.ts";
import { HostNode } from "../host_node.ts";
import { DirectoryListing } from "./directory_listing.ts";
import { O_RDONLY } from "./call_numbers.ts";
import { identityOf, type OpenDirectory } from "./linux_nodes.ts";
import { LinuxPlace } from "./linux_places.ts";
import { type LinuxState, textOf } from "./linux_state.ts";

const encoder = new TextEncoder();

/** Lists an open directory. */
export function readDirectory(state: LinuxState, node: OpenDirectory): Listing {
  HostNode.check(node);
  const { kernel, decisions, listings } = state;
  const { root } = node;
  // Opening `.` gives the same directory.
  if (root.mount.only && identityOf(kernel.stat(node.fd)) === root.identity) return listOnly(state, node);
  const fd = kernel.open(node.fd, ".", O_RDONLY | kernel.O_DIRECTORY, true);
  if (!decisions.denies) return new DirectoryListing(kernel, fd, listings);
  const isHidden = decisions.hiddenIn(identityOf(kernel.glance(fd)))!;
  return new DirectoryListing(kernel, fd, listings, (name, file) => isHidden(textOf(name), file));
}

/** The listing of a granted file's directory: the granted names only. */
function listOnly(state: LinuxState, { root }: OpenDirectory): Listing {
  const entries: Entry[] = [];
  for (const name of root.mount.only!) {
    const bytes = encoder.encode(name);
    const host = encoder.encode(root.mount.names?.get(name) ?? name);
    const place = new LinuxPlace(state, root, root.fd, host, host);
    const stat = place.statIfThere();
    if (!stat) {
      if (place.overlay()) entries.push({ name: bytes, type: "regular-file", ino: 0n });
    } else if (stat.type !== "directory") entries.push({ name: bytes, type: stat.type, ino: stat.ino });
  }
  return { at: (index) => entries[index], close: () => {} };
}
