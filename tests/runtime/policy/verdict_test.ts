/** Decisions of today's policy about plugins that were installed before: signers, sources, names. */

import assert from "node:assert/strict";
import { parsePolicy } from "../../../runtime/policy/parse_policy.ts";
import type { Policy } from "../../../runtime/policy/policy.ts";
import {
  isSamePublisher,
  knownRepository,
  type Provenance,
  type Signature,
} from "../../../runtime/policy/provenance.ts";
import { administratorOf, judge } from "../../../runtime/policy/verdict.ts";
import { LEAST } from "../../../runtime/grants/grants.ts";
import { digestOf } from "../../../registry/oci/digest.ts";
import { IDENTITY, ISSUED_BY, makeKeyPair } from "../../support/sigstore.ts";
import { temporaryDirectory } from "../../support/temporary.ts";

const acme = await makeKeyPair();
const evil = await makeKeyPair();
const WHO = `${IDENTITY}@${ISSUED_BY}`;
const REPOSITORY = "ghcr.io/acme/tool";

/** An administrator's directory with acme.pub, evil.pub and root.json. */
function setUp():
  & { readonly root: string; policy(value: unknown, owner?: Policy["owner"]): Policy }
  & Disposable {
  const root = temporaryDirectory();
  Deno.writeTextFileSync(`${root}/acme.pub`, acme.publicKey);
  Deno.writeTextFileSync(`${root}/evil.pub`, evil.publicKey);
  Deno.writeTextFileSync(`${root}/root.json`, "root");
  return {
    root,
    policy: (value, owner) =>
      parsePolicy(
        JSON.parse(JSON.stringify(value).replaceAll("ROOT", root)),
        `${root}/policy.yaml`,
        "/home/me",
        owner,
      ),
    [Symbol.dispose]: () => Deno.removeSync(root, { recursive: true }),
  };
}

function keySignature(pem: string, more: Partial<Signature> = {}): Signature {
  const publicKey = pem.replace(/-----.*?-----|\s/g, "");
  const key = digestOf(Uint8Array.fromBase64(publicKey));
  return { kind: "key", key, publicKey, repository: REPOSITORY, names: undefined, ...more } as Signature;
}

function identitySignature(
  trustRoot: { of: string; text?: string },
  more: Partial<Signature> = {},
): Signature {
  const digest = trustRoot.text === undefined
    ? undefined
    : digestOf(new TextEncoder().encode(trustRoot.text));
  return {
    kind: "identity",
    identity: IDENTITY,
    issuer: ISSUED_BY,
    trustRoot: { of: trustRoot.of, digest },
    repository: REPOSITORY,
    names: undefined,
    ...more,
  } as Signature;
}

const plugin = (signatures: readonly Signature[] = [], more: Partial<Provenance> = {}): Provenance => ({
  reference: `${REPOSITORY}:v1`,
  source: { kind: "registry" },
  signatures,
  ...more,
});
const why = async (policy: Policy, judged: Provenance) => (await judge(policy, judged)).refused?.message;

Deno.test("a signature must be from a key that the rule names now", async () => {
  using it = setUp();
  const policy = it.policy({ rules: [{ match: "ghcr.io/acme/**", verify: "ROOT/acme.pub" }] });
  assert.equal(await why(policy, plugin([keySignature(acme.publicKey)])), undefined);
  assert.match((await why(policy, plugin()))!, /no signature was verified/);
  const others = (await why(policy, plugin([keySignature(evil.publicKey)])))!;
  assert.match(
    others,
    /has to be signed by a signer of its rule, but was signed by the key sha256:/,
  );
  assert.equal(
    await why(policy, plugin([keySignature(evil.publicKey), keySignature(acme.publicKey)])),
    undefined,
  );
  // The key was removed from the rule, or replaced in its file.
  const removed = it.policy({ rules: [{ match: "**", verify: ["ROOT/evil.pub"] }] });
  assert.match((await why(removed, plugin([keySignature(acme.publicKey)])))!, /has to be signed by/);
  Deno.writeTextFileSync(`${it.root}/acme.pub`, evil.publicKey);
  assert.match((await why(policy, plugin([keySignature(acme.publicKey)])))!, /has to be signed by/);
  Deno.removeSync(`${it.root}/acme.pub`);
  await assert.rejects(judge(policy, plugin([keySignature(acme.publicKey)])), { code: "POLICY_INVALID" });
});

Deno.test("a signature for one repository does not count for another", async () => {
  using it = setUp();
  const rules = [{ match: "ghcr.io/acme/**", verify: "ROOT/acme.pub" }];
  const other = "ghcr.io/acme/other";
  for (
    const signature of [
      keySignature(acme.publicKey, { repository: other }),
      keySignature(acme.publicKey, { repository: other, names: REPOSITORY }),
      keySignature(acme.publicKey, { names: other }),
    ]
  ) assert.match((await why(it.policy({ rules }), plugin([signature])))!, /has to be signed by/);
  // A rule that accepts copies accepts signatures for another repository. Without `copies` it no longer does.
  const copies = [{ match: "ghcr.io/acme/**", verify: { anyOf: "ROOT/acme.pub", copies: true } }];
  const copied = plugin([keySignature(acme.publicKey, { names: other })]);
  assert.equal(await why(it.policy({ rules: copies }), copied), undefined);
  assert.match((await why(it.policy({ rules }), copied))!, /has to be signed by/);
});

Deno.test("an identity counts only with the rule's present trust root", async () => {
  using it = setUp();
  const named = it.policy({ rules: [{ match: "**", verify: { anyOf: WHO, trustRoot: "ROOT/root.json" } }] });
  const carried = it.policy({ rules: [{ match: "**", verify: WHO }] });
  const cases: [Policy, Signature, boolean][] = [
    [named, identitySignature({ of: "administrator", text: "root" }), true],
    // The owner does not matter: it is the same root.
    [named, identitySignature({ of: "user", text: "root" }), true],
    [named, identitySignature({ of: "user", text: "own" }), false],
    [named, identitySignature({ of: "administrator", text: "the root of before" }), false],
    [named, identitySignature({ of: "carried", text: "carried" }), false],
    [named, identitySignature({ of: "unknown" }), false],
    [carried, identitySignature({ of: "carried", text: "of an older krew-wasm" }), true],
    [carried, identitySignature({ of: "user", text: "own" }), false],
    [carried, identitySignature({ of: "administrator", text: "root" }), false],
    [carried, identitySignature({ of: "unknown" }), false],
    [carried, identitySignature({ of: "carried", text: "c" }, { identity: "eve@evil.example" }), false],
    [carried, identitySignature({ of: "carried", text: "c" }, { issuer: "https://evil.example" }), false],
  ];
  for (const [policy, signature, good] of cases) {
    const refused = await why(policy, plugin([signature]));
    assert.equal(refused === undefined, good, JSON.stringify(signature));
    if (!good) assert.match(refused!, /by (the|a) trust root (that|of)/);
  }
  // A root beside the policy replaces the carried one.
  Deno.writeTextFileSync(`${it.root}/trusted_root.json`, "machine");
  assert.match(
    (await why(carried, plugin([identitySignature({ of: "carried", text: "c" })])))!,
    /has to be signed/,
  );
  assert.equal(
    await why(carried, plugin([identitySignature({ of: "administrator", text: "machine" })])),
    undefined,
  );
  // In their own policy, users may accept any root.
  const own = it.policy({ rules: [{ match: "**", verify: WHO }] }, "user");
  assert.equal(await why(own, plugin([identitySignature({ of: "user", text: "x" })])), undefined);
  assert.match((await why(own, plugin()))!, /has to be signed/);
});

Deno.test("a reference that only a bundle claims satisfies no rule", async () => {
  using it = setUp();
  const bundled = plugin([], { source: { kind: "bundle" } });
  for (
    const policy of [
      { registries: ["ghcr.io"] },
      { rules: [{ match: "ghcr.io/acme/**" }, { match: "**", allow: false }] },
      { rules: [{ match: "bundle://**", allow: false }] },
      { registries: ["ghcr.io"], rules: [{ match: "**", verify: "ROOT/acme.pub" }] },
    ]
  ) {
    const told = await why(it.policy(policy), bundled);
    assert.ok(told !== undefined, JSON.stringify(policy));
  }
  // Refusals and bounds for the reference still apply.
  assert.match(
    (await why(it.policy({ rules: [{ match: "ghcr.io/**", allow: false }] }), bundled))!,
    /denies it/,
  );
  const narrow = {
    rules: [{ match: "ghcr.io/**", maximum: { home: false } }, {
      match: "bundle://**",
      maximum: { cluster: "none" },
    }],
  };
  const { bounds } = await judge(it.policy(narrow), bundled);
  const limited = administratorOf({ bounds }, "/home/me")!.limit({
    ...LEAST,
    home: true,
  });
  assert.deepEqual([limited.home, limited.cluster], [false, "none"]);
  assert.equal(administratorOf({ bounds }, "/home/me")!.cluster, "none");
  // A rule must allow the bundle itself.
  assert.equal(await why(it.policy({ registries: ["ghcr.io", "bundle://"] }), bundled), undefined);
  assert.equal(
    await why(
      it.policy({ rules: [{ match: "bundle://ghcr.io/acme/*" }, { match: "**", allow: true }] }),
      bundled,
    ),
    undefined,
  );
  assert.equal(await why(it.policy({}), bundled), undefined);
});

Deno.test("a required signature can prove a bundle's reference", async () => {
  using it = setUp();
  const asks = (more = {}) =>
    it.policy({
      registries: ["ghcr.io"],
      rules: [{ match: "ghcr.io/acme/**", verify: { anyOf: "ROOT/acme.pub", ...more } }],
    });
  const bundled = (signature: Signature) => plugin([signature], { source: { kind: "bundle" } });
  assert.equal(await why(asks(), bundled(keySignature(acme.publicKey, { names: REPOSITORY }))), undefined);
  assert.match((await why(asks(), bundled(keySignature(acme.publicKey))))!, /only what its bundle says/);
  assert.match(
    (await why(asks(), bundled(keySignature(evil.publicKey, { names: REPOSITORY }))))!,
    /has to be signed/,
  );
  assert.equal(await why(asks({ copies: true }), bundled(keySignature(acme.publicKey))), undefined);
  // A signature that only the user required proves nothing to the administrator.
  const open = it.policy({ registries: ["ghcr.io"] });
  assert.match(
    (await why(open, bundled(keySignature(evil.publicKey, { names: REPOSITORY }))))!,
    /its bundle says/,
  );
  // A rule for bundles may require its own signature.
  const own = it.policy({
    rules: [{ match: "bundle://**", verify: "ROOT/evil.pub" }, {
      match: "ghcr.io/**",
      verify: "ROOT/acme.pub",
    }],
  });
  assert.match((await why(own, bundled(keySignature(acme.publicKey))))!, /has to be signed/);
  const both = plugin([keySignature(acme.publicKey), keySignature(evil.publicKey)], {
    source: { kind: "bundle" },
  });
  assert.equal(await why(own, both), undefined);
});

Deno.test("a user's mirror counts as the source unless a signature names the repository", async () => {
  using it = setUp();
  const mirrored = (signatures: readonly Signature[] = []) =>
    plugin(signatures, { source: { kind: "mirror", place: "mirror.example/ghcr/acme/tool" } });
  const policy = it.policy({ registries: ["ghcr.io"] });
  assert.match(
    (await why(policy, mirrored()))!,
    /"mirror\.example.*a mirror that the user's own files set up for ghcr\.io/,
  );
  assert.equal(await why(it.policy({ registries: ["ghcr.io", "mirror.example"] }), mirrored()), undefined);
  const denied = it.policy({ rules: [{ match: "ghcr.io/**" }, { match: "**", allow: false }] });
  assert.match((await why(denied, mirrored()))!, /denies it/);
  const signed = it.policy({ registries: ["ghcr.io"], rules: [{ match: "**", verify: "ROOT/acme.pub" }] });
  assert.equal(await why(signed, mirrored([keySignature(acme.publicKey, { names: REPOSITORY })])), undefined);
});

Deno.test("isSamePublisher() needs a proven repository or the same bytes", () => {
  const digest = digestOf(new Uint8Array(1));
  const of = (more: Partial<Provenance> & { digest?: string } = {}) => ({ digest, ...plugin(), ...more });
  const other = { digest: digestOf(new Uint8Array(2)) };
  const bundle = { source: { kind: "bundle" } } as const;
  const named = { signatures: [keySignature(acme.publicKey, { names: REPOSITORY })] };
  assert.ok(isSamePublisher(of(), of(other)));
  assert.ok(isSamePublisher(of(), of({ source: { kind: "mirror", place: "m.example/x" } })));
  assert.ok(isSamePublisher(of(), of(bundle)), "the same bytes");
  assert.ok(!isSamePublisher(of(), of({ ...bundle, ...other })));
  assert.ok(!isSamePublisher(of({ ...bundle, ...other }), of()));
  assert.ok(!isSamePublisher(of(bundle), of({ ...bundle, ...other })));
  assert.ok(isSamePublisher(of(), of({ ...bundle, ...other, ...named })));
  assert.ok(!isSamePublisher(of(), of({ reference: "ghcr.io/evil/tool:v1" })), "the same bytes of another");
  assert.equal(knownRepository(of(bundle)), undefined);
  assert.equal(knownRepository(of({ ...bundle, signatures: [keySignature(acme.publicKey)] })), undefined);
});

Deno.test("a file that runs without installing has no signatures", async () => {
  using it = setUp();
  const file = { file: "/home/me/x.wasm" };
  const refused = async (value: unknown) => (await judge(it.policy(value), file)).refused?.message;
  assert.equal(await refused({ registries: ["ghcr.io"] }), undefined);
  assert.match((await refused({ rules: [{ match: "file://**", allow: false }] }))!, /denies it/);
  assert.match((await refused({ rules: [{ match: "**", verify: "ROOT/acme.pub" }] }))!, /a file is not/);
});
