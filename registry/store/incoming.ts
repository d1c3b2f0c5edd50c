/**
 * Bytes on their way into a store, before it is locked: a file without a name. Nobody has to tell whether its process
 * still lives, as the system frees it when that ends; who empties stage/ meanwhile takes nothing away.
 */

import type { Layout } from "../../runtime/store/layout.ts";
import { makeDirectory, storeFailed } from "./disk.ts";

/** What the files are called in stage/ for the moment until they have no name; on Windows as long as they are open. */
const INCOMING = "incoming-";
const PIECE = 1 << 20;

/** Whether what is in stage/ may be another process's that goes on with it. */
export function isIncoming(name: string): boolean {
  return name.startsWith(INCOMING);
}

/**
 * Whether it is what a file without a name is called where the file system can't do without one (NFS: `.nfs…`, FUSE:
 * `.fuse_hidden…`, ntfs-3g: `.ghost-ntfs-3g-…`): to remove it would take away what is open. It goes when it is closed.
 */
export function isNamedByFileSystem(name: string): boolean {
  return name.startsWith(".");
}

/** See the file's comment; dispose it to free it. */
export class Incoming implements Disposable {
  private constructor(
    /** To read from, anywhere. */
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
        } catch { /* by whoever emptied stage/; on Windows another time */ }
        return new Incoming(file);
      } catch (error) {
        // The whole store may be removed by hand.
        if (error instanceof Deno.errors.NotFound && tried < 10) continue;
        throw storeFailed(`Cannot write ${layout.stage}`, error);
      }
    }
  }

  /** Begins anew. */
  restart(): void {
    this.file.truncateSync(0);
    this.file.seekSync(0, Deno.SeekMode.Start);
  }

  write(bytes: Uint8Array): void {
    for (let sent = 0; sent < bytes.length;) sent += this.file.writeSync(bytes.subarray(sent));
  }

  /** Writes all of it into a new file, synced. */
  copyTo(path: string): void {
    const copy = Deno.openSync(path, { write: true, create: true, truncate: true, mode: 0o600 });
    try {
      this.file.seekSync(0, Deno.SeekMode.Start);
      const piece = new Uint8Array(PIECE);
      for (let read = this.file.readSync(piece); read !== null; read = this.file.readSync(piece)) {
        for (let sent = 0; sent < read;) sent += copy.writeSync(piece.subarray(sent, read));
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
