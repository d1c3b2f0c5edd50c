/**
 * Ed25519ph (RFC 8032 5.1), the form of Ed25519 that signs a hash: cosign 3 writes it into bundles. Neither Node's crypto
 * nor Web Crypto has it. The only importer of its package, which is loaded for such a signature only.
 */

/** What of an Ed25519 key's SubjectPublicKeyInfo comes before its 32 bytes (RFC 8410 4). */
const SPKI_HEAD = "302a300506032b6570032100";
const HEAD = SPKI_HEAD.length / 2;

/** Whether a public key in DER is one of Ed25519. */
export function isEd25519(spki: Uint8Array): boolean {
  return spki.length === HEAD + 32 && spki.subarray(0, HEAD).toHex() === SPKI_HEAD;
}

/**
 * Whether a signature is Ed25519ph of a message, without a context, by a key.
 *
 * @param spki the public key in DER; of another kind of key no signature holds
 */
export async function verifyPrehashed(
  spki: Uint8Array,
  message: Uint8Array,
  signature: Uint8Array,
): Promise<boolean> {
  if (!isEd25519(spki) || signature.length !== 64) return false;
  const { ed25519ph } = await import("@noble/curves/ed25519.js");
  const plain = (bytes: Uint8Array) => new Uint8Array(bytes); // of Node's buffers
  // As the RFC has it: one encoding of a point, and no key of small order, by which many messages would hold.
  return ed25519ph.verify(plain(signature), plain(message), plain(spki.subarray(HEAD)), { zip215: false });
}
