/** The part of DER (X.690) that an X.509 certificate needs (RFC 5280 4.1). */

/** Tags. */
export const SEQUENCE = 0x30;
export const SET = 0x31;
export const INTEGER = 0x02;
export const BIT_STRING = 0x03;
const UTF8_STRING = 0x0c;
export const UTC_TIME = 0x17;
export const CONTEXT_0 = 0xa0;

/** SEQUENCE { OID ecdsa-with-SHA256 } */
export const ECDSA_SHA256: readonly number[] = [
  0x30,
  0x0a,
  0x06,
  0x08,
  0x2a,
  0x86,
  0x48,
  0xce,
  0x3d,
  0x04,
  0x03,
  0x02,
];
const COMMON_NAME = [0x06, 0x03, 0x55, 0x04, 0x03];
const ORGANIZATION = [0x06, 0x03, 0x55, 0x04, 0x0a];

/** A DER value: tag, length, and the concatenated parts. Up to 65535 bytes. */
export function der(tag: number, ...parts: (Uint8Array | readonly number[])[]): Uint8Array<ArrayBuffer> {
  const content = parts.flatMap((part) => [...part]);
  const { length } = content;
  const size = length < 0x80
    ? [length]
    : length < 0x100
    ? [0x81, length]
    : [0x82, length >> 8, length & 0xff];
  return Uint8Array.from([tag, ...size, ...content]);
}

/** A distinguished name: organizations, then the common name. */
export function nameOf(commonName: string, organizations: readonly string[] = []): Uint8Array {
  const attribute = (type: readonly number[], text: string) =>
    der(SET, der(SEQUENCE, type, der(UTF8_STRING, new TextEncoder().encode(text))));
  return der(
    SEQUENCE,
    ...organizations.map((name) => attribute(ORGANIZATION, name)),
    attribute(COMMON_NAME, commonName),
  );
}

/** A certificate: the signed body, and its signature by an ECDSA P-256 key with SHA-256. */
export async function signDer(key: CryptoKey, body: Uint8Array<ArrayBuffer>): Promise<Uint8Array> {
  const raw = new Uint8Array(await crypto.subtle.sign({ name: "ECDSA", hash: "SHA-256" }, key, body));
  const signature = der(SEQUENCE, unsigned(raw.subarray(0, 32)), unsigned(raw.subarray(32)));
  return der(SEQUENCE, body, ECDSA_SHA256, der(BIT_STRING, [0], signature));
}

function unsigned(bytes: Uint8Array): Uint8Array {
  let start = 0;
  while (start < bytes.length - 1 && bytes[start] === 0) start++;
  const trimmed = bytes.subarray(start);
  return der(INTEGER, trimmed[0]! & 0x80 ? [0] : [], trimmed);
}

/** PEM (RFC 7468). */
export function pem(label: string, bytes: Uint8Array): string {
  const base64 = bytes.toBase64().replace(/.{64}(?=.)/g, "$&\n");
  return `-----BEGIN ${label}-----\n${base64}\n-----END ${label}-----\n`;
}
