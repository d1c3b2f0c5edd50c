/** Open files and directories on Linux. linux_open.ts decides what may be opened. */

import { WasiError } from "../../errno.ts";
import type { Grant } from "../file_decisions.ts";
import type { AnyFile, DirectoryNode, NodeType, Stat } from "../file_tree.ts";
import { HostNode } from "../host_node.ts";
import type { Glance } from "./attribute_calls.ts";
import type { Kernel } from "./file_calls.ts";

/** A granted tree. */
export interface Root extends Grant {
  readonly fd: number;
  readonly identity: string;
}

/**
 * An open directory: the root of a granted tree, which stays open with the tree, or a directory that the plugin
 * opened.
 */
export class OpenDirectory extends HostNode implements DirectoryNode {
  readonly kind = "directory";
  #close: (() => void) | undefined;

  constructor(readonly root: Root, readonly fd: number, close?: () => void) {
    super();
    this.#close = close;
  }

  get writable(): boolean {
    return this.root.mount.write;
  }

  close(): void {
    this.#close?.();
    this.#close = undefined;
  }
}

/** An open file. All checks of the file were made when it was opened. */
export class OpenFile extends HostNode implements AnyFile {
  readonly kind = "file";
  #kernel: Kernel;
  #closed = false;
  /** False for a pipe or terminal, which has no positions: a read returns the next bytes. */
  #places = true;
  #appends = false;

  constructor(
    kernel: Kernel,
    readonly root: Root,
    readonly fd: number,
    readonly type: NodeType,
    readonly readable: boolean,
    readonly writable: boolean,
  ) {
    super();
    this.#kernel = kernel;
  }

  readAt(into: Uint8Array, offset: bigint): number {
    if (!this.readable) throw new WasiError("bad-descriptor");
    if (!this.#places) return this.#kernel.read(this.fd, into, undefined);
    try {
      return this.#kernel.read(this.fd, into, offset);
    } catch (error) {
      if (!this.#hasNoPlaces(error)) throw error;
      return this.#kernel.read(this.fd, into, undefined);
    }
  }

  writeAt(bytes: Uint8Array, offset: bigint): number {
    this.#append(false);
    if (!this.#places) return this.#kernel.write(this.fd, bytes, undefined);
    try {
      return this.#kernel.write(this.fd, bytes, offset);
    } catch (error) {
      if (!this.#hasNoPlaces(error)) throw error;
      return this.#kernel.write(this.fd, bytes, undefined);
    }
  }

  append(bytes: Uint8Array): number {
    this.#append(true);
    return this.#kernel.write(this.fd, bytes, undefined);
  }

  #append(append: boolean): void {
    if (!this.writable) throw new WasiError("bad-descriptor");
    if (this.#appends !== append) this.#kernel.setAppend(this.fd, append);
    this.#appends = append;
  }

  /** Whether a transfer failed because the file has no positions. Remembers that. */
  #hasNoPlaces(error: unknown): boolean {
    if (!(error instanceof WasiError && error.errno === "invalid-seek")) return false;
    this.#places = false;
    return true;
  }

  size(): bigint {
    return this.stat().size;
  }

  stat(): Stat {
    return this.#kernel.stat(this.fd);
  }

  setSize(size: bigint): void {
    if (!this.writable) throw new WasiError("invalid");
    if (size >= 1n << 63n) throw new WasiError("file-too-large");
    this.#kernel.setSize(this.fd, size);
  }

  allocate(offset: bigint, length: bigint): void {
    if (!this.writable) throw new WasiError("bad-descriptor");
    try {
      this.#kernel.allocate(this.fd, offset, length);
    } catch (error) {
      // Some file systems can't allocate. The file still gets the length, as POSIX requires.
      if (!(error instanceof WasiError && error.errno === "unsupported")) throw error;
      if (offset + length > this.size()) this.setSize(offset + length);
    }
  }

  advise(offset: bigint, length: bigint, advice: number): void {
    // preview1 swaps the numbers of `sequential` and `random` in POSIX_FADV_….
    this.#kernel.advise(this.fd, offset, length, [0, 2, 1, 3, 4, 5][advice] ?? 0);
  }

  sync(dataOnly: boolean): void {
    this.#kernel.sync(this.fd, dataOnly);
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#kernel.close(this.fd);
  }
}

/** A file's identity, whatever its name. */
export function identityOf({ dev, ino }: Glance): string {
  return `${dev}:${ino}`;
}
