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
import { checkAllowed, type Policy, readPolicy, ruleFor } from "../../runtime/policy/policy.ts";
import type { Provenance, Signature } from "../../runtime/policy/provenance.ts";
import { type Subject, subjectOf } from "../../runtime/policy/reference_pattern.ts";
import { homeDirectory } from "../../runtime/store/layout.ts";
import { printable } from "../../runtime/base/text.ts";
import { readUserPolicy } from "../../runtime/policy/user_policy.ts";
import { administratorsRoot, judge, unvouchedSubject } from "../../runtime/policy/verdict.ts";
import { readVerifyRule } from "../../runtime/policy/verify_rule.ts";
import type { Context } from "../context.ts";
import { type ReadOptions, readTextFile } from "../terminal/read_file.ts";
import { Option } from "@commander-js/extra-typings";

/** `--verify` */
export function verifyOption() {
  return new Option(
    "--verify <signer>",
    "install it only if signed by this: a public key's file, or IDENTITY@ISSUER (repeatable: any of them)",
  ).argParser((value: string, before: string[] | undefined): string[] => [...(before ?? []), value]);
}

/** `--trust-root` */
export function trustRootOption() {
  return new Option(
    "--trust-root <file>",
    "sigstore's trusted_root.json to check identities by; that of the public sigstore without it",
  );
}

/** Options for reading a trust root's file. */
const TRUST_ROOT: ReadOptions = { action: "read the trust root", code: "TRUST_INVALID" };

/** Options that require signatures. */
export interface VerifyOptions {
  /** `--verify`; see {@linkcode signersOf}. */
  readonly verify?: (() => readonly Signer[]) | undefined;
  /** `--trust-root`, for the user's own requirements. */
  readonly trustRoot?: string | undefined;
  /** Signatures of the replaced version. The new version needs the signer of the last one. */
  readonly earlier?: readonly Signature[] | undefined;
}

/** The signers that `--verify` names. Each file is read once: `--verify=<(…)` can't be read again. */
export function signersOf(verify: readonly string[] | undefined): VerifyOptions["verify"] {
  let signers: Signer[] | undefined;
  return verify && (() => signers ??= verify.map((one) => parseSigner(one)));
}

/**
 * Prepares the verification of an installation. Reads policies, keys and trust roots now, before any request to a registry.
 * The installer calls the result with the manifest, before it downloads more. It returns the signatures once every
 * requirement and both policies are satisfied.
 *
 * @throws AppError TRUST_INVALID, POLICY_INVALID, POLICY_REFUSED, USAGE; the returned function SIGNATURE_…, REGISTRY_…
 */
export async function verification(
  context: Context,
  source: SignatureSource,
  reference: Reference,
  options: VerifyOptions,
): Promise<(reference: Reference, manifest: FetchedManifest) => Promise<readonly Signature[]>> {
  const sources = await readRequirementSources(context, options);
  const { administrator, user } = sources;
  // Refuse a forbidden reference before any request.
  checkAllowed(administrator, subjectOf(reference));
  const verify = verifierOf(source);
  const asked = await verify(requirementsIn(sources, subjectOf(reference), options));
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
    const more = other ? await (await verify(policyRequirements(sources, other)))(pinned, manifest) : [];
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

/** The sources of requirements. */
interface RequirementSources {
  readonly administrator: Policy | undefined;
  readonly user: Policy | undefined;
  /** The trust root for the administrator's requirements. */
  readonly administratorsRoot: TrustRoot | undefined;
  /** The trust root for the user's requirements. */
  readonly usersRoot: TrustRoot | undefined;
}

/** @throws AppError TRUST_INVALID, POLICY_INVALID */
async function readRequirementSources(
  context: Context,
  { trustRoot }: VerifyOptions,
): Promise<RequirementSources> {
  const layout = context.layout();
  const [administrator, user] = await readPolicies(context);
  const text = administratorsRoot(context.policyPath);
  const administrators: TrustRoot | undefined = text === undefined
    ? undefined
    : { of: "administrator", text };
  const named = trustRoot ?? (isNowhere(layout.trustRoot) ? undefined : layout.trustRoot);
  return {
    administrator,
    user,
    administratorsRoot: administrators,
    usersRoot: named === undefined ? administrators : { of: "user", text: readTextFile(named, TRUST_ROOT) },
  };
}

/** The administrator's policy, and the user's. @throws AppError POLICY_INVALID */
export async function readPolicies(
  context: Context,
): Promise<[administrator: Policy | undefined, user: Policy | undefined]> {
  const home = homeDirectory(context.env);
  return [await readPolicy(context.policyPath, home), await readUserPolicy(context.layout(), home)];
}

/**
 * Reads policies, keys and trust roots for all plugins. Reports their errors once, before any request to a registry.
 *
 * @throws AppError TRUST_INVALID, POLICY_INVALID, USAGE
 */
export async function checkVerification(context: Context, options: VerifyOptions): Promise<void> {
  const { usersRoot } = await readRequirementSources(context, options);
  if (!options.verify) return;
  await (await import("../../registry/signing/verify_artifact.ts")).makeVerifier({
    signers: options.verify(),
    trustRoot: usersRoot,
  });
}

/** All requirements for a reference. @throws AppError TRUST_INVALID, POLICY_INVALID, USAGE */
export async function requirementsFor(
  context: Context,
  reference: Reference,
  options: VerifyOptions,
): Promise<Requirement[]> {
  return requirementsIn(await readRequirementSources(context, options), subjectOf(reference), options);
}

function requirementsIn(
  sources: RequirementSources,
  subject: Subject,
  { verify, earlier }: VerifyOptions,
): Requirement[] {
  const { usersRoot, administratorsRoot } = sources;
  const requirements = policyRequirements(sources, subject);
  const before = earlier?.at(-1);
  if (before) {
    const byAdministrators = before.kind === "identity" && before.trustRoot.of === "administrator";
    requirements.push({
      signers: [signerOf(before)],
      trustRoot: byAdministrators ? administratorsRoot : usersRoot,
    });
  }
  if (verify) requirements.push({ signers: verify(), trustRoot: usersRoot });
  return requirements;
}

/**
 * The requirements of both policies, each with its own trust root. The user's files and options do not change trust in the
 * administrator's rules.
 */
function policyRequirements(
  { administrator, user, administratorsRoot, usersRoot }: RequirementSources,
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

/** The signer in words. Pure. */
export function describeSignature(signature: Signature): string {
  return signature.kind === "key"
    ? `the key ${signature.key}`
    : `${printable(signature.identity, 300)} (${printable(signature.issuer, 200)})`;
}
