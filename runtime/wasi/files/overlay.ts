/** Overlays: files with content from the host, such as the redacted kubeconfig. */

import type { Overlay } from "../../sandbox/types.ts";
import { WasiError } from "../errno.ts";
import type { MaybePromise } from "../streams/streams.ts";
import type { AnyFile, Stat } from "./file_tree.ts";
import { HostNode } from "./host_node.ts";

/** The contents of a run's overlays. Each is generated once, when it is first needed. */
export class OverlayContents {
  #contents = new Map<Overlay, MaybePromise<Uint8Array>>();

  /** Opens an overlay. `stat`: the attributes of the file that it hides. */
  open(overlay: Overlay, stat: Stat): MaybePromise<AnyFile> {
    return this.#use(overlay, (bytes) => new OverlayNode(bytes, stat));
  }

  /** The attributes with the size of the overlay's content. */
  statOf(overlay: Overlay, stat: Stat): MaybePromise<Stat> {
    return this.#use(overlay, (bytes) => ({ ...stat, size: BigInt(bytes.length) }));
  }

  #use<T>(overlay: Overlay, use: (bytes: Uint8Array) => T): MaybePromise<T> {
    let content = this.#contents.get(overlay);
    if (content === undefined) this.#contents.set(overlay, content = overlay.content());
    return content instanceof Promise ? content.then(use) : use(content);
  }
}

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
