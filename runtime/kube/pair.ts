/** What is wrong with a client's certificate and key, before TLS sees them: on Deno 2.6 it ends the process. */

import { messageOf } from "../errors.ts";
import { printable } from "../text.ts";
import type { ClientCertificate } from "./connection.ts";

/** Bits of an RSA key that TLS takes here, from and to. */
const RSA_BITS = [2048, 8192] as const;
/** The object identifier of P-521, which node:crypto of Deno 2.6 does not know. */
const P521 = "06052b81040023";
const KEYS = "TLS takes RSA keys of 2048 to 8192 bits, P-256, P-384, P-521 and Ed25519";

/** What is wrong with a certificate and its key, in words without either; undefined for nothing that can be found here. */
export async function pairProblem({ cert, key }: ClientCertificate): Promise<string | undefined> {
  const certificate = bytesOf(cert, "CERTIFICATE");
  if (certificate === undefined) return "it holds no certificate in PEM";
  if (!isVersion3(certificate)) {
    return "it is an X.509 certificate of version 1, and TLS takes version 3: sign it with extensions, as openssl x509 -req -extfile does";
  }
  const { X509Certificate, createPrivateKey, createPublicKey } = await import("node:crypto");
  try {
    const spki = { type: "spki", format: "der" } as const;
    // node:crypto of Deno 2.6 can't read what stands before the key.
    const bare = key.replace(/-----BEGIN EC PARAMETERS-----[\s\S]*?-----END EC PARAMETERS-----\s*/, "");
    const whole = createPrivateKey(bare);
    const problem = kindProblem(whole);
    if (problem !== undefined) return problem;
    const ofKey = new Uint8Array(createPublicKey(whole).export(spki));
    if (certificate.toHex().includes(ofKey.toHex())) return undefined;
    const ofCertificate = new Uint8Array(new X509Certificate(cert).publicKey.export(spki));
    return ofCertificate.toHex() === ofKey.toHex() ? undefined : "its key is another's";
  } catch (error) {
    const why = messageOf(error);
    if (/unsupported private key oid|unsupported ec named curve|unknown.*curve/i.test(why)) {
      return bytesOf(key, "(?:EC )?PRIVATE KEY")?.toHex().includes(P521) ? undefined : `of its key: ${KEYS}`;
    }
    // A key that was read, and a certificate of a kind that was not.
    if (/unsupported|not implemented/i.test(why)) return "its key is another's";
    return printable(why, 200);
  }
}

/** Why TLS does not take a kind of key. */
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

/** The bytes of the first block of that label; undefined where there is none. */
function bytesOf(pem: string, label: string): Uint8Array | undefined {
  const [, text] = new RegExp(`-----BEGIN ${label}-----([^-]*)-----END`).exec(pem) ?? [];
  try {
    return text === undefined ? undefined : Uint8Array.fromBase64(text.replace(/\s/g, ""));
  } catch {
    return undefined;
  }
}

/** Whether a certificate names a version, 3 or another (RFC 5280 4.1): one of version 1 begins with its serial number. */
function isVersion3(certificate: Uint8Array): boolean {
  let at = 0;
  for (let depth = 0; depth < 2; depth++) {
    const length = certificate[at + 1] ?? 0;
    at += 2 + (length > 0x80 ? length - 0x80 : 0);
  }
  return certificate[at] === 0xa0 && certificate[at + 4] === 2;
}
