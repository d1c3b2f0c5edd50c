/**
 * A directory with case-insensitive names, as on Windows and macOS: NTFS in a file, mounted by lowntfs-3g. Only root may
 * mount it; other users skip its tests.
 */

import { findProgram, missing } from "./programs.ts";
import { temporaryDirectory } from "./temporary.ts";

/** Where Debian installs mkntfs. */
const DIRECTORIES = ["/usr/sbin", "/sbin", "/usr/bin", "/bin"];

/** Whether to skip tests of such directories. */
export function caseInsensitiveMissing(): boolean {
  const programs = ["mkntfs", "lowntfs-3g"].every((name) => findProgram(name, DIRECTORIES) !== undefined);
  const mayMount = Deno.build.os === "linux" && Deno.uid() === 0 && isThere("/dev/fuse");
  // A user who may not mount misses no installable part.
  return !mayMount || missing("lowntfs-3g", programs, "Debian: apt-get install ntfs-3g");
}

function isThere(path: string): boolean {
  try {
    Deno.statSync(path);
    return true;
  } catch {
    return false;
  }
}

/** Mounts one; undefined if the system refuses. Disposing unmounts it. */
export function mountCaseInsensitive(): { readonly path: string } & Disposable | undefined {
  const base = temporaryDirectory();
  const [image, path] = [`${base}/image`, `${base}/mnt`];
  Deno.mkdirSync(path);
  Deno.createSync(image).close();
  Deno.truncateSync(image, 128 << 20);
  const run = (name: string, ...args: string[]) =>
    new Deno.Command(findProgram(name, DIRECTORIES) ?? name, { args, stdout: "null", stderr: "null" })
      .outputSync().success;
  if (!run("mkntfs", "-F", "-Q", image) || !run("lowntfs-3g", "-o", "ignore_case,umask=077", image, path)) {
    return undefined;
  }
  return {
    path,
    [Symbol.dispose]() {
      run("umount", "-l", path);
    },
  };
}
