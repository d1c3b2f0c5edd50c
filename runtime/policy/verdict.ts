/**
 * Decides whether a policy allows a plugin, from the plugin's provenance. krew-wasm asks at installation and at every run,
 * so today's policy also applies to plugins that were installed before it.
 */

import { boundPath } from "./bound_path.ts";
import type { Administrator } from "../sandbox/permission_request_types.ts";
import { AppError } from "../base/errors.ts";
import { bothListen } from "../grants/listen_grant.ts";
import type { ClusterGrant } from "../kube/allow/rules.ts";
import { type Bounds, checkAllowed, type Policy, type PolicyRule, refusal, ruleFor } from "./policy.ts";
import { limitGrants } from "./limit_grants.ts";
import { realOrNamed } from "./bound_path.ts";
import { readOwned } from "./owned_file.ts";
import { type Provenance, repositoryOf } from "./provenance.ts";
import { parseReference } from "../base/reference.ts";
import { type Subject, subjectOf } from "./reference_pattern.ts";
import { readVerifyRule, satisfying, whyUnsatisfied } from "./verify_rule.ts";

/** The subject of a verdict: a plugin, or a file that runs without installing. */
export type Judged = Provenance | { readonly file: string };

/** The decision of a policy. */
export interface Verdict {
  /** Why the plugin may not be installed or run; undefined if it may. */
  readonly refused: AppError | undefined;
  /** The policy allows the plugin's reference but not its provenance. Asking its registry again may fix that. */
  readonly isCurable: boolean;
  /** The most that the plugin may do. All of these bounds apply. */
  readonly bounds: readonly Bounds[];
}

/** @throws AppError POLICY_INVALID if a rule for the subject cannot be parsed */
export async function judge(policy: Policy | undefined, judged: Judged): Promise<Verdict> {
  if (!policy) return { refused: undefined, isCurable: false, bounds: [] };
  const rules: (PolicyRule | undefined)[] = [];
  let refused: AppError | undefined;
  let denied = "file" in judged;
  /** Whether a signature for this repository satisfies the subject's rule. */
  const ask = async (subject: Subject, plugin: Provenance | undefined): Promise<boolean> => {
    const rule = ruleFor(policy, subject);
    rules.push(rule);
    try {
      checkAllowed(policy, subject, rules.length > 1 ? AGAIN : undefined);
    } catch (error) {
      refused ??= error as AppError;
      denied ||= rules.length === 1;
    }
    const own = policy.owner === "user";
    const verify = readVerifyRule(policy, rule, () => own ? undefined : administratorsRoot(policy.path));
    if (!verify) return false;
    // In their own policy, users may accept any trust root.
    const signatures = plugin ? await satisfying(verify, plugin, own) : [];
    if (signatures.length === 0) {
      refused ??= plugin
        ? refusal(policy, subject, whyUnsatisfied(plugin), AGAIN)
        : refusal(policy, subject, "it has to be signed, and a file is not");
    }
    return signatures.some(({ names }) => verify.copies || names === repositoryOf(plugin!));
  };
  if ("file" in judged) await ask({ kind: "file", path: judged.file }, undefined);
  else {
    const reference = parseReference(judged.reference);
    const vouched = await ask(subjectOf(reference), judged);
    const other = vouched ? undefined : unvouchedSubject(judged);
    if (other) await ask(other, judged);
  }
  return {
    refused,
    isCurable: refused !== undefined && !denied,
    bounds: rules.flatMap((rule) => rule?.maximum ?? []),
  };
}

/**
 * A second subject for a plugin whose reference no signature proves. If only a bundle or the user's mirror claims the
 * repository, the policy must allow that source too. undefined if the plugin came from the reference's own registry.
 */
export function unvouchedSubject({ reference, source }: Provenance): Subject | undefined {
  const claimed = parseReference(reference);
  if (source.kind === "bundle") return { kind: "bundle", reference: claimed };
  if (source.kind !== "mirror") return undefined;
  return { ...subjectOf(parseReference(source.place)), mirrorOf: claimed };
}

/** How to complete an installed plugin's provenance, with a network. */
const AGAIN = "krew-wasm doctor --fix has its registry vouch for it, and verifies it again";

/** The administrator's trust root, beside the policy; undefined if there is none. @throws AppError TRUST_INVALID */
export function administratorsRoot(policyPath: string): string | undefined {
  const path = `${policyPath.slice(0, policyPath.lastIndexOf("/"))}/trusted_root.json`;
  try {
    return readOwned(path, policyPath);
  } catch (error) {
    throw new AppError("TRUST_INVALID", `Cannot read the trust root "${path}": ${(error as Error).message}`, {
      hint: "no identity is verified until it is fixed; ask who administers this machine",
      cause: error,
    });
  }
}

/** The bounds of a verdict, for a run; undefined if there are none. */
export function administratorOf(
  { bounds }: Pick<Verdict, "bounds">,
  home: string,
): Administrator | undefined {
  if (bounds.length === 0) return undefined;
  const followed = bounds.map(() => once(boundPath));
  return {
    cluster: bounds.map(({ cluster }) => cluster).reduce(narrower),
    listen: bounds.map(({ listen }) => listen).reduce(bothListen),
    limit: (grants) =>
      bounds.reduce(
        (left, each, index) => limitGrants(left, each, home, realOrNamed, followed[index]),
        grants,
      ),
  };
}

/** Resolves each bound once, before a plugin runs: a plugin could move the path that names it. */
function once(follow: typeof boundPath): typeof boundPath {
  const known = new Map<string, string | undefined>();
  return (path, reach) => {
    if (!known.has(path)) known.set(path, follow(path, reach));
    return known.get(path);
  };
}

/** The grant that both allow; `none` if neither includes the other. */
function narrower(one: ClusterGrant, other: ClusterGrant): ClusterGrant {
  if (one === "full" || other === "none") return other;
  if (other === "full" || one === "none" || JSON.stringify(one) === JSON.stringify(other)) return one;
  return "none";
}
