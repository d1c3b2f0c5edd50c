/** Digests of content, `sha256:<hex>`, computed while the bytes arrive. */

import { createHash } from "node:crypto";

/** Computes a digest piece by piece. */
export class Digester {
  #hash = createHash("sha256");
  /** Bytes so far. */
  size = 0;

  update(bytes: Uint8Array): void {
    this.#hash.update(bytes);
    this.size += bytes.length;
  }

  /** Returns `sha256:<hex>`. Must be the last call. */
  digest(): string {
    return `sha256:${this.#hash.digest("hex")}`;
  }
}

/** The digest of bytes. */
export function digestOf(bytes: Uint8Array): string {
  const digester = new Digester();
  digester.update(bytes);
  return digester.digest();
}
