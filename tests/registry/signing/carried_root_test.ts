/** The trust root of the public sigstore that krew-wasm carries, and the errors about unknown signers. */

import assert from "node:assert/strict";
import { describeCarried, readCarriedRoot } from "../../../registry/signing/carried_root.ts";
import { parseReference } from "../../../registry/oci/mirrored_reference.ts";
import { signable } from "../../../registry/signing/sign_artifact.ts";
import type { FoundSignature } from "../../../registry/signing/find_signatures.ts";
import type { Requirement } from "../../../registry/signing/required_signers.ts";
import { verifyArtifact } from "../../../registry/signing/verify_artifact.ts";
import { AppError } from "../../../runtime/base/errors.ts";
import { IDENTITY, ISSUED_BY, rootOf, type Signing, TestSigstore } from "../../support/sigstore.ts";

const TEXT = '{"schemaVersion":2}';
const { digest } = signable(TEXT);
const sigstore = await TestSigstore.make();
const foreign = await TestSigstore.make();

/** The refusal of an invalid signature. */
async function refusal(signing: Signing, root: { trustRoot?: string }): Promise<AppError> {
  const json = JSON.stringify(await sigstore.bundle(digest, signing));
  const source = {
    signatures: async function* (): AsyncGenerator<FoundSignature> {
      yield await Promise.resolve({ kind: "bundle", json });
    },
    manifest: () => Promise.resolve(TEXT),
  };
  const requirement: Requirement = {
    signers: [{ kind: "identity", identity: IDENTITY, issuer: ISSUED_BY }],
    trustRoot: root.trustRoot === undefined ? undefined : rootOf(root.trustRoot),
  };
  const reference = parseReference("registry.test/acme/foo:v1");
  return await verifyArtifact(source, reference, { text: TEXT, digest }, requirement).then(
    () => assert.fail("it was taken"),
    (error) => {
      assert.ok(error instanceof AppError, String(error));
      return error;
    },
  );
}

/** This sigstore's trust root, with some parts of another one. */
const rootWith = (...parts: string[]) => {
  const other = JSON.parse(foreign.trustRoot);
  return {
    trustRoot: JSON.stringify({
      ...JSON.parse(sigstore.trustRoot),
      ...Object.fromEntries(parts.map((part) => [part, other[part]])),
    }),
  };
};

Deno.test("the carried root is a trusted root with a version and an expiry date", async () => {
  const { text, version, expires } = await readCarriedRoot();
  const { certificateAuthorities, tlogs } = JSON.parse(text);
  assert.ok(certificateAuthorities.length > 0 && tlogs.length > 0);
  assert.ok(Number.isSafeInteger(version) && version > 0);
  assert.ok(Date.parse(expires) > Date.parse("2026-01-01"));
});

Deno.test("describeCarried() says until when a root is valid, or when it expired", () => {
  const root = { version: 16, expires: "2027-04-22T19:27:31Z" };
  assert.match(
    describeCarried(root, new Date("2027-04-22T19:00:00Z")),
    /version 16, good until 2027-04-22\)/,
  );
  assert.match(
    describeCarried(root, new Date("2027-04-22T19:28:00Z")),
    /version 16, which expired on 2027-04-22\).*--trust-root/,
  );
});

Deno.test("an error about an unknown authority states the age of the carried root", async () => {
  const error = await refusal({}, {});
  assert.equal(error.code, "SIGNATURE_UNTRUSTED");
  assert.match(
    error.hint ?? "",
    /^asked for is .*; the trust root is the public sigstore's .*\(version \d+, /,
  );
  // A user's own root gets no hint about its age.
  const brought = await refusal({}, rootWith("certificateAuthorities"));
  assert.equal(brought.code, "SIGNATURE_UNTRUSTED");
  assert.doesNotMatch(brought.hint ?? "", /carries/);
});

Deno.test("distinguishes an unknown log from an entry that does not match", async () => {
  for (const log of ["rekor", "rekor2"] as const) {
    const unknown = await refusal({ log, stamps: [{}] }, rootWith("tlogs"));
    assert.equal(unknown.code, "SIGNATURE_INVALID");
    assert.match(unknown.message, /in a transparency log that the trust root does not know/);
  }
  const wrong = await refusal({
    body: (body) => {
      const spec = structuredClone(body.spec) as { payloadHash: { value: string } };
      spec.payloadHash.value = "0".repeat(64);
      return { ...body, spec };
    },
  }, { trustRoot: sigstore.trustRoot });
  assert.match(wrong.message, /its entry in the transparency log does not match/);
});
