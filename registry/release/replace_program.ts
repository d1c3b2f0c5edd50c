/** Puts a new program into the place of the one that runs. */

import { AppError, messageOf } from "../../runtime/base/errors.ts";

/**
 * Replaces a program by a rename, so that there is a whole one at every moment. A program that runs goes on with its old
 * file. Windows does not replace such a file, but renames it: the old one stays as `NAME.old` until the next update.
 *
 * The new program is written and tried in `stage`, which no plugin reaches. If that is on another file system than the
 * program, a copy lies beside the program for a moment; it is compared with what was tried directly before the rename.
 *
 * @param stage a directory of the user's own, in the store
 * @param check starts the new program; a failure leaves the old one
 * @throws AppError SELF_UPDATE_FAILED
 */
export async function replaceProgram(
  path: string,
  program: Uint8Array<ArrayBuffer>,
  stage: string,
  check: (path: string) => Promise<void>,
): Promise<void> {
  const windows = Deno.build.os === "windows";
  const name = `self-update-${crypto.randomUUID()}${windows ? ".exe" : ""}`;
  const staged = `${stage}/${name}`;
  const beside = `${path}.${name}`;
  try {
    await Deno.writeFile(staged, program, { mode: 0o755, createNew: true });
    await check(staged);
    if (windows) {
      await Deno.remove(`${path}.old`).catch(() => {});
      await Deno.rename(path, `${path}.old`);
    }
    try {
      await Deno.rename(staged, path);
    } catch (error) {
      if ((error as { code?: unknown }).code !== "EXDEV") throw error;
      await Deno.writeFile(beside, program, { mode: 0o755, createNew: true });
      if (!isEqual(await Deno.readFile(beside), program)) {
        throw new Error("another program changed the new file");
      }
      await Deno.rename(beside, path);
    }
  } catch (error) {
    if (error instanceof AppError) throw error;
    throw new AppError("SELF_UPDATE_FAILED", `Cannot replace ${path}: ${messageOf(error)}`, { cause: error });
  } finally {
    for (const file of [staged, beside]) await Deno.remove(file).catch(() => {});
  }
}

function isEqual(one: Uint8Array, other: Uint8Array): boolean {
  return one.length === other.length && one.every((byte, index) => byte === other[index]);
}
