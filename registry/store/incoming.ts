/**
 * Bytes for a store before its lock is taken, in a file without a name. The system frees the file when its process
 * ends, so no other process has to find out whether it is still needed. A process that empties stage/ cannot remove it.
 */

import { writeAllSync } from "../../runtime/base/bytes.ts";
import type { Layout } from "../../runtime/store/layout.ts";
import { makeDirectory, storeFailed } from "./disk.ts";

/**
 * Prefix of their names in stage/. On Linux and macOS a file has its name only for a moment, on Windows as long as it
 * is open.
 */
const INCOMING = "incoming-";
const PIECE = 1 << 20;

/** Whether an entry of stage/ may belong to another process that still uses it. */
export function isIncoming(name: string): boolean {
  return name.startsWith(INCOMING);
}

/**
 * Whether a name is the file system's placeholder for an open file without a name (NFS: `.nfs…`, FUSE: `.fuse_hidden…`,
 * ntfs-3g: `.ghost-ntfs-3g-…`). Removing it would remove the open file. It disappears when the file is closed.
 */
export function isNamedByFileSystem(name: string): boolean {
  return name.startsWith(".");
}

/** A file without a name; see above. Dispose it to free it. */
export class Incoming implements Disposable {
  private constructor(
    /** For reads at any offset. */
    readonly file: Deno.FsFile,
  ) {}

  /** @throws AppError STORE_FAILED */
  static open(layout: Layout): Incoming {
    const path = `${layout.stage}/${INCOMING}${crypto.randomUUID()}`;
    for (let tried = 1;; tried++) {
      try {
        makeDirectory(layout.stage);
        const file = Deno.openSync(path, { read: true, write: true, createNew: true, mode: 0o600 });
        try {
          Deno.removeSync(path);
        } catch { /* already removed with stage/, or on Windows removed later */ }
        return new Incoming(file);
      } catch (error) {
        // The user may have removed the whole store.
        if (error instanceof Deno.errors.NotFound && tried < 10) continue;
        throw storeFailed(`Cannot write ${layout.stage}`, error);
      }
    }
  }

  /** Discards the bytes and starts again. */
  restart(): void {
    this.file.truncateSync(0);
    this.file.seekSync(0, Deno.SeekMode.Start);
  }

  write(bytes: Uint8Array): void {
    writeAllSync(this.file, bytes);
  }

  /** Copies the bytes to a new file and syncs it. */
  copyTo(path: string): void {
    const copy = Deno.openSync(path, { write: true, create: true, truncate: true, mode: 0o600 });
    try {
      this.file.seekSync(0, Deno.SeekMode.Start);
      const piece = new Uint8Array(PIECE);
      for (let read = this.file.readSync(piece); read !== null; read = this.file.readSync(piece)) {
        writeAllSync(copy, piece.subarray(0, read));
      }
      copy.syncSync();
    } finally {
      copy.close();
    }
  }

  [Symbol.dispose](): void {
    this.file.close();
  }
}
