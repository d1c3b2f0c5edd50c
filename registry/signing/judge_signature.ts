/** Judges a signature that was read: by required keys, or by the certificate of a required identity. */

import type { Bundle } from "@sigstore/bundle";
import type { TrustMaterial, VerifierOptions } from "@sigstore/verify";
import { printable } from "../../runtime/base/text.ts";
import type { RootUsed } from "../../runtime/policy/provenance.ts";
import { isSigner } from "../../runtime/policy/signers.ts";
import { isEd25519, verifyPrehashed } from "./ed25519ph.ts";
import { invalid, type Judgement, type Subject } from "./judgement.ts";
import type { Signer } from "./required_signers.ts";
import type { About } from "./signed_subject.ts";
import { type Entity, type PublicKey, reason, type Sigstore } from "./sigstore_packages.ts";

/** A trust root, with its name in receipts. */
export interface Root {
  readonly material: TrustMaterial;
  readonly used: RootUsed;
}

/** A required key. */
export interface Key {
  readonly signer: Signer & { kind: "key" };
  readonly fingerprint: string;
  readonly key: PublicKey;
}

function artifactOf(bundle: Bundle, subject: Subject): Buffer {
  return Buffer.from((bundle as { artifact?: Uint8Array }).artifact ?? subject.bytes);
}

/**
 * The signed content in the form that sigstore's packages verify. They know plain Ed25519 only. For a valid Ed25519ph
 * signature by this key, the returned object reports a valid signature of the signed SHA-512.
 */
async function prehashed(
  { createHash, createPublicKey, core }: Sigstore,
  entity: Entity,
  spki: Buffer,
  bundle: Bundle,
  artifact: Uint8Array,
): Promise<Entity> {
  if (!isEd25519(spki)) return entity;
  const key = createPublicKey({ key: spki, format: "der", type: "spki" });
  if (entity.signature.verifySignature(key)) return entity;
  const message = bundle.content.$case === "messageSignature"
    ? artifact
    : core.dsse.preAuthEncoding(bundle.content.dsseEnvelope.payloadType, bundle.content.dsseEnvelope.payload);
  if (!await verifyPrehashed(spki, message, entity.signature.signature)) return entity;
  const { signature } = entity;
  return {
    ...entity,
    signature: Object.assign(Object.create(signature) as typeof signature, {
      verifySignature: (by: PublicKey) => by.export({ type: "spki", format: "der" }).equals(spki),
      // Logs record the hash that was signed.
      compareSignedDigest: (digest: Buffer) =>
        signature.compareSignedDigest(digest) || createHash("sha512").update(message).digest().equals(digest),
    }),
  };
}

/** Judges a signature by the required keys. A log entry is optional, but an entry of a trusted log must be valid. */
export async function judgeKey(
  sigstore: Sigstore,
  root: TrustMaterial,
  keys: readonly Key[],
  bundle: Bundle,
  subject: Subject & Pick<About, "names">,
): Promise<Judgement> {
  const { verify } = sigstore;
  const artifact = artifactOf(bundle, subject);
  const entity = verify.toSignedEntity(bundle, artifact);
  const known = entity.tlogEntries.filter((entry) => isKnownLog(root, entry));
  const { hint } = entity.key as { hint: string };
  for (const { signer, fingerprint, key } of keys) {
    // cosign's hint is the digest of the key.
    const named = hint !== "" &&
      hint === Uint8Array.fromHex(fingerprint.slice("sha256:".length)).toBase64();
    const material: TrustMaterial = { ...root, publicKey: () => ({ publicKey: key, validFor: () => true }) };
    const spki = key.export({ type: "spki", format: "der" });
    const signed = await prehashed(sigstore, entity, spki, bundle, artifact);
    if (!signed.signature.verifySignature(key)) {
      if (named) return invalid("what was signed, or the signature, was changed");
      continue;
    }
    try {
      new verify.Verifier(material, { tlogThreshold: 0, timestampThreshold: 0 }).verify({
        ...signed,
        tlogEntries: known,
        timestamps: [],
      });
    } catch (error) {
      return invalid(`its entry in the transparency log does not match: ${reason(error)}`);
    }
    const { repository, names } = subject;
    return {
      verdict: "good",
      by: { kind: "key", key: fingerprint, publicKey: signer.publicKey, repository, names },
    };
  }
  return { verdict: "untrusted", why: "it is by another key, or was changed" };
}

/** Judges a signature by the required identities. The certificate must have been valid at the log's time. */
export async function judgeCertificate(
  sigstore: Sigstore,
  { material: root, used }: Root,
  signers: readonly Signer[],
  bundle: Bundle,
  subject: Subject & Pick<About, "names">,
): Promise<Judgement> {
  const { verify, core } = sigstore;
  const artifact = artifactOf(bundle, subject);
  const plain = verify.toSignedEntity(bundle, artifact);
  const { certificate } = plain.key as { certificate: InstanceType<typeof core.X509Certificate> };
  const entity = await prehashed(sigstore, plain, certificate.publicKey, bundle, artifact);
  const options: VerifierOptions = {
    // A custom root without logs needs no log entries, but still a timestamp.
    tlogThreshold: root.tlogs.length > 0 ? 1 : 0,
    ctlogThreshold: root.ctlogs.length > 0 ? 1 : 0,
    timestampThreshold: 1,
  };
  let identity: { subjectAlternativeName?: string; extensions?: { issuer?: string } } | undefined;
  try {
    identity = new verify.Verifier(root, options).verify(entity).identity;
  } catch (error) {
    const { code } = error as { code?: string };
    if (code === "CERTIFICATE_ERROR") {
      if (isOutdated(core, entity)) {
        return { verdict: "expired", why: "its certificate was not valid at the time it was signed" };
      }
      return {
        verdict: "untrusted",
        why: `its certificate is of nobody the trust root knows: ${reason(error)}`,
        unknown: true,
      };
    }
    if (code?.startsWith("TLOG")) {
      if (!entity.tlogEntries.every((entry) => isKnownLog(root, entry))) {
        return invalid("it is in a transparency log that the trust root does not know", true);
      }
      return invalid(`its entry in the transparency log does not match: ${reason(error)}`);
    }
    if (code === "TIMESTAMP_ERROR") {
      return invalid(
        `nobody the trust root knows says when it was made: ${reason(error)}`,
        entity.timestamps.length > 0,
      );
    }
    return invalid(
      code === "SIGNATURE_ERROR" ? "what was signed, or the signature, was changed" : reason(error),
    );
  }
  const name = identity?.subjectAlternativeName ?? "";
  const issuer = identity?.extensions?.issuer ?? "";
  const trusted = name !== "" && issuer !== "" &&
    signers.some((signer) => isSigner(signer, { identity: name, issuer }));
  const { repository, names } = subject;
  return trusted
    ? {
      verdict: "good",
      by: { kind: "identity", identity: name, issuer, trustRoot: used, repository, names },
    }
    : {
      verdict: "untrusted",
      why: `it is by ${printable(name, 200)}, vouched for by ${printable(issuer, 200)}`,
    };
}

/** Whether an entry is in one of the trust root's logs. */
function isKnownLog({ tlogs }: TrustMaterial, { logId }: Entity["tlogEntries"][number]): boolean {
  return tlogs.some(({ logID }) => logID.equals(logId.keyId));
}

/** Whether the certificate was invalid at one of the log's times. */
function isOutdated(
  core: Sigstore["core"],
  { key, timestamps }: { key: { $case: string }; timestamps: readonly object[] },
): boolean {
  const { certificate } = key as unknown as { certificate: InstanceType<typeof core.X509Certificate> };
  return timestamps.some((one) => {
    const { tlogEntry, timestamp } = one as {
      tlogEntry?: { integratedTime: string };
      timestamp?: { signingTime: Date };
    };
    const at = tlogEntry ? new Date(Number(tlogEntry.integratedTime) * 1000) : timestamp?.signingTime;
    return at !== undefined && !certificate.validForDate(at);
  });
}
