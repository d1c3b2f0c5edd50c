/**
 * The administrator's policy: limits for plugins and grants, by reference. Users can only restrict further. Without a
 * policy it costs one question to the file system. If the policy cannot be read or parsed, nothing runs.
 */

import { AppError } from "../base/errors.ts";
import { printable } from "../base/text.ts";
import type { EnvGrant, KubeconfigGrant } from "../grants/grants.ts";
import type { ListenGrant } from "../grants/listen_grant.ts";
import type { ClusterGrant } from "../kube/allow/rules.ts";
import { ANY_BUNDLE, hostInRules, type Pattern, type Subject, subjectName } from "./reference_pattern.ts";

/** The most that a plugin may be granted. undefined means no limit. */
export interface Bounds {
  /** Absolute host paths: files at or below them may be read. */
  readonly read: readonly string[] | undefined;
  /** Absolute host paths: files at or below them may be changed. */
  readonly write: readonly string[] | undefined;
  readonly home: boolean;
  /** The user's home directories besides the one in the environment. */
  readonly homes: readonly string[];
  readonly env: EnvGrant;
  readonly kubeconfig: KubeconfigGrant;
  readonly cluster: ClusterGrant;
  readonly listen: ListenGrant;
  /** Bytes. */
  readonly maxMemory: number;
  readonly terminal: boolean;
  readonly completion: boolean;
}

/** A rule for the references that match a pattern. */
export interface PolicyRule {
  /**
   * `ghcr.io/acme/**`, without tag or digest; `file://**` for files that run without installing. As written in the policy.
   */
  readonly match: string;
  readonly pattern: Pattern;
  /** Whether users may install and run such a plugin. */
  readonly allow: boolean;
  readonly maximum: Bounds | undefined;
  /** The required signers, not parsed; verify_rule.ts parses them. */
  readonly verify: unknown;
}

/** The owner of a policy. */
export type PolicyOwner = "administrator" | "user";

/** A parsed policy. */
export interface Policy {
  readonly path: string;
  readonly owner: PolicyOwner;
  /** Whether krew-wasm may ask a person at the terminal for more grants. */
  readonly prompts: boolean;
  /** `kernel`: krew-wasm runs no plugin unless the kernel restricts the process. */
  readonly walls: "kernel" | undefined;
  /** What krew-wasm records of each run: denials, or also each request to the cluster. */
  readonly record: "denials" | "requests";
  /** Registries that plugins may come from, as {@linkcode hostInRules}; undefined for all. */
  readonly registries: readonly string[] | undefined;
  /** The first matching rule applies. */
  readonly rules: readonly PolicyRule[];
}

/** The rule that applies to a subject; undefined if none does. */
export function ruleFor(policy: Policy | undefined, subject: Subject): PolicyRule | undefined {
  return policy?.rules.find(({ pattern }) => pattern.matches(subject));
}

/** The error for a plugin that a policy refuses. `way`: what the user can do about it. */
export function refusal(policy: Policy, subject: Subject, why: string, way?: string): AppError {
  return new AppError(
    "POLICY_REFUSED",
    `"${printable(subjectName(subject), 400)}" is not allowed on this machine: ${why}`,
    {
      hint: way !== undefined
        ? `${way}; ${policy.path} says so`
        : policy.owner === "user"
        ? `${policy.path} says so`
        : `${policy.path} says so; ask who administers this machine`,
    },
  );
}

/**
 * Refuses a plugin that the administrator does not allow, even if it is signed.
 *
 * @param way what the user can do about it
 * @throws AppError POLICY_REFUSED
 */
export function checkAllowed(policy: Policy | undefined, subject: Subject, way?: string): void {
  if (!policy) return;
  const { registries } = policy;
  if (registries && subject.kind !== "file" && !registries.includes(registryInRules(subject))) {
    const names = registries.map((name) => printable(name, 100)).join(", ");
    throw refusal(policy, subject, `plugins come from ${names || "nowhere"} only${whatItIs(subject)}`, way);
  }
  const rule = ruleFor(policy, subject);
  if (rule && !rule.allow) {
    throw refusal(
      policy,
      subject,
      `its rule for ${printable(rule.match, 200)} denies it${whatItIs(subject)}`,
      way,
    );
  }
}

function registryInRules(subject: Exclude<Subject, { kind: "file" }>): string {
  return subject.kind === "bundle" ? ANY_BUNDLE : hostInRules(subject.reference.registry);
}

/** Why the error names a plugin differently from its reference. */
function whatItIs(subject: Subject): string {
  if (subject.kind === "bundle") {
    return ", and that it is of there is only what its bundle says: no signature that the policy asks for names it";
  }
  if (subject.kind !== "registry" || !subject.mirrorOf) return "";
  return `, and it came from a mirror that the user's own files set up for ${
    printable(subject.mirrorOf.registry, 200)
  }`;
}
