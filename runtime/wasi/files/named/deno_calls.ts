/**
 * Deno's functions for a plugin's files, by host path. The caller has checked the path. Every function throws WasiError.
 */

import { hostPath } from "../../../base/host_path.ts";
import { makeSymlink } from "../../../base/symlink.ts";
import { errnoOf, isAbsence, WasiError } from "../../errno.ts";
import { HARMLESS_DEVICES } from "../special_files.ts";

/** Runs an operation of Deno's and turns the operating system's errors into WasiError. */
export function attempt<T>(operation: () => T): T {
  try {
    return operation();
  } catch (error) {
    throw error instanceof WasiError ? error : new WasiError(errnoOf(error));
  }
}

/** The attributes of a file, not of a link's target; undefined if nothing is there. */
export function lstatIfThere(host: string): Deno.FileInfo | undefined {
  try {
    return Deno.lstatSync(host);
  } catch (error) {
    const errno = errnoOf(error);
    if (errno === "no-entry" || errno === "not-directory") return undefined;
    throw new WasiError(errno);
  }
}

/** The attributes of a file, not of a link's target. */
export function lstat(host: string): Deno.FileInfo {
  return attempt(() => Deno.lstatSync(host));
}

/** The attributes and the real path of a link's target; undefined if nothing is there, or nothing that can be reached. */
export function probeTarget(
  host: string,
): { readonly info: Deno.FileInfo; readonly real: string } | undefined {
  try {
    return { info: Deno.statSync(host), real: hostPath(Deno.realPathSync(host)) };
  } catch (error) {
    if (isAbsence(error)) return undefined;
    throw new WasiError(errnoOf(error));
  }
}

/** The path without links, in the system's spelling. */
export function realPathOf(host: string): string {
  return hostPath(attempt(() => Deno.realPathSync(host)));
}

export function openFile(host: string, options: Deno.OpenOptions): Deno.FsFile {
  return attempt(() => Deno.openSync(host, options));
}

export function makeDirectory(host: string): void {
  attempt(() => Deno.mkdirSync(host));
}

export function entriesOf(host: string): Deno.DirEntry[] {
  return attempt(() => [...Deno.readDirSync(host)]);
}

/** Removes a file, or an empty directory. */
export function remove(host: string): void {
  attempt(() => Deno.removeSync(host));
}

export function rename(host: string, newHost: string): void {
  attempt(() => Deno.renameSync(host, newHost));
}

/** Makes a hard link. */
export function link(host: string, newHost: string): void {
  attempt(() => Deno.linkSync(host, newHost));
}

export function symlink(target: string, host: string): void {
  attempt(() => makeSymlink(target, host));
}

/** The target of a link, as written there. */
export function readLink(host: string): string {
  return attempt(() => Deno.readLinkSync(host));
}

/** The target of a link, with slashes. Of an absolute target on Windows only `/`. */
export function linkTarget(host: string): string {
  const target = readLink(host);
  if (Deno.build.os !== "windows") return target;
  return /^([\\/]|[A-Za-z]:)/.test(target) ? "/" : target.replaceAll("\\", "/");
}

/** Sets the times of a file; of a link itself. */
export function setTimesOf(host: string, info: Deno.FileInfo, accessed: Date, modified: Date): void {
  attempt(() => (info.isSymlink ? setLinkTimes : Deno.utimeSync)(host, accessed, modified));
}

/** Sets the times of a link itself. Only Node's function can, so it is loaded on demand. */
function setLinkTimes(host: string, accessed: Date, modified: Date): void {
  const { process } = globalThis as unknown as {
    process: {
      getBuiltinModule(
        name: "node:fs",
      ): { lutimesSync(path: string, accessed: Date, modified: Date): void };
    };
  };
  process.getBuiltinModule("node:fs").lutimesSync(host, accessed, modified);
}

/** Whether a character device is harmless. Systems number devices differently. */
export function isHarmlessDevice({ rdev }: Deno.FileInfo): boolean {
  return HARMLESS_DEVICES.some((name) => {
    try {
      const known = Deno.statSync(`/dev/${name}`);
      return known.isCharDevice && known.rdev === rdev;
    } catch {
      return false; // missing or unreadable, so it is not granted either
    }
  });
}
