/** The signers that an artifact requires, and the trust root for their identities. */

import { AppError } from "../../runtime/base/errors.ts";
import type { Signature } from "../../runtime/policy/provenance.ts";
import { whyNotRead } from "../../runtime/base/file_error.ts";
import {
  keySigner,
  matchesPattern,
  parseSigner as parseNamed,
  type Signer,
} from "../../runtime/policy/signers.ts";
import { printable } from "../../runtime/base/text.ts";
import { digestOf } from "../oci/digest.ts";

export { keySigner, matchesPattern, type Signer };

/** Parses the signer that `--verify` names. @throws AppError TRUST_INVALID, USAGE */
export function parseSigner(text: string, readFile: (path: string) => string = readText): Signer {
  return parseNamed(text, readFile);
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

/** A sigstore trusted root. */
export interface TrustRoot {
  /** Who configured it. */
  readonly of: "administrator" | "user";
  /** Its JSON. */
  readonly text: string;
}

/** A requirement: the artifact must have a signature by one of these signers. */
export interface Requirement {
  readonly signers: readonly Signer[];
  /** The root for identities. Default: the root of the public sigstore, which krew-wasm carries. */
  readonly trustRoot?: TrustRoot | undefined;
  /** Accept signatures made for another repository, because the artifact may be a copy. */
  readonly copies?: boolean;
}

/** A key in PEM, with its fingerprint: `sha256:<hex>` of its DER. */
export function keyOf({ publicKey }: Signer & { kind: "key" }): { pem: string; fingerprint: string } {
  return {
    pem: `-----BEGIN PUBLIC KEY-----\n${
      publicKey.replace(/.{64}(?=.)/g, "$&\n")
    }\n-----END PUBLIC KEY-----\n`,
    fingerprint: digestOf(Uint8Array.fromBase64(publicKey)),
  };
}

/**
 * The signer of an earlier version, from its receipt. For an identity, exactly that one. @throws AppError TRUST_INVALID
 */
export function signerOf(signature: Signature): Signer {
  if (signature.kind === "identity") {
    return { kind: "identity", identity: signature.identity, issuer: signature.issuer };
  }
  try {
    const publicKey = Uint8Array.fromBase64(signature.publicKey).toBase64();
    return { kind: "key", path: "of the installed version", publicKey };
  } catch {
    throw new AppError("TRUST_INVALID", "The key in the receipt of the installed version can't be read");
  }
}

/** Describes a signer, safe to print. */
export function describeSigner(signer: Signer): string {
  return signer.kind === "key"
    ? `the key ${printable(signer.path, 200)} (${keyOf(signer).fingerprint.slice(0, 19)}…)`
    : `${printable(signer.identity, 200)}, vouched for by ${printable(signer.issuer, 200)}`;
}
