/**
 * wasi:random 0.2.12 (random, insecure, insecure-seed) over ../random_bytes.ts. preview2-shim's works the same, but it is a
 * package, and a run loads none. The insecure interfaces are as secure as the others.
 */

import { fillRandom } from "../random_bytes.ts";

/** The maximum of one call, in bytes: they are made outside of the component's memory and copied. */
const MAX_BYTES = 64 << 20;

function u64(): bigint {
  return crypto.getRandomValues(new BigUint64Array(1))[0]!;
}

/** The interfaces by name. `maxMemory`: the maximum size of the component's memory, in bytes. */
export function randomInterfaces(maxMemory: number) {
  const seed: [bigint, bigint] = [u64(), u64()];
  const most = Math.min(MAX_BYTES, maxMemory);
  const bytes = (length: bigint): Uint8Array => {
    if (length > BigInt(most)) {
      throw new WebAssembly.RuntimeError(`it asks for ${length} random bytes at once, more than ${most}`);
    }
    const into = new Uint8Array(Number(length));
    fillRandom(into);
    return into;
  };
  return {
    "wasi:random/random": { getRandomBytes: bytes, getRandomU64: u64 },
    "wasi:random/insecure": { getInsecureRandomBytes: bytes, getInsecureRandomU64: u64 },
    "wasi:random/insecure-seed": { insecureSeed: () => seed },
  };
}
