/** Checks the content of a policy. Pure. */

import { canonicalPath } from "../base/canonical_path.ts";
import { AppError, messageOf } from "../base/errors.ts";
import { hostPath } from "../base/host_path.ts";
import {
  anything,
  boolean,
  converted,
  defaultTo,
  list,
  malformed,
  nullable,
  object,
  optional,
  parsed,
  type Reader,
  text,
  word,
} from "../base/strict_json.ts";
import { printable } from "../base/text.ts";
import type { EnvGrant } from "../grants/grants.ts";
import { parseSize } from "../grants/size.ts";
import { readListen } from "../grants/listen_grant.ts";
import { kubeconfigGrant } from "../grants/grants_json.ts";
import { parseClusterGrant } from "../kube/allow/rules.ts";
import type { Bounds, Policy, PolicyOwner, PolicyRule } from "./policy.ts";
import { parsePattern, parseRegistryName } from "./reference_pattern.ts";

/** The error for a policy that cannot be read or parsed. */
export function policyInvalid(path: string, owner: PolicyOwner, what: string): AppError {
  const [whose, who] = owner === "user"
    ? ["Your policy", "krew-wasm help signatures shows an example"]
    : ["The administrator's policy", "ask who administers this machine"];
  return new AppError("POLICY_INVALID", `${whose} ${path} can't be used: ${printable(what, 300)}`, {
    hint: `no plugin is installed or run until it is fixed; ${who}`,
  });
}

/**
 * Checks a policy from parsed YAML. Pure.
 *
 * @param home the user's home directory, for paths that begin with `~/`
 * @param homes other paths of the user's home directory
 * @throws AppError POLICY_INVALID with the field's path
 */
export function parsePolicy(
  value: unknown,
  path: string,
  home: string,
  owner: PolicyOwner = "administrator",
  homes: readonly string[] = [],
): Policy {
  try {
    const { version: _, rules, ...fields } = policyReader(home, homes)(value, "");
    return { path, owner, ...fields, rules: rules ?? [] };
  } catch (error) {
    throw policyInvalid(path, owner, messageOf(error));
  }
}

type PolicyFields = Omit<Policy, "path" | "owner" | "rules"> & {
  readonly version: 1;
  readonly rules: readonly PolicyRule[] | undefined;
};

function policyReader(home: string, homes: readonly string[]): Reader<PolicyFields> {
  return object<PolicyFields>({
    version: defaultTo(
      (value, path) => value === 1 ? 1 : malformed(path, `is ${JSON.stringify(value)}, not 1`),
      1,
    ),
    prompts: defaultTo(boolean, true),
    walls: optional(word("kernel")),
    record: defaultTo(word("denials", "requests"), "denials"),
    registries: optional(list(parsed(parseRegistryName))),
    rules: optional(nullable(list(ruleReader(home, homes))) as Reader<readonly PolicyRule[]>),
  });
}

function ruleReader(home: string, homes: readonly string[]): Reader<PolicyRule> {
  const read = object<Omit<PolicyRule, "pattern">>({
    match: text(undefined, "is missing"),
    allow: defaultTo(boolean, true),
    maximum: optional(boundsReader(home, homes)),
    verify: optional(anything),
  });
  const pattern = parsed(parsePattern);
  return (value, path) => {
    const { match, allow, maximum, verify } = read(value, path);
    return { match, pattern: pattern(match, `${path}.match`), allow, maximum, verify };
  };
}

function boundsReader(home: string, homes: readonly string[]): Reader<Bounds> {
  const absolute = parsed((path) => {
    const named = hostPath(path);
    const expanded = named === "~" ? home : named.startsWith("~/") ? home + named.slice(1) : named;
    const canonical = canonicalPath(expanded);
    if (canonical === undefined) throw new Error(`"${path}" is not absolute`);
    return canonical;
  });
  const env: Reader<EnvGrant> = (value, path) =>
    value === "all" || value === "default" ? value : list(text())(value, path);
  const read = object<Omit<Bounds, "homes">>({
    read: optional(list(absolute)),
    write: optional(list(absolute)),
    home: defaultTo(boolean, true),
    env: defaultTo(env, "all"),
    kubeconfig: defaultTo(kubeconfigGrant, true),
    cluster: defaultTo(converted(parseClusterGrant), "full"),
    listen: defaultTo(readListen, "all"),
    maxMemory: defaultTo(converted((value) => parseSize(String(value), "maxMemory")), Infinity),
    terminal: defaultTo(boolean, true),
    completion: defaultTo(boolean, true),
  });
  return (value, path) => ({ ...read(value, path), homes: [home, ...homes] });
}
