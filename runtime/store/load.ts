/** Loads an installed plugin for a run: reads and checks its receipt and its compiled form (load_form.ts). */

import { AppError } from "../base/errors.ts";
import { BINDGEN } from "./bindgen.ts";
import type { Layout } from "./layout.ts";
import { type LoadedForm, loadForm, type Meanwhile } from "./load_form.ts";
import { readReceipt } from "./read.ts";
import type { Receipt } from "./receipt.ts";

/** An installed plugin, ready to run. From here on a run reads from the store only the function names for a crash. */
export interface LoadedPlugin<T = void> extends LoadedForm<T> {
  readonly receipt: Receipt;
  /** Where the compiled form is. */
  readonly directory: string;
}

/** Limit on retries after a plugin was replaced while it was read. */
const TRIES = 20;
/** Limit on retries with the same receipt: a plugin may have been removed and pulled again. */
const TRIES_OF_SAME = 3;

/**
 * Reads a plugin without a lock. Reads it again if it is replaced meanwhile. A plugin that is removed meanwhile is not
 * installed.
 *
 * @param recompile compiles again after a change of the compiler's version
 * @param meanwhile see {@linkcode loadForm}. A retry calls it again
 * @throws AppError NOT_INSTALLED, RECEIPT_INVALID, STORE_CORRUPT
 */
export async function loadPlugin<T = void>(
  layout: Layout,
  name: string,
  recompile: (layout: Layout, name: string) => Promise<Receipt>,
  meanwhile?: Meanwhile<T>,
): Promise<LoadedPlugin<T>> {
  let receipt = readReceipt(layout, name);
  for (let tried = 1, same = 1;; tried++) {
    if (receipt.bindgen !== BINDGEN) receipt = await recompile(layout, name);
    const directory = layout.compiledDir(receipt.digest, receipt.bindgen);
    try {
      const form = await loadForm(directory, receipt, corrupt(receipt), meanwhile);
      return { receipt, directory, ...form };
    } catch (error) {
      const now = readReceipt(layout, name);
      same = isSameForm(now, receipt) ? same + 1 : 1;
      if (tried === TRIES || same > TRIES_OF_SAME) throw error;
      receipt = now;
    }
  }
}

/** Whether two receipts have the same compiled form. */
function isSameForm(a: Receipt, b: Receipt): boolean {
  return a.digest === b.digest && a.bindgen === b.bindgen &&
    JSON.stringify(a.compiled) === JSON.stringify(b.compiled);
}

/** The error for a compiled form of an installed plugin. */
function corrupt({ name, reference, manifestDigest }: Receipt): (what: string) => AppError {
  return (what) =>
    new AppError("STORE_CORRUPT", `The compiled form of "${name}" is broken: ${what}`, {
      hint:
        `krew-wasm doctor --fix makes it anew, or install it again: krew-wasm pull --force --name ${name} ${
          reference.replace(/@.*$/, "")
        }@${manifestDigest}`,
    });
}
