/** Whether a store may be used at all. Asked by every command and every run, so it is two system calls and no more. */

import { AppError, messageOf } from "../base/errors.ts";
import { shellCommand } from "../base/shell_word.ts";
import { type Layout, STORE_VERSION } from "./layout.ts";

/**
 * Refuses a store that somebody else could have filled, and one of a newer format. A store that is not there yet passes.
 *
 * @returns the version of its format; 0 where there is no store
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
    if (error instanceof Deno.errors.NotFound) return 1; // empty, or of before there was such a file
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

/** What store.json says. Pure. @throws AppError STORE_NEWER, STORE_CORRUPT */
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

/** What runs from a store runs with the user's rights, so nobody else may have a say in it. */
function refuseForeign(layout: Layout, info: Deno.FileInfo): void {
  if (Deno.build.os === "windows") return; // a profile's own rights keep others out
  if (info.uid !== Deno.uid()) {
    throw new AppError(
      "STORE_UNSAFE",
      `The store ${layout.root} belongs to another user (uid ${info.uid}, this process has ${Deno.uid()})`,
      { hint: "set KREW_WASM_ROOT to a directory of your own" },
    );
  }
  const wide = (mode: number | null) => ((mode ?? 0) & 0o022) !== 0;
  // Looked at twice: another process may have narrowed, and then filled, an empty one in between.
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
