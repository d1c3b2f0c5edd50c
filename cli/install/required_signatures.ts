/** The signatures that an installation requires: by `--verify`, the administrator's policy and the user's policy. */

import type { FetchedManifest } from "../../registry/oci/registry_client.ts";
import { formatReference, type Reference } from "../../registry/oci/mirrored_reference.ts";
import type { SignatureSource } from "../../registry/signing/find_signatures.ts";
import {
  parseSigner,
  type Requirement,
  type Signer,
  signerOf,
  type TrustRoot,
} from "../../registry/signing/required_signers.ts";
import { isNowhere } from "../../runtime/base/host_path.ts";
import { checkAllowed, ruleFor } from "../../runtime/policy/policy.ts";
import type { Provenance, Signature } from "../../runtime/policy/provenance.ts";
import { type Subject, subjectOf } from "../../runtime/policy/reference_pattern.ts";
import { administratorsRoot, judge, unvouchedSubject } from "../../runtime/policy/verdict.ts";
import { readVerifyRule } from "../../runtime/policy/verify_rule.ts";
import type { Context } from "../context.ts";
import type { Policies } from "../policies.ts";
import { type ReadOptions, readTextFile } from "../terminal/read_file.ts";

/** Options for reading a trust root's file. */
const TRUST_ROOT: ReadOptions = { action: "read the trust root", code: "TRUST_INVALID" };

/** What decides about signatures, read once for a command. */
export interface SignatureRules {
  readonly policies: Policies;
  /** The signers that `--verify` names; undefined without it. */
  readonly verify: readonly Signer[] | undefined;
  /** The trust root for the administrator's requirements. */
  readonly administratorsRoot: TrustRoot | undefined;
  /** The trust root for the user's requirements. */
  readonly usersRoot: TrustRoot | undefined;
}

/**
 * Reads trust roots and the keys of `--verify`, so that their errors come once and before any request to a registry.
 *
 * @param options the values of `--verify` and `--trust-root`
 * @throws AppError TRUST_INVALID, USAGE
 */
export async function readSignatureRules(
  context: Context,
  policies: Policies,
  options: { readonly verify?: readonly string[] | undefined; readonly trustRoot?: string | undefined },
): Promise<SignatureRules> {
  const layout = context.layout();
  const text = administratorsRoot(context.policyPath);
  const administrators: TrustRoot | undefined = text === undefined
    ? undefined
    : { of: "administrator", text };
  const named = options.trustRoot ?? (isNowhere(layout.trustRoot) ? undefined : layout.trustRoot);
  const usersRoot: TrustRoot | undefined = named === undefined
    ? administrators
    : { of: "user", text: readTextFile(named, TRUST_ROOT) };
  // Each file is read once: `--verify=<(…)` can't be read again.
  const verify = options.verify?.map((one) => parseSigner(one));
  if (verify) {
    const { makeVerifier } = await import("../../registry/signing/verify_artifact.ts");
    await makeVerifier({ signers: verify, trustRoot: usersRoot });
  }
  return { policies, verify, administratorsRoot: administrators, usersRoot };
}

/** Returns an artifact's required signatures. @throws AppError SIGNATURE_…, POLICY_REFUSED, REGISTRY_… */
export type Verification = (
  reference: Reference,
  manifest: FetchedManifest,
) => Promise<readonly Signature[]>;

/**
 * Prepares the verification of an installation. Refuses a forbidden reference, and reads the keys of the policies' rules,
 * before any request to a registry.
 *
 * @param earlier the signatures of the replaced version: the new version needs the signer of the last one
 * @throws AppError TRUST_INVALID, POLICY_INVALID, POLICY_REFUSED
 */
export async function verification(
  rules: SignatureRules,
  source: SignatureSource,
  reference: Reference,
  earlier?: readonly Signature[],
): Promise<Verification> {
  const { administrator, user } = rules.policies;
  checkAllowed(administrator, subjectOf(reference));
  const verify = verifierOf(source);
  const asked = await verify(requirementsFor(rules, reference, earlier));
  const refusal = async (plugin: Provenance) =>
    (await judge(administrator, plugin)).refused ?? (await judge(user, plugin)).refused;
  return async (pinned, manifest) => {
    const plugin: Provenance = {
      reference: formatReference(reference),
      source: manifest.source ?? { kind: "registry" },
      signatures: await asked(pinned, manifest),
    };
    const refused = await refusal(plugin);
    if (refused === undefined) return plugin.signatures;
    // A plugin without proven origin may match a rule for bundles or mirrors, which may require its own signature.
    const other = unvouchedSubject(plugin);
    const more = other ? await (await verify(policyRequirements(rules, other)))(pinned, manifest) : [];
    if (more.length === 0) throw refused;
    const signatures = [...plugin.signatures, ...more];
    const left = await refusal({ ...plugin, signatures });
    if (left) throw left;
    return signatures;
  };
}

/** Makes a verifier for all requirements. Reads their keys and roots when it is made. */
function verifierOf(source: SignatureSource) {
  return async (requirements: readonly Requirement[]) => {
    if (requirements.length === 0) return () => Promise.resolve([] as Signature[]);
    const { makeVerifier } = await import("../../registry/signing/verify_artifact.ts");
    const verifiers = await Promise.all(requirements.map((requirement) => makeVerifier(requirement)));
    return async (reference: Reference, manifest: FetchedManifest): Promise<Signature[]> => {
      const found: Signature[] = [];
      for (const verifier of verifiers) {
        const signature = await verifier(source, reference, manifest);
        // The narrowest requirement comes last, so its signature is the receipt's last.
        const twin = found.findIndex((one) => JSON.stringify(one) === JSON.stringify(signature));
        if (twin >= 0) found.splice(twin, 1);
        found.push(signature);
      }
      return found;
    };
  };
}

/** All requirements for a reference. `earlier` as in {@linkcode verification}. @throws AppError POLICY_INVALID */
export function requirementsFor(
  rules: SignatureRules,
  reference: Reference,
  earlier?: readonly Signature[],
): Requirement[] {
  const { verify, usersRoot, administratorsRoot } = rules;
  const requirements = policyRequirements(rules, subjectOf(reference));
  const before = earlier?.at(-1);
  if (before) {
    const byAdministrators = before.kind === "identity" && before.trustRoot.of === "administrator";
    requirements.push({
      signers: [signerOf(before)],
      trustRoot: byAdministrators ? administratorsRoot : usersRoot,
    });
  }
  if (verify) requirements.push({ signers: verify, trustRoot: usersRoot });
  return requirements;
}

/**
 * The requirements of both policies, each with its own trust root. The user's files and options do not change trust in the
 * administrator's rules.
 */
function policyRequirements(
  { policies: { administrator, user }, administratorsRoot, usersRoot }: SignatureRules,
  subject: Subject,
): Requirement[] {
  const requirements: Requirement[] = [];
  for (const [policy, root] of [[administrator, administratorsRoot], [user, usersRoot]] as const) {
    const rule = policy && readVerifyRule(policy, ruleFor(policy, subject), () => root?.text);
    if (!rule) continue;
    const { signers, trustRoot, copies } = rule;
    const of = policy.owner === "user" && root?.of === "administrator" && trustRoot === root.text
      ? "administrator"
      : policy.owner;
    requirements.push({
      signers,
      trustRoot: trustRoot === undefined ? undefined : { of, text: trustRoot },
      copies,
    });
  }
  return requirements;
}
