/** Paths as bytes, because Linux names need not be text. Pure. */

export { fromLatin1, latin1 } from "../../../base/bytes.ts";

import { concatBytes } from "../../../base/bytes.ts";
import { WasiError } from "../../errno.ts";
import type { GuestPath } from "../file_tree.ts";

/** `/` */
export const SLASH = 0x2f;
const DOT = 0x2e;
const encoder = new TextEncoder();

/** A path's last name, and the path to its directory; empty if that is the starting directory. */
export function nameOf(path: GuestPath): { parent: Uint8Array; name: Uint8Array; bare: Uint8Array } {
  const bytes = bytesOf(path);
  if (bytes.length === 0) throw new WasiError("no-entry");
  if (bytes[0] === SLASH) throw new WasiError("not-permitted");
  let end = bytes.length;
  while (end > 0 && bytes[end - 1] === SLASH) end--;
  const start = bytes.subarray(0, end).lastIndexOf(SLASH) + 1;
  return { parent: bytes.subarray(0, start), name: bytes.subarray(start), bare: bytes.subarray(start, end) };
}

export function join(directory: Uint8Array, name: Uint8Array): Uint8Array {
  return concatBytes([directory, name]);
}

/** @throws WasiError invalid for a value that is neither text nor bytes, which a check of its bytes would not understand */
export function bytesOf(path: GuestPath): Uint8Array {
  if (typeof path === "string") return encoder.encode(path);
  if (path instanceof Uint8Array) return path;
  throw new WasiError("invalid");
}

/** Whether a path is a single name in the starting directory. */
export function isName(path: GuestPath): boolean {
  return typeof path === "string"
    ? path !== "" && path !== ".." && !path.includes("/")
    : path instanceof Uint8Array && path.length > 0 && !path.includes(SLASH) &&
      !(path.length === 2 && isDots(path));
}

/** `.` or `..`. */
export function isDots(name: Uint8Array): boolean {
  return name[0] === DOT && (name.length === 1 || name.length === 2 && name[1] === DOT);
}
