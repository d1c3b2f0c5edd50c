/**
 * Judges one signature by sigstore's rules, with sigstore's packages: the signature itself, the certificate's chain, its
 * entry in a transparency log, and what of all that was signed. The only importer of those packages.
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

/** What was signed, or should have been. */
export interface Subject {
  /** `sha256:<hex>` of the manifest, or of the index it is in. */
  readonly digest: string;
  /** That manifest. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** `REGISTRY/REPOSITORY` */
  readonly repository: string;
}

/** What became of one signature. */
export type Judgement =
  | { readonly verdict: "good"; readonly by: Signature }
  /** By somebody else, signed when its certificate was not valid, or not a signature of this. */
  | {
    readonly verdict: "untrusted" | "expired" | "invalid";
    readonly why: string;
    /** It is the trust root that does not know who vouches for it; a newer one may. */
    readonly unknown?: boolean;
  }
  /** No signature at all, but a statement of something else: a list of parts, a scan. */
  | { readonly verdict: "other"; readonly why: string };

/** What judges signatures. */
export interface Judge {
  /** Of the trust root, where it is the one that krew-wasm carries, how old it is. */
  readonly carried: string | undefined;
  readonly judge: (signature: FoundSignature, subject: Subject) => Promise<Judgement>;
}

/** cosign's statement that something is signed, and the build provenance by which GitHub's builders sign. */
const PREDICATES: readonly unknown[] = [
  "https://sigstore.dev/cosign/sign/v1",
  "https://slsa.dev/provenance/v1",
  "https://slsa.dev/provenance/v0.2",
];
const STATEMENT = "application/vnd.in-toto+json";

/** Loads the packages and a trust root, and makes a judge of both. @throws AppError TRUST_INVALID */
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

/** A trust root, and how a receipt names it. */
interface Root {
  readonly material: TrustMaterial;
  readonly used: RootUsed;
}

/** A key that is asked for. */
interface Key {
  readonly signer: Signer & { kind: "key" };
  readonly fingerprint: string;
  readonly key: PublicKey;
}

/** A signature that is about the subject, with the repository that it names, canonical. */
interface About {
  readonly bundle: Bundle;
  readonly names: string | undefined;
}

/** Loads sigstore's packages: CommonJS, which asks for `require` where they are in a bundle. */
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

/** Node verifies with SHA-256 where a caller names no digest, on which sigstore's packages rely; Deno refuses. */
function useDefaultDigest(crypto: { verify: (...args: never[]) => unknown }): void {
  if (patched) return;
  patched = true;
  const { verify } = crypto as { verify: (...args: unknown[]) => unknown };
  crypto.verify = (algorithm: unknown, data: unknown, key: unknown, ...rest: unknown[]) => {
    const { asymmetricKeyType: type } = key as { asymmetricKeyType?: string };
    // Ed25519 hashes by itself, and takes no digest besides.
    return verify(type === "ed25519" ? undefined : algorithm ?? "sha256", data, key, ...rest);
  };
}

/** A CommonJS package's exports, which a bundle has as its default. */
function named<T extends object>(loaded: T): T {
  return (loaded as { default?: T }).default ?? loaded;
}

/** sigstore's protobuf-specs, sigstore_trustroot.proto: versions 0.1 and later. */
const TRUSTED_ROOT = /^application\/vnd\.dev\.sigstore\.trustedroot(\+json;version=0\.\d+|\.v0\.\d+\+json)$/;

/** A trusted root as the packages want it. @throws AppError TRUST_INVALID */
function trustMaterial({ verify, specs }: Sigstore, text: string): TrustMaterial {
  try {
    const json = parseJson(text);
    // What is another file would be read as a root that knows nobody.
    if (!TRUSTED_ROOT.test(json?.mediaType)) throw new Error("it is not of a trusted root's type");
    return verify.toTrustMaterial(specs.TrustedRoot.fromJSON(json));
  } catch (error) {
    throw new AppError("TRUST_INVALID", `The trust root can't be read: ${reason(error)}`, {
      hint: "it is sigstore's trusted_root.json",
    });
  }
}

/** Those that cosign signs with; Ed25519 in both its forms. */
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

/** A bundle that is about the subject; otherwise why it is not. */
function readBundle(
  { createHash, bundle: { bundleFromJSON }, specs: { HashAlgorithm } }: Sigstore,
  json: string,
  subject: Subject,
  { copies }: Requirement,
): About | Judgement {
  const bundle = bundleFromJSON(parseShallow(json));
  if (bundle.content.$case === "messageSignature") { // over the manifest itself
    const { algorithm, digest } = bundle.content.messageSignature.messageDigest;
    const hash = {
      [HashAlgorithm.SHA2_256]: "sha256",
      [HashAlgorithm.SHA2_384]: "sha384",
      [HashAlgorithm.SHA2_512]: "sha512",
    }[algorithm as number];
    if (hash === undefined) {
      return invalid(`it is of a hash that is not supported: ${printable(String(algorithm), 40)}`);
    }
    // It is what a log's entry is compared with.
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
 * What a signature is about by the names that it gives its subject. None, or an empty one, names nothing; any other is a
 * repository's, by docker's rules: `acme/foo` is `docker.io/acme/foo`. One that names repositories names the subject's
 * among them, unless copies are taken.
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

/** cosign's older signature as a bundle, if its payload is about the subject; otherwise why it is not. */
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

/** The bytes of the first certificate in a PEM text. */
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
 * What was signed, as sigstore's packages verify it, which know plain Ed25519 only: where it is Ed25519ph by this key, the
 * signature is told to hold, and to be of the SHA-512 that was signed.
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
      // Logs keep the hash that was signed.
      compareSignedDigest: (digest: Buffer) =>
        signature.compareSignedDigest(digest) || createHash("sha512").update(message).digest().equals(digest),
    }),
  };
}

/** By one of the keys. A log entry is not asked for, but one by a log that is trusted has to be right. */
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
    // cosign's hint is the key's own digest.
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

/** By one of the identities, in a certificate that was valid when the log says it was used. */
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
    // Who brings a root without logs does without them: a time stamp is asked for all the same.
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

/** Whether the certificate was not valid at one of the times that the log states. */
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

/** JSON that a registry or a bundle sent. @throws Error */
function parseShallow(text: string): unknown {
  if (isDeep(text)) throw new Error("it is nested too deeply");
  return parseJson(text);
}

function parseJson(text: string) {
  try {
    return JSON.parse(text);
  } catch {
    throw new Error("it is not JSON"); // the engine's own words quote the text
  }
}

function reason(error: unknown): string {
  const cause = (error as { cause?: unknown }).cause;
  const text = cause instanceof Error ? `${messageOf(error)} (${cause.message})` : messageOf(error);
  return printable(text.split("\n", 1)[0] ?? "", 200);
}
