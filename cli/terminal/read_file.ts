/** Reads a file that the user named on the command line. */

import { AppError, type ErrorCode } from "../../runtime/base/errors.ts";
import { whyNotRead } from "../../runtime/base/file_error.ts";
import { printable } from "../../runtime/base/text.ts";

/** Options for reading a file, and for the error message. */
export interface ReadOptions {
  /** The verb of the message `Cannot <action> "<path>": …`. Default: `read`. */
  readonly action?: string;
  /** The error's code. Default: FILE_UNREADABLE. */
  readonly code?: ErrorCode;
  /** Maximum size in bytes, a multiple of 1 MiB. */
  readonly limit?: number;
  readonly hint?: string;
}

/** Reads a file's bytes. @throws AppError FILE_UNREADABLE, or the code of `options` */
export function readFile(path: string, options: ReadOptions = {}): Uint8Array<ArrayBuffer> {
  return read(path, options, Deno.readFileSync);
}

/** Reads a file's text. @throws AppError FILE_UNREADABLE, or the code of `options` */
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

/** The message for a file of more than `limit` bytes, a multiple of 1 MiB. */
export function tooLarge(limit: number): string {
  return `it is larger than ${limit >> 20} MiB`;
}

/** The error for an unreadable file. */
export function unreadable(
  path: string,
  error: unknown,
  { action = "read", code = "FILE_UNREADABLE", hint }: ReadOptions = {},
): AppError {
  return new AppError(code, `Cannot ${action} "${printable(path, 300)}": ${whyNotRead(error)}`, {
    cause: error,
    hint,
  });
}
