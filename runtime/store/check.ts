/** Checks whether a store is safe to use. Every command and run does this, so it takes only two system calls. */

import { AppError, messageOf } from "../base/errors.ts";
import { shellCommand } from "../base/shell_word.ts";
import { type Layout, STORE_VERSION } from "./layout.ts";

/**
 * Refuses a store that another user could have filled, and a store of a newer format. A missing store passes.
 *
 * @returns the version of the store's format; 0 without a store
 * @throws AppError STORE_UNSAFE, STORE_NEWER, STORE_CORRUPT, STORE_FAILED
 */
export function checkStore(layout: Layout): number {
  let info: Deno.FileInfo;
  try {
    info = Deno.statSync(layout.root);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return 0;
    if (error instanceof Deno.errors.NotADirectory) throw noDirectory(layout);
    throw new AppError("STORE_FAILED", `Cannot use ${layout.root}: ${messageOf(error)}`, { cause: error });
  }
  if (!info.isDirectory) throw noDirectory(layout);
  refuseForeign(layout, info);
  let text: string;
  try {
    text = Deno.readTextFileSync(layout.version);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return 1; // empty, or older than this file
    throw new AppError("STORE_FAILED", `Cannot read ${layout.version}: ${messageOf(error)}`, {
      cause: error,
    });
  }
  return parseStoreVersion(text, layout.root);
}

function noDirectory({ root }: Layout): AppError {
  return new AppError("STORE_FAILED", `The store can't be in ${root}: that is no directory`, {
    hint: "set KREW_WASM_ROOT to where plugins are kept",
  });
}

/** Parses store.json. Pure. @throws AppError STORE_NEWER, STORE_CORRUPT */
export function parseStoreVersion(text: string, root: string): number {
  let format: unknown;
  try {
    format = (JSON.parse(text) as { format?: unknown } | null)?.format;
  } catch { /* told below */ }
  if (!Number.isSafeInteger(format) || (format as number) < 2) {
    throw new AppError("STORE_CORRUPT", `${root}/store.json does not say the version of the store's format`, {
      hint: "krew-wasm doctor --fix writes it anew",
    });
  }
  if ((format as number) > STORE_VERSION) {
    throw new AppError(
      "STORE_NEWER",
      `The store ${root} has the format ${format}, this krew-wasm knows ${STORE_VERSION} and older`,
      { hint: "use the krew-wasm that wrote it, or a newer one; or set KREW_WASM_ROOT to another directory" },
    );
  }
  return format as number;
}

/** Code from a store has the user's rights, so no other user may be able to change it. */
function refuseForeign(layout: Layout, info: Deno.FileInfo): void {
  if (Deno.build.os === "windows") return; // the rights of the profile's directory keep others out
  if (info.uid !== Deno.uid()) {
    throw new AppError(
      "STORE_UNSAFE",
      `The store ${layout.root} belongs to another user (uid ${info.uid}, this process has ${Deno.uid()})`,
      { hint: "set KREW_WASM_ROOT to a directory of your own" },
    );
  }
  const wide = (mode: number | null) => ((mode ?? 0) & 0o022) !== 0;
  // Check twice: another process may meanwhile have restricted an empty store and then filled it.
  if (wide(info.mode) && !isEmpty(layout.root) && wide(Deno.statSync(layout.root).mode)) {
    throw new AppError(
      "STORE_UNSAFE",
      `Other users may write to the store ${layout.root} (mode ${((info.mode ?? 0) & 0o777).toString(8)})`,
      {
        hint: `${
          shellCommand(["chmod", "-R", "go=", layout.root]) ?? "make it yours alone"
        }; then krew-wasm doctor tells whether anything was changed`,
      },
    );
  }
}

function isEmpty(path: string): boolean {
  for (const _ of Deno.readDirSync(path)) return false;
  return true;
}
