/** From grants to what a plugin sees of the host's files: each granted path is looked at once, and opened as it was found. */

import { type GrantedWay, refuseLedAway, walkGranted } from "../grants/granted_path.ts";
import { messageOf } from "../base/errors.ts";
import type { FileGrant, Grants } from "../grants/grants.ts";
import { baseName, guestPath, isWithin, parentOf } from "../base/host_path.ts";
import { DENO_PATHS, type PathWalk, walkPath } from "../base/path_walk.ts";
import type { Mount } from "./types.ts";

/** What {@linkcode mountsFor} needs to know beside the grants. */
export interface MountContext {
  /** The installed plugin's name; undefined for a file that is tried out. */
  readonly plugin: string | undefined;
  readonly cwd: string;
  readonly home: string;
  /** The private directory, free of links; undefined where the plugin is not told of it. */
  readonly own: string | undefined;
  /** The kubeconfig's stand-in; undefined where there is none, or the plugin is not told of it. */
  readonly redacted: string | undefined;
  readonly trace: (line: string) => void;
}

/** A directory that is granted. */
interface Tree extends GrantedWay {
  readonly guest: string;
  readonly write: boolean;
}

/** Files of one directory that are granted by themselves. */
interface SingleFiles extends Mount {
  readonly only: string[];
  readonly names: Map<string, string>;
  readonly through: string[];
}

/**
 * The trees a plugin sees, most specific last: what is granted, its private directory, the kubeconfig's stand-in,
 * and the user's directory as `.` where a grant covers it, since programs in C and Rust find relative paths there.
 *
 * @throws AppError GRANT_INVALID where a grant does not lead where it led when it was given
 */
export function mountsFor(grants: Grants, context: MountContext): Mount[] {
  const { cwd, own, redacted } = context;
  const { trees, files } = granted(grants, context);
  refuseLedAway([...trees, ...files], trees.filter(({ write }) => write).map(({ walk }) => walk));
  const single = new Map<string, SingleFiles>();
  for (const { named, guest, write, walk } of files) addFile(single, named, walk.path, guest, write);
  if (redacted !== undefined && !isCovered(redacted, trees)) {
    addFile(single, redacted, walkPath(redacted, DENO_PATHS).path, redacted, false);
  }
  const mounts: Mount[] = trees.map(({ named, guest, write, walk: { path } }) => ({
    ...{ guest, host: path, write },
    ...(named === path ? {} : { through: [named] }),
  }));
  if (own !== undefined) mounts.push({ guest: own, host: own, write: true });
  const around = trees.filter(({ named, guest, walk }) => named === guest && isWithin(cwd, walk.path));
  if (around.length > 0) mounts.push({ guest: ".", host: cwd, write: around.some(({ write }) => write) });
  else {
    for (const mount of [...single.values()].filter((mount) => mount.host === cwd)) {
      single.set(`. ${mount.write}\0${mount.host}`, { ...mount, guest: "." });
    }
  }
  return [...mounts, ...single.values()].map((mount) => ({ ...mount, guest: guestPath(mount.guest) }));
}

/** What is granted and there, or may be made: directories, and files by themselves. */
function granted(grants: Grants, { plugin, home, trace }: MountContext): { trees: Tree[]; files: Tree[] } {
  const trees: Tree[] = [];
  const files: Tree[] = [];
  if (grants.home) {
    trees.push({ named: home, guest: home, write: true, walk: walkPath(home, DENO_PATHS) });
  }
  for (const grant of grants.files) {
    const { host, guest, write } = grant;
    const way: Tree = { named: host, guest, write, walk: madeWhereMissing(grant, plugin, trace) };
    const { found, rest } = way.walk;
    if (found?.type === "directory") trees.push(way);
    else if (found || write && !grant.directory && rest.length === 0) files.push(way); // it may be made
    else trace(`granted "${host}" is not there`);
  }
  return { trees, files };
}

/** A directory that was granted to be changed, and is not there, is made: the plugin itself could make it no directory. */
function madeWhereMissing(
  grant: FileGrant,
  plugin: string | undefined,
  trace: MountContext["trace"],
): PathWalk {
  const walk = walkGranted(grant, plugin);
  if (walk.found || !grant.directory || !grant.write) return walk;
  try {
    Deno.mkdirSync(walk.path, { recursive: true, mode: 0o700 });
  } catch (error) {
    trace(`cannot make the granted directory "${grant.host}": ${messageOf(error)}`);
  }
  return walkGranted(grant, plugin);
}

function addFile(
  single: Map<string, SingleFiles>,
  named: string,
  host: string,
  guest: string,
  write: boolean,
): void {
  const [directory, name] = [parentOf(host), baseName(host)];
  const [guestDirectory, guestName] = [parentOf(guest), baseName(guest)];
  const key = `${write} ${guestDirectory}\0${directory}`;
  const mount: SingleFiles = single.get(key) ??
    { guest: guestDirectory, host: directory, write, only: [], names: new Map(), through: [] };
  mount.only.push(guestName);
  if (name !== guestName) mount.names.set(guestName, name);
  if (host !== named) mount.through.push(named);
  single.set(key, mount);
}

/** Whether a plugin finds a file below a granted directory, by its own path and no link. */
function isCovered(path: string, trees: readonly Tree[]): boolean {
  return trees.some(({ named, guest }) => named === guest && isWithin(path, named)) &&
    walkPath(path, DENO_PATHS).links.length === 0;
}
