/** The base class of open files and directories, which distinguishes them from look-alikes. */

import { WasiError } from "../errno.ts";

/** A node that the host opened. A plugin can pass a record that looks like a node, but no instance of this class. */
export abstract class HostNode {
  #made = true;

  /** @throws WasiError bad-descriptor for any other object */
  static check(node: object): void {
    if (!(#made in node)) throw new WasiError("bad-descriptor");
  }
}
