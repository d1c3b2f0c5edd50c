/** What a run loads of an installed plugin: its receipt and its compiled form, read whole and checked. */

import { AppError, messageOf } from "../base/errors.ts";
import { BINDGEN } from "./bindgen.ts";
import type { Layout } from "./layout.ts";
import { readReceipt } from "./read.ts";
import type { CompiledFile, PluginKind, Receipt } from "./receipt.ts";

/** An installed plugin, ready to run: nothing of the store is read after this, save what a crash is told with. */
export interface LoadedPlugin {
  readonly receipt: Receipt;
  /** Where the compiled form is. */
  readonly directory: string;
  /** The compiled form, by file name, without the names of functions. */
  readonly files: ReadonlyMap<string, Uint8Array<ArrayBuffer>>;
  /** Reads what {@linkcode files} leaves out. @throws AppError STORE_CORRUPT */
  names(file: string): Promise<Uint8Array<ArrayBuffer>>;
}

/** The names of a module's functions, which are as many bytes as its code, and only looked at when it crashes. */
const NAMES = /\.names$/;

/** How often a plugin may be replaced while it is being read. */
const TRIES = 20;
/** How often the same files may be amiss: removed with the plugin, and there again as it was pulled again. */
const TRIES_OF_SAME = 3;

/**
 * Reads a plugin without a lock. One that is replaced meanwhile is read again, as it is then; one that is removed is not
 * installed.
 *
 * @param recompile makes the compiled form of another version of the compiler anew
 * @param meanwhile called while another thread computes digests, with bytes that may be wrong: for what has no effect, and
 * does not throw. Called again for a plugin that is read again
 * @throws AppError NOT_INSTALLED, RECEIPT_INVALID, STORE_CORRUPT
 */
export async function loadPlugin(
  layout: Layout,
  name: string,
  recompile: (layout: Layout, name: string) => Promise<Receipt>,
  meanwhile?: (kind: PluginKind, files: ReadonlyMap<string, Uint8Array<ArrayBuffer>>) => void,
): Promise<LoadedPlugin> {
  let receipt = readReceipt(layout, name);
  for (let tried = 1, same = 1;; tried++) {
    if (receipt.bindgen !== BINDGEN) receipt = await recompile(layout, name);
    const directory = layout.compiledDir(receipt.digest, receipt.bindgen);
    try {
      const read = receipt;
      const files = new Map<string, Uint8Array<ArrayBuffer>>();
      const entries = read.compiled.filter(({ file }) => !NAMES.test(file));
      for (const entry of entries) files.set(entry.file, readBytes(directory, entry, read));
      const checked = Promise.all(entries.map((entry) => checkDigest(files.get(entry.file)!, entry, read)));
      meanwhile?.(read.kind, files);
      await checked;
      return {
        receipt,
        directory,
        files,
        async names(file) {
          const entry = read.compiled.find((each) => each.file === file);
          if (!entry) throw new AppError("STORE_CORRUPT", `The compiled form of "${name}" lacks ${file}`);
          const bytes = readBytes(directory, entry, read);
          await checkDigest(bytes, entry, read);
          return bytes;
        },
      };
    } catch (error) {
      const now = readReceipt(layout, name);
      same = isSameForm(now, receipt) ? same + 1 : 1;
      if (tried === TRIES || same > TRIES_OF_SAME) throw error;
      receipt = now;
    }
  }
}

/** Whether two receipts lead to the same bytes of the store. */
function isSameForm(a: Receipt, b: Receipt): boolean {
  return a.digest === b.digest && a.bindgen === b.bindgen &&
    JSON.stringify(a.compiled) === JSON.stringify(b.compiled);
}

function corrupt({ name, reference, manifestDigest }: Receipt, what: string): AppError {
  return new AppError("STORE_CORRUPT", `The compiled form of "${name}" is broken: ${what}`, {
    hint: `krew-wasm doctor --fix makes it anew, or install it again: krew-wasm pull --force --name ${name} ${
      reference.replace(/@.*$/, "")
    }@${manifestDigest}`,
  });
}

/** A file of the compiled form, as it is there. */
function readBytes(directory: string, { file }: CompiledFile, receipt: Receipt): Uint8Array<ArrayBuffer> {
  try {
    return Deno.readFileSync(`${directory}/${file}`);
  } catch (error) {
    throw corrupt(receipt, messageOf(error));
  }
}

/** The digest must be the receipt's: what runs here has the user's rights. */
async function checkDigest(
  bytes: Uint8Array<ArrayBuffer>,
  { file, digest: expected }: CompiledFile,
  receipt: Receipt,
): Promise<void> {
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  let hex = "";
  for (const byte of digest) hex += byte.toString(16).padStart(2, "0");
  if (`sha256:${hex}` !== expected) {
    throw corrupt(receipt, `${file} has the digest sha256:${hex}, not ${expected}`);
  }
}
