/** Deno's attributes of files in the terms of a file tree, with exact times where the plugin set them. */

import { foundOf } from "../../../base/path_walk.ts";
import type { NewTime, NodeType, Stat } from "../file_tree.ts";
import type { Entry } from "../protection.ts";

const MILLION = 1_000_000n;

// Deno reads and sets times in milliseconds. The host remembers the exact time that a plugin set, as long as the file
// shows it, so that a program finds the nanoseconds it wrote.
const exactTimes = new Map<string, { accessed?: bigint; modified?: bigint }>();

export function statOf(info: Deno.FileInfo, type = typeOf(info)): Stat {
  return {
    type,
    dev: BigInt(info.dev),
    ino: BigInt(info.ino ?? 0),
    links: BigInt(info.nlink ?? 1),
    size: BigInt(info.size),
    accessed: exact(info, "accessed", info.atime),
    modified: exact(info, "modified", info.mtime),
    changed: BigInt((info.ctime ?? info.mtime)?.getTime() ?? 0) * MILLION,
  };
}

export function typeOf(info: Deno.FileInfo): NodeType {
  if (info.isFile) return "regular-file";
  if (info.isDirectory) return "directory";
  if (info.isSymlink) return "symbolic-link";
  if (info.isCharDevice) return "character-device";
  if (info.isBlockDevice) return "block-device";
  if (info.isFifo) return "fifo";
  if (info.isSocket) return "socket";
  return "unknown";
}

/** A file for the decisions. */
export function entryOf(info: Deno.FileInfo, host: string): Entry {
  return { ...foundOf(info, host), type: typeOf(info), links: BigInt(info.nlink ?? 1) };
}

/** Sets times with `apply`, in milliseconds, and remembers the exact ones. */
export function applyTimes(
  info: Deno.FileInfo,
  accessed: NewTime,
  modified: NewTime,
  apply: (accessed: Date, modified: Date) => void,
): void {
  if (accessed === undefined && modified === undefined) return;
  const now = BigInt(Date.now()) * MILLION;
  const choose = (time: NewTime, old: bigint) => time === "now" ? now : time ?? old;
  const chosen = {
    accessed: choose(accessed, exact(info, "accessed", info.atime)),
    modified: choose(modified, exact(info, "modified", info.mtime)),
  };
  apply(
    new Date(Number(floorMilliseconds(chosen.accessed))),
    new Date(Number(floorMilliseconds(chosen.modified))),
  );
  exactTimes.set(`${info.dev}:${info.ino}`, chosen);
}

function exact(info: Deno.FileInfo, which: "accessed" | "modified", time: Date | null): bigint {
  const rounded = BigInt(time?.getTime() ?? 0) * MILLION;
  const set = exactTimes.size === 0 ? undefined : exactTimes.get(`${info.dev}:${info.ino}`)?.[which];
  return set !== undefined && floorMilliseconds(set) * MILLION === rounded ? set : rounded;
}

function floorMilliseconds(nanoseconds: bigint): bigint {
  return nanoseconds >= 0n ? nanoseconds / MILLION : (nanoseconds - MILLION + 1n) / MILLION;
}
