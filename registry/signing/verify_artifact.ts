/** Verifies that an artifact has a required signature. Installations call this function only. */

import { AppError } from "../../runtime/base/errors.ts";
import { printable } from "../../runtime/base/text.ts";
import type { Signature } from "../../runtime/policy/provenance.ts";
import { failed, type FetchedManifest } from "../oci/registry_client.ts";
import { digestOf } from "../oci/digest.ts";
import type { Reference } from "../oci/mirrored_reference.ts";
import type { SignatureSource } from "./find_signatures.ts";
import type { Judgement, Subject } from "./judgement.ts";
import { type Judge, makeJudge } from "./sigstore.ts";
import { describeSigner, type Requirement } from "./required_signers.ts";

/**
 * Checks that an artifact, or the index it was chosen from, has a signature by a required signer.
 *
 * @returns the signers
 * @throws AppError SIGNATURE_MISSING, SIGNATURE_UNTRUSTED, SIGNATURE_EXPIRED, SIGNATURE_INVALID; TRUST_INVALID;
 * REGISTRY_…
 */
export async function verifyArtifact(
  source: SignatureSource,
  reference: Reference,
  manifest: FetchedManifest,
  requirement: Requirement,
): Promise<Signature> {
  return await (await makeVerifier(requirement))(source, reference, manifest);
}

/** {@linkcode verifyArtifact} with its keys and trust root loaded. */
export type Verifier = (
  source: SignatureSource,
  reference: Reference,
  manifest: FetchedManifest,
) => Promise<Signature>;

/**
 * Loads keys and the trust root, so that problems with them are reported before a request. @throws AppError
 * TRUST_INVALID
 */
export async function makeVerifier(requirement: Requirement): Promise<Verifier> {
  const judge = await makeJudge(requirement);
  return (source, reference, manifest) => verifyBy(judge, requirement, source, reference, manifest);
}

async function verifyBy(
  { judge, carried }: Judge,
  requirement: Requirement,
  source: SignatureSource,
  reference: Reference,
  manifest: FetchedManifest,
): Promise<Signature> {
  const repository = { ...reference, tag: undefined, digest: undefined };
  const judgements: Failed[] = [];
  let good: Signature | undefined;
  for (const digest of [manifest.digest, manifest.indexDigest]) {
    if (digest === undefined) continue;
    const bytes = new TextEncoder().encode(
      digest === manifest.digest ? manifest.text : await source.manifest({ ...repository, digest }),
    );
    if (digestOf(bytes) !== digest) throw new Error(`the manifest ${digest} was not kept as it was sent`);
    const subject: Subject = {
      digest,
      bytes,
      repository: `${reference.registry}/${reference.repository}`,
    };
    for await (const signature of source.signatures(repository, digest)) {
      const judgement = await judge(signature, subject);
      if (judgement.verdict === "good") {
        const { by } = judgement;
        if (manifest.source === undefined || by.names === subject.repository) return by;
        good ??= by; // another signature may name its repository, which only a bundle or a mirror does here
      } else if (judgement.verdict !== "other") judgements.push(judgement);
    }
  }
  if (good) return good;
  throw failure(failed("pull", reference), requirement, judgements, carried);
}

type Failed = Exclude<Judgement, { verdict: "good" | "other" }>;

const CODES = {
  expired: "SIGNATURE_EXPIRED",
  untrusted: "SIGNATURE_UNTRUSTED",
  invalid: "SIGNATURE_INVALID",
} as const;
const WORDS = {
  expired: "its signature has expired",
  untrusted: "it is signed by somebody else",
  invalid: "its signature does not hold",
} as const;

/** The most useful error: a nearly valid signature, then a signature by others, then none. */
function failure(
  at: string,
  { signers }: Requirement,
  judgements: readonly Failed[],
  carried: string | undefined,
): AppError {
  const wanted = printable(signers.map(describeSigner).join(", or "), 800);
  for (const verdict of ["expired", "invalid", "untrusted"] as const) {
    const found = judgements.find((one) => one.verdict === verdict);
    if (!found) continue;
    const more = judgements.length > 1 ? ` (one of ${judgements.length} signatures)` : "";
    const root = found.unknown && carried !== undefined ? `; ${carried}` : "";
    return new AppError(CODES[verdict], `${at}: ${WORDS[verdict]}: ${found.why}${more}`, {
      hint: `asked for is a signature by ${wanted}${root}`,
    });
  }
  return new AppError("SIGNATURE_MISSING", `${at}: it is not signed`, {
    hint: `asked for is a signature by ${wanted}`,
  });
}
