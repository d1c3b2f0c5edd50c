import assert from "node:assert/strict";
import { processContext } from "../../../cli/context.ts";
import {
  readSignatureRules,
  requirementsFor,
  verification,
} from "../../../cli/install/required_signatures.ts";
import { readPolicies } from "../../../cli/policies.ts";
import { RegistryClient } from "../../../registry/oci/registry_client.ts";
import { parseReference } from "../../../registry/oci/mirrored_reference.ts";
import { registrySignatures } from "../../../registry/signing/find_signatures.ts";
import type { Signature } from "../../../runtime/policy/provenance.ts";
import { layoutAt } from "../../../runtime/store/layout.ts";
import { IDENTITY, ISSUED_BY, makeKeyPair, TestSigstore } from "../../support/sigstore.ts";
import { temporaryDirectory } from "../../support/temporary.ts";

/** A context with an administrator's policy, a user's policy and a key. */
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
  const rules = async (options = {}) =>
    await readSignatureRules(context, await readPolicies(context), options);
  const ask = async (
    reference: string,
    { earlier, ...options }: {
      earlier?: readonly Signature[];
      verify?: readonly string[];
      trustRoot?: string;
    } = {},
  ) => requirementsFor(await rules(options), parseReference(reference), earlier);
  return { root, context, rules, ask };
}

Deno.test("requires no signature without a policy and without --verify", async () => {
  const { rules, ask } = await setUp({});
  assert.deepEqual(await ask("ghcr.io/acme/foo"), []);
  const reference = parseReference("ghcr.io/acme/foo");
  const verify = await verification(await rules(), registrySignatures(new RegistryClient()), reference);
  assert.deepEqual(
    await verify(reference, { text: "{}", digest: "sha256:0" }),
    [],
  );
});

Deno.test("requires the administrator's rule, the user's rule and --verify", async () => {
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
    await kinds("ghcr.io/free/foo", { verify: [`${root}/acme.pub`, `a@https://b`] }),
    [
      "key",
      "key|identity",
    ],
  );
  const [, user] = await ask("ghcr.io/acme/foo");
  assert.equal(user!.copies, true);
  const earlier: Signature[] = [{
    kind: "identity",
    identity: IDENTITY,
    issuer: ISSUED_BY,
    trustRoot: { of: "carried", digest: undefined },
    repository: "quay.io/acme/foo",
    names: undefined,
  }];
  assert.deepEqual(await kinds("quay.io/acme/foo", { earlier }), ["key|identity", "identity"]);
});

Deno.test("checks the administrator's rules with the administrator's trust root only", async () => {
  const { trustRoot } = await TestSigstore.make();
  const { root, context, ask } = await setUp({
    trustRoot,
    administrator:
      `rules: [{match: "a.example/**", verify: {anyOf: "a@https://b", trustRoot: ROOT/other.json}},
      {match: "**", verify: "a@https://b"}]`,
    user: `rules: [{match: "u.example/**", verify: {anyOf: "a@https://b", trustRoot: ROOT/own.json}},
      {match: "**", verify: "a@https://b"}]`,
  });
  for (const name of ["other", "own"]) await Deno.writeTextFile(`${root}/${name}.json`, name);
  await Deno.writeTextFile(`${root}/flag.json`, `${trustRoot}\n`);
  const roots = async (reference: string, options = {}) =>
    (await ask(reference, options)).map(({ trustRoot }) => trustRoot && `${trustRoot.of}: ${trustRoot.text}`);
  const [users, flags] = [`user: ${trustRoot}`, `user: ${trustRoot}\n`];
  assert.deepEqual(await roots("a.example/foo"), ["administrator: other", users]);
  assert.deepEqual(
    await roots("b.example/foo"),
    [undefined, users],
    "the administrator's is the one carried",
  );
  assert.deepEqual(await roots("u.example/foo"), [undefined, "user: own"]);
  const flag = { trustRoot: `${root}/flag.json`, verify: ["a@https://b"] };
  assert.deepEqual(await roots("b.example/foo", flag), [undefined, flags, flags]);
  assert.deepEqual(await roots("u.example/foo", flag), [undefined, "user: own", flags]);
  await assert.rejects(ask("b.example/foo", { trustRoot: `${root}/none.json` }), { code: "TRUST_INVALID" });
  // The trust root beside the administrator's policy is the default for users.
  await Deno.writeTextFile(`${root}/trusted_root.json`, "machine");
  assert.deepEqual(await roots("b.example/foo"), ["administrator: machine", users]);
  await Deno.remove(context.layout().trustRoot);
  assert.deepEqual(await roots("b.example/foo"), ["administrator: machine", "administrator: machine"]);
  await Deno.mkdir(context.layout().trustRoot);
  await assert.rejects(ask("b.example/foo"), { code: "TRUST_INVALID" });
  const bare = await setUp({});
  assert.equal(
    (await bare.ask("b.example/foo", { verify: ["a@https://b"] }))[0]!.trustRoot,
    undefined,
  );
});

Deno.test("an upgrade requires the earlier signer and trust root", async () => {
  const { root, ask } = await setUp({});
  await Deno.writeTextFile(`${root}/trusted_root.json`, "machine");
  await Deno.writeTextFile(`${root}/store/trusted_root.json`, "own");
  const earlier = (of: "administrator" | "user" | "carried") => [{
    kind: "identity" as const,
    identity: IDENTITY,
    issuer: ISSUED_BY,
    trustRoot: { of, digest: undefined },
    repository: "ghcr.io/acme/foo",
    names: undefined,
  }];
  for (const [of, text] of [["administrator", "machine"], ["user", "own"], ["carried", "own"]] as const) {
    const [requirement] = await ask("ghcr.io/acme/foo", { earlier: earlier(of) });
    assert.equal(requirement!.trustRoot!.text, text, of);
    assert.deepEqual(requirement!.signers, [{ kind: "identity", identity: IDENTITY, issuer: ISSUED_BY }]);
  }
});

Deno.test("installs nothing if a policy is invalid", async () => {
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
