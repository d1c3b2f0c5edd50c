/** Reads a signature, and which subject and repository it names. */

import type { Bundle } from "@sigstore/bundle";
import { printable } from "../../runtime/base/text.ts";
import { isDeep } from "../oci/json_text.ts";
import { parseReference } from "../oci/mirrored_reference.ts";
import type { FoundSignature } from "./find_signatures.ts";
import { invalid, type Judgement, type Subject } from "./judgement.ts";
import type { Requirement } from "./required_signers.ts";
import { parseJson, type Sigstore } from "./sigstore_packages.ts";

/** A signature of the subject, with the canonical name of the repository that it names. */
export interface About {
  readonly bundle: Bundle;
  readonly names: string | undefined;
}

/** cosign's statement of a signature, and the build provenance that GitHub's builders sign. */
const PREDICATES: readonly unknown[] = [
  "https://sigstore.dev/cosign/sign/v1",
  "https://slsa.dev/provenance/v1",
  "https://slsa.dev/provenance/v0.2",
];
const STATEMENT = "application/vnd.in-toto+json";

/** A bundle of the subject, or the reason why it is not one. */
export function readBundle(
  { createHash, bundle: { bundleFromJSON }, specs: { HashAlgorithm } }: Sigstore,
  json: string,
  subject: Subject,
  { copies }: Requirement,
): About | Judgement {
  const bundle = bundleFromJSON(parseShallow(json));
  if (bundle.content.$case === "messageSignature") { // signs the manifest itself
    const { algorithm, digest } = bundle.content.messageSignature.messageDigest;
    const hash = {
      [HashAlgorithm.SHA2_256]: "sha256",
      [HashAlgorithm.SHA2_384]: "sha384",
      [HashAlgorithm.SHA2_512]: "sha512",
    }[algorithm as number];
    if (hash === undefined) {
      return invalid(`it is of a hash that is not supported: ${printable(String(algorithm), 40)}`);
    }
    // This digest is compared with the log entry.
    if (!createHash(hash).update(subject.bytes).digest().equals(digest)) {
      return invalid("the hash in it is of something else");
    }
    return { bundle, names: undefined };
  }
  const { payloadType, payload } = bundle.content.dsseEnvelope;
  if (payloadType !== STATEMENT) {
    return { verdict: "other", why: `it is of the type ${printable(payloadType, 100)}` };
  }
  const statement = parseShallow(new TextDecoder().decode(payload)) as {
    predicateType?: unknown;
    subject?: { name?: unknown; digest?: { sha256?: unknown } }[];
  };
  if (!PREDICATES.includes(statement.predicateType)) {
    return { verdict: "other", why: `it states ${printable(String(statement.predicateType), 100)}` };
  }
  const hex = subject.digest.slice("sha256:".length);
  const about = (Array.isArray(statement.subject) ? statement.subject : [])
    .filter((one) => one?.digest?.sha256 === hex);
  if (about.length === 0) return invalid("it is a signature of another image");
  return namedBy(about.map(({ name }) => name), bundle, subject, copies);
}

/**
 * Finds the repository that a signature names for its subject. A missing or empty name names nothing. Any other name is
 * a repository by docker's rules: `acme/foo` is `docker.io/acme/foo`. If a signature names repositories, the subject's
 * must be among them, unless copies are accepted.
 */
function namedBy(
  given: readonly unknown[],
  bundle: Bundle,
  subject: Subject,
  copies: boolean | undefined,
): About | Judgement {
  const names = given.filter((name) => name !== undefined && name !== "");
  const repositories = names.map((name) => typeof name === "string" ? repositoryOf(name) : undefined);
  if (repositories.includes(subject.repository)) return { bundle, names: subject.repository };
  if (!copies && names.length > 0) {
    return invalid(`it was made for another repository: ${printable(String(names[0]), 200)}`);
  }
  return { bundle, names: repositories.find((name) => name !== undefined) };
}

function repositoryOf(text: string): string | undefined {
  try {
    const parsed = parseReference(text);
    return `${parsed.registry}/${parsed.repository}`;
  } catch {
    return undefined;
  }
}

/** cosign's older signature as a bundle if its payload names the subject, or the reason why it does not. */
export function readSimple(
  { createHash, bundle, specs }: Sigstore,
  { payload, annotations }: FoundSignature & { kind: "simple" },
  subject: Subject,
  { copies }: Requirement,
): About | Judgement {
  const { critical } = parseShallow(new TextDecoder().decode(payload)) as {
    critical?: {
      type?: unknown;
      image?: { "docker-manifest-digest"?: unknown };
      identity?: { "docker-reference"?: unknown };
    };
  };
  if (critical?.type !== "cosign container image signature") return invalid("its payload is not cosign's");
  if (critical.image?.["docker-manifest-digest"] !== subject.digest) {
    return invalid("it is a signature of another image");
  }
  const text = (name: string): string | undefined => {
    const value = Object.hasOwn(annotations, name) ? annotations[name] : undefined;
    return typeof value === "string" && value !== "" ? value : undefined;
  };
  const signature = text("dev.cosignproject.cosign/signature");
  if (signature === undefined) return invalid("it holds no signature");
  const certificate = text("dev.sigstore.cosign/certificate");
  const made = bundle.toMessageSignatureBundle({
    digest: createHash("sha256").update(payload).digest(),
    signature: Buffer.from(signature, "base64"),
    ...(certificate === undefined ? { keyHint: "" } : { certificate: Buffer.from(derOf(certificate)) }),
    certificateChain: false,
  });
  const logged = text("dev.sigstore.cosign/bundle");
  if (logged !== undefined) {
    const { SignedEntryTimestamp, Payload } = JSON.parse(logged);
    const body = Buffer.from(String(Payload.body), "base64");
    const { kind, apiVersion } = JSON.parse(body.toString());
    made.verificationMaterial.tlogEntries = [
      specs.TransparencyLogEntry.fromJSON({
        logIndex: String(Payload.logIndex),
        logId: { keyId: Buffer.from(String(Payload.logID), "hex").toString("base64") },
        kindVersion: { kind, version: apiVersion },
        integratedTime: String(Payload.integratedTime),
        inclusionPromise: { signedEntryTimestamp: SignedEntryTimestamp },
        canonicalizedBody: body.toString("base64"),
      }),
    ] as unknown as typeof made.verificationMaterial.tlogEntries;
  }
  const stamp = text("dev.sigstore.cosign/rfc3161timestamp");
  if (stamp !== undefined) {
    made.verificationMaterial.timestampVerificationData = {
      rfc3161Timestamps: [{
        signedTimestamp: Buffer.from(JSON.parse(stamp).SignedRFC3161Timestamp, "base64"),
      }],
    };
  }
  return namedBy(
    [critical.identity?.["docker-reference"]],
    Object.assign(made, { artifact: payload }),
    subject,
    copies,
  );
}

/** The bytes of the first certificate in PEM text. */
function derOf(text: string): Uint8Array<ArrayBuffer> {
  const body = /-----BEGIN CERTIFICATE-----([A-Za-z0-9+/=\s]+)-----END CERTIFICATE-----/.exec(text)?.[1] ??
    "";
  return Uint8Array.fromBase64(body);
}

/** Parses JSON from a registry or a bundle. @throws Error */
function parseShallow(text: string): unknown {
  if (isDeep(text)) throw new Error("it is nested too deeply");
  return parseJson(text);
}
