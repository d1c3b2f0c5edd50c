/** Paths as a plugin writes them. Pure. */

import { decodeUtf8 } from "../../base/bytes.ts";
import { pathBelow } from "../../base/host_path.ts";
import { WasiError } from "../errno.ts";
import type { GuestPath } from "./file_tree.ts";

/** A path as text; undefined if its bytes are not text. */
export function textOf(path: GuestPath): string | undefined {
  return typeof path === "string" ? path : decodeUtf8(path);
}

/** A path or name as text. @throws WasiError illegal-byte-sequence */
export function toText(path: GuestPath): string {
  const text = textOf(path);
  if (text === undefined) throw new WasiError("illegal-byte-sequence");
  return text;
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
  return pathBelow(path, root) ?? ".";
}

/** A name in a directory. */
export function joined(directory: string, name: string): string {
  return directory === "/" ? `/${name}` : `${directory}/${name}`;
}
