/**
 * Whose signature is asked for: a key, or an identity that an issuer vouches for; and the trust root by which identities
 * are checked. Parsing is pure.
 */

import { AppError } from "../runtime/errors.ts";
import { whyNotRead } from "../runtime/file_error.ts";
import type { Verified } from "../runtime/store/receipt.ts";
import { printable } from "../runtime/text.ts";
import { digestOf } from "./digest.ts";

/** Who may have signed. */
export type Signer =
  | {
    readonly kind: "key";
    /** Where it was read from, for messages. */
    readonly path: string;
    /** SubjectPublicKeyInfo, PEM. */
    readonly pem: string;
    /** The same in DER, base64. */
    readonly publicKey: string;
    /** `sha256:<hex>` of its DER. */
    readonly fingerprint: string;
  }
  /** Both may hold `*`, which stands for any text. */
  | { readonly kind: "identity"; readonly identity: string; readonly issuer: string };

/** What an artifact has to have: a signature by one of these. */
export interface Requirement {
  readonly signers: readonly Signer[];
  /** A sigstore trusted root (JSON); without it that of the public sigstore. */
  readonly trustRoot?: string | undefined;
  /** Take signatures that were made for another repository: of copies. */
  readonly copies?: boolean;
}

/**
 * The signer that `--verify` names: `IDENTITY@ISSUER`, where the issuer is a URL, or a file with a public key.
 *
 * @throws AppError TRUST_INVALID, USAGE
 */
export function parseSigner(text: string, readFile: (path: string) => string = readText): Signer {
  const identity = /^(.+)@(https?:\/\/[^@]+)$/s.exec(text);
  if (identity) return { kind: "identity", identity: identity[1]!, issuer: identity[2]! };
  if (/^[^/]*@[^/]*$/.test(text) && !/\.(pub|pem|key)$/.test(text)) {
    throw new AppError("USAGE", `"${printable(text, 200)}" names no issuer`, {
      hint: "an identity is IDENTITY@ISSUER: me@acme.example@https://accounts.google.com",
    });
  }
  return keySigner(text, readFile(text));
}

/** The signer with a public key in PEM. @throws AppError TRUST_INVALID */
export function keySigner(path: string, text: string): Signer {
  const fail = (what: string, hint?: string): never => {
    throw new AppError(
      "TRUST_INVALID",
      `"${printable(path, 300)}" ${what}`,
      hint === undefined ? {} : { hint },
    );
  };
  if (/PRIVATE KEY-----/.test(text)) {
    return fail("is a private key", "verifying takes the public one: cosign.pub");
  }
  const body = /-----BEGIN PUBLIC KEY-----([A-Za-z0-9+/=\s]+)-----END PUBLIC KEY-----/.exec(text)?.[1];
  if (body === undefined) return fail("is not a public key in PEM");
  let der: Uint8Array<ArrayBuffer>;
  try {
    der = Uint8Array.fromBase64(body);
  } catch {
    return fail("is not a public key in PEM");
  }
  return keyOf(path, der);
}

function keyOf(path: string, der: Uint8Array<ArrayBuffer>): Signer {
  const publicKey = der.toBase64();
  const pem = `-----BEGIN PUBLIC KEY-----\n${
    publicKey.replace(/.{64}(?=.)/g, "$&\n")
  }\n-----END PUBLIC KEY-----\n`;
  return { kind: "key", path, pem, publicKey, fingerprint: digestOf(der) };
}

/** The signer of an earlier version, as its receipt keeps them; of an identity exactly that one. @throws AppError TRUST_INVALID */
export function signerOf(verified: Verified): Signer {
  if ("identity" in verified) {
    return { kind: "identity", identity: verified.identity, issuer: verified.issuer };
  }
  try {
    return keyOf("of the installed version", Uint8Array.fromBase64(verified.publicKey));
  } catch {
    throw new AppError("TRUST_INVALID", "The key in the receipt of the installed version can't be read");
  }
}

function readText(path: string): string {
  try {
    return Deno.readTextFileSync(path);
  } catch (error) {
    throw new AppError(
      "TRUST_INVALID",
      `Cannot read the key "${printable(path, 300)}": ${whyNotRead(error)}`,
      { hint: "--verify takes a file with a public key, or IDENTITY@ISSUER" },
    );
  }
}

/** Whether a text matches a pattern in which `*` stands for any text. */
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

/** A signer in words, safe to print. */
export function describeSigner(signer: Signer): string {
  return signer.kind === "key"
    ? `the key ${printable(signer.path, 200)} (${signer.fingerprint.slice(0, 19)}…)`
    : `${printable(signer.identity, 200)}, vouched for by ${printable(signer.issuer, 200)}`;
}
