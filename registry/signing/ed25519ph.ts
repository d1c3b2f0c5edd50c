/**
 * Ed25519ph (RFC 8032 5.1), the variant of Ed25519 that signs a hash. cosign 3 uses it in bundles, and neither Node's
 * crypto nor Web Crypto has it. The only importer of its package, which is loaded for such a signature only.
 */

/** The bytes of an Ed25519 SubjectPublicKeyInfo before the 32-byte key (RFC 8410 4). */
const SPKI_HEAD = "302a300506032b6570032100";
const HEAD = SPKI_HEAD.length / 2;

/** Whether a public key in DER is an Ed25519 key. */
export function isEd25519(spki: Uint8Array): boolean {
  return spki.length === HEAD + 32 && spki.subarray(0, HEAD).toHex() === SPKI_HEAD;
}

/**
 * Verifies an Ed25519ph signature without a context.
 *
 * @param spki the public key in DER; false for another kind of key
 */
export async function verifyPrehashed(
  spki: Uint8Array,
  message: Uint8Array,
  signature: Uint8Array,
): Promise<boolean> {
  if (!isEd25519(spki) || signature.length !== 64) return false;
  const { ed25519ph } = await import("@noble/curves/ed25519.js");
  const plain = (bytes: Uint8Array) => new Uint8Array(bytes); // converts Node's buffers
  // Strict, as in the RFC: one encoding of a point, and no keys of small order, which accept many messages.
  return ed25519ph.verify(plain(signature), plain(message), plain(spki.subarray(HEAD)), { zip215: false });
}
