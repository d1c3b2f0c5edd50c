/** Puts a new program into the place of the one that runs. */

import { AppError, messageOf } from "../../runtime/base/errors.ts";

/**
 * Replaces a program by a rename, so that there is a whole one at every moment. A program that runs goes on with its old
 * file. Windows does not replace such a file, but renames it: the old one stays as `NAME.old` until the next update.
 *
 * @param check starts the new program; a failure leaves the old one
 * @throws AppError SELF_UPDATE_FAILED
 */
export async function replaceProgram(
  path: string,
  program: Uint8Array,
  check: (path: string) => Promise<void>,
): Promise<void> {
  const windows = Deno.build.os === "windows";
  const staged = `${path}.${crypto.randomUUID()}${windows ? ".exe" : ""}`;
  try {
    await Deno.writeFile(staged, program, { mode: 0o755, createNew: true });
    await check(staged);
    if (windows) {
      await Deno.remove(`${path}.old`).catch(() => {});
      await Deno.rename(path, `${path}.old`);
    }
    await Deno.rename(staged, path);
  } catch (error) {
    await Deno.remove(staged).catch(() => {});
    if (error instanceof AppError) throw error;
    throw new AppError("SELF_UPDATE_FAILED", `Cannot replace ${path}: ${messageOf(error)}`, { cause: error });
  }
}
