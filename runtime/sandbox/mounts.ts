/** Turns grants into the directories that a plugin sees. Follows each granted path once, and opens exactly what it found. */

import { type GrantedWay, refuseLedAway, walkGranted } from "../grants/granted_path.ts";
import { messageOf } from "../base/errors.ts";
import type { FileGrant, Grants } from "../grants/grants.ts";
import { baseName, guestPath, isWithin, parentOf } from "../base/host_path.ts";
import { DENO_PATHS, type PathWalk, walkPath } from "../base/path_walk.ts";
import type { Mount } from "./types.ts";

/** What {@linkcode mountsFor} needs besides the grants. */
export interface MountContext {
  /** The installed plugin's name; undefined for a file that is run without installing. */
  readonly plugin: string | undefined;
  readonly cwd: string;
  readonly home: string;
  /** The private directory, free of links; undefined if the plugin does not get its path. */
  readonly own: string | undefined;
  /** The redacted kubeconfig; undefined if there is none, or the plugin does not get its path. */
  readonly redacted: string | undefined;
  readonly trace: (line: string) => void;
}

/** A granted directory. */
interface Tree extends GrantedWay {
  readonly guest: string;
  readonly write: boolean;
}

/** Single files of one directory, each granted by itself. */
interface SingleFiles extends Mount {
  readonly only: string[];
  readonly names: Map<string, string>;
  readonly through: string[];
}

/**
 * The directories that a plugin sees, most specific last: granted ones, its private directory, the redacted kubeconfig, and
 * the current directory as `.` if a grant covers it. Programs in C and Rust resolve relative paths by `.`.
 *
 * @throws AppError GRANT_INVALID if a granted path leads elsewhere than when it was granted
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

/** The granted directories and single files that exist or that the plugin may create. */
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
    else if (found || write && !grant.directory && rest.length === 0) files.push(way); // the plugin may create it
    else trace(`granted "${host}" is not there`);
  }
  return { trees, files };
}

/** Creates a missing directory that is granted for writing, because the plugin could create only a file there. */
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

/** Whether a plugin finds a file below a granted directory by its own path, without links. */
function isCovered(path: string, trees: readonly Tree[]): boolean {
  return trees.some(({ named, guest }) => named === guest && isWithin(path, named)) &&
    walkPath(path, DENO_PATHS).links.length === 0;
}
