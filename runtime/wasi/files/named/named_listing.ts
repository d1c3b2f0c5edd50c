/** Lists directories by name, without the names that the plugin must not see. */

import type { Entry, Listing, NodeType } from "../file_tree.ts";
import { HostNode } from "../host_node.ts";
import { keptListing, sizeOfEntry } from "../listing.ts";
import { entriesOf, lstatIfThere } from "./deno_calls.ts";
import type { NamedDirectory } from "./named_nodes.ts";
import { overlayAt } from "./named_resolve.ts";
import { type NamedState, pathIn } from "./named_state.ts";

/** Listings of directories up to this size include inodes. In larger ones a program asks for each file. */
const MAX_INODES = 4096;

const encoder = new TextEncoder();

type Named = { readonly name: string; readonly type: NodeType };

/** Lists an open directory. */
export function readDirectory(state: NamedState, node: NamedDirectory): Listing {
  HostNode.check(node);
  const { root: { mount }, path } = node;
  const host = pathIn(mount, path);
  let found: Named[] = entriesOf(host).map((entry) => ({ name: entry.name, type: typeOfEntry(entry) }));
  if (mount.only && path.length === 0) found = onlyGranted(state, node, found);
  const hostOf = (name: string) => pathIn(mount, [...path, name]);
  const isHidden = state.decisions.hiddenIn(state.host.find(host)?.identity ?? "");
  if (isHidden) found = found.filter(({ name }) => !isHidden(name, state.host.find(hostOf(name))?.identity));
  const inodes = found.length <= MAX_INODES;
  const at = (index: number): Entry | undefined => {
    const entry = found[index];
    return entry && {
      name: encoder.encode(entry.name),
      type: entry.type,
      ino: inodes ? BigInt(lstatIfThere(hostOf(entry.name))?.ino ?? 0) : 0n,
    };
  };
  const bytes = found.reduce((sum, { name }) => sum + sizeOfEntry(name.length), 0);
  return keptListing(at, bytes, state.listings);
}

/** The granted names of a directory of single files. */
function onlyGranted(state: NamedState, { root }: NamedDirectory, found: readonly Named[]): Named[] {
  const { mount } = root;
  const there = new Map(found.map((entry) => [entry.name, entry.type]));
  return mount.only!.flatMap((name) => {
    const missing = { host: pathIn(mount, [name]), info: undefined };
    const type = there.get(mount.names?.get(name) ?? name) ??
      (overlayAt(state, root, missing) ? "regular-file" : undefined);
    return type === undefined ? [] : [{ name, type }];
  });
}

function typeOfEntry({ isFile, isDirectory, isSymlink }: Deno.DirEntry): NodeType {
  if (isFile) return "regular-file";
  if (isDirectory) return "directory";
  return isSymlink ? "symbolic-link" : "unknown";
}
