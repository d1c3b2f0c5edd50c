/** Why the operating system would not hand out a file, in words for people. */

import { messageOf } from "./errors.ts";
import { printable } from "./text.ts";

/**
 * The end of a sentence such as `Cannot read "x": there is no such file`: the system's own words without its number, the
 * call's name and the path, which the sentence has.
 */
export function whyNotRead(error: unknown): string {
  if (error instanceof Deno.errors.NotFound) return "there is no such file";
  if (error instanceof Deno.errors.IsADirectory) return "it is a directory";
  if (error instanceof Deno.errors.NotADirectory) return "a part of its path is no directory";
  if (error instanceof Deno.errors.PermissionDenied) return "permission denied";
  return systemWords(error);
}

/** The system's own words of a failure: `no space left on device` of `No space left on device (os error 28): write …`. */
export function systemWords(error: unknown): string {
  const [, words] = /^(.*?) \(os error \d+\)/s.exec(messageOf(error)) ?? [];
  return printable(
    words === undefined
      ? messageOf(error)
      : words.replace(/^[A-Z](?=[a-z ])/, (first) => first.toLowerCase()),
    200,
  );
}
