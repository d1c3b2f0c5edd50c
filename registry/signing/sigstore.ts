/**
 * Judges one signature by sigstore's rules, with sigstore's packages: the signature, the certificate chain, the
 * transparency log entry, and the signed subject.
 */

import { digestOf } from "../oci/digest.ts";
import { describeCarried, readCarriedRoot } from "./carried_root.ts";
import type { FoundSignature } from "./find_signatures.ts";
import { judgeCertificate, judgeKey, type Key, type Root } from "./judge_signature.ts";
import type { Judgement, Subject } from "./judgement.ts";
import { keyOf, type Requirement } from "./required_signers.ts";
import { readBundle, readSimple } from "./signed_subject.ts";
import { loadSigstore, publicKey, reason, trustMaterial } from "./sigstore_packages.ts";

/** Judges signatures. */
export interface Judge {
  /** The age of the trust root, if it is the one that krew-wasm carries. */
  readonly carried: string | undefined;
  readonly judge: (signature: FoundSignature, subject: Subject) => Promise<Judgement>;
}

/** Loads the packages and a trust root. @throws AppError TRUST_INVALID */
export async function makeJudge(requirement: Requirement): Promise<Judge> {
  const sigstore = await loadSigstore();
  const { signers } = requirement;
  const carried = requirement.trustRoot === undefined ? await readCarriedRoot() : undefined;
  const text = requirement.trustRoot?.text ?? carried!.text;
  const root: Root = {
    material: trustMaterial(sigstore, text),
    used: { of: requirement.trustRoot?.of ?? "carried", digest: digestOf(new TextEncoder().encode(text)) },
  };
  const keys = signers.flatMap((signer): Key[] => {
    if (signer.kind !== "key") return [];
    const { pem, fingerprint } = keyOf(signer);
    return [{ signer, fingerprint, key: publicKey(sigstore, signer.path, pem) }];
  });
  return {
    carried: carried && describeCarried(carried, new Date()),
    async judge(signature, subject) {
      try {
        const read = signature.kind === "bundle"
          ? readBundle(sigstore, signature.json, subject, requirement)
          : readSimple(sigstore, signature, subject, requirement);
        if ("verdict" in read) return read;
        const { bundle, names } = read;
        const about = { ...subject, names };
        return bundle.verificationMaterial.content.$case === "publicKey"
          ? await judgeKey(sigstore, root.material, keys, bundle, about)
          : await judgeCertificate(sigstore, root, signers, bundle, about);
      } catch (error) {
        return { verdict: "invalid", why: `it can't be read: ${reason(error)}` };
      }
    },
  };
}
