/** Files and directories that the broker opened. */

import type { Mount } from "../../sandbox/types.ts";
import type { AnyFile, DirectoryNode } from "./file_tree.ts";
import { HostNode } from "./host_node.ts";
import type { Kernel } from "./linux/file_calls.ts";
import { OpenFile } from "./linux/linux_nodes.ts";

/** A directory that the broker opened, by its number there. */
export class RemoteDirectory extends HostNode implements DirectoryNode {
  readonly kind = "directory";
  #close: () => void;

  constructor(readonly number: number, readonly writable: boolean, close: () => void) {
    super();
    this.#close = close;
  }

  close(): void {
    this.#close();
  }
}

/** A file that the broker opened and passed to this process. */
export class RemoteFile extends OpenFile {
  #close: () => void;

  constructor(
    kernel: Kernel,
    readonly number: number,
    fd: number,
    { type, readable, writable }: Pick<AnyFile, "type" | "readable" | "writable">,
    close: () => void,
  ) {
    const mount: Mount = { guest: "", host: "", write: writable };
    // The broker checks changes.
    const root = { mount, fd: -1, identity: "", above: () => [], hasMounts: () => false };
    super(kernel, root, fd, type, readable, writable);
    this.#close = close;
  }

  override close(): void {
    super.close();
    this.#close();
  }
}
