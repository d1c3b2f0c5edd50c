/**
 * Files in memory for a plugin that writes its kubeconfig: the kubeconfig itself, its lock file, and files that it
 * makes to rename one over it. When the kubeconfig is complete (closed, or renamed into place) the host checks it.
 */

import type { WritableKubeconfig } from "../../sandbox/types.ts";
import { WasiError } from "../errno.ts";
import type { AnyFile, OpenOptions, Stat } from "./file_tree.ts";
import { HostNode } from "./host_node.ts";

/** The largest file. Bytes. */
const MAX_SIZE = 8 << 20;
const MAX_FILES = 16;

/** The content of a file. */
class Content {
  readonly ino: bigint;
  /** Written since the host last checked it. */
  dirty = false;
  modified = now();
  #bytes: Uint8Array<ArrayBuffer>;
  #size: number;

  constructor(bytes: Uint8Array, ino: bigint) {
    this.ino = ino;
    this.#bytes = bytes.slice();
    this.#size = bytes.length;
  }

  get bytes(): Uint8Array {
    return this.#bytes.subarray(0, this.#size);
  }

  resize(size: number): void {
    if (size > MAX_SIZE) throw new WasiError("file-too-large");
    if (size > this.#bytes.length) {
      const larger = new Uint8Array(Math.min(MAX_SIZE, Math.max(size, 2 * this.#bytes.length)));
      larger.set(this.bytes);
      this.#bytes = larger;
    }
    this.#bytes.fill(0, this.#size);
    this.#size = size;
    this.#changed();
  }

  write(bytes: Uint8Array, offset: number): void {
    if (bytes.length === 0) return;
    if (offset + bytes.length > this.#size) this.resize(offset + bytes.length);
    this.#bytes.set(bytes, offset);
    this.#changed();
  }

  #changed(): void {
    this.dirty = true;
    this.modified = now();
  }

  stat(): Stat {
    const { ino, modified } = this;
    return {
      ...{ type: "regular-file", dev: 0n, ino, links: 1n, size: BigInt(this.#size) },
      ...{ accessed: modified, modified, changed: modified },
    };
  }
}

/** An open file in memory. */
class MemoryNode extends HostNode implements AnyFile {
  readonly kind = "file";
  readonly type = "regular-file";
  readonly readable: boolean;
  readonly writable: boolean;
  #content: Content;
  #closed: () => void;

  constructor(content: Content, { read, write }: OpenOptions, closed: () => void) {
    super();
    this.readable = read || !write;
    this.writable = write;
    this.#content = content;
    this.#closed = closed;
  }

  readAt(into: Uint8Array, offset: bigint): number {
    if (!this.readable) throw new WasiError("bad-descriptor");
    const part = this.#content.bytes.subarray(placeOf(offset), placeOf(offset) + into.length);
    into.set(part);
    return part.length;
  }

  writeAt(bytes: Uint8Array, offset: bigint): number {
    this.#checkWritable();
    this.#content.write(bytes, placeOf(offset));
    return bytes.length;
  }

  append(bytes: Uint8Array): number {
    return this.writeAt(bytes, this.size());
  }

  size(): bigint {
    return BigInt(this.#content.bytes.length);
  }

  stat(): Stat {
    return this.#content.stat();
  }

  setSize(size: bigint): void {
    if (!this.writable) throw new WasiError("invalid");
    this.#content.resize(placeOf(size));
  }

  allocate(offset: bigint, length: bigint): void {
    this.#checkWritable();
    if (offset + length > this.size()) this.#content.resize(placeOf(offset + length));
  }

  advise(): void {}

  sync(): void {}

  close(): void {
    if (this.writable) this.#closed();
  }

  #checkWritable(): void {
    if (!this.writable) throw new WasiError("bad-descriptor");
  }
}

/** The files of one run, by name in the kubeconfig's directory. */
export class MemoryFiles {
  #kubeconfig: string;
  #host: WritableKubeconfig;
  #files = new Map<string, Content>();
  /** The kubeconfig as the host last accepted it. */
  #accepted: Uint8Array;
  #made = 1n;

  constructor(kubeconfig: string, host: WritableKubeconfig) {
    this.#kubeconfig = kubeconfig;
    this.#host = host;
    this.#accepted = host.before;
    this.#files.set(kubeconfig, new Content(host.before, this.#made++));
    host.atEnd = () => this.#end();
  }

  has(name: string): boolean {
    return this.#files.has(name);
  }

  /** @throws WasiError */
  open(name: string, options: OpenOptions): AnyFile {
    let content = this.#files.get(name);
    if (content && options.create && options.exclusive) throw new WasiError("exist");
    if (options.directory) throw new WasiError(content ? "not-directory" : "no-entry");
    if (!content) {
      if (!options.create) throw new WasiError("no-entry");
      content = this.#make(name, new Uint8Array());
    } else if (options.truncate) content.resize(0);
    return new MemoryNode(content, options, () => this.#check());
  }

  /** @throws WasiError no-entry */
  stat(name: string): Stat {
    return this.#get(name).stat();
  }

  /** @throws WasiError no-entry */
  unlink(name: string): void {
    this.#get(name);
    this.#files.delete(name);
  }

  /** @throws WasiError no-entry, or why the host refuses the kubeconfig */
  rename(from: string, to: string): void {
    const content = this.#get(from);
    this.#files.delete(from);
    this.#files.set(to, content);
    if (to !== this.#kubeconfig) return;
    content.dirty = true;
    this.#check();
  }

  /**
   * Replaces the kubeconfig by the content of an open file, and closes the file.
   *
   * @throws WasiError cross-device for a file that can't be moved, or why the host refuses it
   */
  replace(file: AnyFile): void {
    this.#make(this.#kubeconfig, contentOf(file)).dirty = true;
    this.#check();
  }

  #get(name: string): Content {
    const content = this.#files.get(name);
    if (!content) throw new WasiError("no-entry");
    return content;
  }

  #make(name: string, bytes: Uint8Array): Content {
    if (this.#files.size >= MAX_FILES) throw new WasiError("insufficient-space");
    if (bytes.length > MAX_SIZE) throw new WasiError("file-too-large");
    const content = new Content(bytes, this.#made++);
    this.#files.set(name, content);
    return content;
  }

  /** Lets the host check a kubeconfig that was written. Some programs empty it first, and write it later. */
  #check(): void {
    const content = this.#files.get(this.#kubeconfig);
    if (!content?.dirty || isBlank(content.bytes)) return;
    content.dirty = false;
    const bytes = content.bytes.slice();
    try {
      this.#host.written(bytes);
      this.#accepted = bytes;
    } catch (error) {
      content.resize(0);
      content.write(this.#accepted, 0);
      content.dirty = false;
      throw error;
    }
  }

  #end(): void {
    for (const [name, { dirty }] of this.#files) {
      if (dirty && name !== this.#kubeconfig && !name.endsWith(".lock")) this.#host.refuse(`make ${name}`);
    }
    const content = this.#files.get(this.#kubeconfig);
    if (!content) return this.#host.refuse("delete the kubeconfig");
    if (content.dirty && isBlank(content.bytes)) return this.#host.refuse("empty the kubeconfig");
    try {
      this.#check();
    } catch (error) {
      if (!(error instanceof WasiError)) throw error; // the host has reported a WasiError
    }
  }
}

/** Reads and closes a regular file. @throws WasiError cross-device for another or a larger one */
function contentOf(file: AnyFile): Uint8Array {
  try {
    const size = Number(file.size());
    if (file.type !== "regular-file" || size > MAX_SIZE) throw new WasiError("cross-device");
    const bytes = new Uint8Array(size);
    let at = 0;
    for (let count = -1; count !== 0 && at < size; at += count) {
      count = file.readAt(bytes.subarray(at), BigInt(at));
    }
    return bytes.subarray(0, at);
  } finally {
    file.close();
  }
}

function isBlank(bytes: Uint8Array): boolean {
  return bytes.every((byte) => byte === 0x20 || (byte >= 9 && byte <= 13));
}

function placeOf(offset: bigint): number {
  return offset > BigInt(MAX_SIZE) ? MAX_SIZE + 1 : Number(offset);
}

function now(): bigint {
  return BigInt(Date.now()) * 1_000_000n;
}
