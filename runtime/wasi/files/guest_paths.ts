/** Absolute paths as a plugin writes them. Pure. */

import type { GuestPath } from "./file_tree.ts";

/** A path as text; undefined if its bytes are not text. */
export function textOf(path: GuestPath): string | undefined {
  if (typeof path === "string") return path;
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(path);
  } catch {
    return undefined;
  }
}

/** Removes empty names, dots, and names before `..`. */
export function normalized(path: string): string {
  const names: string[] = [];
  for (const name of path.split("/")) {
    if (name === "" || name === ".") continue;
    if (name === "..") names.pop();
    else names.push(name);
  }
  return `/${names.join("/")}`;
}

/** The part of a path below a root, or `.`. */
export function restOf(path: string, root: string): string {
  return path === root ? "." : path.slice(root === "/" ? 1 : root.length + 1);
}

/** A name in a directory. */
export function joined(directory: string, name: string): string {
  return directory === "/" ? `/${name}` : `${directory}/${name}`;
}
