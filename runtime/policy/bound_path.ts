/** Where the paths lead by which an administrator bounds grants. */

import { isOutOfReach } from "../grants/granted_path.ts";
import { isWithin } from "../base/host_path.ts";
import { whyChangeable } from "./owned_file.ts";
import { DENO_PATHS, walkPath } from "../base/path_walk.ts";
import { realOrNamed } from "./policy.ts";

/**
 * Where a bound leads; undefined where a link is on the way that this user, or a plugin of the user's, could have made: with it,
 * the bound would be wherever they like. Of what is not there yet, where it will be.
 *
 * @param path absolute, canonical
 * @param reach directories that a plugin of root's may change: for root, who may change everything, links count elsewhere
 */
export function boundPath(path: string, reach: readonly string[]): string | undefined {
  const { path: real, links, found } = walkPath(path, DENO_PATHS);
  const isTrusted = ({ directory }: { readonly directory: string }): boolean =>
    Deno.build.os !== "windows" && Deno.uid() === 0
      ? whyChangeable(directory) === undefined && !reach.some((each) => isWithin(directory, each))
      : isOutOfReach(directory);
  if (found?.type === "link" || !links.every(isTrusted)) return undefined;
  // Windows has several names for one directory, without any link.
  return Deno.build.os === "windows" ? realOrNamed(real) : real;
}
