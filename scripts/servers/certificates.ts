/** A certificate authority for tests, by WebCrypto only. */

import {
  CONTEXT_0,
  der,
  ECDSA_SHA256,
  INTEGER,
  nameOf,
  pem,
  SEQUENCE,
  signDer,
} from "../../runtime/kube/config/der.ts";

/** A certificate and its key, PEM. */
export interface Pair {
  readonly cert: string;
  readonly key: string;
}

/** The subject of a certificate. */
export interface Subject {
  readonly commonName: string;
  readonly organizations?: readonly string[];
  /** DNS names and addresses of a server. */
  readonly hosts?: readonly string[];
  /** Validity in days from now. */
  readonly days?: readonly [from: number, to: number];
  /** X.509 version 1, without extensions. */
  readonly version1?: boolean;
  /** Adds an unknown critical extension: 1.2.3.4. */
  readonly unknownExtension?: boolean;
}

const BOOLEAN = 0x01;
const BIT_STRING = 0x03;
const OCTET_STRING = 0x04;
const GENERALIZED_TIME = 0x18;
const TRUE = der(BOOLEAN, [0xff]);

/** An authority, and the certificates it signs. */
export class Authority {
  private constructor(
    readonly cert: string,
    readonly key: string,
    readonly name: string,
    readonly signingKey: CryptoKey,
  ) {}

  /** @param hosts names and addresses, if the authority's certificate is also a server's */
  static async make(name = "test-ca", hosts: readonly string[] = []): Promise<Authority> {
    const keys = await generateKeys();
    const extensions = [
      extension([0x55, 0x1d, 0x13], der(SEQUENCE, TRUE), true), // basicConstraints: CA
      extension([0x55, 0x1d, 0x0f], der(BIT_STRING, [1, 0x06]), true), // keyUsage: keyCertSign, cRLSign
      ...(hosts.length === 0
        ? []
        : [extension([0x55, 0x1d, 0x11], der(SEQUENCE, ...hosts.map(alternativeName)))]),
    ];
    const cert = await certificate(
      { commonName: name },
      keys.publicKey,
      nameOf(name),
      keys.privateKey,
      extensions,
    );
    return new Authority(cert, await exportKey(keys.privateKey), name, keys.privateKey);
  }

  /** A certificate for servers (with hosts) or clients. */
  async issue(subject: Subject): Promise<Pair> {
    const keys = await generateKeys();
    const usage = subject.hosts ? 1 : 2; // serverAuth, clientAuth
    const extensions = [
      extension([0x55, 0x1d, 0x13], der(SEQUENCE), true),
      extension(
        [0x55, 0x1d, 0x25],
        der(SEQUENCE, [0x06, 0x08, 0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, usage]),
      ),
      ...(subject.hosts
        ? [extension([0x55, 0x1d, 0x11], der(SEQUENCE, ...subject.hosts.map(alternativeName)))]
        : []),
      ...(subject.unknownExtension ? [extension([0x2a, 0x03, 0x04], der(SEQUENCE), true)] : []),
    ];
    const cert = await certificate(subject, keys.publicKey, nameOf(this.name), this.signingKey, extensions);
    return { cert, key: await exportKey(keys.privateKey) };
  }
}

function alternativeName(host: string): Uint8Array {
  if (host === "::1") return der(0x87, [...new Array<number>(15).fill(0), 1]);
  return /^\d+(\.\d+){3}$/.test(host)
    ? der(0x87, host.split(".").map(Number))
    : der(0x82, new TextEncoder().encode(host));
}

function extension(oid: readonly number[], value: Uint8Array, critical = false): Uint8Array {
  return der(SEQUENCE, der(0x06, oid), critical ? TRUE : [], der(OCTET_STRING, value));
}

async function generateKeys(): Promise<CryptoKeyPair> {
  return await crypto.subtle.generateKey({ name: "ECDSA", namedCurve: "P-256" }, true, ["sign"]);
}

async function exportKey(key: CryptoKey): Promise<string> {
  return pem("PRIVATE KEY", new Uint8Array(await crypto.subtle.exportKey("pkcs8", key)));
}

async function certificate(
  { commonName, organizations, days = [-1, 30], version1 = false }: Subject,
  publicKey: CryptoKey,
  issuer: Uint8Array,
  signingKey: CryptoKey,
  extensions: readonly Uint8Array[],
): Promise<string> {
  const serial = crypto.getRandomValues(new Uint8Array(8));
  serial[0] = (serial[0]! & 0x7f) | 0x40;
  const time = (offset: number) =>
    der(
      GENERALIZED_TIME,
      new TextEncoder().encode(
        new Date(Date.now() + offset * 86_400_000).toISOString().replace(/[-:T]|\.\d+/g, ""),
      ),
    );
  const body = der(
    SEQUENCE,
    ...(version1 ? [] : [der(CONTEXT_0, der(INTEGER, [2]))]),
    der(INTEGER, serial),
    ECDSA_SHA256,
    issuer,
    der(SEQUENCE, time(days[0]), time(days[1])),
    nameOf(commonName, organizations),
    new Uint8Array(await crypto.subtle.exportKey("spki", publicKey)),
    ...(version1 ? [] : [der(0xa3, der(SEQUENCE, ...extensions))]),
  );
  return pem("CERTIFICATE", await signDer(signingKey, body));
}

/** Converts an EC key from PKCS#8 to SEC1 (RFC 5915), like openssl. Deno 2.6's node:crypto omits the curve. */
export async function sec1Of(pkcs8: string): Promise<string> {
  const bytes = (base64: string) =>
    Uint8Array.from(
      atob(base64.replaceAll("-", "+").replaceAll("_", "/")),
      (character) => character.charCodeAt(0),
    );
  const curve = { name: "ECDSA", namedCurve: "P-256" };
  const key = await crypto.subtle.importKey(
    "pkcs8",
    bytes(pkcs8.replace(/-----.*-----|\s/g, "")),
    curve,
    true,
    ["sign"],
  );
  const { d = "", x = "", y = "" } = await crypto.subtle.exportKey("jwk", key);
  const prime256v1 = [0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];
  const point = der(0x03, [0, 4], bytes(x), bytes(y));
  return pem(
    "EC PRIVATE KEY",
    der(SEQUENCE, der(INTEGER, [1]), der(OCTET_STRING, bytes(d)), der(0xa0, prime256v1), der(0xa1, point)),
  );
}
