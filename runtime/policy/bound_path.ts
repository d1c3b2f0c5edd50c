/** Resolves the paths by which an administrator bounds grants. */

import { isOutOfReach } from "../grants/granted_path.ts";
import { isWithin, realPath } from "../base/host_path.ts";
import { isSystemRoot, whyChangeable } from "./owned_file.ts";
import { DENO_PATHS, walkPath } from "../base/path_walk.ts";

/**
 * Where a bound's path leads. Returns undefined if the user, or a plugin of the user, could have made a link on the way:
 * they could then move the bound. For a missing path: where it will be.
 *
 * @param path absolute, canonical
 * @param reach directories that root's plugins may change. root may change everything, so for root only links in these
 * count
 */
export function boundPath(path: string, reach: readonly string[]): string | undefined {
  const { path: real, links, found } = walkPath(path, DENO_PATHS);
  const isTrusted = ({ directory }: { readonly directory: string }): boolean =>
    Deno.build.os !== "windows" && isSystemRoot()
      ? whyChangeable(directory) === undefined && !reach.some((each) => isWithin(directory, each))
      : isOutOfReach(directory);
  if (found?.type === "link" || !links.every(isTrusted)) return undefined;
  // Windows has several names for one directory, even without links.
  return Deno.build.os === "windows" ? realOrNamed(real) : real;
}

/** Where a path leads. For a missing path, its nearest existing directory decides. */
export function realOrNamed(path: string): string {
  const at = path.lastIndexOf("/");
  try {
    return realPath(path);
  } catch {
    if (at <= 0) return path;
    const parent = realOrNamed(path.slice(0, at));
    return `${parent === "/" ? "" : parent}${path.slice(at)}`;
  }
}
