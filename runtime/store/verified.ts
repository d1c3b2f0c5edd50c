/**
 * Remembers which large files of a compiled form had the right digest, so that not every run reads and hashes a hundred
 * megabytes. A file counts as unchanged while device, inode, size and both times are the same. Every write changes the
 * time of the last change (ctime), and no program can set it. docs/security.md explains why this is enough.
 */

import type { CompiledFile } from "./receipt.ts";

/** The file beside a compiled form. Anything unexpected in it means: verify again. */
const FILE = "verified.json";
const FORMAT = 1;
/** Smaller files, and all JavaScript, are hashed at every run. Bytes. */
export const LARGE = 1 << 20;
/**
 * How long a file must have been unchanged to be remembered. Deno tells the time of the last change in seconds, some file
 * systems keep it in steps of two, and two changes within a step look like one. Milliseconds.
 */
const SETTLED = 5000;

/** The identity of a file's content. */
type State = readonly [dev: number, ino: number, size: number, mtime: number, ctime: number];

/** A file's state; undefined on a system that does not tell the time of the last change. */
export function stateOf({ dev, ino, size, mtime, ctime }: Deno.FileInfo): State | undefined {
  if (ino === null || mtime === null || ctime === null) return undefined;
  return [dev, ino, size, mtime.getTime(), ctime.getTime()];
}

/** Whether a file has not changed for long enough to be remembered, if its digest turns out to be right. */
export function isSettled(info: Deno.FileInfo): boolean {
  const state = stateOf(info);
  return state !== undefined && Math.max(state[3], state[4]) + SETTLED <= Date.now();
}

/** Whether a file is one of those that are remembered. */
export function isRemembered({ file, size }: CompiledFile): boolean {
  return size >= LARGE && file.endsWith(".wasm");
}

/** The remembered files of a compiled form. */
export class Verified {
  /** Digest and state by file name. */
  readonly #files = new Map<string, string>();

  /** @param directory the compiled form's */
  constructor(private readonly directory: string) {
    try {
      const { format, files } = JSON.parse(Deno.readTextFileSync(`${directory}/${FILE}`));
      if (format !== FORMAT || !Array.isArray(files)) return;
      for (const { file, digest, state } of files) this.#files.set(file, JSON.stringify([digest, state]));
    } catch { /* none, or a broken one */ }
  }

  /** Whether a file is unchanged since its digest was verified. */
  has({ file, digest, size }: CompiledFile, info: Deno.FileInfo): boolean {
    const state = stateOf(info);
    return state !== undefined && info.size === size &&
      this.#files.get(file) === JSON.stringify([digest, state]);
  }

  /**
   * Remembers files whose digests were verified, each with its state from before it was read. It must have been settled
   * then. Does nothing if the store cannot be written.
   */
  remember(files: readonly { readonly entry: CompiledFile; readonly before: Deno.FileInfo }[]): void {
    for (const { entry: { file, digest }, before } of files) {
      this.#files.set(file, JSON.stringify([digest, stateOf(before)]));
    }
    const kept = [...this.#files].map(([file, text]) => {
      const [digest, state] = JSON.parse(text);
      return { file, digest, state };
    });
    try {
      // Not by a rename: half a file is no JSON, and verifies again.
      Deno.writeTextFileSync(`${this.directory}/${FILE}`, JSON.stringify({ format: FORMAT, files: kept }), {
        mode: 0o600,
      });
    } catch { /* a read-only store, or a form that was just removed */ }
  }
}
