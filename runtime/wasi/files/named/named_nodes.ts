/** Open files and directories of the tree by name. named_open.ts decides what may be opened. */

import { errnoOf, WasiError } from "../../errno.ts";
import type { Grant } from "../file_decisions.ts";
import type { AnyFile, DirectoryNode, NewTime, NodeType, Stat } from "../file_tree.ts";
import { HostNode } from "../host_node.ts";
import { attempt } from "./deno_calls.ts";
import { applyTimes, statOf } from "./file_info.ts";

/** An open directory. */
export class NamedDirectory extends HostNode implements DirectoryNode {
  readonly kind = "directory";

  /** @param path names below the root, free of links */
  constructor(readonly root: Grant, readonly path: readonly string[]) {
    super();
  }

  get writable(): boolean {
    return this.root.mount.write;
  }

  close(): void {}
}

/** An open file. */
export class NamedFile extends HostNode implements AnyFile {
  readonly kind = "file";
  #file: Deno.FsFile;
  /** The operating system's own position. */
  #position = 0n;
  #closed = false;
  #type: NodeType | undefined;

  constructor(
    file: Deno.FsFile,
    readonly root: Grant,
    readonly host: string,
    readonly readable: boolean,
    readonly writable: boolean,
  ) {
    super();
    this.#file = file;
  }

  #seek(offset: bigint): void {
    if (this.#position === offset) return;
    try {
      this.#file.seekSync(offset, Deno.SeekMode.Start);
    } catch (error) {
      if (errnoOf(error) !== "invalid-seek") throw new WasiError(errnoOf(error)); // a pipe or terminal has no positions
    }
    this.#position = offset;
  }

  get type(): NodeType {
    return this.#type ??= this.stat().type;
  }

  readAt(into: Uint8Array, offset: bigint): number {
    if (!this.readable) throw new WasiError("bad-descriptor");
    return attempt(() => {
      this.#seek(offset);
      const count = this.#file.readSync(into) ?? 0;
      this.#position += BigInt(count);
      return count;
    });
  }

  writeAt(bytes: Uint8Array, offset: bigint): number {
    if (!this.writable) throw new WasiError("bad-descriptor");
    return attempt(() => {
      this.#seek(offset);
      const count = this.#file.writeSync(bytes);
      this.#position += BigInt(count);
      return count;
    });
  }

  append(bytes: Uint8Array): number {
    return this.writeAt(bytes, this.size());
  }

  size(): bigint {
    return attempt(() => BigInt(this.#file.statSync().size));
  }

  stat(): Stat {
    return attempt(() => statOf(this.#file.statSync()));
  }

  setSize(size: bigint): void {
    if (!this.writable) throw new WasiError("invalid");
    if (size > BigInt(Number.MAX_SAFE_INTEGER)) throw new WasiError("file-too-large");
    attempt(() => this.#file.truncateSync(Number(size)));
  }

  // Deno has no function that allocates. The file still gets the length, as POSIX requires.
  allocate(offset: bigint, length: bigint): void {
    if (!this.writable) throw new WasiError("bad-descriptor");
    if (offset + length > this.size()) this.setSize(offset + length);
  }

  advise(): void {}

  /** The caller has checked that the times may change. */
  setTimes(accessed: NewTime, modified: NewTime): void {
    attempt(() =>
      applyTimes(this.#file.statSync(), accessed, modified, (a, m) => this.#file.utimeSync(a, m))
    );
  }

  sync(dataOnly: boolean): void {
    attempt(() => dataOnly ? this.#file.syncDataSync() : this.#file.syncSync());
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#file.close();
  }
}
