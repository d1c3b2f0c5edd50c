/**
 * Where a path of the host leads, name by name: the directories and links on the way, by identity, and what is at its end.
 * A path that is not there, or not there yet, has a way too. Pure over three questions to the file system.
 */

import { comparable, hostPath } from "./host_path.ts";
import { isAbsence } from "../wasi/errno.ts";

/** What stands at a name, the link itself where it is one. */
export interface Found {
  /** Device and inode: the same for one file under all of its names. */
  readonly identity: string;
  readonly type: "directory" | "link" | "other";
  /** When it was changed, in milliseconds since 1970: a directory, by names that came or went. NaN where that is not told. */
  readonly changed: number;
}

/**
 * The questions. Paths are absolute; all of their names but the last are free of links. Both throw where the answer is not to
 * be had: what may be there must not be taken for nothing.
 */
export interface PathHost {
  /** undefined where nothing is, or nothing that this user gets to. */
  find(path: string): Found | undefined;
  /** The target of a link, with slashes; undefined where none is any more, or for one that is not to be followed. */
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

/** A link on a way. */
export interface FollowedLink extends Spot {
  /** The link's own identity. */
  readonly link: string;
  /** It is the last name of the path, or stands for it. */
  readonly last: boolean;
}

/** A way. */
export interface PathWalk {
  /** Where it ends: absolute and free of links. The last names may not be there. */
  readonly path: string;
  /** What is there. */
  readonly found: Found | undefined;
  /** Where it ends, or where the first name is missing; undefined for a root. */
  readonly spot: Spot | undefined;
  /** Names below a missing one, which are missing too. */
  readonly rest: readonly string[];
  /** The links that were followed. */
  readonly links: readonly FollowedLink[];
  /** Identities of the directories that were passed: whoever moves one moves what is at the end. */
  readonly passed: ReadonlySet<string>;
}

/** As Linux: a path with more links than this is a loop. */
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
      // Replaced meanwhile: it is taken for what ends the way.
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
      // Below a file nothing is, a slash or a dot neither.
      const there = found?.type === "other" && pending.length > 0 ? undefined : found;
      return { path: at, found: there, spot, rest: [], links, passed };
    }
    if (found?.type !== "directory") {
      const rest = pending.reverse().filter((each) => each !== "" && each !== ".");
      return { path: [at, ...rest].join("/"), found: undefined, spot, rest, links, passed };
    }
    levels.push({ path: at, identity: found.identity, found });
  }
  // It ended in a directory that was entered: the root, or by a link with dots at its end.
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

/** The root of a path and the names below it: `/`, on Windows a drive's `C:/` or a share's. */
function splitRoot(path: string): { root: string; names: string[] } {
  const [root = "/"] = /^(?:[A-Za-z]:\/?|\/\/[^/]+\/[^/]+\/?|\/)/.exec(path) ?? [];
  return { root: root.endsWith("/") ? root : `${root}/`, names: path.slice(root.length).split("/") };
}

function enter(root: string, host: PathHost): Level[] {
  const found = host.find(root);
  return [{ path: root, identity: found?.identity ?? root, found }];
}

/** A link's target as an absolute path; undefined for one from where the link is. */
function absoluteTarget(target: string, root: string): string | undefined {
  if (/^[A-Za-z]:\//.test(target)) return target;
  if (!target.startsWith("/")) return undefined;
  // On Windows a path from the root of the drive.
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

/** undefined for an error which says that nothing is there, or no link; else it is thrown on. */
function unlessAbsent(error: unknown, orElse?: "no link"): undefined {
  if (isAbsence(error) || orElse && isNoLink(error)) return undefined;
  throw error;
}

/** Whether readlink failed since no link is there: EINVAL, on Windows ERROR_NOT_A_REPARSE_POINT. */
function isNoLink(error: unknown): boolean {
  return error instanceof Error &&
    ((error as { code?: string }).code === "EINVAL" || /\(os error (?:22|4390)\)/.test(error.message));
}

/**
 * What Deno tells of a file. `path`, free of links, stands for the identity where a file system has no numbers for its files,
 * as some of Windows'. Pure but for the platform.
 */
export function foundOf(info: Deno.FileInfo, path: string): Found {
  return {
    identity: info.ino ? `${info.dev}:${info.ino}` : `path:${comparable(path)}`,
    type: info.isSymlink ? "link" : info.isDirectory ? "directory" : "other",
    changed: Math.max(info.ctime?.getTime() ?? NaN, info.mtime?.getTime() ?? NaN),
  };
}
