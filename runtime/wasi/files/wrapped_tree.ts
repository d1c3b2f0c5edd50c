/** What trees that wrap another one have in common. */

import type { Mount } from "../../sandbox/types.ts";
import type { AnyFile, DirectoryNode, FileTree, Listing, NewTime, Probed, Stat } from "./file_tree.ts";

/**
 * Passes everything that takes no path of the plugin's on to the wrapped tree. Each subclass implements the operations
 * on paths itself, so that the compiler reports one that a subclass forgets.
 */
export class WrappedTree {
  readonly roots: FileTree["roots"];
  readonly maxOpen: number;
  readonly needs: FileTree["needs"];
  readonly descriptors: FileTree["descriptors"];
  protected readonly tree: FileTree;

  constructor(tree: FileTree) {
    this.tree = tree;
    this.roots = tree.roots;
    this.maxOpen = tree.maxOpen;
    this.needs = tree.needs;
    this.descriptors = tree.descriptors;
  }

  lookAhead(): void {
    this.tree.lookAhead();
  }

  mount(mount: Mount): DirectoryNode {
    return this.tree.mount(mount);
  }

  probe(host: string): Probed | undefined {
    return this.tree.probe(host);
  }

  stat(node: DirectoryNode | AnyFile): Stat {
    return this.tree.stat(node);
  }

  setTimes(node: DirectoryNode | AnyFile, accessed: NewTime, modified: NewTime): void {
    this.tree.setTimes(node, accessed, modified);
  }

  readDirectory(node: DirectoryNode): Listing {
    return this.tree.readDirectory(node);
  }

  [Symbol.dispose](): void {
    this.tree[Symbol.dispose]();
  }
}
