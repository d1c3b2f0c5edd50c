/**
 * Loads an installed plugin for a run: reads and checks its receipt and its whole compiled form. Of large modules it
 * checks only whether they changed since an earlier run checked their digest.
 */

import { AppError, messageOf } from "../base/errors.ts";
import { BINDGEN } from "./bindgen.ts";
import type { Layout } from "./layout.ts";
import { mapFile, type MappedFile } from "./map_file.ts";
import { readReceipt } from "./read.ts";
import type { CompiledFile, PluginKind, Receipt } from "./receipt.ts";
import { isRemembered, isSettled, Verified } from "./verified.ts";

/** An installed plugin, ready to run. From here on a run reads from the store only the function names for a crash. */
export interface LoadedPlugin<T = void> {
  readonly receipt: Receipt;
  /** Where the compiled form is. */
  readonly directory: string;
  /** The compiled form by file name, without function names. */
  readonly files: ReadonlyMap<string, Uint8Array<ArrayBuffer>>;
  /** Reads a file that {@linkcode files} omits. @throws AppError STORE_CORRUPT */
  names(file: string): Promise<Uint8Array<ArrayBuffer>>;
  /** The result of `meanwhile` for these files. */
  readonly prepared: T | undefined;
}

/** Files of function names. They are as large as the code, and only a crash needs them. */
const NAMES = /\.names$/;

/** Limit on retries after a plugin was replaced while it was read. */
const TRIES = 20;
/** Limit on retries with the same receipt: a plugin may have been removed and pulled again. */
const TRIES_OF_SAME = 3;

/**
 * Reads a plugin without a lock. Reads it again if it is replaced meanwhile. A plugin that is removed meanwhile is not
 * installed.
 *
 * @param recompile compiles again after a change of the compiler's version
 * @param meanwhile called while another thread computes digests, with bytes that may be wrong, and that it must not
 * change. It must have no effect and
 * must not throw. A retry calls it again. Its result counts only once the digests are right
 * @throws AppError NOT_INSTALLED, RECEIPT_INVALID, STORE_CORRUPT
 */
export async function loadPlugin<T = void>(
  layout: Layout,
  name: string,
  recompile: (layout: Layout, name: string) => Promise<Receipt>,
  meanwhile?: (kind: PluginKind, files: ReadonlyMap<string, Uint8Array<ArrayBuffer>>) => T,
): Promise<LoadedPlugin<T>> {
  let receipt = readReceipt(layout, name);
  for (let tried = 1, same = 1;; tried++) {
    if (receipt.bindgen !== BINDGEN) receipt = await recompile(layout, name);
    const directory = layout.compiledDir(receipt.digest, receipt.bindgen);
    try {
      const read = receipt;
      const files = new Map<string, Uint8Array<ArrayBuffer>>();
      const entries = read.compiled.filter(({ file }) => !NAMES.test(file));
      const large = entries.filter(isRemembered);
      const verified = large.length > 0 ? new Verified(directory) : undefined;
      const mapped = large.flatMap((entry) => readVerified(`${directory}/${entry.file}`, entry, verified!));
      for (const { file, bytes } of mapped) files.set(file, bytes);
      const unverified = entries.filter(({ file }) => !files.has(file));
      const states = unverified.filter(isRemembered)
        .map((entry) => ({ entry, before: stat(directory, entry, read) }))
        .filter(({ before }) => isSettled(before));
      for (const entry of unverified) files.set(entry.file, readBytes(directory, entry, read));
      const checked = Promise.all(unverified.map((each) => checkDigest(files.get(each.file)!, each, read)));
      const prepared = meanwhile?.(read.kind, files);
      for (const { release } of mapped) release();
      await checked;
      if (states.length > 0) verified!.remember(states);
      return {
        receipt,
        directory,
        files,
        prepared,
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

/** Whether two receipts have the same compiled form. */
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

/** A file whose digest an earlier run verified, mapped if possible. None if it may have changed since. */
function readVerified(path: string, entry: CompiledFile, verified: Verified): (MappedFile & CompiledFile)[] {
  const isUnchanged = () => verified.has(entry, Deno.statSync(path));
  try {
    if (!isUnchanged()) return [];
    const mapped = mapFile(path, entry.size) ?? { bytes: Deno.readFileSync(path), release() {} };
    // Another file may have taken the path between the two.
    return mapped.bytes.length === entry.size && isUnchanged() ? [{ ...entry, ...mapped }] : [];
  } catch {
    return []; // the next read reports it
  }
}

function stat(directory: string, { file }: CompiledFile, receipt: Receipt): Deno.FileInfo {
  try {
    return Deno.statSync(`${directory}/${file}`);
  } catch (error) {
    throw corrupt(receipt, messageOf(error));
  }
}

/** Reads a file of the compiled form, without a check. */
function readBytes(directory: string, { file }: CompiledFile, receipt: Receipt): Uint8Array<ArrayBuffer> {
  try {
    return Deno.readFileSync(`${directory}/${file}`);
  } catch (error) {
    throw corrupt(receipt, messageOf(error));
  }
}

/** Compares with the receipt's digest: this code has the user's rights. */
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
