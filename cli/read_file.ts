/** The file that a command is told of. */

import { AppError, messageOf } from "../runtime/errors.ts";
import { printable } from "../runtime/text.ts";

/** Its bytes. `verb` is what was to be done with it, for the message. @throws AppError FILE_UNREADABLE */
export function readFile(path: string, verb: string): Uint8Array<ArrayBuffer> {
  try {
    return Deno.readFileSync(path);
  } catch (error) {
    const why = error instanceof Deno.errors.NotFound
      ? "there is no such file"
      : printable(messageOf(error), 200);
    throw new AppError("FILE_UNREADABLE", `Cannot ${verb} "${printable(path)}": ${why}`);
  }
}
