/** The options that require signatures: `--verify` and `--trust-root`. */

import { Option } from "@commander-js/extra-typings";
import type { Signature } from "../../runtime/policy/provenance.ts";
import { printable } from "../../runtime/base/text.ts";

/** `--verify` */
export function verifyOption() {
  return new Option(
    "--verify <signer>",
    "require a signature by KEYFILE or IDENTITY@ISSUER (repeatable)",
  ).argParser((value: string, before: string[] | undefined): string[] => [...(before ?? []), value]);
}

/** `--trust-root` */
export function trustRootOption() {
  return new Option(
    "--trust-root <file>",
    "trusted_root.json for identities (default: public sigstore)",
  );
}

/** The signer in words. Pure. */
export function describeSignature(signature: Signature): string {
  return signature.kind === "key"
    ? `the key ${signature.key}`
    : `${printable(signature.identity, 300)} (${printable(signature.issuer, 200)})`;
}
