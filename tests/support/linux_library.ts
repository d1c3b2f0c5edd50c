/**
 * Imported for its effect: opens the library of Linux's system calls, which stays open as long as the process. Deno 2.6
 * would count it against the first test that needs it.
 */

import { openLinuxTree } from "../../runtime/wasi/files/linux/linux_tree.ts";

if (Deno.build.os === "linux") {
  openLinuxTree({ mounts: [], overlays: [], protectedPaths: [], unprotectedPaths: [] })?.[Symbol.dispose]();
}
