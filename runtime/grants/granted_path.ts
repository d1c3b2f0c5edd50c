/**
 * Where granted paths lead. A plugin may change what lies where it may write, and a link that it leaves there must not
 * decide where a later run's grants lead. So a grant remembers where its path led, and whether to a directory, when a
 * person gave it; a run compares.
 */

import { AppError } from "../base/errors.ts";
import type { FileGrant, GrantChange, Grants } from "./grants.ts";
import { DENO_PATHS, type PathHost, type PathWalk, walkPath } from "../base/path_walk.ts";
import { shellCommand } from "../base/shell_word.ts";
import { printable } from "../base/text.ts";

/**
 * A grant that remembers where it leads now. One that does already stays as it is.
 *
 * @throws AppError GRANT_INVALID where a directory is granted (`PATH/`) and a file is there
 */
export function resolveGrant(grant: FileGrant, host: PathHost = DENO_PATHS): FileGrant {
  if (grant.real !== undefined) return grant;
  const { path, found } = walkPath(grant.host, host);
  if (grant.directory && found && found.type !== "directory") {
    throw new AppError("GRANT_INVALID", `"${printable(grant.host, 300)}/" is no directory`);
  }
  const directory = found ? found.type === "directory" : grant.directory ?? false;
  return { ...grant, directory, real: path };
}

/**
 * Grants that remember where they lead. What stood before in the same words (`before`) goes on leading where it led: nobody
 * looked at it anew. One of before grants remembered leads where it says.
 *
 * @throws AppError GRANT_INVALID
 */
export function resolveGrants(grants: Grants, before?: Grants): Grants {
  const known = new Map(before?.files.map((grant) => [keyOf(grant), grant]));
  return {
    ...grants,
    files: grants.files.map((grant) => {
      const same = known.get(keyOf(grant));
      if (grant.real !== undefined || !same) return resolveGrant(grant);
      const { directory, real = same.host } = same;
      return { ...grant, real, ...(directory === undefined ? {} : { directory }) };
    }),
  };
}

/** The same for what flags ask for. @throws AppError GRANT_INVALID */
export function resolveChange(change: GrantChange): GrantChange {
  return { ...change, files: change.files.map((grant) => resolveGrant(grant)) };
}

function keyOf({ host, guest, write }: FileGrant): string {
  return `${write} ${host}\0${guest}`;
}

/**
 * Where a granted path leads, which is where it led when it was granted.
 *
 * @param plugin the installed plugin's name, whose grant it is; undefined for a file that is tried out
 * @throws AppError GRANT_INVALID where it leads elsewhere, or to a directory in place of a file, or a file in place of a directory
 */
export function walkGranted(
  grant: FileGrant,
  plugin: string | undefined,
  host: PathHost = DENO_PATHS,
): PathWalk {
  const walk = walkPath(grant.host, host);
  const refuse = (how: string): never => {
    const flag = `--allow-${grant.write ? "write" : "read"}=${grant.host}${
      grant.guest === grant.host ? "" : `::${grant.guest}`
    }`;
    // What can't be typed is no command.
    const command = plugin === undefined ? undefined : shellCommand(["krew-wasm", "grants", plugin, flag]);
    throw new AppError(
      "GRANT_INVALID",
      `The grant of "${printable(grant.host, 300)}" does not hold: ${how}`,
      {
        hint: command === undefined
          ? "look at what is there, and grant it anew"
          : `look at what is there; to grant it anew: ${command}`,
      },
    );
  };
  const real = grant.real ?? grant.host;
  if (walk.path !== real && !walk.links.every(({ directory }) => isOutOfReach(directory))) {
    refuse(
      `it led to "${printable(real, 300)}" when it was granted, and leads to "${
        printable(walk.path, 300)
      }" now`,
    );
  }
  const { found } = walk;
  if (found?.type === "link") refuse("a link that leads nowhere is there now");
  if (found && grant.directory === true && found.type !== "directory") {
    refuse("it was a directory when it was granted, and is none now");
  }
  if (found && grant.directory === false && found.type === "directory") {
    refuse("it was no directory when it was granted, and is one now");
  }
  return walk;
}

/**
 * Whether no process of this user can change what is in a directory, nor the way to it: links there are the system's, or an
 * administrator's, who may have them lead elsewhere.
 */
export function isOutOfReach(directory: string): boolean {
  if (Deno.build.os === "windows") return false;
  const user = Deno.uid();
  for (let at = directory;; at = at.slice(0, at.lastIndexOf("/")) || "/") {
    try {
      const { uid, mode } = Deno.lstatSync(at);
      if (user === 0 || uid === user || ((mode ?? 0o777) & 0o022) !== 0) return false;
    } catch {
      return false;
    }
    if (at === "/") return true;
  }
}

/** Why a grant is not opened that goes through a directory which the plugin may change, and leaves it. */
const LED_AWAY =
  "by a link that the plugin could have made it leads out of a directory that the plugin may change; " +
  "grant the path that it should lead to";

/** A way that is granted, and the path that was named. */
export interface GrantedWay {
  readonly named: string;
  readonly walk: PathWalk;
}

/**
 * Refuses a way that goes through a directory which the plugin may change, and leaves it: an earlier run, or another process
 * of this one, could have put a link to anywhere in the place of what was meant.
 *
 * @param writable directories that the plugin may change
 * @throws AppError GRANT_INVALID
 */
export function refuseLedAway(ways: readonly GrantedWay[], writable: readonly PathWalk[]): void {
  for (const { named, walk } of ways) {
    for (const { above } of walk.links) {
      // Each of them: what the path leads to may be one that the plugin was granted to change only because it leads there.
      for (const { found: root } of writable) {
        if (!root || !above.includes(root.identity) || isIn(walk, root.identity)) continue;
        throw new AppError(
          "GRANT_INVALID",
          `Cannot open "${printable(named, 300)}" for the plugin: ${LED_AWAY}`,
        );
      }
    }
  }
}

function isIn({ found, spot }: PathWalk, root: string): boolean {
  return found?.identity === root || (spot?.above.includes(root) ?? false);
}
