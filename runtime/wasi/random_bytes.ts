/** Random bytes of the operating system's generator. */

// The most that crypto.getRandomValues gives at once (Web Cryptography API).
const QUOTA = 65536;

/** Fills `into`. */
export function fillRandom(into: Uint8Array<ArrayBuffer>): void {
  for (let offset = 0; offset < into.length; offset += QUOTA) {
    crypto.getRandomValues(into.subarray(offset, offset + QUOTA));
  }
}
