/** The file that a command is told of. */

import { AppError, type ErrorCode } from "../../runtime/base/errors.ts";
import { whyNotRead } from "../../runtime/base/file_error.ts";
import { printable } from "../../runtime/base/text.ts";

/** How a file is read, and what is said where it can't be. */
export interface ReadOptions {
  /** What was to be done with it, for the message: `Cannot <action> "<path>": …`; `read` without it. */
  readonly action?: string;
  /** The code of the error; FILE_UNREADABLE without it. */
  readonly code?: ErrorCode;
  /** The most it may have, in bytes, whole MiB. */
  readonly limit?: number;
  readonly hint?: string;
}

/** Its bytes. @throws AppError FILE_UNREADABLE, or the code of `options` */
export function readFile(path: string, options: ReadOptions = {}): Uint8Array<ArrayBuffer> {
  return read(path, options, Deno.readFileSync);
}

/** Its text. @throws AppError FILE_UNREADABLE, or the code of `options` */
export function readTextFile(path: string, options: ReadOptions = {}): string {
  return read(path, options, Deno.readTextFileSync);
}

function read<T>(path: string, options: ReadOptions, reader: (path: string) => T): T {
  try {
    if (options.limit !== undefined && Deno.statSync(path).size > options.limit) {
      throw new Error(tooLarge(options.limit));
    }
    return reader(path);
  } catch (error) {
    throw unreadable(path, error, options);
  }
}

/** The words for a file of more than `limit` bytes, whole MiB. */
export function tooLarge(limit: number): string {
  return `it is larger than ${limit >> 20} MiB`;
}

/** The error for a file that can't be read. */
export function unreadable(
  path: string,
  error: unknown,
  { action = "read", code = "FILE_UNREADABLE", hint }: ReadOptions = {},
): AppError {
  return new AppError(code, `Cannot ${action} "${printable(path, 300)}": ${whyNotRead(error)}`, {
    cause: error,
    ...(hint === undefined ? {} : { hint }),
  });
}
