/** Optional configuration files. */

import { AppError, type ErrorCode } from "../../runtime/base/errors.ts";
import { readText } from "../../runtime/kube/config/text_file.ts";
import { whyNotRead } from "../../runtime/base/file_error.ts";
import { printable } from "../../runtime/base/text.ts";

/** The file's text; undefined if it does not exist. @throws AppError with `code` if it cannot be read */
export function readOptionalFile(path: string, code: ErrorCode): string | undefined {
  try {
    return readText(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory) return undefined;
    throw new AppError(code, `Cannot read "${printable(path, 300)}": ${whyNotRead(error)}`, { cause: error });
  }
}
