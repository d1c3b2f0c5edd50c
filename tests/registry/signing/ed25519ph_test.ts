/** Ed25519ph (RFC 8032 5.1), which cosign 3 uses in bundles with an Ed25519 key. */

import assert from "node:assert/strict";
import { createHash, createPrivateKey, sign } from "node:crypto";
import { isEd25519, verifyPrehashed } from "../../../registry/signing/ed25519ph.ts";
import { parseReference } from "../../../registry/oci/mirrored_reference.ts";
import {
  preAuthEncoding,
  readSigningKey,
  signable,
  signedStatement,
} from "../../../registry/signing/sign_artifact.ts";
import type { FoundSignature } from "../../../registry/signing/find_signatures.ts";
import { keySigner, type Requirement } from "../../../registry/signing/required_signers.ts";
import { verifyArtifact } from "../../../registry/signing/verify_artifact.ts";
import {
  IDENTITY,
  ISSUED_BY,
  makeKeyPair,
  rootOf,
  signerIn,
  signPrehashed,
  TestSigstore,
} from "../../support/sigstore.ts";

/** RFC 8032 7.3. */
const VECTOR = {
  spki: Uint8Array.fromHex(
    "302a300506032b6570032100ec172b93ad5e563bf4932c70e1245034c35467ef2efd4d64ebf819683467e2bf",
  ),
  message: new TextEncoder().encode("abc"),
  signature: Uint8Array.fromHex(
    "98a70222f0b8121aa9d30f813d683f809e462b469c7ff87639499bb94e6dae41" +
      "31f85042463c2a355a2003d062adf5aaa10b8c61e636062aaad11c2a26083406",
  ),
};

Deno.test("accepts the signature of RFC 8032 7.3 and refuses changed ones", async () => {
  const { spki, message, signature } = VECTOR;
  assert.equal(await verifyPrehashed(spki, message, signature), true);
  for (const at of [0, 31, 32, 63]) {
    assert.equal(
      await verifyPrehashed(spki, message, signature.with(at, signature[at]! ^ 1)),
      false,
      `byte ${at}`,
    );
  }
  assert.equal(await verifyPrehashed(spki.with(-1, spki.at(-1)! ^ 1), message, signature), false);
  assert.equal(await verifyPrehashed(spki, new TextEncoder().encode("abd"), signature), false);
  assert.equal(await verifyPrehashed(spki, message, signature.subarray(1)), false);
  assert.equal(await verifyPrehashed(spki, message, new Uint8Array()), false);
});

Deno.test("refuses an unreduced signature and a key of small order", async () => {
  const { spki, message, signature } = VECTOR;
  // S plus the group order: the same number after reduction, but another signature by comparison.
  const order = 2n ** 252n + 27742317777372353535851937790883648493n;
  let value = BigInt(`0x${signature.slice(32).reverse().toHex()}`) + order;
  const unreduced = signature.slice();
  for (let at = 32; at < 64; at++, value >>= 8n) unreduced[at] = Number(value & 0xffn);
  assert.equal(await verifyPrehashed(spki, message, unreduced), false);
  // The neutral element as key and as R, with S = 0: valid for every message unless refused.
  const neutral = new Uint8Array(32).with(0, 1);
  const small = new Uint8Array([...spki.slice(0, 12), ...neutral]);
  assert.equal(isEd25519(small), true);
  assert.equal(
    await verifyPrehashed(small, message, new Uint8Array([...neutral, ...new Uint8Array(32)])),
    false,
  );
});

const TEXT = '{"schemaVersion":2}';
const { digest } = signable(TEXT);
const BYTES = new TextEncoder().encode(TEXT);
const STATEMENT = "application/vnd.in-toto+json";
const { privateKey, publicKey } = await makeKeyPair("Ed25519");
const { hint } = await readSigningKey("k", privateKey, () => "");
const pkcs8 = createPrivateKey(privateKey).export({ type: "pkcs8", format: "der" });
const KEY: Requirement = { signers: [keySigner("cosign.pub", publicKey)] };

/** The verdict on these signatures. */
function judge(json: readonly Record<string, unknown>[], requirement: Requirement) {
  const source = {
    signatures: async function* (): AsyncGenerator<FoundSignature> {
      for (const one of json) yield await Promise.resolve({ kind: "bundle", json: JSON.stringify(one) });
    },
    manifest: () => Promise.resolve(TEXT),
  };
  const reference = parseReference("registry.test/acme/foo:v1");
  return verifyArtifact(source, reference, { text: TEXT, digest }, requirement).then(signerIn);
}

const MEDIA_TYPES = [
  "application/vnd.dev.sigstore.bundle.v0.3+json",
  "application/vnd.dev.sigstore.bundle+json;version=0.3",
  "application/vnd.dev.sigstore.bundle+json;version=0.2",
  "application/vnd.dev.sigstore.bundle+json;version=0.1",
] as const;

type Sign = (message: Uint8Array) => Uint8Array;
const byKey: Sign = (message) => signPrehashed(pkcs8, message);

/** A statement that the image is signed. */
function statement(by: Sign = byKey, mediaType: string = MEDIA_TYPES[0], of = digest) {
  const payload = signedStatement(of);
  return {
    mediaType,
    verificationMaterial: { publicKey: { hint }, tlogEntries: [] },
    dsseEnvelope: {
      payload: payload.toBase64(),
      payloadType: STATEMENT,
      signatures: [{ sig: by(preAuthEncoding(STATEMENT, payload)).toBase64(), keyid: "" }],
    },
  };
}

/** A signature of the manifest itself. */
function message(algorithm: string, by: Sign = byKey, mediaType: string = MEDIA_TYPES[0], of = BYTES) {
  const hash = algorithm.replace("SHA2_", "sha");
  return {
    mediaType,
    verificationMaterial: { publicKey: { hint }, tlogEntries: [] },
    messageSignature: {
      messageDigest: { algorithm, digest: createHash(hash).update(of).digest("base64") },
      signature: by(BYTES).toBase64(),
    },
  };
}

for (const mediaType of MEDIA_TYPES) {
  Deno.test(`verifies Ed25519ph in a bundle of type ${mediaType}`, async () => {
    const by = await judge([statement(byKey, mediaType)], KEY);
    assert.ok("key" in by);
    for (const algorithm of ["SHA2_512", "SHA2_256", "SHA2_384"]) {
      assert.deepEqual(await judge([message(algorithm, byKey, mediaType)], KEY), by);
    }
  });
}

Deno.test("accepts a plain Ed25519 signature of the same key in both forms", async () => {
  const plain: Sign = (bytes) => sign(null, bytes, createPrivateKey(privateKey));
  assert.ok(await judge([statement(plain)], KEY));
  assert.ok(await judge([message("SHA2_512", plain)], KEY));
});

Deno.test("distinguishes wrong signature, wrong hash, wrong key and no signature", async () => {
  const flipped: Sign = (bytes) => byKey(bytes).map((byte, at) => at === 40 ? byte ^ 1 : byte);
  const otherwise: [what: string, by: Sign][] = [
    ["a bit of it changed", flipped],
    ["of the SHA-256", (bytes) => byKey(createHash("sha256").update(bytes).digest())],
    ["of the SHA-512, hashed once more", (bytes) => byKey(createHash("sha512").update(bytes).digest())],
    [
      "plain, of the SHA-512",
      (bytes) => sign(null, createHash("sha512").update(bytes).digest(), createPrivateKey(privateKey)),
    ],
    ["in a context", (bytes) => signPrehashed(pkcs8, bytes, new TextEncoder().encode("sigstore"))],
    ["empty", () => new Uint8Array()],
    ["too short", (bytes) => byKey(bytes).slice(1)],
  ];
  for (const [what, by] of otherwise) {
    for (const one of [statement(by), message("SHA2_512", by)]) {
      await assert.rejects(judge([one], KEY), { code: "SIGNATURE_INVALID" }, what);
    }
  }
  await assert.rejects(judge([statement(byKey, undefined, signable("other").digest)], KEY), {
    code: "SIGNATURE_INVALID",
    message: /another image/,
  });
  for (const algorithm of ["SHA2_256", "SHA2_512"]) {
    const one = message(algorithm, byKey, undefined, new TextEncoder().encode("other"));
    await assert.rejects(judge([one], KEY), { code: "SIGNATURE_INVALID", message: /hash/ });
  }
  const unknown = message("SHA2_512");
  unknown.messageSignature.messageDigest.algorithm = "SHA3_512";
  await assert.rejects(judge([unknown], KEY), { code: "SIGNATURE_INVALID" });
  const other = await makeKeyPair("Ed25519");
  await assert.rejects(judge([statement()], { signers: [keySigner("other.pub", other.publicKey)] }), {
    code: "SIGNATURE_UNTRUSTED",
  });
  const ecdsa = await makeKeyPair();
  await assert.rejects(judge([statement()], { signers: [keySigner("other.pub", ecdsa.publicKey)] }), {
    code: "SIGNATURE_UNTRUSTED",
  });
  await assert.rejects(judge([], KEY), { code: "SIGNATURE_MISSING" });
  // Finds the valid one among invalid ones.
  assert.ok(await judge([statement(flipped), statement()], KEY));
});

Deno.test("verifies a certificate of an Ed25519ph key with a log of the signed hash", async () => {
  const sigstore = await TestSigstore.make();
  const keyless: Requirement = {
    signers: [{ kind: "identity", identity: IDENTITY, issuer: ISSUED_BY }],
    trustRoot: rootOf(sigstore.trustRoot),
  };
  const good = { identity: IDENTITY, issuer: ISSUED_BY };
  for (const key of ["Ed25519", "Ed25519ph"] as const) {
    for (const log of ["rekor", "rekor2", "rekor2-hashed"] as const) {
      const bundle = await sigstore.bundle(digest, { key, log, stamps: [{}] });
      assert.deepEqual(await judge([bundle], keyless), good, `${key} in ${log}`);
    }
  }
  const of = await sigstore.bundle(digest, {
    key: "Ed25519ph",
    log: "rekor2-hashed",
    stamps: [{}],
    body: (body) => {
      const changed = structuredClone(body) as {
        spec: { hashedRekordV002: { data: { digest: string } } };
      };
      changed.spec.hashedRekordV002.data.digest = createHash("sha512").update("other").digest("base64");
      return changed;
    },
  });
  await assert.rejects(judge([of], keyless), { code: "SIGNATURE_INVALID", message: /log/ });
});
