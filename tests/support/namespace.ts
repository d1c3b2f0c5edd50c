// deno-lint-ignore-file no-console -- a test says why it is left out

/** Runs commands in their own mount namespace, with test files in `/etc`. The machine's own `/etc` does not change. */

import { shellQuoted } from "../../runtime/base/text.ts";
import { findProgram } from "./programs.ts";

/** Builds a new /etc: links to all of the machine's files, and room for more. */
const OWN_ETC = [
  "set -e",
  'etc="$(mktemp -d)"',
  'mount --bind /etc "$etc"',
  "mount -t tmpfs -o mode=755 none /etc",
  'for each in "$etc"/* "$etc"/.[!.]*; do ln -s "$each" /etc/; done',
  "rm -f /etc/krew-wasm",
].join("\n");

/** Whether to skip tests that need one: it takes root, and some containers forbid it. Prints the reason once. */
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
 * Arguments of `unshare` for a line of /bin/sh, after `prepare` has changed /etc. The mounts end with the command, and the
 * empty directory for the machine's /etc is removed.
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
