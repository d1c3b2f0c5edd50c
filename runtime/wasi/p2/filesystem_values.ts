/** Values of wasi:filesystem/types: error-codes, flags, times, attributes. Pure. */

import { type ErrnoName, errnoOf } from "../errno.ts";
import type { NewTime, Stat } from "../files/file_tree.ts";
import type { MaybePromise } from "../streams/streams.ts";
import { datetimeOf } from "./clocks.ts";

export type Timestamp =
  | { tag: "no-change" }
  | { tag: "now" }
  | { tag: "timestamp"; val: { seconds: bigint; nanoseconds: number } };
export interface DescriptorFlags {
  read?: boolean;
  write?: boolean;
  fileIntegritySync?: boolean;
  dataIntegritySync?: boolean;
  requestedWriteSync?: boolean;
  mutateDirectory?: boolean;
}
export interface PathFlags {
  symlinkFollow?: boolean;
}
export interface OpenFlags {
  create?: boolean;
  directory?: boolean;
  exclusive?: boolean;
  truncate?: boolean;
}

/** The error-code of an operation's error. Throws an error that does not come from the operating system again. */
export function codeOf(error: unknown): string {
  const errno = errnoOf(error);
  return UNNAMED[errno] ?? errno;
}

// Errors that preview1 names and this version does not.
const UNNAMED: Partial<Record<ErrnoName, string>> = {
  "fault": "invalid",
  "no-system-call": "unsupported",
  "not-capable": "not-permitted",
  "not-socket": "invalid",
  "too-many-open": "insufficient-memory",
};

function errorCode(error: unknown): never {
  throw codeOf(error);
}

/** Runs an operation; an error becomes an error-code. */
export function attempt<T>(operation: () => MaybePromise<T>): MaybePromise<T> {
  try {
    const value = operation();
    return value instanceof Promise ? value.catch(errorCode) : value;
  } catch (error) {
    return errorCode(error);
  }
}

/** A time to set, for the file tree. */
export function newTime(time: Timestamp): NewTime {
  if (time.tag === "no-change") return undefined;
  if (time.tag === "now") return "now";
  return time.val.seconds * 1_000_000_000n + BigInt(time.val.nanoseconds);
}

/** wasi:filesystem/types.descriptor-stat */
export function statRecord(stat: Stat) {
  return {
    type: stat.type,
    linkCount: stat.links,
    size: stat.size,
    dataAccessTimestamp: datetimeOf(stat.accessed),
    dataModificationTimestamp: datetimeOf(stat.modified),
    statusChangeTimestamp: datetimeOf(stat.changed),
  };
}

/** Identifies the file and its content. */
export function hashOf(stat: Stat): { lower: bigint; upper: bigint } {
  const mask = (1n << 64n) - 1n;
  const mix = (a: bigint, b: bigint) => ((a ^ b) * 0x9e3779b97f4a7c15n ^ (b << 17n)) & mask;
  return { lower: mix(stat.ino, stat.modified), upper: mix(stat.dev, stat.size) };
}
