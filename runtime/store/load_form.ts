/**
 * Loads a compiled form and checks the digests of its files. Of large modules it checks only whether they changed since an
 * earlier run checked their digest.
 */

import { type AppError, messageOf } from "../base/errors.ts";
import { mapFile, type MappedFile } from "./map_file.ts";
import type { CompiledFile, PluginKind, Receipt } from "./receipt.ts";
import { isRemembered, isSettled, Verified } from "./verified.ts";

/** A compiled form, ready to run. */
export interface LoadedForm<T = void> {
  /** Its files by name, without function names. */
  readonly files: ReadonlyMap<string, Uint8Array<ArrayBuffer>>;
  /** Reads a file that {@linkcode files} omits. @throws AppError STORE_CORRUPT */
  names(file: string): Promise<Uint8Array<ArrayBuffer>>;
  /** The result of `meanwhile` for these files. */
  readonly prepared: T | undefined;
}

/** Work while another thread computes digests. */
export type Meanwhile<T> = (kind: PluginKind, files: ReadonlyMap<string, Uint8Array<ArrayBuffer>>) => T;

/** Files of function names. They are as large as the code, and only a crash needs them. */
const NAMES = /\.names$/;

/**
 * Loads the compiled form in a directory.
 *
 * @param broken makes the error for a missing or changed file
 * @param meanwhile called while another thread computes digests, with bytes that may be wrong, and that it must not
 * change. It must have no effect and must not throw. Its result counts only once the digests are right
 * @throws AppError made by `broken`
 */
export async function loadForm<T = void>(
  directory: string,
  { kind, compiled }: Pick<Receipt, "kind" | "compiled">,
  broken: (what: string) => AppError,
  meanwhile?: Meanwhile<T>,
): Promise<LoadedForm<T>> {
  const read = <R>(operation: () => R): R => {
    try {
      return operation();
    } catch (error) {
      throw broken(messageOf(error));
    }
  };
  const pathOf = ({ file }: CompiledFile) => `${directory}/${file}`;
  const entries = compiled.filter(({ file }) => !NAMES.test(file));
  const large = entries.filter(isRemembered);
  const verified = large.length > 0 ? new Verified(directory) : undefined;
  const files = new Map<string, Uint8Array<ArrayBuffer>>();
  const mapped = large.flatMap((entry) => readVerified(pathOf(entry), entry, verified!));
  for (const { file, bytes } of mapped) files.set(file, bytes);
  const unverified = entries.filter(({ file }) => !files.has(file));
  const states = unverified.filter(isRemembered)
    .map((entry) => ({ entry, before: read(() => Deno.statSync(pathOf(entry))) }))
    .filter(({ before }) => isSettled(before));
  for (const entry of unverified) files.set(entry.file, read(() => Deno.readFileSync(pathOf(entry))));
  const checked = Promise.all(unverified.map((each) => checkDigest(files.get(each.file)!, each, broken)));
  const prepared = meanwhile?.(kind, files);
  for (const { release } of mapped) release();
  await checked;
  if (states.length > 0) verified!.remember(states);
  return {
    files,
    prepared,
    async names(file) {
      const entry = compiled.find((each) => each.file === file);
      if (!entry) throw broken(`it lacks ${file}`);
      const bytes = read(() => Deno.readFileSync(pathOf(entry)));
      await checkDigest(bytes, entry, broken);
      return bytes;
    },
  };
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

/** The digest of bytes, `sha256:<hex>`. */
export async function sha256(bytes: Uint8Array<ArrayBuffer>): Promise<string> {
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  let hex = "";
  for (const byte of digest) hex += byte.toString(16).padStart(2, "0");
  return `sha256:${hex}`;
}

/** Compares with the recorded digest: this code has the user's rights. */
async function checkDigest(
  bytes: Uint8Array<ArrayBuffer>,
  { file, digest: expected }: CompiledFile,
  broken: (what: string) => AppError,
): Promise<void> {
  const digest = await sha256(bytes);
  if (digest !== expected) throw broken(`${file} has the digest ${digest}, not ${expected}`);
}
