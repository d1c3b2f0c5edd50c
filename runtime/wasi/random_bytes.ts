/** Random bytes from the operating system's generator. */

// The maximum of one crypto.getRandomValues call (Web Cryptography API).
const QUOTA = 65536;

/** Fills `into`. */
export function fillRandom(into: Uint8Array<ArrayBuffer>): void {
  for (let offset = 0; offset < into.length; offset += QUOTA) {
    crypto.getRandomValues(into.subarray(offset, offset + QUOTA));
  }
}
