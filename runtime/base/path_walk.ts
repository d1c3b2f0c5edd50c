/**
 * Follows a host path name by name: the directories and links on the way, by identity, and the file at the end. The path
 * does not have to exist. Pure over three questions to the file system.
 */

import { comparable, hostPath } from "./host_path.ts";
import { isAbsence } from "../wasi/errno.ts";

/** The file at a name. For a link: the link itself. */
export interface Found {
  /** Device and inode: the same for one file under all of its names. */
  readonly identity: string;
  readonly type: "directory" | "link" | "other";
  /**
   * Last change in milliseconds since 1970. For a directory: when a name came or went. NaN if the file system does not say.
   */
  readonly changed: number;
}

/**
 * The questions to the file system. Paths are absolute; only their last name may be a link. Both functions throw if they
 * cannot answer, so that an unreadable file never counts as absent.
 */
export interface PathHost {
  /** undefined if the file does not exist, or if this user cannot reach it. */
  find(path: string): Found | undefined;
  /** The target of a link, with slashes; undefined if the link is gone or must not be followed. */
  readLink(path: string): string | undefined;
}

/** A name in a directory. */
export interface Spot {
  /** The directory's path, free of links. */
  readonly directory: string;
  /** Identities of the directories from the root down to this one. */
  readonly above: readonly string[];
  readonly name: string;
}

/** A link on the way. */
export interface FollowedLink extends Spot {
  /** The link's own identity. */
  readonly link: string;
  /** The link is the last name of the path, or the target of such a link. */
  readonly last: boolean;
}

/** The result of a walk. */
export interface PathWalk {
  /** Where the path ends: absolute and free of links. The last names may not exist. */
  readonly path: string;
  /** The file there. */
  readonly found: Found | undefined;
  /** Where the path ends, or where the first name is missing; undefined for a root. */
  readonly spot: Spot | undefined;
  /** The names below a missing one. They are missing too. */
  readonly rest: readonly string[];
  /** The links that were followed. */
  readonly links: readonly FollowedLink[];
  /** Identities of the directories on the way: a rename of one moves the file at the end. */
  readonly passed: ReadonlySet<string>;
}

/** Linux has the same limit: a path with more links is a loop. */
const MAX_LINKS = 40;

interface Level {
  readonly path: string;
  readonly identity: string;
  readonly found: Found | undefined;
}

/** Follows an absolute path. @throws what the questions throw */
export function walkPath(path: string, host: PathHost): PathWalk {
  const links: FollowedLink[] = [];
  const passed = new Set<string>();
  let { root, names } = splitRoot(path);
  let levels = enter(root, host);
  const pending = names.reverse();
  let last: Spot | undefined;
  for (let name = pending.pop(); name !== undefined; name = pending.pop()) {
    if (name === "" || name === ".") continue;
    if (name === "..") {
      if (levels.length > 1) levels.pop();
      last = undefined;
      continue;
    }
    const directory = levels.at(-1)!.path;
    const above = levels.map(({ identity }) => identity);
    for (const identity of above) passed.add(identity);
    const at = join(directory, name);
    const spot: Spot = last = { directory, above, name };
    const found = host.find(at);
    const isLast = pending.every((each) => each === "" || each === ".");
    if (found?.type === "link" && links.length < MAX_LINKS) {
      const target = host.readLink(at);
      // The link was replaced meanwhile. The walk treats it as the end.
      if (target !== undefined) {
        links.push({ ...spot, link: found.identity, last: isLast });
        last = undefined;
        const absolute = absoluteTarget(target, root);
        if (absolute) {
          ({ root, names } = splitRoot(absolute));
          levels = enter(root, host);
          pending.push(...names.reverse());
        } else pending.push(...target.split("/").reverse());
        continue;
      }
    }
    if (isLast) {
      // A file has nothing below it, not even `.` or a trailing slash.
      const there = found?.type === "other" && pending.length > 0 ? undefined : found;
      return { path: at, found: there, spot, rest: [], links, passed };
    }
    if (found?.type !== "directory") {
      const rest = pending.reverse().filter((each) => each !== "" && each !== ".");
      return { path: [at, ...rest].join("/"), found: undefined, spot, rest, links, passed };
    }
    levels.push({ path: at, identity: found.identity, found });
  }
  // The walk ended in a directory that it entered: the root, or the target of a link with dots at its end.
  const end = levels.at(-1)!;
  for (const level of levels.slice(0, -1)) passed.add(level.identity);
  const parent = levels.at(-2);
  const spot = last ?? (parent && {
    directory: parent.path,
    above: levels.slice(0, -1).map(({ identity }) => identity),
    name: end.path.slice(end.path.lastIndexOf("/") + 1),
  });
  return { path: end.path, found: end.found, spot, rest: [], links, passed };
}

/** Splits a path into its root (`/`, on Windows a drive's `C:/` or a share) and the names below it. */
function splitRoot(path: string): { root: string; names: string[] } {
  const [root = "/"] = /^(?:[A-Za-z]:\/?|\/\/[^/]+\/[^/]+\/?|\/)/.exec(path) ?? [];
  return { root: root.endsWith("/") ? root : `${root}/`, names: path.slice(root.length).split("/") };
}

function enter(root: string, host: PathHost): Level[] {
  const found = host.find(root);
  return [{ path: root, identity: found?.identity ?? root, found }];
}

/** A link's target as an absolute path; undefined for a relative target. */
function absoluteTarget(target: string, root: string): string | undefined {
  if (/^[A-Za-z]:\//.test(target)) return target;
  if (!target.startsWith("/")) return undefined;
  // On Windows this path begins at the root of the drive.
  return /^[A-Za-z]:/.test(root) && !target.startsWith("//") ? root + target.slice(1) : target;
}

function join(directory: string, name: string): string {
  return directory.endsWith("/") ? directory + name : `${directory}/${name}`;
}

/** The host's own file system, through Deno. */
export const DENO_PATHS: PathHost = {
  find(path) {
    try {
      return foundOf(Deno.lstatSync(path), path);
    } catch (error) {
      return unlessAbsent(error);
    }
  },
  readLink(path) {
    try {
      return hostPath(Deno.readLinkSync(path));
    } catch (error) {
      return unlessAbsent(error, "no link");
    }
  },
};

/** Returns undefined if the error means that no file, or no link, exists. Throws every other error on. */
function unlessAbsent(error: unknown, orElse?: "no link"): undefined {
  if (isAbsence(error) || orElse && isNoLink(error)) return undefined;
  throw error;
}

/** Whether readlink failed because the file is not a link: EINVAL, on Windows ERROR_NOT_A_REPARSE_POINT. */
function isNoLink(error: unknown): boolean {
  return error instanceof Error &&
    ((error as { code?: string }).code === "EINVAL" || /\(os error (?:22|4390)\)/.test(error.message));
}

/**
 * Converts Deno's file info. Some file systems of Windows number no files; there `path`, free of links, serves as the
 * identity. Pure but for the platform.
 */
export function foundOf(info: Deno.FileInfo, path: string): Found {
  return {
    identity: info.ino ? `${info.dev}:${info.ino}` : `path:${comparable(path)}`,
    type: info.isSymlink ? "link" : info.isDirectory ? "directory" : "other",
    changed: Math.max(info.ctime?.getTime() ?? NaN, info.mtime?.getTime() ?? NaN),
  };
}
