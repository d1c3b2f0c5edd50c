import assert from "node:assert/strict";
import { generateKeyPairSync, sign } from "node:crypto";
import { makeArtifact } from "../../../registry/oci/artifact.ts";
import { RegistryClient } from "../../../registry/oci/registry_client.ts";
import { digestOf } from "../../../registry/oci/digest.ts";
import { pushBlob, pushManifest } from "../../../registry/oci/push_artifact.ts";
import { parseReference } from "../../../registry/oci/mirrored_reference.ts";
import {
  preAuthEncoding,
  pushBundle,
  pushSimple,
  readSigningKey,
  signArtifact,
  signedStatement,
} from "../../../registry/signing/sign_artifact.ts";
import {
  keyOf,
  keySigner,
  matchesPattern,
  parseSigner,
  type Requirement,
  type Signer,
  signerOf,
} from "../../../registry/signing/required_signers.ts";
import { registrySignatures, type SignatureSource } from "../../../registry/signing/find_signatures.ts";
import { verifyArtifact } from "../../../registry/signing/verify_artifact.ts";
import { TestRegistry } from "../../../scripts/servers/oci_registry.ts";
import {
  IDENTITY,
  ISSUED_BY,
  makeKeyPair,
  rootOf,
  signerIn,
  type Signing,
  TestSigstore,
} from "../../support/sigstore.ts";

const WASM = new Uint8Array([0, 0x61, 0x73, 0x6d, 1, 0, 0, 0]);
const NOW = new Date("2026-01-02T03:04:05Z");
const sigstore = await TestSigstore.make();
const keys = await makeKeyPair();
const others = await makeKeyPair();

const MANIFEST = "application/vnd.oci.image.manifest.v1+json";

/** A registry with an artifact, and functions that sign it. */
async function setUp(version = "1") {
  const registry = TestRegistry.start();
  const client = new RegistryClient({
    credentials: () => Promise.resolve(undefined),
    sleep: () => Promise.resolve(),
  });
  const reference = parseReference(`${registry.host}/acme/foo:v1`);
  const repository = { ...reference, tag: undefined };
  const artifact = makeArtifact(WASM, {
    annotations: { "org.opencontainers.image.version": version },
    title: "foo.wasm",
    created: NOW,
  });
  await pushBlob(client, reference, artifact.layer);
  await pushBlob(client, reference, artifact.config);
  const { digest } = await pushManifest(client, reference, artifact.manifest, artifact.mediaType);
  const manifest = { text: artifact.manifest, digest };
  const described = { digest, size: artifact.manifest.length };
  return {
    registry,
    client,
    reference,
    manifest,
    verify: (requirement: Requirement) =>
      verifyArtifact(registrySignatures(client), reference, manifest, requirement).then(signerIn),
    signBundle: async (
      signing?: Signing,
      change: (bundle: Record<string, unknown>) => void = () => {},
      of = digest,
    ) => {
      const bundle = await sigstore.bundle(of, signing);
      change(bundle);
      await pushBundle(client, repository, described, JSON.stringify(bundle), NOW);
    },
    signSimple: async (signing?: Signing, of = digest, name = `${registry.host}/acme/foo`) => {
      const { payload, annotations } = await sigstore.simple(of, name, signing);
      await pushSimple(client, repository, digest, payload, annotations);
    },
    signKey: async (pem: string, format: "bundle" | "simple") =>
      await signArtifact(client, reference, described, await readSigningKey("k", pem, () => ""), NOW, format),
  };
}

const KEYLESS: Requirement = {
  signers: [{ kind: "identity", identity: IDENTITY, issuer: ISSUED_BY }],
  trustRoot: rootOf(sigstore.trustRoot),
};
const KEY: Requirement = { signers: [keySigner("cosign.pub", keys.publicKey)] };
const SIGNER = KEY.signers[0] as Extract<Signer, { kind: "key" }>;
const KEY_VERIFIED = { key: keyOf(SIGNER).fingerprint, publicKey: SIGNER.publicKey };
const GOOD = { identity: IDENTITY, issuer: ISSUED_BY };

for (const referrers of [true, false]) {
  const how = referrers ? "OCI referrers" : "the referrers tag";
  Deno.test(`finds a keyless signature in a bundle by ${how} and verifies it`, async () => {
    const { registry, verify, signBundle } = await setUp();
    await using _ = registry;
    registry.referrers = referrers;
    await signBundle({ identity: "eve@evil.example" });
    await signBundle();
    assert.deepEqual(await verify(KEYLESS), GOOD);
    const wildcard = { kind: "identity" as const, identity: "https://github.com/acme/*", issuer: ISSUED_BY };
    assert.deepEqual(await verify({ ...KEYLESS, signers: [wildcard] }), GOOD);
  });

  Deno.test(`finds a key's signature by ${how} in both layouts and verifies it`, async () => {
    for (const format of ["bundle", "simple"] as const) {
      const { registry, verify, signKey } = await setUp();
      await using _ = registry;
      registry.referrers = referrers;
      await signKey(others.privateKey, format);
      await signKey(keys.privateKey, format);
      assert.deepEqual(await verify(KEY), KEY_VERIFIED);
    }
  });
}

Deno.test("signs and verifies with Ed25519 and RSA keys in both layouts", async () => {
  const rsa = () => {
    const { privateKey, publicKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
    return {
      privateKey: privateKey.export({ type: "pkcs8", format: "pem" }) as string,
      publicKey: publicKey.export({ type: "spki", format: "pem" }) as string,
    };
  };
  for (const [own, other] of [[await makeKeyPair("Ed25519"), await makeKeyPair("Ed25519")], [rsa(), rsa()]]) {
    for (const format of ["bundle", "simple"] as const) {
      const { registry, verify, signKey } = await setUp();
      await using _ = registry;
      await signKey(own!.privateKey, format);
      const wanted = (pem: string): Requirement => ({ signers: [keySigner("k.pub", pem)] });
      await assert.rejects(verify(wanted(other!.publicKey)), { code: "SIGNATURE_UNTRUSTED" });
      await assert.rejects(verify(KEY), { code: "SIGNATURE_UNTRUSTED" });
      const by = await verify(wanted(own!.publicKey)) as typeof KEY_VERIFIED;
      const before = { kind: "key", ...by, repository: "ghcr.io/acme/foo", names: undefined } as const;
      assert.deepEqual(await verify({ signers: [signerOf(before)] }), by);
    }
  }
  const { publicKey } = generateKeyPairSync("x25519");
  const unfit = keySigner("k.pub", publicKey.export({ type: "spki", format: "pem" }) as string);
  const { registry, verify } = await setUp();
  await using _ = registry;
  await assert.rejects(verify({ signers: [unfit] }), { code: "TRUST_INVALID", message: /x25519/ });
});

Deno.test("verifies a keyless signature in cosign's older layout", async () => {
  const { registry, verify, signSimple } = await setUp();
  await using _ = registry;
  await signSimple();
  assert.deepEqual(await verify(KEYLESS), GOOD);
});

Deno.test("accepts all answers of registries without the referrers API", async () => {
  for (const status of [400, 404, 405, 406, 501]) {
    const { registry, verify, signBundle } = await setUp();
    await using _ = registry;
    registry.referrers = false;
    await signBundle();
    registry.hook = (_, url) =>
      url.pathname.includes("/referrers/") ? new Response("no", { status }) : undefined;
    assert.deepEqual(await verify(KEYLESS), GOOD);
  }
});

Deno.test("finds signatures despite wrong artifact types in the list of referrers", async () => {
  const { registry, manifest, verify, signBundle } = await setUp();
  await using _ = registry;
  registry.referrers = false;
  await signBundle();
  const tag = manifest.digest.replace(":", "-");
  const index = JSON.parse(registry.manifest("acme/foo", tag));
  for (const artifactType of ["application/vnd.oci.empty.v1+json", undefined]) {
    index.manifests[0].artifactType = artifactType;
    registry.putManifest("acme/foo", tag, JSON.stringify(index), index.mediaType);
    assert.deepEqual(await verify(KEYLESS), GOOD);
  }
});

Deno.test("reports an unsigned artifact", async () => {
  const { registry, verify } = await setUp();
  await using _ = registry;
  await assert.rejects(verify(KEYLESS), { code: "SIGNATURE_MISSING" });
  await assert.rejects(verify(KEY), { code: "SIGNATURE_MISSING" });
});

Deno.test("does not count a statement of another kind as a signature", async () => {
  const { registry, manifest, verify, signBundle } = await setUp();
  await using _ = registry;
  const scan = {
    _type: "https://in-toto.io/Statement/v1",
    subject: [{ name: "x", digest: { sha256: manifest.digest.slice(7) } }],
    predicateType: "https://cosign.sigstore.dev/attestation/vuln/v1",
    predicate: {},
  };
  await signBundle({ statement: new TextEncoder().encode(JSON.stringify(scan)) });
  await assert.rejects(verify(KEYLESS), { code: "SIGNATURE_MISSING" });
  const built = {
    ...scan,
    subject: [{ digest: { sha256: manifest.digest.slice(7) } }],
    predicateType: "https://slsa.dev/provenance/v1",
  };
  await signBundle({ statement: new TextEncoder().encode(JSON.stringify(built)) });
  assert.deepEqual(await verify(KEYLESS), GOOD);
});

Deno.test("names the signer of a foreign signature", async () => {
  for (const signing of [{ identity: "eve@evil.example" }, { issuer: "https://evil.example" }]) {
    const { registry, verify, signBundle, signSimple } = await setUp();
    await using _ = registry;
    await signBundle(signing);
    await signSimple(signing);
    await assert.rejects(verify(KEYLESS), { code: "SIGNATURE_UNTRUSTED", message: /evil\.example/ });
    await assert.rejects(verify({ ...KEY, trustRoot: rootOf(sigstore.trustRoot) }), {
      code: "SIGNATURE_UNTRUSTED",
    });
  }
  for (const format of ["bundle", "simple"] as const) {
    const { registry, verify, signKey } = await setUp();
    await using _ = registry;
    await signKey(others.privateKey, format);
    await assert.rejects(verify(KEY), { code: "SIGNATURE_UNTRUSTED" });
    await assert.rejects(verify(KEYLESS), { code: "SIGNATURE_UNTRUSTED" });
  }
});

Deno.test("reports a certificate of an unknown authority as untrusted", async () => {
  const { registry, verify, signBundle } = await setUp();
  await using _ = registry;
  await signBundle();
  const trustRoot = rootOf((await TestSigstore.make()).trustRoot);
  await assert.rejects(verify({ ...KEYLESS, trustRoot }), { code: "SIGNATURE_UNTRUSTED" });
  await assert.rejects(verify({ signers: KEYLESS.signers }), { code: "SIGNATURE_UNTRUSTED" });
});

Deno.test("reports a certificate as expired if it was invalid at the log's time", async () => {
  const { registry, verify, signBundle, signSimple } = await setUp();
  await using _ = registry;
  await signBundle({ valid: [-7200, -3600] });
  await assert.rejects(verify(KEYLESS), { code: "SIGNATURE_EXPIRED" });
  await signSimple({ valid: [-7200, -3600] });
  await assert.rejects(verify(KEYLESS), { code: "SIGNATURE_EXPIRED" });
});

Deno.test("accepts an expired certificate that was valid at the log's time", async () => {
  const { registry, verify, signBundle } = await setUp();
  await using _ = registry;
  await signBundle({ valid: [-7200, -3600], loggedAt: Math.floor(Date.now() / 1000) - 5000 });
  assert.deepEqual(await verify(KEYLESS), GOOD);
});

type Envelope = { payload: string; signatures: { sig: string }[] };
type Material = {
  tlogEntries: { integratedTime: string; inclusionPromise: { signedEntryTimestamp: string } }[];
};

Deno.test("refuses an artifact that changed after signing", async () => {
  const other = digestOf(new Uint8Array([1]));
  const changes: [what: string, signing: Signing, change: (bundle: Record<string, unknown>) => void][] = [
    ["a statement of this image under another's signature", {}, (bundle) => {
      const envelope = bundle.dsseEnvelope as Envelope;
      const statement = JSON.parse(atob(envelope.payload));
      envelope.payload = btoa(JSON.stringify({ ...statement, predicate: { changed: true } }));
    }],
    ["a signature of other bytes", {}, (bundle) => {
      const envelope = bundle.dsseEnvelope as Envelope;
      const bytes = Uint8Array.fromBase64(envelope.signatures[0]!.sig);
      envelope.signatures[0]!.sig = bytes.with(-3, bytes.at(-3)! ^ 1).toBase64();
    }],
    ["a log entry of another signature", {
      body: (body) => {
        const spec = structuredClone(body.spec) as { signatures: { signature: string }[] };
        spec.signatures[0]!.signature = btoa("another");
        return { ...body, spec };
      },
    }, () => {}],
    ["a log entry of another payload", {
      body: (body) => {
        const spec = structuredClone(body.spec) as { payloadHash: { value: string } };
        spec.payloadHash.value = "0".repeat(64);
        return { ...body, spec };
      },
    }, () => {}],
    ["another time than the log signed", {}, (bundle) => {
      const [entry] = (bundle.verificationMaterial as Material).tlogEntries;
      entry!.integratedTime = String(Number(entry!.integratedTime) + 1);
    }],
    ["no log entry", {}, (bundle) => {
      (bundle.verificationMaterial as Material).tlogEntries = [];
    }],
  ];
  for (const [what, signing, change] of changes) {
    const { registry, verify, signBundle } = await setUp();
    await using _ = registry;
    await signBundle(signing, change);
    await assert.rejects(verify(KEYLESS), { code: "SIGNATURE_INVALID" }, what);
  }
  const { registry, verify, signBundle, signSimple } = await setUp();
  await using _ = registry;
  await signBundle({}, () => {}, other);
  await assert.rejects(verify(KEYLESS), { code: "SIGNATURE_INVALID", message: /another image/ });
  await signSimple({}, other);
  await assert.rejects(verify(KEYLESS), { code: "SIGNATURE_INVALID", message: /another image/ });
});

Deno.test("refuses another repository's signature unless copies are accepted", async () => {
  const { registry, manifest, verify, signBundle, signSimple } = await setUp();
  await using _ = registry;
  await signSimple({}, manifest.digest, "ghcr.io/acme/foo");
  await assert.rejects(verify(KEYLESS), { code: "SIGNATURE_INVALID", message: /ghcr\.io\/acme\/foo/ });
  assert.deepEqual(await verify({ ...KEYLESS, copies: true }), GOOD);
  const statement = {
    _type: "https://in-toto.io/Statement/v1",
    subject: [{ name: "ghcr.io/acme/foo", digest: { sha256: manifest.digest.slice(7) } }],
    predicateType: "https://sigstore.dev/cosign/sign/v1",
  };
  await signBundle({ statement: new TextEncoder().encode(JSON.stringify(statement)) });
  await assert.rejects(verify(KEYLESS), { code: "SIGNATURE_INVALID" });
});

Deno.test("compares all subject names of a statement, by docker's rules", async () => {
  const { registry, manifest, reference } = await setUp();
  await using _ = registry;
  const own = `${registry.host}/acme/foo`;
  const tried: [names: unknown[], holds: boolean][] = [
    [["acme/staging"], false],
    [["foo"], false],
    [["docker.io/acme/foo"], false],
    [["LOCALREG/acme/foo"], false],
    [[`${registry.host}/acme/staging`], false],
    [[`${registry.host}/acme/staging`, ""], false],
    [[`${registry.host}/acme/staging`, undefined], false],
    [["no name at all"], false],
    [[5], false],
    [[null], false],
    [[`${registry.host}/acme/staging`, own], true],
    [[own], true],
    [["", undefined], true],
  ];
  for (const [names, holds] of tried) {
    const digest = { sha256: manifest.digest.slice(7) };
    const statement = JSON.stringify({
      _type: "https://in-toto.io/Statement/v1",
      // The name of another digest does not count.
      subject: [{ name: own, digest: { sha256: "0" } }, ...names.map((name) => ({ name, digest }))],
      predicateType: "https://sigstore.dev/cosign/sign/v1",
    });
    const bundle = await sigstore.bundle(manifest.digest, { statement: new TextEncoder().encode(statement) });
    const source: SignatureSource = {
      async *signatures() {
        yield await Promise.resolve({ kind: "bundle" as const, json: JSON.stringify(bundle) });
      },
      manifest: () => Promise.reject(new Error("not asked for")),
    };
    const verified = (copies: boolean) =>
      verifyArtifact(source, reference, manifest, { ...KEYLESS, copies }).then(({ names }) => names);
    if (holds) assert.equal(await verified(false), names.includes(own) ? own : undefined);
    else {
      const shown = String(names);
      await assert.rejects(
        verified(false),
        { code: "SIGNATURE_INVALID", message: /another repository/ },
        shown,
      );
    }
    await verified(true);
  }
});

Deno.test("fetches each signature once and within the limits", async () => {
  const { registry, client, reference, manifest } = await setUp();
  await using _ = registry;
  const json = (text: string, size: number) => new TextEncoder().encode(text.padEnd(size));
  const serve = (count: number, layers: number, size: number) => {
    const type = "application/vnd.dev.sigstore.bundle.v0.3+json";
    const entries = Array.from({ length: count }, (_, index) => {
      const blobs = Array.from({ length: layers }, (_, layer) => json(`{"a":${index},"b":${layer}}`, size));
      for (const blob of blobs) registry.putBlob(blob);
      const body = JSON.stringify({
        schemaVersion: 2,
        layers: blobs.map((blob) => ({ mediaType: type, digest: digestOf(blob), size })),
        subject: { digest: manifest.digest },
      });
      registry.putManifest("acme/foo", `sig${index}`, body);
      return { mediaType: MANIFEST, digest: digestOf(new TextEncoder().encode(body)), size: body.length };
    });
    registry.hook = (_request, url) =>
      url.pathname.includes("/referrers/")
        ? Response.json({ schemaVersion: 2, manifests: entries })
        : undefined;
    registry.requests.length = 0;
  };
  const blobs = () => registry.requests.filter((line) => line.includes("/blobs/")).length;
  serve(20, 10, 100);
  const source = registrySignatures(client);
  for (let requirement = 0; requirement < 3; requirement++) {
    assert.equal((await Array.fromAsync(source.signatures(reference, manifest.digest))).length, 50);
  }
  assert.equal(blobs(), 50);
  serve(20, 1, 1 << 20);
  await Array.fromAsync(registrySignatures(client).signatures(reference, manifest.digest));
  assert.equal(blobs(), 8);
});

Deno.test("refuses a statement with a key's hint that the key did not sign", async () => {
  const { registry, client, manifest, verify, signKey } = await setUp();
  await using _ = registry;
  await signKey(keys.privateKey, "bundle");
  const hint = await readSigningKey("k", keys.privateKey, () => "").then(({ hint }) => hint);
  const bundle = {
    mediaType: "application/vnd.dev.sigstore.bundle.v0.3+json",
    verificationMaterial: { publicKey: { hint }, tlogEntries: [] },
    dsseEnvelope: {
      payload: signedStatement(manifest.digest).toBase64(),
      payloadType: "application/vnd.in-toto+json",
      signatures: [{ sig: btoa("no signature"), keyid: "" }],
    },
  };
  assert.ok(await verify(KEY));
  const second = await setUp("2");
  await using __ = second.registry;
  const described = { digest: second.manifest.digest, size: second.manifest.text.length };
  bundle.dsseEnvelope.payload = signedStatement(described.digest).toBase64();
  await pushBundle(client, { ...second.reference, tag: undefined }, described, JSON.stringify(bundle), NOW);
  await assert.rejects(second.verify(KEY), { code: "SIGNATURE_INVALID", message: /changed/ });
});

Deno.test("refuses a key's signature with a wrong entry of a known log", async () => {
  const { registry, client, manifest, verify, reference } = await setUp();
  await using _ = registry;
  const { key, hint } = await readSigningKey("k", keys.privateKey, () => "");
  const payload = signedStatement(manifest.digest);
  const type = "application/vnd.in-toto+json";
  const sig = sign("sha256", preAuthEncoding(type, payload), key).toString("base64");
  // An entry for another signature than the key's.
  const { tlogEntries } = (await sigstore.bundle(manifest.digest)).verificationMaterial as Material;
  const bundle = JSON.stringify({
    mediaType: "application/vnd.dev.sigstore.bundle.v0.3+json",
    verificationMaterial: { publicKey: { hint }, tlogEntries },
    dsseEnvelope: { payload: payload.toBase64(), payloadType: type, signatures: [{ sig, keyid: "" }] },
  });
  const described = { digest: manifest.digest, size: manifest.text.length };
  await pushBundle(client, { ...reference, tag: undefined }, described, bundle, NOW);
  const trustRoot = rootOf(sigstore.trustRoot);
  await assert.rejects(verify({ ...KEY, trustRoot }), { code: "SIGNATURE_INVALID", message: /log/ });
  assert.deepEqual(
    await verify({ ...KEY, trustRoot: rootOf((await TestSigstore.make()).trustRoot) }),
    KEY_VERIFIED,
  );
});

Deno.test("refuses any other content in place of a signature", async () => {
  const { registry, client, reference, manifest, verify } = await setUp();
  await using _ = registry;
  const described = { digest: manifest.digest, size: manifest.text.length };
  for (
    const text of [
      "{}",
      "[]",
      "null",
      "not JSON",
      '{"mediaType":"application/vnd.dev.sigstore.bundle.v0.3+json"}',
      JSON.stringify({ dsseEnvelope: { payload: "x".repeat(100_000) } }),
      `{"a\\u001b[2J":"\\u202e"}`,
    ]
  ) {
    await pushBundle(client, { ...reference, tag: undefined }, described, text, NOW);
  }
  await assert.rejects(verify(KEYLESS), (error: { code: string; message: string }) => {
    assert.equal(error.code, "SIGNATURE_INVALID");
    assert.ok(!/[\x00-\x1f\u202e]/.test(error.message));
    return true;
  });
});

Deno.test("finds the right one of many signatures within the limit", async () => {
  const { registry, verify, signSimple } = await setUp();
  await using _ = registry;
  for (let count = 0; count < 5; count++) await signSimple({ identity: `eve${count}@evil.example` });
  await signSimple();
  assert.deepEqual(await verify(KEYLESS), GOOD);
  const entries = Array.from({ length: 5000 }, (_, index) => ({
    mediaType: "application/vnd.oci.image.manifest.v1+json",
    digest: `sha256:${index.toString(16).padStart(64, "0")}`,
    size: 100,
  }));
  registry.requests.length = 0;
  registry.hook = (_request, url) =>
    url.pathname.includes("/referrers/")
      ? Response.json({ schemaVersion: 2, manifests: entries })
      : undefined;
  await assert.rejects(verify(KEYLESS), { code: "SIGNATURE_MISSING" });
  assert.ok(registry.requests.length < 60, `${registry.requests.length} requests`);
});

Deno.test("parseSigner() distinguishes identities from keys", () => {
  const none = () => {
    throw new Error("no file is read");
  };
  assert.deepEqual(parseSigner("me@acme.example@https://accounts.google.com", none), {
    kind: "identity",
    identity: "me@acme.example",
    issuer: "https://accounts.google.com",
  });
  assert.deepEqual(parseSigner(`${IDENTITY}@${ISSUED_BY}`, none), { kind: "identity", ...GOOD });
  assert.equal(parseSigner("cosign.pub", () => keys.publicKey).kind, "key");
  assert.throws(() => parseSigner("me@acme.example", none), { code: "USAGE" });
  assert.throws(() => parseSigner("/no/such/file.pub"), { code: "TRUST_INVALID" });
  assert.throws(() => parseSigner("k", () => keys.privateKey), { code: "TRUST_INVALID" });
  assert.throws(() => parseSigner("k", () => "hello"), { code: "TRUST_INVALID" });
});

Deno.test("signerOf() returns the signer of the previous version", async () => {
  const common = { repository: "ghcr.io/acme/foo", names: undefined };
  const trustRoot = { of: "carried", digest: undefined } as const;
  assert.deepEqual(signerOf({ kind: "identity", ...GOOD, trustRoot, ...common }), KEYLESS.signers[0]);
  const { registry, verify, signKey } = await setUp();
  await using _ = registry;
  await signKey(keys.privateKey, "bundle");
  assert.deepEqual(
    await verify({ signers: [signerOf({ kind: "key", ...KEY_VERIFIED, ...common })] }),
    KEY_VERIFIED,
  );
  assert.throws(() => signerOf({ kind: "key", ...KEY_VERIFIED, publicKey: "%", ...common }), {
    code: "TRUST_INVALID",
  });
});

Deno.test("matchesPattern() matches the whole text", () => {
  for (
    const [pattern, text, matches] of [
      ["a", "a", true],
      ["a", "ab", false],
      ["a*", "abc", true],
      ["*c", "abc", true],
      ["a*c", "abc", true],
      ["a*b*c", "aXbYc", true],
      ["a*b*c", "ac", false],
      ["a*bc*c", "abc", false],
      ["a*bc*c", "abcc", true],
      ["aa*aa", "aaa", false],
      ["*", "", true],
      ["https://github.com/acme/*", "https://github.com/acme-evil/x", false],
      ["a.c", "abc", false],
    ] as const
  ) {
    assert.equal(matchesPattern(pattern, text), matches, `${pattern} ${text}`);
  }
});

Deno.test("reports a broken trust root or key before any request", async () => {
  const { registry, verify } = await setUp();
  await using _ = registry;
  registry.requests.length = 0;
  await assert.rejects(verify({ ...KEYLESS, trustRoot: rootOf("{") }), { code: "TRUST_INVALID" });
  const another = JSON.stringify({ ...JSON.parse(sigstore.trustRoot), mediaType: "application/json" });
  await assert.rejects(verify({ ...KEYLESS, trustRoot: rootOf(another) }), { code: "TRUST_INVALID" });
  const broken = { ...SIGNER, publicKey: "AAAA" };
  await assert.rejects(verify({ signers: [broken] }), { code: "TRUST_INVALID" });
  assert.equal(registry.requests.length, 0);
});
