// deno-lint-ignore-file no-console -- a test says why it is left out

/** A mount namespace of a command's own, in which `/etc` holds what a test puts there and the machine's is as it was. */

import { shellQuoted } from "../../runtime/base/text.ts";
import { findProgram } from "./programs.ts";

/** /etc made anew: all of the machine's behind links, beside which files can be put. */
const OWN_ETC = [
  "set -e",
  'etc="$(mktemp -d)"',
  'mount --bind /etc "$etc"',
  "mount -t tmpfs -o mode=755 none /etc",
  'for each in "$etc"/* "$etc"/.[!.]*; do ln -s "$each" /etc/; done',
  "rm -f /etc/krew-wasm",
].join("\n");

/** Whether tests that need one are left out: it takes root, and not every container has the right. Said once. */
export function namespaceMissing(): boolean {
  if (Deno.build.os !== "linux" || findProgram("unshare") === undefined) return true;
  const { success } = new Deno.Command("unshare", {
    args: namespaceArgs(":", ":"),
    stdout: "null",
    stderr: "null",
  }).outputSync();
  if (!success) {
    console.warn("no mount namespace can be made here (unshare -m, as root): its tests are left out");
  }
  return !success;
}

/**
 * Arguments of `unshare` for a line of /bin/sh where /etc was prepared by another. What is mounted ends with the command;
 * the empty directory that the machine's /etc was seen at goes, too.
 */
export function namespaceArgs(prepare: string, line: string): string[] {
  const script =
    `${OWN_ETC}\n${prepare}\nset +e\n(${line}\n)\ncode=$?\numount -l "$etc"; rmdir "$etc"; exit $code`;
  return ["-m", "--propagation", "private", "/bin/sh", "-c", script];
}

/** The same as one line for a shell. */
export function namespaceLine(prepare: string, line: string): string {
  return ["unshare", ...namespaceArgs(prepare, line).map(shellQuoted)].join(" ");
}
