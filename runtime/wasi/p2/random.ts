/**
 * wasi:random 0.2.12 (random, insecure, insecure-seed) over ../random.ts. preview2-shim's does the same, and is a package:
 * a run loads none. The insecure interfaces are as secure as the other.
 */

import { fillRandom } from "../random.ts";

function bytes(length: bigint): Uint8Array {
  if (length > BigInt(1 << 30)) throw new RangeError("more random bytes than a component has memory for");
  const into = new Uint8Array(Number(length));
  fillRandom(into);
  return into;
}

function u64(): bigint {
  return crypto.getRandomValues(new BigUint64Array(1))[0]!;
}

/** The interfaces by name. */
export function randomInterfaces() {
  const seed: [bigint, bigint] = [u64(), u64()];
  return {
    "wasi:random/random": { getRandomBytes: bytes, getRandomU64: u64 },
    "wasi:random/insecure": { getInsecureRandomBytes: bytes, getInsecureRandomU64: u64 },
    "wasi:random/insecure-seed": { insecureSeed: () => seed },
  };
}
