/** Verifies who built an archive of krew-wasm: the provenance that GitHub signs for the release workflow. */

import { AppError } from "../../runtime/base/errors.ts";
import { digestOf } from "../oci/digest.ts";
import type { TrustRoot } from "../signing/required_signers.ts";
import { makeJudge } from "../signing/sigstore.ts";

const ISSUER = "https://token.actions.githubusercontent.com";

/** What must have signed a release: its workflow, at its tag. Pure. */
export function builderOf(repository: string, version: string): string {
  return `https://github.com/${repository}/.github/workflows/release.yml@refs/tags/v${version}`;
}

/** The name of the file with the provenance of all archives of a release. Pure. */
export function provenanceName(version: string): string {
  return `krew-wasm-${version}.provenance.sigstore.json`;
}

/**
 * Checks that a release workflow built the archive.
 *
 * @param provenance a sigstore bundle
 * @param trustRoot another root than the one of the public sigstore
 * @throws AppError SIGNATURE_UNTRUSTED, SIGNATURE_EXPIRED, SIGNATURE_INVALID
 */
export async function verifyRelease(
  archive: { readonly name: string; readonly bytes: Uint8Array<ArrayBuffer> },
  provenance: string,
  { repository, version }: { readonly repository: string; readonly version: string },
  trustRoot?: TrustRoot,
): Promise<void> {
  const identity = builderOf(repository, version);
  const { judge } = await makeJudge({
    signers: [{ kind: "identity", identity, issuer: ISSUER }],
    trustRoot,
    copies: true, // a provenance names files, not repositories
  });
  const subject = { digest: digestOf(archive.bytes), bytes: archive.bytes, repository: archive.name };
  const judgement = await judge({ kind: "bundle", json: provenance }, subject);
  if (judgement.verdict === "good") return;
  const code = judgement.verdict === "untrusted"
    ? "SIGNATURE_UNTRUSTED"
    : judgement.verdict === "expired"
    ? "SIGNATURE_EXPIRED"
    : "SIGNATURE_INVALID";
  throw new AppError(code, `${archive.name} was not built by ${identity}: ${judgement.why}`, {
    hint: "nothing was changed; do not use this file",
  });
}
