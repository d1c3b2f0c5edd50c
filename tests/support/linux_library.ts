/**
 * Import for the effect: loads the library of Linux's system calls, which stays open until the process ends. Deno 2.6 would
 * report it as a leak of the first test that needs it.
 */

import { openLinuxTree } from "../../runtime/wasi/files/linux/linux_tree.ts";

if (Deno.build.os === "linux") {
  openLinuxTree({ mounts: [], overlays: [], protectedPaths: [], unprotectedPaths: [] })?.[Symbol.dispose]();
}
