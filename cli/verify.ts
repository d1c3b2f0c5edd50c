/** Whose signature an installation asks for: the command line, the administrator's and the user's policy. */

import type { FetchedManifest } from "../registry/client.ts";
import type { Reference } from "../registry/reference.ts";
import type { SignatureSource } from "../registry/signatures.ts";
import { parseSigner, type Requirement, type Signer, signerOf } from "../registry/trust.ts";
import { AppError, messageOf } from "../runtime/errors.ts";
import { type Policy, readPolicy, ruleFor } from "../runtime/policy.ts";
import { type Subject, subjectOf } from "../runtime/reference_pattern.ts";
import { homeDirectory, type Layout } from "../runtime/store/layout.ts";
import type { Verified } from "../runtime/store/receipt.ts";
import { printable } from "../runtime/text.ts";
import type { Context } from "./context.ts";
import { type ReadOptions, readTextFile, unreadable } from "./read_file.ts";
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

/** How a trust root's file is read. */
const TRUST_ROOT: ReadOptions = { action: "read the trust root", code: "TRUST_INVALID" };

/** What asks for signatures. */
export interface VerifyOptions {
  /** Of the command line, {@linkcode signersOf}. */
  readonly verify?: (() => readonly Signer[]) | undefined;
  readonly trustRoot?: string | undefined;
  /** Who signed the version that is replaced, and has to have signed this one. */
  readonly earlier?: Verified | undefined;
}

/** The signers that `--verify` names. Each file is read once: `--verify=<(…)` can't be read again. */
export function signersOf(verify: readonly string[] | undefined): VerifyOptions["verify"] {
  let signers: Signer[] | undefined;
  return verify && (() => signers ??= verify.map((one) => parseSigner(one)));
}

/**
 * What an installation calls with a manifest, before anything of it is downloaded: all that ask for a signature have to
 * be content. Answers with who signed; undefined where nobody asks. Policies, keys and trust root are read here, before
 * a registry is asked for anything.
 *
 * @throws AppError TRUST_INVALID, POLICY_INVALID, USAGE; what is handed back SIGNATURE_…, REGISTRY_…
 */
export async function verification(
  context: Context,
  source: SignatureSource,
  reference: Reference,
  options: VerifyOptions,
): Promise<(reference: Reference, manifest: FetchedManifest) => Promise<Verified | undefined>> {
  const requirements = await requirementsFor(context, reference, options);
  if (requirements.length === 0) return () => Promise.resolve(undefined);
  const { makeVerifier } = await import("../registry/verify.ts");
  const verifiers = await Promise.all(requirements.map((requirement) => makeVerifier(requirement)));
  return async (reference, manifest) => {
    let by: Verified | undefined;
    // The narrowest is asked last: it is what the receipt keeps.
    for (const verifier of verifiers) by = await verifier(source, reference, manifest);
    return by;
  };
}

/**
 * Reads all that says who has to have signed, whatever it will be asked of: what is wrong with it is told before a
 * registry is asked for anything, and once for all plugins.
 *
 * @throws AppError TRUST_INVALID, POLICY_INVALID, USAGE
 */
export async function checkVerification(context: Context, options: VerifyOptions): Promise<void> {
  const { root } = await readPolicies(context, options);
  if (!options.verify) return;
  await (await import("../registry/verify.ts")).makeVerifier({ signers: options.verify(), trustRoot: root });
}

/** All that has to hold for a reference. @throws AppError TRUST_INVALID, POLICY_INVALID, USAGE */
export async function requirementsFor(
  context: Context,
  reference: Reference,
  { verify, trustRoot, earlier }: VerifyOptions,
): Promise<Requirement[]> {
  const { root, policies } = await readPolicies(context, { trustRoot });
  const requirements: Requirement[] = [];
  for (const policy of policies) {
    const requirement = policy && requirementOf(policy, subjectOf(reference), root);
    if (requirement) requirements.push(requirement);
  }
  if (earlier) requirements.push({ signers: [signerOf(earlier)], trustRoot: root });
  if (verify) requirements.push({ signers: verify(), trustRoot: root });
  return requirements;
}

/** The administrator's policy, the user's, and the trust root. @throws AppError TRUST_INVALID, POLICY_INVALID */
export async function readPolicies(context: Context, { trustRoot }: VerifyOptions) {
  const home = homeDirectory(context.env);
  const layout = context.layout();
  return {
    root: trustRoot === undefined ? usualTrustRoot(layout) : readTrustRoot(trustRoot),
    policies: [await readPolicy(context.policyPath, home), await readUserPolicy(layout, home)],
  };
}

/** `policy.yaml` of the user's own: who has to have signed what, and nothing else. @throws AppError POLICY_INVALID */
async function readUserPolicy(layout: Layout, home: string): Promise<Policy | undefined> {
  const path = `${layout.root}/policy.yaml`;
  const policy = await readPolicy(path, home).catch((error) => {
    if (!(error instanceof AppError)) throw error;
    throw new AppError(error.code, error.message.replace(/^The administrator's policy/, "Your policy"), {
      hint: "no plugin is installed until it is mended; docs/signatures.md shows one",
      cause: error,
    });
  });
  const other = policy &&
    (policy.registries
      ? "registries"
      : !policy.prompts
      ? "prompts"
      : policy.record !== "denials"
      ? "record"
      : policy.rules.some(({ allow }) => !allow)
      ? "allow"
      : policy.rules.some(({ maximum }) => maximum)
      ? "maximum"
      : undefined);
  if (other === undefined) return policy;
  throw new AppError("POLICY_INVALID", `${path} can't be used: ${other} is the administrator's to say`, {
    hint:
      "a user's own policy has rules of match and verify only; krew-wasm grants says what a plugin may do",
  });
}

/**
 * What a policy asks for. Its `verify` is a signer as `--verify` takes it, a list of which any will do, or an object:
 * `{anyOf, trustRoot, copies}`; `false` asks for none.
 *
 * @throws AppError POLICY_INVALID
 */
function requirementOf(
  policy: Policy,
  subject: Subject,
  trustRoot: string | undefined,
): Requirement | undefined {
  const rule = ruleFor(policy, subject);
  if (rule?.verify === undefined || rule.verify === false) return undefined;
  const fail = (what: string): never => {
    throw new AppError(
      "POLICY_INVALID",
      `The policy ${policy.path} can't be used: verify of the rule for ${
        printable(rule.match, 200)
      }: ${what}`,
    );
  };
  const signers = (value: unknown): Signer[] => {
    const list = Array.isArray(value) ? value : [value];
    if (list.length === 0) fail("nobody may have signed");
    return list.map((item) => {
      if (typeof item !== "string" || item === "") {
        return fail("a signer is a key's file, or IDENTITY@ISSUER");
      }
      if (!item.includes("@") && !/^(\/|[A-Za-z]:[\\/])/.test(item)) {
        fail(`"${item}" is not an absolute path`);
      }
      try {
        return parseSigner(item);
      } catch (error) {
        return fail(messageOf(error));
      }
    });
  };
  const { verify } = rule;
  if (typeof verify === "string" || Array.isArray(verify)) return { signers: signers(verify), trustRoot };
  if (typeof verify !== "object" || verify === null) return fail("it is neither a signer nor a list of them");
  for (const field of Object.keys(verify)) {
    if (!["anyOf", "trustRoot", "copies"].includes(field)) fail(`${field} is not known`);
  }
  const { anyOf, trustRoot: path, copies } = verify as Record<string, unknown>;
  if (path !== undefined && typeof path !== "string") fail("trustRoot is not a path");
  if (copies !== undefined && typeof copies !== "boolean") fail("copies is neither true nor false");
  return {
    signers: signers(anyOf),
    trustRoot: path === undefined ? trustRoot : readTrustRoot(path as string),
    copies: copies === true,
  };
}

/** Who signed, for people. Pure. */
export function describeVerified(verified: Verified): string {
  return "key" in verified
    ? `the key ${verified.key}`
    : `${printable(verified.identity, 300)} (${printable(verified.issuer, 200)})`;
}

/** The trust root of this machine, where it has one of its own. */
function usualTrustRoot(layout: Layout): string | undefined {
  for (const path of [`${layout.root}/trusted_root.json`, "/etc/krew-wasm/trusted_root.json"]) {
    try {
      return Deno.readTextFileSync(path);
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw unreadable(path, error, TRUST_ROOT);
    }
  }
  return undefined;
}

function readTrustRoot(path: string): string {
  return readTextFile(path, TRUST_ROOT);
}
