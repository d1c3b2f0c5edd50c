/** Names and directories of protected files, as keys to compare. Pure. */

import { isBelow } from "../../base/host_path.ts";
import type { PathWalk, Spot } from "../../base/path_walk.ts";

/** A name in a directory, as a key. On case-insensitive file systems different spellings have the same key. */
export function placeOf(directory: string, name: string): string {
  return `${directory} ${folded(name)}`;
}

/**
 * A name without differences that some file system ignores: case, Unicode normalization, invisible characters (HFS+),
 * dots and blanks at the end (Windows). A missing file has no identity to compare. Pure.
 */
export function folded(name: string): string {
  return name.normalize("NFKD").replace(/\p{Default_Ignorable_Code_Point}/gu, "").toUpperCase().toLowerCase()
    .replace(/[. ]+$/, "");
}

/** The device in an identity. */
export function deviceOf(identity: string): string {
  return identity.slice(0, identity.indexOf(":"));
}

/**
 * The directories to search for further names of files: those without one above them that is searched anyway. One on
 * another device may be a mount, which later can't be reached from above.
 */
export function outermost(walks: readonly PathWalk[]): PathWalk[] {
  const directories = walks.filter(({ found }) => found?.type === "directory");
  return directories.filter(({ path, found }, index) =>
    !directories.some((other, position) =>
      deviceOf(other.found!.identity) === deviceOf(found!.identity) &&
      (isBelow(path, other.path) || position < index && path === other.path)
    )
  );
}

/** The names that lead to the end of a path: its own, and those of links to it. */
export function namesOf({ spot, rest, links }: Pick<PathWalk, "spot" | "rest" | "links">): Spot[] {
  return [...(spot && rest.length === 0 ? [spot] : []), ...links.filter(({ last }) => last)];
}
