/** What a signature has to cover, and the verdict on it. */

import type { Signature } from "../../runtime/policy/provenance.ts";

/** The artifact that the signature must cover. */
export interface Subject {
  /** `sha256:<hex>` of the manifest, or of its index. */
  readonly digest: string;
  /** Bytes of that manifest or index. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** `REGISTRY/REPOSITORY` */
  readonly repository: string;
}

/** The verdict on one signature. */
export type Judgement =
  | { readonly verdict: "good"; readonly by: Signature }
  /**
   * Signed by somebody else, signed outside of the certificate's validity, or not a valid signature of this subject.
   */
  | {
    readonly verdict: "untrusted" | "expired" | "invalid";
    readonly why: string;
    /** The trust root does not know the issuer; a newer root may. */
    readonly unknown?: boolean;
  }
  /** Not a signature, but a statement of something else: a list of parts, a scan. */
  | { readonly verdict: "other"; readonly why: string };

/** The verdict on an invalid signature. `unknown`: the trust root does not know its issuer. */
export const invalid = (why: string, unknown = false): Judgement => ({ verdict: "invalid", why, unknown });
