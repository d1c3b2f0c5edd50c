/**
 * Judges one signature by sigstore's rules, with sigstore's packages: the signature, the certificate chain, the
 * transparency log entry, and the signed subject. The only importer of those packages.
 */

import type { Bundle } from "@sigstore/bundle";
import type { TrustMaterial, VerifierOptions } from "@sigstore/verify";
import { AppError, messageOf } from "../../runtime/base/errors.ts";
import { printable } from "../../runtime/base/text.ts";
import type { RootUsed, Signature } from "../../runtime/policy/provenance.ts";
import { isSigner } from "../../runtime/policy/signers.ts";
import { describeCarried, readCarriedRoot } from "./carried_root.ts";
import { isEd25519, verifyPrehashed } from "./ed25519ph.ts";
import { digestOf } from "../oci/digest.ts";
import { isDeep } from "../oci/manifest.ts";
import { parseReference } from "../oci/mirrored_reference.ts";
import type { FoundSignature } from "./find_signatures.ts";
import { keyOf, type Requirement, type Signer } from "./required_signers.ts";

/** The artifact that the signature must cover. */
export interface Subject {
  /** `sha256:<hex>` of the manifest, or of its index. */
  readonly digest: string;
  /** Bytes of that manifest or index. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** `REGISTRY/REPOSITORY` */
  readonly repository: string;
}

/** The verdict on one signature. */
export type Judgement =
  | { readonly verdict: "good"; readonly by: Signature }
  /**
   * Signed by somebody else, signed outside of the certificate's validity, or not a valid signature of this subject.
   */
  | {
    readonly verdict: "untrusted" | "expired" | "invalid";
    readonly why: string;
    /** The trust root does not know the issuer; a newer root may. */
    readonly unknown?: boolean;
  }
  /** Not a signature, but a statement of something else: a list of parts, a scan. */
  | { readonly verdict: "other"; readonly why: string };

/** Judges signatures. */
export interface Judge {
  /** The age of the trust root, if it is the one that krew-wasm carries. */
  readonly carried: string | undefined;
  readonly judge: (signature: FoundSignature, subject: Subject) => Promise<Judgement>;
}

/** cosign's statement of a signature, and the build provenance that GitHub's builders sign. */
const PREDICATES: readonly unknown[] = [
  "https://sigstore.dev/cosign/sign/v1",
  "https://slsa.dev/provenance/v1",
  "https://slsa.dev/provenance/v0.2",
];
const STATEMENT = "application/vnd.in-toto+json";

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

type Sigstore = Awaited<ReturnType<typeof loadSigstore>>;

/** A trust root, with its name in receipts. */
interface Root {
  readonly material: TrustMaterial;
  readonly used: RootUsed;
}

/** A required key. */
interface Key {
  readonly signer: Signer & { kind: "key" };
  readonly fingerprint: string;
  readonly key: PublicKey;
}

/** A signature of the subject, with the canonical name of the repository that it names. */
interface About {
  readonly bundle: Bundle;
  readonly names: string | undefined;
}

/** Loads sigstore's packages. They are CommonJS, which needs `require` inside a bundle. */
async function loadSigstore() {
  if (Deno.build.standalone) {
    const [{ createRequire }, { Buffer }] = await Promise.all([import("node:module"), import("node:buffer")]);
    Object.assign(globalThis, { require: createRequire(import.meta.url), Buffer });
  }
  const { default: crypto } = await import("node:crypto");
  useDefaultDigest(crypto);
  const { createHash, createPublicKey } = crypto;
  const [verify, bundle, core, specs] = await Promise.all([
    import("@sigstore/verify"),
    import("@sigstore/bundle"),
    import("@sigstore/core"),
    import("@sigstore/protobuf-specs"),
  ]);
  return {
    createHash,
    createPublicKey,
    verify: named(verify),
    bundle: named(bundle),
    core: named(core),
    specs: named(specs),
  };
}

let patched = false;

/** sigstore's packages name no digest and rely on Node's default, SHA-256; Deno refuses that. */
function useDefaultDigest(crypto: { verify: (...args: never[]) => unknown }): void {
  if (patched) return;
  patched = true;
  const { verify } = crypto as { verify: (...args: unknown[]) => unknown };
  crypto.verify = (algorithm: unknown, data: unknown, key: unknown, ...rest: unknown[]) => {
    const { asymmetricKeyType: type } = key as { asymmetricKeyType?: string };
    // Ed25519 hashes by itself and takes no digest.
    return verify(type === "ed25519" ? undefined : algorithm ?? "sha256", data, key, ...rest);
  };
}

/** A CommonJS package's exports; in a bundle they are its default export. */
function named<T extends object>(loaded: T): T {
  return (loaded as { default?: T }).default ?? loaded;
}

/** Media types in sigstore's protobuf-specs, sigstore_trustroot.proto: versions 0.1 and later. */
const TRUSTED_ROOT = /^application\/vnd\.dev\.sigstore\.trustedroot(\+json;version=0\.\d+|\.v0\.\d+\+json)$/;

/** A trusted root in the packages' form. @throws AppError TRUST_INVALID */
function trustMaterial({ verify, specs }: Sigstore, text: string): TrustMaterial {
  try {
    const json = parseJson(text);
    // Another kind of file would be read as a root without authorities.
    if (!TRUSTED_ROOT.test(json?.mediaType)) throw new Error("it is not of a trusted root's type");
    return verify.toTrustMaterial(specs.TrustedRoot.fromJSON(json));
  } catch (error) {
    throw new AppError("TRUST_INVALID", `The trust root can't be read: ${reason(error)}`, {
      hint: "it is sigstore's trusted_root.json",
    });
  }
}

/** Key types that cosign signs with, both variants of Ed25519 included. */
const KEY_TYPES: readonly unknown[] = ["ec", "rsa", "ed25519"];

function publicKey({ createPublicKey }: Sigstore, path: string, pem: string) {
  try {
    const key = createPublicKey(pem);
    if (!KEY_TYPES.includes(key.asymmetricKeyType)) {
      throw new Error(`keys of the type ${key.asymmetricKeyType} are not supported`);
    }
    return key;
  } catch (error) {
    throw new AppError(
      "TRUST_INVALID",
      `The key "${printable(path, 300)}" can't be used: ${reason(error)}`,
    );
  }
}

const invalid = (why: string, unknown = false): Judgement => ({ verdict: "invalid", why, unknown });

/** A bundle of the subject, or the reason why it is not one. */
function readBundle(
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
function readSimple(
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

function artifactOf(bundle: Bundle, subject: Subject): Buffer {
  return Buffer.from((bundle as { artifact?: Uint8Array }).artifact ?? subject.bytes);
}

type Entity = ReturnType<Sigstore["verify"]["toSignedEntity"]>;
type PublicKey = ReturnType<Sigstore["createPublicKey"]>;

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
async function judgeKey(
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
async function judgeCertificate(
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

/** Parses JSON from a registry or a bundle. @throws Error */
function parseShallow(text: string): unknown {
  if (isDeep(text)) throw new Error("it is nested too deeply");
  return parseJson(text);
}

function parseJson(text: string) {
  try {
    return JSON.parse(text);
  } catch {
    throw new Error("it is not JSON"); // the engine's message would quote the text
  }
}

function reason(error: unknown): string {
  const cause = (error as { cause?: unknown }).cause;
  const text = cause instanceof Error ? `${messageOf(error)} (${cause.message})` : messageOf(error);
  return printable(text.split("\n", 1)[0] ?? "", 200);
}
