/** What an open file or directory of every kind is, so that nothing else is taken for one. */

import { WasiError } from "../errno.ts";

/** A node that the host opened. A plugin can hand in a record that looks like one, and not one that is one. */
export abstract class HostNode {
  #made = true;

  /** @throws WasiError bad-descriptor for what no class of nodes made */
  static check(node: object): void {
    if (!(#made in node)) throw new WasiError("bad-descriptor");
  }
}
