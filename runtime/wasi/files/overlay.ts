/** Overlays: files with content from the host, such as the redacted kubeconfig. */

import { WasiError } from "../errno.ts";
import type { AnyFile, Stat } from "./file_tree.ts";
import { HostNode } from "./host_node.ts";

/** An open overlay. It can be read, and otherwise has the attributes of the file that it hides. */
export class OverlayNode extends HostNode implements AnyFile {
  readonly kind = "file";
  readonly type = "regular-file";
  readonly readable = true;
  readonly writable = false;
  #bytes: Uint8Array;
  #stat: Stat;

  constructor(bytes: Uint8Array, stat: Stat) {
    super();
    this.#bytes = bytes;
    this.#stat = { ...stat, size: BigInt(bytes.length) };
  }

  readAt(into: Uint8Array, offset: bigint): number {
    if (offset >= BigInt(this.#bytes.length)) return 0;
    const part = this.#bytes.subarray(Number(offset), Number(offset) + into.length);
    into.set(part);
    return part.length;
  }

  writeAt(): number {
    throw new WasiError("bad-descriptor");
  }

  append(): number {
    throw new WasiError("bad-descriptor");
  }

  size(): bigint {
    return this.#stat.size;
  }

  stat(): Stat {
    return this.#stat;
  }

  setSize(): void {
    throw new WasiError("invalid");
  }

  allocate(): void {
    throw new WasiError("bad-descriptor");
  }

  advise(): void {}

  sync(): void {}

  close(): void {}
}
