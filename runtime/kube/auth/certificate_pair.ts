/** Checks a client certificate and its key before TLS sees them: on Deno 2.6 a bad pair ends the process. */

import { messageOf } from "../../base/errors.ts";
import { CONTEXT_0 } from "../config/der.ts";
import { printable } from "../../base/text.ts";
import type { ClientCertificate } from "../config/connection.ts";

/** DER tags: a boolean, and a certificate's extensions. */
const BOOLEAN = 0x01;
const EXTENSIONS = 0xa3;
/** Extensions that this TLS reads or may ignore (2.5.29.15, 17, 19, 30, 31, 37). No other extension may be critical. */
const CRITICAL = new Set(["551d0f", "551d11", "551d13", "551d1e", "551d1f", "551d25"]);
/** The smallest and largest RSA key that this TLS accepts, in bits. */
const RSA_BITS = [2048, 8192] as const;
/** The object identifier of P-521, which node:crypto of Deno 2.6 does not know. */
const P521 = "06052b81040023";
const KEYS = "TLS takes RSA keys of 2048 to 8192 bits, P-256, P-384, P-521 and Ed25519";

/** The problem with a certificate and its key, in words without either; undefined if none is found here. */
export async function pairProblem({ cert, key }: ClientCertificate): Promise<string | undefined> {
  const certificate = bytesOf(cert, "CERTIFICATE");
  if (certificate === undefined) return "it holds no certificate in PEM";
  return certificateProblem(certificate) ?? await keyProblem(certificate, { cert, key });
}

/** The problem with the key of a certificate. */
async function keyProblem(
  certificate: Uint8Array,
  { cert, key }: ClientCertificate,
): Promise<string | undefined> {
  let isRead = false;
  const { X509Certificate, createPrivateKey, createPublicKey } = await import("node:crypto");
  try {
    const spki = { type: "spki", format: "der" } as const;
    // node:crypto of Deno 2.6 can't parse a parameters block before the key.
    const bare = key.replace(/-----BEGIN EC PARAMETERS-----[\s\S]*?-----END EC PARAMETERS-----\s*/, "");
    const whole = createPrivateKey(bare);
    isRead = true;
    const problem = kindProblem(whole);
    if (problem !== undefined) return problem;
    const ofKey = new Uint8Array(createPublicKey(whole).export(spki));
    if (certificate.toHex().includes(ofKey.toHex())) return undefined;
    const ofCertificate = new Uint8Array(new X509Certificate(cert).publicKey.export(spki));
    return ofCertificate.toHex() === ofKey.toHex() ? undefined : "its key is another's";
  } catch (error) {
    const why = messageOf(error);
    // The key was parsed but the certificate was not, so the key has another type.
    if (isRead && /unsupported|not implemented/i.test(why)) return "its key is another's";
    if (/unsupported private key oid|unsupported ec named curve|unknown.*curve/i.test(why)) {
      const bytes = bytesOf(key, "(?:EC )?PRIVATE KEY")?.toHex() ?? "";
      return bytes.includes(P521)
        ? p521Problem(certificate.toHex(), bytes)
        : `its key is of another kind: ${KEYS}`;
    }
    return printable(why, 200);
  }
}

/** The problem with a P-521 key: it must contain the certificate's point. Both in hexadecimal. */
function p521Problem(certificate: string, key: string): string | undefined {
  const point = /0381860004([0-9a-f]{264})/;
  const [, ofKey] = point.exec(key) ?? [];
  return ofKey === undefined || point.exec(certificate)?.[1] === ofKey ? undefined : "its key is another's";
}

/** Why TLS does not accept this type of key. */
function kindProblem(
  { asymmetricKeyType: type, asymmetricKeyDetails: details }: import("node:crypto").KeyObject,
): string | undefined {
  if (type === "ed25519") return undefined;
  if (type === "ec") {
    return /^(prime256v1|p-?256|secp384r1|p-?384|secp521r1|p-?521)$/i.test(details?.namedCurve ?? "")
      ? undefined
      : `its key is of the curve ${printable(details?.namedCurve ?? "?", 40)}: ${KEYS}`;
  }
  if (type !== "rsa") return `its key is of the kind ${printable(type ?? "?", 40)}: ${KEYS}`;
  const bits = details?.modulusLength ?? 0;
  return bits >= RSA_BITS[0] && bits <= RSA_BITS[1] ? undefined : `its RSA key has ${bits} bits: ${KEYS}`;
}

/** The bytes of the first PEM block with that label; undefined if there is none. */
function bytesOf(pem: string, label: string): Uint8Array | undefined {
  const [, text] = new RegExp(`-----BEGIN ${label}-----([^-]*)-----END`).exec(pem) ?? [];
  try {
    return text === undefined ? undefined : Uint8Array.fromBase64(text.replace(/\s/g, ""));
  } catch {
    return undefined;
  }
}

/** Why TLS does not accept a certificate, whatever its key (RFC 5280 4.1). */
function certificateProblem(certificate: Uint8Array): string | undefined {
  const [whole] = partsOf(certificate);
  const [body] = partsOf(whole?.content);
  const fields = partsOf(body?.content);
  if (fields[0]?.tag !== CONTEXT_0) {
    return "it is an X.509 certificate of version 1, and TLS takes version 3: sign it with extensions, as openssl x509 -req -extfile does";
  }
  const [list] = partsOf(fields.find(({ tag }) => tag === EXTENSIONS)?.content);
  for (const extension of partsOf(list?.content)) {
    const [name, critical] = partsOf(extension.content);
    if (name === undefined || critical?.tag !== BOOLEAN || critical.content[0] === 0) continue;
    if (!CRITICAL.has(name.content.toHex())) {
      return `it has a critical extension that TLS does not know: ${objectName(name.content)}`;
    }
  }
  return undefined;
}

/** An object identifier in dotted form: `2.5.29.32`. */
function objectName(bytes: Uint8Array): string {
  const numbers: number[] = [];
  let number = 0;
  for (const byte of bytes) {
    number = number * 128 + (byte & 0x7f);
    if (byte & 0x80) continue;
    numbers.push(number);
    number = 0;
  }
  const [first = 0, ...rest] = numbers;
  const root = Math.min(2, Math.floor(first / 40));
  return [root, first - 40 * root, ...rest].slice(0, 20).join(".");
}

/** The consecutive DER values; a truncated one is left out. */
function partsOf(
  bytes: Uint8Array = new Uint8Array(),
): { readonly tag: number; readonly content: Uint8Array }[] {
  const parts: { tag: number; content: Uint8Array }[] = [];
  for (let at = 0; at + 2 <= bytes.length;) {
    const tag = bytes[at]!;
    let length = bytes[at + 1]!;
    at += 2;
    if (length >= 0x80) {
      const end = at + (length & 0x7f);
      length = 0;
      for (; at < end; at++) length = length * 256 + (bytes[at] ?? 0);
    }
    if (length > bytes.length - at) return parts;
    parts.push({ tag, content: bytes.subarray(at, at + length) });
    at += length;
  }
  return parts;
}
