/** Explains in plain words why the operating system refused a file. */

import { messageOf } from "./errors.ts";
import { printable } from "./text.ts";

/**
 * The end of a sentence such as `Cannot read "x": there is no such file`. These are the system's own words without the
 * error number, the call's name and the path, since the sentence already has the path.
 */
export function whyNotRead(error: unknown): string {
  if (error instanceof Deno.errors.NotFound) return "there is no such file";
  if (error instanceof Deno.errors.IsADirectory) return "it is a directory";
  if (error instanceof Deno.errors.NotADirectory) return "a part of its path is no directory";
  if (error instanceof Deno.errors.PermissionDenied) return "permission denied";
  return systemWords(error);
}

/** Which resource of the disk has run out; undefined for other errors. */
export function diskWords(error: unknown): string | undefined {
  switch ((error as { code?: unknown } | null)?.code) {
    case "ENOSPC":
      return "the disk is full";
    case "EDQUOT":
      return "your quota on this disk is used up";
    case "EROFS":
      return "the disk is read-only";
    default:
      return undefined;
  }
}

/** The system's own words for a failure: `not a directory` from `Not a directory (os error 20): mkdir …`. */
export function systemWords(error: unknown): string {
  // Deno opens these files only for a process that has all permissions.
  if (error instanceof Deno.errors.NotCapable) return "krew-wasm opens nothing in /dev, /proc and /sys";
  const disk = diskWords(error);
  if (disk !== undefined) return disk;
  const [, words] = /^(.*?) \(os error \d+\)/s.exec(messageOf(error)) ?? [];
  return printable(
    words === undefined
      ? messageOf(error)
      : words.replace(/^[A-Z](?=[a-z ])/, (first) => first.toLowerCase()),
    200,
  );
}
