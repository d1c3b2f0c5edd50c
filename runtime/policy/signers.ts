/** The signers that a user or policy accepts: a key, or an identity that an issuer vouches for. Parsing is pure. */

import { AppError } from "../base/errors.ts";
import { printable } from "../base/text.ts";

/** An accepted signer. */
export type Signer =
  | {
    readonly kind: "key";
    /** The key's file, for messages. */
    readonly path: string;
    /** SubjectPublicKeyInfo, DER, base64. */
    readonly publicKey: string;
  }
  /** Both fields may contain `*`, which matches any text. */
  | { readonly kind: "identity"; readonly identity: string; readonly issuer: string };

/**
 * Parses a signer: `IDENTITY@ISSUER`, where the issuer is a URL, or a file with a public key.
 *
 * @throws AppError TRUST_INVALID, USAGE; what `readFile` throws
 */
export function parseSigner(text: string, readFile: (path: string) => string): Signer {
  const identity = /^(.+)@(https?:\/\/[^@]+)$/s.exec(text);
  if (identity) return { kind: "identity", identity: identity[1]!, issuer: identity[2]! };
  if (/^[^/]*@[^/]*$/.test(text) && !/\.(pub|pem|key)$/.test(text)) {
    throw new AppError("USAGE", `"${printable(text, 200)}" names no issuer`, {
      hint: "an identity is IDENTITY@ISSUER: me@acme.example@https://accounts.google.com",
    });
  }
  return keySigner(text, readFile(text));
}

/** The signer for a public key in PEM. @throws AppError TRUST_INVALID */
export function keySigner(path: string, text: string): Signer {
  const fail = (what: string, hint?: string): never => {
    throw new AppError("TRUST_INVALID", `"${printable(path, 300)}" ${what}`, { hint });
  };
  if (/PRIVATE KEY-----/.test(text)) {
    return fail("is a private key", "verifying takes the public one: cosign.pub");
  }
  const body = /-----BEGIN PUBLIC KEY-----([A-Za-z0-9+/=\s]+)-----END PUBLIC KEY-----/.exec(text)?.[1];
  if (body === undefined) return fail("is not a public key in PEM");
  try {
    return { kind: "key", path, publicKey: Uint8Array.fromBase64(body).toBase64() };
  } catch {
    return fail("is not a public key in PEM");
  }
}

/** Whether a text matches a pattern, in which `*` matches any text. */
export function matchesPattern(pattern: string, text: string): boolean {
  const parts = pattern.split("*");
  if (parts.length === 1) return pattern === text;
  const [first = "", ...rest] = parts;
  const last = rest.pop() ?? "";
  if (!text.startsWith(first) || !text.endsWith(last) || text.length < first.length + last.length) {
    return false;
  }
  let at = first.length;
  const end = text.length - last.length;
  for (const part of rest) {
    const found = text.indexOf(part, at);
    if (found < 0 || found + part.length > end) return false;
    at = found + part.length;
  }
  return true;
}

/** Whether a signer made a signature. */
export function isSigner(
  signer: Signer,
  signed: { readonly publicKey: string } | { readonly identity: string; readonly issuer: string },
): boolean {
  if (signer.kind === "key") return "publicKey" in signed && signer.publicKey === signed.publicKey;
  return "identity" in signed && matchesPattern(signer.identity, signed.identity) &&
    matchesPattern(signer.issuer, signed.issuer);
}
