/** Files of configuration, which need not be there. */

import { AppError, type ErrorCode } from "../../runtime/base/errors.ts";
import { readText } from "../../runtime/kube/config/text_file.ts";
import { whyNotRead } from "../../runtime/base/file_error.ts";
import { printable } from "../../runtime/base/text.ts";

/** Its text; undefined where there is no such file. @throws AppError with `code`, where there is one that can't be read */
export function readOptionalFile(path: string, code: ErrorCode): string | undefined {
  try {
    return readText(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory) return undefined;
    throw new AppError(code, `Cannot read "${printable(path, 300)}": ${whyNotRead(error)}`, { cause: error });
  }
}
