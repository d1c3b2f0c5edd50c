/**
 * What a policy says of one plugin, by what is known of where it came from. Asked when it is installed and at every run, so
 * that a policy of now holds for what was installed before.
 */

import { boundPath } from "./bound_path.ts";
import type { Administrator } from "../sandbox/permission_request_types.ts";
import { AppError } from "../base/errors.ts";
import type { ClusterGrant } from "../kube/allow/rules.ts";
import {
  type Bounds,
  checkAllowed,
  limitGrants,
  type Policy,
  type PolicyRule,
  realOrNamed,
  refusal,
  ruleFor,
} from "./policy.ts";
import { readOwned } from "./owned_file.ts";
import { type Provenance, repositoryOf } from "./provenance.ts";
import { parseReference } from "../base/reference.ts";
import { type Subject, subjectOf } from "./reference_pattern.ts";
import { readVerifyRule, satisfying, whyUnsatisfied } from "./verify_rule.ts";

/** What is judged: a plugin, or a file that is run uninstalled. */
export type Judged = Provenance | { readonly file: string };

/** See the file's comment. */
export interface Verdict {
  /** Why it may be neither installed nor run; undefined where it may. */
  readonly refused: AppError | undefined;
  /** It is let in by its reference, and refused for what is known of it: its registry may make good for that. */
  readonly isCurable: boolean;
  /** What it may do at most: all of them hold. */
  readonly bounds: readonly Bounds[];
}

/** @throws AppError POLICY_INVALID where a rule that holds for it can't be read */
export async function judge(policy: Policy | undefined, judged: Judged): Promise<Verdict> {
  if (!policy) return { refused: undefined, isCurable: false, bounds: [] };
  const rules: (PolicyRule | undefined)[] = [];
  let refused: AppError | undefined;
  let denied = "file" in judged;
  /** Whether a signature that is known to be of this repository satisfies the subject's rule. */
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
    // By which root is the user's own business in the user's own policy.
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
 * What a plugin is where no signature vouches for its reference: what only a bundle, or a mirror of the user's, says to be of a
 * repository has to be let in as that, too. undefined for what came from the reference's own registry.
 */
export function unvouchedSubject({ reference, source }: Provenance): Subject | undefined {
  const claimed = parseReference(reference);
  if (source.kind === "bundle") return { kind: "bundle", reference: claimed };
  if (source.kind !== "mirror") return undefined;
  return { ...subjectOf(parseReference(source.place)), mirrorOf: claimed };
}

/** What makes good for what is not known of an installed plugin, where there is a network. */
const AGAIN = "krew-wasm doctor --fix has its registry vouch for it, and verifies it again";

/** The trust root of the machine, beside its policy; undefined where there is none. @throws AppError TRUST_INVALID */
export function administratorsRoot(policyPath: string): string | undefined {
  const path = `${policyPath.slice(0, policyPath.lastIndexOf("/"))}/trusted_root.json`;
  try {
    return readOwned(path, policyPath);
  } catch (error) {
    throw new AppError("TRUST_INVALID", `Cannot read the trust root "${path}": ${(error as Error).message}`, {
      hint: "no identity is verified until it is mended; ask who administers this machine",
      cause: error,
    });
  }
}

/** The bounds of a verdict, for a run; undefined where there are none. */
export function administratorOf(
  { bounds }: Pick<Verdict, "bounds">,
  home: string,
): Administrator | undefined {
  if (bounds.length === 0) return undefined;
  const followed = bounds.map(() => once(boundPath));
  return {
    cluster: bounds.map(({ cluster }) => cluster).reduce(narrower),
    limit: (grants) =>
      bounds.reduce(
        (left, each, index) => limitGrants(left, each, home, realOrNamed, followed[index]),
        grants,
      ),
  };
}

/** Where bounds lead is looked at when they are first asked: before a plugin runs, which may move what they are named by. */
function once(follow: typeof boundPath): typeof boundPath {
  const known = new Map<string, string | undefined>();
  return (path, reach) => {
    if (!known.has(path)) known.set(path, follow(path, reach));
    return known.get(path);
  };
}

/** What both allow; where one can't be told from the other, nothing. */
function narrower(one: ClusterGrant, other: ClusterGrant): ClusterGrant {
  if (one === "full" || other === "none") return other;
  if (other === "full" || one === "none" || JSON.stringify(one) === JSON.stringify(other)) return one;
  return "none";
}
