/**
 * Signs with a key. Writes a sigstore bundle with a signed statement as a referrer of the image, as cosign does, or
 * cosign's older layout. Uses no transparency log.
 */

import { concatBytes } from "../../runtime/base/bytes.ts";
import type { Buffer } from "node:buffer";
import type { KeyObject } from "node:crypto";
import { AppError, messageOf } from "../../runtime/base/errors.ts";
import { repositoryName } from "../../runtime/base/reference.ts";
import { printable } from "../../runtime/base/text.ts";
import { blobOf, MANIFEST_TYPE, timestamp } from "../oci/artifact.ts";
import { type FetchedManifest, type RegistryClient, taskOf } from "../oci/registry_client.ts";
import { digestOf } from "../oci/digest.ts";
import { INDEX_TYPES } from "../oci/manifest.ts";
import { pushBlob, pushManifest } from "../oci/push_artifact.ts";
import type { Reference } from "../oci/mirrored_reference.ts";
import { BUNDLE_TYPE, SIMPLE_SIGNING } from "./find_signatures.ts";

/** The layouts of signatures. */
export const SIGNATURE_FORMATS = ["bundle", "simple"] as const;
/** `bundle`: a sigstore bundle as a referrer. `simple`: cosign's older layout, under its own tag. */
export type SignatureFormat = typeof SIGNATURE_FORMATS[number];

/** A decrypted private key. */
export interface SigningKey {
  readonly key: KeyObject;
  /** SHA-256 of the public key's DER, base64; cosign calls it the hint. */
  readonly hint: string;
}

/**
 * Reads a private key from PEM: PKCS#8 or SEC 1, encrypted or not, or the format of `cosign generate-key-pair`.
 *
 * @param password called if the key is encrypted
 * @throws AppError TRUST_INVALID
 */
export async function readSigningKey(
  path: string,
  text: string,
  password: () => string | Promise<string>,
): Promise<SigningKey> {
  const { createHash, createPrivateKey, createPublicKey } = await import("node:crypto");
  const fail = (what: string): never => {
    throw new AppError("TRUST_INVALID", `The key "${printable(path, 300)}" ${what}`);
  };
  if (/-----BEGIN PUBLIC KEY-----/.test(text)) {
    return fail("is the public one, signing takes the private one");
  }
  let key: KeyObject;
  try {
    const own = /-----BEGIN ENCRYPTED (?:SIGSTORE|COSIGN) PRIVATE KEY-----([A-Za-z0-9+/=\s]+)-----END/.exec(
      text,
    )?.[1];
    if (own !== undefined) {
      const der = await openCosignKey(own, await password());
      key = createPrivateKey({ key: der as Buffer, format: "der", type: "pkcs8" });
    } else {
      const encrypted = /BEGIN ENCRYPTED PRIVATE KEY|Proc-Type: 4,ENCRYPTED/.test(text);
      key = createPrivateKey({
        key: text,
        format: "pem",
        ...(encrypted ? { passphrase: await password() } : {}),
      });
    }
  } catch (error) {
    if (error instanceof AppError) throw error;
    return fail(`can't be read: ${printable(messageOf(error), 200)}`);
  }
  if (!["ec", "rsa", "ed25519"].includes(key.asymmetricKeyType ?? "")) {
    return fail(`is of the type ${key.asymmetricKeyType}, signing takes ECDSA, RSA or Ed25519`);
  }
  const der = createPublicKey(key as unknown as string).export({ type: "spki", format: "der" });
  return { key, hint: createHash("sha256").update(der).digest("base64") };
}

/** Decrypts cosign's own format: scrypt derives a key from the password, NaCl's secretbox holds the PKCS#8. */
async function openCosignKey(base64: string, password: string): Promise<Uint8Array> {
  const [{ scryptSync }, { xsalsa20poly1305 }] = await Promise.all([
    import("node:crypto"),
    import("@noble/ciphers/salsa.js"),
  ]);
  const box = JSON.parse(new TextDecoder().decode(Uint8Array.fromBase64(base64))) as {
    kdf?: { name?: unknown; params?: { N?: unknown; r?: unknown; p?: unknown }; salt?: string };
    cipher?: { name?: unknown; nonce?: string };
    ciphertext?: string;
  };
  const { N, r, p } = box.kdf?.params ?? {};
  if (box.kdf?.name !== "scrypt" || box.cipher?.name !== "nacl/secretbox") {
    throw new Error("it is of an unknown form");
  }
  if (
    ![N, r, p].every((one) => Number.isSafeInteger(one) && (one as number) > 0) || (N as number) > 1 << 20
  ) {
    throw new Error("its parameters are out of bounds");
  }
  const bytes = (text: string | undefined) => Uint8Array.fromBase64(text ?? "");
  const key = scryptSync(password, bytes(box.kdf.salt), 32, {
    N: N as number,
    r: r as number,
    p: p as number,
    maxmem: 2 ** 31 - 1,
  });
  try {
    return xsalsa20poly1305(new Uint8Array(key), bytes(box.cipher.nonce)).decrypt(bytes(box.ciphertext));
  } catch {
    throw new AppError("TRUST_INVALID", "The password of the key is wrong");
  }
}

/**
 * The statement that cosign signs.
 *
 * @param repository goes into the statement, as in cosign's attestations, so that the signature is not valid for
 * another repository
 */
export function signedStatement(digest: string, repository?: string): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(JSON.stringify({
    _type: "https://in-toto.io/Statement/v1",
    subject: [{
      ...(repository === undefined ? {} : { name: repository }),
      digest: { sha256: digest.slice("sha256:".length) },
    }],
    predicateType: "https://sigstore.dev/cosign/sign/v1",
    predicate: {},
  }));
}

/** The bytes that a DSSE signature covers (secure-systems-lab/dsse, protocol.md). */
export function preAuthEncoding(type: string, payload: Uint8Array): Uint8Array<ArrayBuffer> {
  const head = new TextEncoder().encode(
    `DSSEv1 ${new TextEncoder().encode(type).length} ${type} ${payload.length} `,
  );
  return concatBytes([head, payload]);
}

/** cosign's older payload ("simple signing"). */
export function simplePayload(digest: string, repository: string): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(JSON.stringify({
    critical: {
      identity: { "docker-reference": repository },
      image: { "docker-manifest-digest": digest },
      type: "cosign container image signature",
    },
    optional: null,
  }));
}

const STATEMENT = "application/vnd.in-toto+json";

/** Signs a reference's manifest and pushes the signature. @throws AppError REGISTRY_… */
export async function signArtifact(
  client: RegistryClient,
  reference: Reference,
  manifest: { readonly digest: string; readonly size: number },
  { key, hint }: SigningKey,
  now: Date,
  format: SignatureFormat = "bundle",
): Promise<void> {
  const { sign } = await import("node:crypto");
  // Ed25519 hashes by itself.
  const hash = key.asymmetricKeyType === "ed25519" ? null : "sha256";
  const signed = (bytes: Uint8Array) => sign(hash, bytes, key).toString("base64");
  const { digest } = manifest;
  const repository = { ...reference, tag: undefined, digest: undefined };
  const name = repositoryName(reference);
  if (format === "simple") {
    const payload = simplePayload(digest, name);
    return await pushSimple(client, repository, digest, payload, {
      "dev.cosignproject.cosign/signature": signed(payload),
    });
  }
  const payload = signedStatement(digest, name);
  const bundle = JSON.stringify({
    mediaType: BUNDLE_TYPE,
    verificationMaterial: { publicKey: { hint }, tlogEntries: [] },
    dsseEnvelope: {
      payload: payload.toBase64(),
      payloadType: STATEMENT,
      signatures: [{ sig: signed(preAuthEncoding(STATEMENT, payload)), keyid: "" }],
    },
  });
  await pushBundle(client, repository, manifest, bundle, now);
}

/** Pushes a sigstore bundle as a referrer of a manifest. @throws AppError REGISTRY_… */
export async function pushBundle(
  client: RegistryClient,
  repository: Reference,
  { digest, size }: { readonly digest: string; readonly size: number },
  bundle: string,
  now: Date,
): Promise<void> {
  const layer = blobOf(new TextEncoder().encode(bundle), BUNDLE_TYPE);
  const config = blobOf(new TextEncoder().encode("{}"), "application/vnd.oci.empty.v1+json");
  const descriptor = ({ mediaType, digest, size }: typeof layer) => ({ mediaType, digest, size });
  const annotations = {
    "dev.sigstore.bundle.content": "dsse-envelope",
    "dev.sigstore.bundle.predicateType": "https://sigstore.dev/cosign/sign/v1",
    "org.opencontainers.image.created": timestamp(now),
  };
  const text = JSON.stringify({
    schemaVersion: 2,
    mediaType: MANIFEST_TYPE,
    artifactType: BUNDLE_TYPE,
    config: descriptor(config),
    layers: [descriptor(layer)],
    subject: { mediaType: MANIFEST_TYPE, digest, size },
    annotations,
  });
  await pushBlob(client, repository, layer);
  await pushBlob(client, repository, config);
  const pushed = await pushManifest(client, repository, text, MANIFEST_TYPE);
  if (pushed.referrer) return;
  // Without the referrers API the client maintains the list, under a tag (distribution-spec).
  const tagged = { ...repository, tag: digest.replace(":", "-") };
  const entry = {
    mediaType: MANIFEST_TYPE,
    digest: pushed.digest,
    size: new TextEncoder().encode(text).length,
    artifactType: BUNDLE_TYPE,
    annotations,
  };
  const entries = (await entriesAt(client, tagged)).filter(({ digest: of }) => of !== entry.digest);
  const index = { schemaVersion: 2, mediaType: INDEX_TYPES[0], manifests: [...entries, entry] };
  await pushManifest(client, tagged, JSON.stringify(index), INDEX_TYPES[0]);
}

/** Adds a signature in cosign's older layout to the manifest's existing ones. @throws AppError REGISTRY_… */
export async function pushSimple(
  client: RegistryClient,
  repository: Reference,
  digest: string,
  payload: Uint8Array<ArrayBuffer>,
  annotations: Readonly<Record<string, string>>,
): Promise<void> {
  const layer = blobOf(payload, SIMPLE_SIGNING);
  const tagged = { ...repository, tag: `${digest.replace(":", "-")}.sig` };
  const existing = await present(client, tagged);
  const before = existing ? (JSON.parse(existing.text) as { layers: unknown[] }).layers : [];
  const layers = [...before, {
    mediaType: layer.mediaType,
    digest: layer.digest,
    size: layer.size,
    annotations,
  }];
  const config = blobOf(
    new TextEncoder().encode(JSON.stringify({
      architecture: "",
      created: "0001-01-01T00:00:00Z",
      os: "",
      rootfs: { type: "layers", diff_ids: (layers as { digest: string }[]).map((one) => one.digest) },
      config: {},
    })),
    "application/vnd.oci.image.config.v1+json",
  );
  await pushBlob(client, repository, layer);
  await pushBlob(client, repository, config);
  const text = JSON.stringify({
    schemaVersion: 2,
    mediaType: MANIFEST_TYPE,
    config: { mediaType: config.mediaType, digest: config.digest, size: config.size },
    layers,
  });
  await pushManifest(client, tagged, text, MANIFEST_TYPE);
}

async function entriesAt(client: RegistryClient, reference: Reference): Promise<{ digest?: unknown }[]> {
  const index = await present(client, reference);
  if (!index) return [];
  try {
    const { manifests } = JSON.parse(index.text) as { manifests?: { digest?: unknown }[] };
    if (Array.isArray(manifests)) return manifests;
  } catch { /* reported below */ }
  throw new AppError(
    "MANIFEST_INVALID",
    `${taskOf("push", reference).failed}: what is there is not a list of referrers`,
  );
}

async function present(client: RegistryClient, reference: Reference): Promise<FetchedManifest | undefined> {
  try {
    return await client.fetchAnyManifest(reference, "push");
  } catch (error) {
    if (error instanceof AppError && error.code === "REGISTRY_NOT_FOUND") return undefined;
    throw error;
  }
}

/** The digest and size of the manifest to sign. */
export function signable(manifest: string): { digest: string; size: number } {
  const bytes = new TextEncoder().encode(manifest);
  return { digest: digestOf(bytes), size: bytes.length };
}
