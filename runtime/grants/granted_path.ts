/**
 * Where granted paths lead. A plugin may leave links in directories that it can write to. Such a link must not decide where
 * a later run's grants lead. So a grant records where its path led when the user gave it, and whether it was a directory.
 * Each run compares.
 */

import { AppError } from "../base/errors.ts";
import type { FileGrant, GrantChange, Grants } from "./grants.ts";
import { DENO_PATHS, type PathHost, type PathWalk, walkPath } from "../base/path_walk.ts";
import { shellCommand } from "../base/shell_word.ts";
import { printable } from "../base/text.ts";

/**
 * Records in a grant where it leads now. A grant that already has this record stays unchanged.
 *
 * @throws AppError GRANT_INVALID if the grant is for a directory (`PATH/`) and the path is a file
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
 * Records in each grant where it leads. A grant that `before` has in the same words keeps its old target, because nobody
 * has reviewed it again. An old grant without a record keeps its path as the target.
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

/** Does the same for the grants from flags. @throws AppError GRANT_INVALID */
export function resolveChange(change: GrantChange): GrantChange {
  return { ...change, files: change.files.map((grant) => resolveGrant(grant)) };
}

function keyOf({ host, guest, write }: FileGrant): string {
  return `${write} ${host}\0${guest}`;
}

/**
 * Follows a granted path and checks that it still leads where it led when it was granted.
 *
 * @param plugin the installed plugin's name; undefined for a file that is run without installing
 * @throws AppError GRANT_INVALID if the path leads elsewhere, or if a file and a directory have changed places
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
    // Suggest no command that the user cannot type.
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
  if (walk.path !== real && !isMovedByRoot(walk)) {
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
 * Whether only root can have changed where a path leads: by the link at its end, or because the user can change nothing on
 * the whole way. It is not enough that every link is root's. A plugin may have removed its own link and put a directory
 * in its place.
 */
function isMovedByRoot({ links, spot }: PathWalk): boolean {
  if (!links.every(({ directory }) => isOutOfReach(directory))) return false;
  return links.some(({ last }) => last) || (spot !== undefined && isOutOfReach(spot.directory));
}

/**
 * Whether no process of this user can change a directory's content or the way to it. Only the system or an administrator
 * can then have made links there.
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

/** Why krew-wasm refuses a grant whose path leaves a directory that the plugin may change. */
const LED_AWAY =
  "by a link that the plugin could have made it leads out of a directory that the plugin may change; " +
  "grant the path that it should lead to";

/** A granted path and where it leads. */
export interface GrantedWay {
  readonly named: string;
  readonly walk: PathWalk;
}

/**
 * Refuses a path that leaves a directory which the plugin may change. An earlier run, or another process of this one, could
 * have replaced the intended target by a link.
 *
 * @param writable directories that the plugin may change
 * @throws AppError GRANT_INVALID
 */
export function refuseLedAway(ways: readonly GrantedWay[], writable: readonly PathWalk[]): void {
  for (const { named, walk } of ways) {
    for (const { above } of walk.links) {
      // Check every directory: the plugin may be granted the path's target only because the path leads there.
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
