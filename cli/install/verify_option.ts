/** The options that require signatures: `--verify` and `--trust-root`. */

import { Option } from "@commander-js/extra-typings";
import type { Signature } from "../../runtime/policy/provenance.ts";
import { printable } from "../../runtime/base/text.ts";

/** `--verify` */
export function verifyOption() {
  return new Option(
    "--verify <signer>",
    "install it only if signed by this: a public key's file, or IDENTITY@ISSUER (repeatable: any of them)",
  ).argParser((value: string, before: string[] | undefined): string[] => [...(before ?? []), value]);
}

/** `--trust-root` */
export function trustRootOption() {
  return new Option(
    "--trust-root <file>",
    "sigstore's trusted_root.json to check identities by; that of the public sigstore without it",
  );
}

/** The signer in words. Pure. */
export function describeSignature(signature: Signature): string {
  return signature.kind === "key"
    ? `the key ${signature.key}`
    : `${printable(signature.identity, 300)} (${printable(signature.issuer, 200)})`;
}
