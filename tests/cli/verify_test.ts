import assert from "node:assert/strict";
import { processContext } from "../../cli/context.ts";
import { requirementsFor, signersOf, verification } from "../../cli/verify.ts";
import { RegistryClient } from "../../registry/client.ts";
import { parseReference } from "../../registry/reference.ts";
import { registrySignatures } from "../../registry/signatures.ts";
import { checkAllowed, parsePolicy } from "../../runtime/policy.ts";
import { subjectOf } from "../../runtime/reference_pattern.ts";
import { layoutAt } from "../../runtime/store/layout.ts";
import { IDENTITY, ISSUED_BY, makeKeyPair, TestSigstore } from "../support/sigstore.ts";
import { temporaryDirectory } from "../support/temporary.ts";

/** A machine with an administrator's file, a user's one, and a key. */
async function setUp(files: { administrator?: string; user?: string; trustRoot?: string }) {
  const root = temporaryDirectory();
  await Deno.mkdir(`${root}/store`);
  const { publicKey } = await makeKeyPair();
  await Deno.writeTextFile(`${root}/acme.pub`, publicKey);
  const fill = (text: string) => text.replaceAll("KEY", `${root}/acme.pub`).replaceAll("ROOT", root);
  if (files.administrator) await Deno.writeTextFile(`${root}/policy.yaml`, fill(files.administrator));
  if (files.user) await Deno.writeTextFile(`${root}/store/policy.yaml`, fill(files.user));
  if (files.trustRoot) await Deno.writeTextFile(`${root}/store/trusted_root.json`, files.trustRoot);
  const context = {
    ...processContext(),
    layout: () => layoutAt(`${root}/store`),
    policyPath: `${root}/policy.yaml`,
    env: () => root,
  };
  const ask = (reference: string, options = {}) =>
    requirementsFor(context, parseReference(reference), options);
  return { root, context, ask };
}

Deno.test("without a policy and without --verify nothing asks for a signature", async () => {
  const { context, ask } = await setUp({});
  assert.deepEqual(await ask("ghcr.io/acme/foo"), []);
  const reference = parseReference("ghcr.io/acme/foo");
  const verify = await verification(context, registrySignatures(new RegistryClient()), reference, {});
  assert.equal(
    await verify(reference, { text: "{}", digest: "sha256:0" }),
    undefined,
  );
});

Deno.test("the administrator's rule, the user's rule and --verify all have to hold", async () => {
  const { root, ask } = await setUp({
    administrator: `rules:
  - match: ghcr.io/free/**
    verify: false
  - match: ghcr.io/acme/**
    verify: KEY
  - match: "**"
    verify: [KEY, "${IDENTITY}@${ISSUED_BY}"]`,
    user: `rules: [{match: "ghcr.io/**", verify: {anyOf: KEY, copies: true}}]`,
  });
  const kinds = async (reference: string, options = {}) =>
    (await ask(reference, options)).map(({ signers }) => signers.map(({ kind }) => kind).join("|"));
  assert.deepEqual(await kinds("ghcr.io/acme/foo:v1"), ["key", "key"]);
  assert.deepEqual(await kinds("quay.io/acme/foo"), ["key|identity"]);
  assert.deepEqual(await kinds("ghcr.io/free/foo"), ["key"]);
  assert.deepEqual(
    await kinds("ghcr.io/free/foo", { verify: signersOf([`${root}/acme.pub`, `a@https://b`]) }),
    [
      "key",
      "key|identity",
    ],
  );
  const [, user] = await ask("ghcr.io/acme/foo");
  assert.equal(user!.copies, true);
  const earlier = { identity: IDENTITY, issuer: ISSUED_BY };
  assert.deepEqual(await kinds("quay.io/acme/foo", { earlier }), ["key|identity", "identity"]);
});

Deno.test("the trust root is the one that is named, the machine's, or the public one", async () => {
  const { trustRoot } = await TestSigstore.make();
  const { root, ask } = await setUp({
    trustRoot,
    administrator:
      `rules: [{match: "a.example/**", verify: {anyOf: "a@https://b", trustRoot: ROOT/other.json}},
      {match: "**", verify: "a@https://b"}]`,
  });
  await Deno.writeTextFile(`${root}/other.json`, "other");
  assert.equal((await ask("a.example/foo"))[0]!.trustRoot, "other");
  assert.equal((await ask("b.example/foo"))[0]!.trustRoot, trustRoot);
  assert.equal((await ask("b.example/foo", { trustRoot: `${root}/other.json` }))[0]!.trustRoot, "other");
  await assert.rejects(ask("b.example/foo", { trustRoot: `${root}/none.json` }), { code: "TRUST_INVALID" });
  const bare = await setUp({});
  assert.equal(
    (await bare.ask("b.example/foo", { verify: signersOf(["a@https://b"]) }))[0]!.trustRoot,
    undefined,
  );
});

Deno.test("a policy that can't be understood lets nothing be installed", async () => {
  for (
    const verify of [
      "true",
      "[]",
      "5",
      "relative.pub",
      "/no/such/key.pub",
      "{anyOf: KEY, extra: 1}",
      "{copies: true}",
      "{anyOf: KEY, copies: 1}",
      "{anyOf: KEY, trustRoot: 1}",
      "me@acme.example",
    ]
  ) {
    const { ask } = await setUp({ administrator: `rules: [{match: "**", verify: ${verify}}]` });
    await assert.rejects(ask("ghcr.io/acme/foo"), { code: "POLICY_INVALID" }, verify);
  }
  for (const other of ["registries: [a]", "prompts: false", "rules: [{match: x.example/x, allow: false}]"]) {
    const { ask } = await setUp({ user: other });
    await assert.rejects(ask("ghcr.io/acme/foo"), { code: "POLICY_INVALID" }, other);
  }
});

const at = (reference: string) => subjectOf(parseReference(reference));

Deno.test("what has to be signed is not run unless a signature of it was verified", () => {
  const policy = parsePolicy(
    { rules: [{ match: "docker.io/a/**", verify: "x" }, { match: "docker.io/b/**", verify: false }] },
    "p",
    "/h",
  );
  checkAllowed(policy, at("a/b:v1"), true);
  checkAllowed(policy, at("b/b:v1"), false);
  checkAllowed(policy, at("c/b:v1"), false);
  assert.throws(() => checkAllowed(policy, at("a/b:v1"), false), { code: "POLICY_REFUSED" });
});
