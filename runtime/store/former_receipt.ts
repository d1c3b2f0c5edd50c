/** Converts the provenance in receipts of formats 1 and 2. Adds nothing that they did not record. Pure. */

import type { Provenance, Signature } from "../policy/provenance.ts";
import { DIGEST, NO_REGISTRY, parseReference, repositoryName } from "../base/reference.ts";

/**
 * Source and signatures of such a receipt. It did not record the trust root of an identity, so it satisfies no
 * administrator's rule.
 *
 * @param reference canonical
 * @param verified the signers, not parsed
 * @throws Error with the field's path
 */
export function formerProvenance(reference: string, verified: unknown): Provenance {
  const parsed = parseReference(reference);
  return {
    reference,
    // The source was not recorded, except for a bundle without a reference.
    source: { kind: parsed.registry === NO_REGISTRY ? "bundle" : "registry" },
    signatures: verified === undefined ? [] : [signatureOf(verified, repositoryName(parsed))],
  };
}

function signatureOf(value: unknown, repository: string): Signature {
  const { key, publicKey, identity, issuer, ...rest } = (value ?? {}) as Record<string, unknown>;
  const isText = (one: unknown): one is string => typeof one === "string" && one !== "";
  const common = { repository, names: undefined };
  if (Object.keys(rest).length === 0) {
    if (
      isText(key) && DIGEST.test(key) && isText(publicKey) && identity === undefined && issuer === undefined
    ) {
      return { kind: "key", key, publicKey, ...common };
    }
    if (isText(identity) && isText(issuer) && key === undefined && publicKey === undefined) {
      return {
        kind: "identity",
        identity,
        issuer,
        trustRoot: { of: "unknown", digest: undefined },
        ...common,
      };
    }
  }
  throw new Error("verified is malformed");
}
