/** The time of a signature: RFC 3161 timestamps, and Rekor v2's entries, which state no time. */

import assert from "node:assert/strict";
import { parseReference } from "../../../registry/oci/mirrored_reference.ts";
import { signable } from "../../../registry/signing/sign_artifact.ts";
import type { FoundSignature } from "../../../registry/signing/find_signatures.ts";
import type { Requirement } from "../../../registry/signing/required_signers.ts";
import { verifyArtifact } from "../../../registry/signing/verify_artifact.ts";
import { IDENTITY, ISSUED_BY, rootOf, signerIn, type Signing, TestSigstore } from "../../support/sigstore.ts";

const REFERENCE = parseReference("registry.test/acme/foo:v1");
const TEXT = '{"schemaVersion":2}';
const { digest } = signable(TEXT);
const GOOD = { identity: IDENTITY, issuer: ISSUED_BY };
const sigstore = await TestSigstore.make();
const foreign = await TestSigstore.make();
const seconds = () => Math.floor(Date.now() / 1000);

/** The verdict on one signature. */
function judge(signature: FoundSignature, trustRoot = sigstore.trustRoot) {
  const requirement: Requirement = {
    signers: [{ kind: "identity", identity: IDENTITY, issuer: ISSUED_BY }],
    trustRoot: rootOf(trustRoot),
  };
  const source = {
    signatures: async function* () {
      yield await Promise.resolve(signature);
    },
    manifest: () => Promise.resolve(TEXT),
  };
  return verifyArtifact(source, REFERENCE, { text: TEXT, digest }, requirement).then(signerIn);
}

// deno-lint-ignore no-explicit-any -- the test changes one field of a bundle
type Change = (bundle: any) => void;

async function judgeBundle(signing: Signing, change: Change = () => {}, by = sigstore, root = by.trustRoot) {
  const bundle = await by.bundle(digest, signing);
  change(bundle);
  return await judge({ kind: "bundle", json: JSON.stringify(bundle) }, root);
}

/** A trust root with some parts replaced. */
const rootWith = (parts: Record<string, unknown>, by = sigstore): string =>
  JSON.stringify({ ...JSON.parse(by.trustRoot), ...parts });

Deno.test("accepts a timestamp beside a log with its own time", async () => {
  assert.deepEqual(await judgeBundle({ stamps: [{}] }), GOOD);
});

for (const logKey of ["ECDSA", "Ed25519"] as const) {
  Deno.test(`accepts a Rekor v2 entry of a ${logKey} key only with a timestamp`, async () => {
    const by = await TestSigstore.make({ logKey });
    for (const log of ["rekor2", "rekor2-hashed"] as const) {
      assert.deepEqual(await judgeBundle({ log, stamps: [{}] }, undefined, by), GOOD);
      await assert.rejects(judgeBundle({ log }, undefined, by), {
        code: "SIGNATURE_INVALID",
        message: /says when it was made/,
      });
      // An unsigned time does not count.
      await assert.rejects(
        judgeBundle(
          { log },
          (bundle) => bundle.verificationMaterial.tlogEntries[0].integratedTime = `${seconds()}`,
          by,
        ),
        { code: "SIGNATURE_INVALID" },
      );
    }
  });
}

Deno.test("accepts timestamps of a private sigstore without a log", async () => {
  const root = rootWith({ tlogs: [] });
  const stamped = { log: "none", stamps: [{}] } as const;
  assert.deepEqual(await judgeBundle(stamped, undefined, sigstore, root), GOOD);
  await assert.rejects(judgeBundle({ log: "none" }, undefined, sigstore, root), {
    code: "SIGNATURE_INVALID",
  });
  // If the root has a log, a timestamp does not replace its entry.
  await assert.rejects(judgeBundle(stamped), { code: "SIGNATURE_INVALID" });
});

Deno.test("checks a certificate at the time of the timestamp", async () => {
  const valid = [-7200, -3600] as const;
  for (const log of ["rekor2", "rekor2-hashed"] as const) {
    assert.deepEqual(await judgeBundle({ log, valid, stamps: [{ at: seconds() - 5000 }] }), GOOD);
    for (const at of [seconds(), seconds() - 9000]) {
      await assert.rejects(judgeBundle({ log, valid, stamps: [{ at }] }), { code: "SIGNATURE_EXPIRED" });
    }
  }
  // Every stated time must match, not just one.
  await assert.rejects(
    judgeBundle({ valid, loggedAt: seconds() - 5000, stamps: [{ at: seconds() }] }),
    { code: "SIGNATURE_EXPIRED" },
  );
});

Deno.test("refuses a missing, changed or foreign timestamp", async () => {
  const flip = (from: number) => (stamp: Uint8Array) => stamp[stamp.length + from]! ^= 1;
  const cases: [what: string, signing: Signing, change?: Change][] = [
    ["another authority", { stamps: [{ by: foreign }] }],
    ["another authority beside the own", { stamps: [{}, { by: foreign }] }],
    ["another signature", { stamps: [{ of: new Uint8Array([1]) }] }],
    ["its signature changed", { stamps: [{ change: flip(-3) }] }],
    ["its time changed", {
      stamps: [{
        change: (stamp) => {
          // The first digit of the seconds in the text YYYYMMDDhhmmssZ.
          const at = new TextDecoder("latin1").decode(stamp).search(/\d{14}Z/) + 12;
          stamp[at] = stamp[at] === 0x30 ? 0x31 : 0x30;
        },
      }],
    }],
    ["the same twice", { stamps: [{}] }, ({ verificationMaterial: { timestampVerificationData: data } }) => {
      data.rfc3161Timestamps.push(data.rfc3161Timestamps[0]);
    }],
    ...[new Uint8Array(), new Uint8Array([0x30, 0]), new Uint8Array(64)].map((bytes): typeof cases[0] => [
      `${bytes.length} bytes that are none`,
      {},
      ({ verificationMaterial: { timestampVerificationData: data } }) => {
        data.rfc3161Timestamps = [{ signedTimestamp: bytes.toBase64() }];
      },
    ]),
  ];
  for (const log of ["rekor", "rekor2", "rekor2-hashed"] as const) {
    for (const [what, signing, change] of cases) {
      await assert.rejects(
        judgeBundle({ log, ...signing }, change),
        { code: "SIGNATURE_INVALID" },
        `${log}: ${what}`,
      );
    }
  }
});

Deno.test("refuses a timestamp of an authority that is no longer trusted", async () => {
  const ended = await TestSigstore.make({ tsaUntil: "2021-01-01T00:00:00Z" });
  await assert.rejects(judgeBundle({ log: "rekor2", stamps: [{}] }, undefined, ended), {
    code: "SIGNATURE_INVALID",
    message: /says when it was made/,
  });
  const none = rootWith({ timestampAuthorities: [] });
  await assert.rejects(judgeBundle({ log: "rekor2", stamps: [{}] }, undefined, sigstore, none), {
    code: "SIGNATURE_INVALID",
  });
});

Deno.test("refuses a Rekor v2 entry that does not match or is in an unknown log", async () => {
  const entry = (change: Change): Change => (bundle) => change(bundle.verificationMaterial.tlogEntries[0]);
  const text = (base64: string) => new TextDecoder().decode(Uint8Array.fromBase64(base64));
  const changes: [what: string, change: Change][] = [
    ["another body", entry((one) => one.canonicalizedBody = btoa(`${text(one.canonicalizedBody)} `))],
    ["another way to the root", entry((one) => one.inclusionProof.hashes = [btoa("0".repeat(32))])],
    ["another place in the log", entry((one) => one.inclusionProof.logIndex = "1")],
    [
      "another checkpoint",
      entry(({ inclusionProof: { checkpoint } }) => {
        checkpoint.envelope = checkpoint.envelope.replace("\n1\n", "\n2\n");
      }),
    ],
    [
      "a checkpoint that nobody signed",
      entry(({ inclusionProof: { checkpoint } }) => {
        checkpoint.envelope = checkpoint.envelope.split("\u2014")[0];
      }),
    ],
    ["no proof", entry((one) => delete one.inclusionProof)],
    ["no checkpoint", entry(({ inclusionProof }) => delete inclusionProof.checkpoint)],
    ["the first form's version", entry((one) => one.kindVersion.version = "0.0.1")],
    ["an unknown version", entry((one) => one.kindVersion.version = "9")],
    ["another log", entry((one) => one.logId.keyId = btoa("0".repeat(32)))],
  ];
  const bodies: [what: string, body: NonNullable<Signing["body"]>][] = [
    [
      "another signature",
      (body) => JSON.parse(JSON.stringify(body).replace(/"content":"[^"]+"/, '"content":"AAAA"')),
    ],
    [
      "another digest",
      (body) => JSON.parse(JSON.stringify(body).replace(/"digest":"[^"]+"/, '"digest":"AAAA"')),
    ],
    ["nothing", ({ apiVersion, kind }) => ({ apiVersion, kind, spec: {} })],
    ["no object", ({ apiVersion, kind }) => ({ apiVersion, kind })],
  ];
  for (const log of ["rekor2", "rekor2-hashed"] as const) {
    for (const [what, change] of changes) {
      await assert.rejects(judgeBundle({ log, stamps: [{}] }, change), { code: "SIGNATURE_INVALID" }, what);
    }
    for (const [what, body] of bodies) {
      await assert.rejects(judgeBundle({ log, body, stamps: [{}] }), { code: "SIGNATURE_INVALID" }, what);
    }
    const tlogs = JSON.parse(foreign.trustRoot).tlogs;
    await assert.rejects(judgeBundle({ log, stamps: [{}] }, undefined, sigstore, rootWith({ tlogs })), {
      code: "SIGNATURE_INVALID",
    });
  }
});

Deno.test("checks timestamps in cosign's older layout", async () => {
  const simple = async (signing: Signing) =>
    await judge({ kind: "simple", ...await sigstore.simple(digest, "registry.test/acme/foo", signing) });
  assert.deepEqual(await simple({ stamps: [{}] }), GOOD);
  await assert.rejects(simple({ stamps: [{ by: foreign }] }), { code: "SIGNATURE_INVALID" });
  await assert.rejects(simple({ valid: [-7200, -3600], loggedAt: seconds() - 5000, stamps: [{}] }), {
    code: "SIGNATURE_EXPIRED",
  });
});

Deno.test("refuses a certificate without an SCT of a trusted log", async () => {
  for (const log of ["rekor", "rekor2"] as const) {
    for (const promise of ["none", foreign] as const) {
      await assert.rejects(judgeBundle({ log, promise, stamps: [{}] }), { code: "SIGNATURE_UNTRUSTED" });
    }
  }
  // A private sigstore may have no such log.
  assert.deepEqual(
    await judgeBundle({ promise: "none" }, undefined, sigstore, rootWith({ ctlogs: [] })),
    GOOD,
  );
});
