/**
 * A sigstore for tests, built with WebCrypto alone: certificate authority, certificate log, transparency log (Rekor's first
 * and second form) and time-stamping authority.
 */

import { ed25519ph } from "@noble/curves/ed25519.js";
import {
  CONTEXT_0,
  der,
  ECDSA_SHA256,
  INTEGER,
  nameOf,
  pem,
  SEQUENCE,
  SET,
  signDer,
} from "../../runtime/kube/config/der.ts";
import { preAuthEncoding, signedStatement, simplePayload } from "../../registry/signing/sign_artifact.ts";
import type { TrustRoot } from "../../registry/signing/required_signers.ts";
import type { Signature } from "../../runtime/policy/provenance.ts";

const BOOLEAN = 0x01;
const BIT_STRING = 0x03;
const OCTET_STRING = 0x04;
const UTF8 = 0x0c;
const TIME = 0x18;
const TRUE = der(BOOLEAN, [0xff]);
const SAN = [0x55, 0x1d, 0x11];
const ISSUER = [0x2b, 0x06, 0x01, 0x04, 0x01, 0x83, 0xbf, 0x30, 0x01, 0x08];
const SCTS = [0x2b, 0x06, 0x01, 0x04, 0x01, 0xd6, 0x79, 0x02, 0x04, 0x02];
const SHA256 = der(SEQUENCE, der(0x06, [0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01]));
const PKCS7_SIGNED = der(0x06, [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x02]);
const PKCS9_CONTENT_TYPE = der(0x06, [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x03]);
const PKCS9_DIGEST = der(0x06, [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x04]);
const TST_INFO = der(0x06, [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x10, 0x01, 0x04]);
const STATEMENT = "application/vnd.in-toto+json";
const LOG_URL = "https://log.test";
const encoder = new TextEncoder();

/** The signer, the time, and deliberate errors of a test. */
export interface Signing {
  /** An e-mail address, or a URI. */
  readonly identity?: string;
  readonly issuer?: string;
  /** The type of the certificate's key. */
  readonly key?: keyof typeof KEY_DETAILS;
  /** The time at which the log claims the entry arrived, in seconds since 1970. */
  readonly loggedAt?: number;
  /** The certificate's validity in seconds from now. */
  readonly valid?: readonly [from: number, to: number];
  /** Replaces cosign's statement. */
  readonly statement?: Uint8Array<ArrayBuffer>;
  /** Changes the entry's body after it was signed, or before the log signs it. */
  readonly body?: (body: Record<string, unknown>) => Record<string, unknown>;
  /** The form of the log's entry: Rekor's first form, its second form for an envelope or its hash, or none. */
  readonly log?: "rekor" | "rekor2" | "rekor2-hashed" | "none";
  /** The timestamp of a certificate log: its own, another's, or none. */
  readonly promise?: TestSigstore | "none";
  /** Time stamps of this sigstore's authority or another's. */
  readonly stamps?: readonly Stamping[];
}

/** A time stamp, by RFC 3161. */
export interface Stamping {
  /** Seconds since 1970; by default now. */
  readonly at?: number;
  /** Replaces the sigstore's own authority. */
  readonly by?: TestSigstore;
  /** Stamps these bytes instead of the signature. */
  readonly of?: Uint8Array<ArrayBuffer>;
  /** Changes the signed stamp. */
  readonly change?: (stamp: Uint8Array<ArrayBuffer>) => void;
}

interface Keys {
  readonly kind: keyof typeof KEY_DETAILS;
  readonly pair: CryptoKeyPair;
  readonly spki: Uint8Array<ArrayBuffer>;
  readonly id: Uint8Array<ArrayBuffer>;
}

/** The authorities. */
export class TestSigstore {
  private constructor(
    private readonly ca: Keys,
    private readonly caCert: Uint8Array<ArrayBuffer>,
    private readonly ctlog: Keys,
    private readonly log: Keys,
    private readonly tsa: { readonly keys: Keys; readonly chain: readonly Uint8Array<ArrayBuffer>[] },
    private readonly tsaUntil: string | undefined,
  ) {}

  /**
   * `logKey`: the transparency log's key type; `tsaUntil`: when the trust root stops trusting its time-stamping authority.
   */
  static async make(
    { logKey = "ECDSA", tsaUntil }: { logKey?: "ECDSA" | "Ed25519"; tsaUntil?: string } = {},
  ): Promise<TestSigstore> {
    const [ca, ctlog, log] = [await makeKeys(), await makeKeys(), await makeKeys(logKey)];
    const extensions = [
      extension([0x55, 0x1d, 0x13], der(SEQUENCE, TRUE), true),
      extension([0x55, 0x1d, 0x0f], der(BIT_STRING, [1, 0x06]), true),
    ];
    const body = tbs(
      ca.spki,
      nameOf("test-sigstore"),
      nameOf("test-sigstore"),
      [-864_000, 864_000],
      extensions,
    );
    const caCert = new Uint8Array(await signDer(ca.pair.privateKey, body));
    const [root, tsa] = [await makeKeys(), await makeKeys()];
    const [rootName, tsaName] = [nameOf("test-tsa-root"), nameOf("test-tsa")];
    const year = [-31_536_000, 31_536_000] as const;
    const chain = [
      tbs(tsa.spki, rootName, tsaName, year, [
        extension([0x55, 0x1d, 0x0f], der(BIT_STRING, [7, 0x80]), true),
        extension(
          [0x55, 0x1d, 0x25],
          der(SEQUENCE, der(0x06, [0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x08])),
          true,
        ),
      ]),
      tbs(root.spki, rootName, rootName, year, extensions),
    ];
    const certs: Uint8Array<ArrayBuffer>[] = [];
    for (const one of chain) certs.push(new Uint8Array(await signDer(root.pair.privateKey, one)));
    return new TestSigstore(ca, caCert, ctlog, log, { keys: tsa, chain: certs }, tsaUntil);
  }

  /** sigstore's trusted_root.json */
  get trustRoot(): string {
    const validFor = { start: "2020-01-01T00:00:00Z" };
    const instance = ({ spki, id, kind }: Keys) => ({
      baseUrl: LOG_URL,
      hashAlgorithm: "SHA2_256",
      publicKey: { rawBytes: spki.toBase64(), keyDetails: KEY_DETAILS[kind], validFor },
      logId: { keyId: id.toBase64() },
    });
    return JSON.stringify({
      mediaType: "application/vnd.dev.sigstore.trustedroot+json;version=0.1",
      tlogs: [instance(this.log)],
      certificateAuthorities: [{
        subject: { organization: "test", commonName: "test-sigstore" },
        uri: "https://ca.test",
        certChain: { certificates: [{ rawBytes: this.caCert.toBase64() }] },
        validFor,
      }],
      ctlogs: [instance(this.ctlog)],
      timestampAuthorities: [{
        subject: { organization: "test", commonName: "test-tsa" },
        uri: "https://tsa.test",
        certChain: { certificates: this.tsa.chain.map((cert) => ({ rawBytes: cert.toBase64() })) },
        validFor: { ...validFor, ...(this.tsaUntil === undefined ? {} : { end: this.tsaUntil }) },
      }],
    });
  }

  /** Issues a certificate with a signed certificate timestamp. Returns it with its key. */
  async #issue(
    { identity = IDENTITY, issuer = ISSUED_BY, key, valid = [-60, 540], promise = this }: Signing,
  ) {
    const keys = await makeKeys(key);
    const name = der(identity.includes("://") ? 0x86 : 0x81, encoder.encode(identity));
    const extensions = [
      extension([0x55, 0x1d, 0x0f], der(BIT_STRING, [7, 0x80]), true),
      extension(SAN, der(SEQUENCE, name), true),
      extension(ISSUER, der(UTF8, encoder.encode(issuer))),
    ];
    const now = Date.now(); // one time for both: the log signs one copy, the authority the other
    const make = (more: Uint8Array[]) =>
      tbs(keys.spki, nameOf("test-sigstore"), der(SEQUENCE), valid, [...extensions, ...more], now);
    const precertificate = make([]);
    const at = new Uint8Array(8);
    new DataView(at.buffer).setBigUint64(0, BigInt(Date.now() + valid[0] * 1000));
    const { ctlog } = promise === "none" ? this : promise;
    const signature = await signBytes(
      ctlog,
      bytes(
        [0, 0],
        at,
        [0, 1],
        this.ca.id,
        uint(precertificate.length, 3),
        precertificate,
        [0, 0],
      ),
    );
    const sct = bytes([0], ctlog.id, at, [0, 0, 4, 3], uint(signature.length, 2), signature);
    const list = bytes(uint(sct.length + 2, 2), uint(sct.length, 2), sct);
    const body = make(promise === "none" ? [] : [extension(SCTS, der(OCTET_STRING, list))]);
    return { keys, certificate: new Uint8Array(await signDer(this.ca.pair.privateKey, body)) };
  }

  /** An entry of the log, with a signed timestamp and the inclusion proof of a log of one entry. */
  async #entry(body: Record<string, unknown>, { loggedAt = Math.floor(Date.now() / 1000) }: Signing) {
    const canonical = encoder.encode(JSON.stringify(body));
    const promise = await signBytes(
      this.log,
      encoder.encode(
        `{"body":"${canonical.toBase64()}","integratedTime":${loggedAt},"logID":"${this.log.id.toHex()}","logIndex":7}`,
      ),
    );
    const root = await sha256(bytes([0], canonical));
    const note = `log.test\n1\n${root.toBase64()}\n`;
    const signed = bytes(this.log.id.subarray(0, 4), await signBytes(this.log, encoder.encode(note)));
    return {
      canonical,
      promise,
      loggedAt,
      json: {
        logIndex: "7",
        logId: { keyId: this.log.id.toBase64() },
        kindVersion: { kind: body.kind, version: body.apiVersion },
        // Rekor's second form has no promise and no time: other authorities stamp the entry.
        ...(body.apiVersion === "0.0.2" ? { integratedTime: "0" } : {
          integratedTime: String(loggedAt),
          inclusionPromise: { signedEntryTimestamp: promise.toBase64() },
        }),
        inclusionProof: {
          logIndex: "0",
          treeSize: "1",
          rootHash: root.toBase64(),
          hashes: [],
          checkpoint: { envelope: `${note}\n\u2014 log.test ${signed.toBase64()}\n` },
        },
        canonicalizedBody: canonical.toBase64(),
      },
    };
  }

  /** Stamps bytes: an RFC 3161 response with RFC 5652 signed data. */
  async #stamp(signature: Uint8Array<ArrayBuffer>, { at, by = this, of = signature, change }: Stamping) {
    const { keys } = by.tsa;
    const time = new Date(at === undefined ? Date.now() : at * 1000).toISOString();
    const info = der(
      SEQUENCE,
      der(INTEGER, [1]),
      der(0x06, [0x2a, 0x03]),
      der(SEQUENCE, SHA256, der(OCTET_STRING, await sha256(of))),
      der(INTEGER, [0x11]),
      der(TIME, encoder.encode(time.replace(/[-:T]|\.\d+/g, ""))),
    );
    const attributes = [
      der(SEQUENCE, PKCS9_CONTENT_TYPE, der(SET, TST_INFO)),
      der(SEQUENCE, PKCS9_DIGEST, der(SET, der(OCTET_STRING, await sha256(info)))),
    ];
    const signer = der(
      SEQUENCE,
      der(INTEGER, [1]),
      der(SEQUENCE, nameOf("test-tsa-root"), der(INTEGER, [0x42])),
      SHA256,
      der(CONTEXT_0, ...attributes),
      ECDSA_SHA256,
      der(OCTET_STRING, await signBytes(keys, der(SET, ...attributes))),
    );
    const signed = der(
      SEQUENCE,
      der(INTEGER, [3]),
      der(SET, SHA256),
      der(SEQUENCE, TST_INFO, der(CONTEXT_0, der(OCTET_STRING, info))),
      der(SET, signer),
    );
    const stamp = der(
      SEQUENCE,
      der(SEQUENCE, der(INTEGER, [0])),
      der(SEQUENCE, PKCS7_SIGNED, der(CONTEXT_0, signed)),
    );
    change?.(stamp);
    return { signedTimestamp: stamp.toBase64() };
  }

  /** The entry of Rekor's second form for an envelope: the envelope itself, or the hash of its content. */
  async #logged2(
    log: "rekor2" | "rekor2-hashed",
    payload: Uint8Array<ArrayBuffer>,
    signature: Uint8Array<ArrayBuffer>,
    certificate: Uint8Array<ArrayBuffer>,
    key: keyof typeof KEY_DETAILS,
  ): Promise<Record<string, unknown>> {
    const signed = {
      content: signature.toBase64(),
      verifier: {
        keyDetails: KEY_DETAILS[key],
        x509Certificate: { rawBytes: certificate.toBase64() },
      },
    };
    const hash = async (of: Uint8Array<ArrayBuffer>) => ({
      algorithm: "SHA2_256",
      digest: (await sha256(of)).toBase64(),
    });
    return log === "rekor2"
      ? {
        apiVersion: "0.0.2",
        kind: "dsse",
        spec: { dsseV002: { payloadHash: await hash(payload), signatures: [signed] } },
      }
      : {
        apiVersion: "0.0.2",
        kind: "hashedrekord",
        spec: {
          hashedRekordV002: {
            data: key === "Ed25519ph"
              ? {
                algorithm: "SHA2_512",
                digest: new Uint8Array(
                  await crypto.subtle.digest("SHA-512", preAuthEncoding(STATEMENT, payload)),
                ).toBase64(),
              }
              : await hash(preAuthEncoding(STATEMENT, payload)),
            signature: signed,
          },
        },
      };
  }

  /** A sigstore bundle v0.3 that signs an image. */
  async bundle(digest: string, signing: Signing = {}): Promise<Record<string, unknown>> {
    const { keys, certificate } = await this.#issue(signing);
    const payload = signing.statement ?? signedStatement(digest);
    const signature = await signBytes(keys, preAuthEncoding(STATEMENT, payload));
    const { log = "rekor", stamps = [] } = signing;
    const body = log === "rekor2" || log === "rekor2-hashed"
      ? await this.#logged2(log, payload, signature, certificate, keys.kind)
      : {
        apiVersion: "0.0.1",
        kind: "dsse",
        spec: {
          envelopeHash: { algorithm: "sha256", value: "0".repeat(64) },
          payloadHash: { algorithm: "sha256", value: (await sha256(payload)).toHex() },
          signatures: [{
            signature: signature.toBase64(),
            verifier: encoder.encode(pem("CERTIFICATE", certificate)).toBase64(),
          }],
        },
      };
    const entry = await this.#entry(signing.body?.(body) ?? body, signing);
    return {
      mediaType: "application/vnd.dev.sigstore.bundle.v0.3+json",
      verificationMaterial: {
        certificate: { rawBytes: certificate.toBase64() },
        tlogEntries: log === "none" ? [] : [entry.json],
        timestampVerificationData: {
          rfc3161Timestamps: await Promise.all(stamps.map((stamping) => this.#stamp(signature, stamping))),
        },
      },
      dsseEnvelope: {
        payload: payload.toBase64(),
        payloadType: STATEMENT,
        signatures: [{ sig: signature.toBase64(), keyid: "" }],
      },
    };
  }

  /** cosign's older signature: the signed payload, and the annotations of its layer. */
  async simple(digest: string, repository: string, signing: Signing = {}) {
    const { keys, certificate } = await this.#issue(signing);
    const payload = signing.statement ?? simplePayload(digest, repository);
    const signature = await signBytes(keys, payload);
    const body = {
      apiVersion: "0.0.1",
      kind: "hashedrekord",
      spec: {
        data: { hash: { algorithm: "sha256", value: (await sha256(payload)).toHex() } },
        signature: {
          content: signature.toBase64(),
          publicKey: { content: encoder.encode(pem("CERTIFICATE", certificate)).toBase64() },
        },
      },
    };
    const { canonical, promise, loggedAt } = await this.#entry(signing.body?.(body) ?? body, signing);
    const stamping = signing.stamps?.[0];
    const stamp = stamping && await this.#stamp(signature, stamping);
    return {
      payload,
      annotations: {
        "dev.cosignproject.cosign/signature": signature.toBase64(),
        "dev.sigstore.cosign/certificate": pem("CERTIFICATE", certificate),
        "dev.sigstore.cosign/bundle": JSON.stringify({
          SignedEntryTimestamp: promise.toBase64(),
          Payload: {
            body: canonical.toBase64(),
            integratedTime: loggedAt,
            logIndex: 7,
            logID: this.log.id.toHex(),
          },
        }),
        ...(stamp === undefined ? {} : {
          "dev.sigstore.cosign/rfc3161timestamp": JSON.stringify({
            SignedRFC3161Timestamp: stamp.signedTimestamp,
          }),
        }),
      },
    };
  }
}

/** The default signer. */
export const IDENTITY = "https://github.com/acme/decoder/.github/workflows/release.yml@refs/tags/v1";
/** The default issuer. */
export const ISSUED_BY = "https://token.actions.githubusercontent.com";

/** Makes a key pair in PEM. */
export async function makeKeyPair(
  kind?: Keys["kind"],
): Promise<{ privateKey: string; publicKey: string }> {
  const { pair, spki } = await makeKeys(kind);
  const pkcs8 = new Uint8Array(await crypto.subtle.exportKey("pkcs8", pair.privateKey));
  return { privateKey: pem("PRIVATE KEY", pkcs8), publicKey: pem("PUBLIC KEY", spki) };
}

const KEY_DETAILS = {
  ECDSA: "PKIX_ECDSA_P256_SHA_256",
  Ed25519: "PKIX_ED25519",
  Ed25519ph: "PKIX_ED25519_PH",
} as const;

async function makeKeys(kind: Keys["kind"] = "ECDSA"): Promise<Keys> {
  const pair = kind === "ECDSA"
    ? await crypto.subtle.generateKey({ name: "ECDSA", namedCurve: "P-256" }, true, ["sign", "verify"])
    : await crypto.subtle.generateKey("Ed25519", true, ["sign", "verify"]) as CryptoKeyPair;
  const spki = new Uint8Array(await crypto.subtle.exportKey("spki", pair.publicKey));
  return { kind, pair, spki, id: await sha256(spki) };
}

/** A signature by an Ed25519 key, as cosign 3 makes it. `pkcs8`: the key in DER; `context`: the context of RFC 8032. */
export function signPrehashed(
  pkcs8: Uint8Array,
  message: Uint8Array,
  context?: Uint8Array,
): Uint8Array<ArrayBuffer> {
  const options = context === undefined ? {} : { context };
  return new Uint8Array(ed25519ph.sign(message, new Uint8Array(pkcs8.subarray(-32)), options));
}

/** Signs bytes. ECDSA signatures are DER, as in a certificate's bit string. */
async function signBytes(
  { pair, kind }: Keys,
  message: Uint8Array<ArrayBuffer>,
): Promise<Uint8Array<ArrayBuffer>> {
  if (kind === "Ed25519ph") {
    return signPrehashed(new Uint8Array(await crypto.subtle.exportKey("pkcs8", pair.privateKey)), message);
  }
  if (kind === "Ed25519") {
    return new Uint8Array(await crypto.subtle.sign("Ed25519", pair.privateKey, message));
  }
  const raw = new Uint8Array(
    await crypto.subtle.sign({ name: "ECDSA", hash: "SHA-256" }, pair.privateKey, message),
  );
  const number = (part: Uint8Array) => {
    let start = 0;
    while (start < part.length - 1 && part[start] === 0) start++;
    const trimmed = part.subarray(start);
    return der(INTEGER, trimmed[0]! & 0x80 ? [0] : [], trimmed);
  };
  return der(SEQUENCE, number(raw.subarray(0, 32)), number(raw.subarray(32)));
}

function tbs(
  spki: Uint8Array,
  issuer: Uint8Array,
  subject: Uint8Array,
  valid: readonly [from: number, to: number],
  extensions: readonly Uint8Array[],
  now = Date.now(),
): Uint8Array<ArrayBuffer> {
  const time = (seconds: number) =>
    der(
      TIME,
      encoder.encode(new Date(now + seconds * 1000).toISOString().replace(/[-:T]|\.\d+/g, "")),
    );
  return der(
    SEQUENCE,
    der(0xa0, der(INTEGER, [2])),
    der(INTEGER, [0x42]),
    ECDSA_SHA256,
    issuer,
    der(SEQUENCE, time(valid[0]), time(valid[1])),
    subject,
    spki,
    der(0xa3, der(SEQUENCE, ...extensions)),
  );
}

function extension(oid: readonly number[], value: Uint8Array, critical = false): Uint8Array {
  return der(SEQUENCE, der(0x06, oid), critical ? TRUE : [], der(OCTET_STRING, value));
}

async function sha256(message: Uint8Array<ArrayBuffer>): Promise<Uint8Array<ArrayBuffer>> {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", message));
}

function bytes(...parts: (Uint8Array | readonly number[])[]): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(parts.flatMap((part) => [...part]));
}

function uint(value: number, length: number): number[] {
  return Array.from({ length }, (_, index) => value >> 8 * (length - 1 - index) & 0xff);
}

/** A trust root as the user provides it. */
export function rootOf(text: string, of: TrustRoot["of"] = "user"): TrustRoot {
  return { of, text };
}

/** The signer of a signature, without the other fields. */
export function signerIn(
  signature: Signature,
): { key: string; publicKey: string } | { identity: string; issuer: string } {
  return signature.kind === "key"
    ? { key: signature.key, publicKey: signature.publicKey }
    : { identity: signature.identity, issuer: signature.issuer };
}
