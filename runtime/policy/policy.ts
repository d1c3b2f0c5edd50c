/**
 * The administrator's policy: limits for plugins and grants, by reference. Users can only restrict further. Without a
 * policy it costs one question to the file system. If the policy cannot be read or parsed, nothing runs.
 */

import { AppError, firstLineOf, messageOf } from "../base/errors.ts";
import { accountHome, isOwn } from "../base/account_home.ts";
import { canonicalPath } from "../base/canonical_path.ts";
import { whyNotRead } from "../base/file_error.ts";
import {
  type EnvGrant,
  type FileGrant,
  type Grants,
  isCredentialVariable,
  parseSize,
} from "../grants/grants.ts";
import { type ClusterGrant, parseClusterGrant } from "../kube/allow/rules.ts";
import { hostPath, isWithin, realPath } from "../base/host_path.ts";
import { readOwned } from "./owned_file.ts";
import {
  ANY_BUNDLE,
  hostInRules,
  parsePattern,
  parseRegistryName,
  type Pattern,
  type Subject,
  subjectName,
} from "./reference_pattern.ts";
import { printable } from "../base/text.ts";

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
  readonly kubeconfig: boolean;
  readonly cluster: ClusterGrant;
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

/**
 * Reads the administrator's policy; undefined if there is none.
 *
 * @throws AppError POLICY_INVALID
 */
export async function readPolicy(
  path: string,
  home: string,
  owner: PolicyOwner = "administrator",
): Promise<Policy | undefined> {
  let text: string;
  try {
    const read = readOwned(path, path);
    if (read === undefined) return undefined;
    text = read;
  } catch (error) {
    throw invalid(path, owner, whyNotRead(error));
  }
  let value: unknown;
  try {
    // Loading the YAML parser takes longer than the rest of a run's start, so JSON does without it.
    value = /^\s*\{/.test(text) ? JSON.parse(text) : (await import("yaml")).parse(text, { maxAliasCount: 0 });
  } catch (error) {
    throw invalid(path, owner, `it is not YAML: ${firstLineOf(error)}`);
  }
  const account = owner === "user" ? undefined : await accountHome();
  // The user controls the environment: it must not name another user's directory as the home.
  const own = account === undefined || isOwn(home) ? realOrNamed(home) : account;
  return parsePolicy(value, path, own, owner, account === undefined ? [] : [account]);
}

function invalid(path: string, owner: PolicyOwner, what: string): AppError {
  const [whose, who] = owner === "user"
    ? ["Your policy", "docs/signatures.md shows one"]
    : ["The administrator's policy", "ask who administers this machine"];
  return new AppError("POLICY_INVALID", `${whose} ${path} can't be used: ${printable(what, 300)}`, {
    hint: `no plugin is installed or run until it is mended; ${who}`,
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
  const fail = (what: string): never => {
    throw invalid(path, owner, what);
  };
  const object = (item: unknown, where: string, fields: readonly string[]): Record<string, unknown> => {
    if (typeof item !== "object" || item === null || Array.isArray(item)) {
      return fail(`${where} is no object`);
    }
    for (const field of Object.keys(item)) {
      if (!fields.includes(field)) fail(`${where === "it" ? "" : `${where}.`}${field} is not known`);
    }
    return item as Record<string, unknown>;
  };
  const flag = (item: unknown, where: string, standard: boolean): boolean =>
    item === undefined
      ? standard
      : typeof item === "boolean"
      ? item
      : fail(`${where} is neither true nor false`);
  const words = (item: unknown, where: string): readonly string[] =>
    Array.isArray(item) && item.every((word) => typeof word === "string" && word !== "")
      ? item
      : fail(`${where} is no list of words`);
  const paths = (item: unknown, where: string): readonly string[] | undefined =>
    item === undefined ? undefined : words(item, where).map((path) => {
      const named = hostPath(path);
      const absolute = named === "~" ? home : named.startsWith("~/") ? home + named.slice(1) : named;
      return canonicalPath(absolute) ?? fail(`${where}: "${path}" is not absolute`);
    });
  const within = <T>(where: string, parse: () => T): T => {
    try {
      return parse();
    } catch (error) {
      return fail(`${where}: ${messageOf(error)}`);
    }
  };
  const file = object(value, "it", ["version", "prompts", "walls", "record", "registries", "rules"]);
  if (file.version !== undefined && file.version !== 1) {
    fail(`version is ${JSON.stringify(file.version)}, not 1`);
  }
  const { record = "denials" } = file;
  if (record !== "denials" && record !== "requests") {
    return fail('record is neither "denials" nor "requests"');
  }
  const { walls } = file;
  if (walls !== undefined && walls !== "kernel") return fail('walls is not "kernel"');
  const rules = file.rules ?? [];
  if (!Array.isArray(rules)) return fail("rules is no list");
  return {
    path,
    owner,
    prompts: flag(file.prompts, "prompts", true),
    walls,
    record,
    registries: file.registries === undefined
      ? undefined
      : words(file.registries, "registries").map((word, index) =>
        within(`registries[${index}]`, () => parseRegistryName(word))
      ),
    rules: rules.map((item: unknown, index): PolicyRule => {
      const where = `rules[${index}]`;
      const rule = object(item, where, ["match", "allow", "maximum", "verify"]);
      const { match } = rule;
      if (typeof match !== "string" || match === "") return fail(`${where}.match is missing`);
      const pattern = within(`${where}.match`, () => parsePattern(match));
      let maximum: Bounds | undefined;
      if (rule.maximum !== undefined) {
        const at = `${where}.maximum`;
        const most = object(rule.maximum, at, [
          "read",
          "write",
          "home",
          "env",
          "kubeconfig",
          "cluster",
          "maxMemory",
          "terminal",
          "completion",
        ]);
        const { env, cluster, maxMemory } = most;
        maximum = {
          read: paths(most.read, `${at}.read`),
          write: paths(most.write, `${at}.write`),
          home: flag(most.home, `${at}.home`, true),
          homes: [home, ...homes],
          env: env === undefined || env === "all"
            ? "all"
            : env === "default"
            ? "default"
            : words(env, `${at}.env`),
          kubeconfig: flag(most.kubeconfig, `${at}.kubeconfig`, true),
          cluster: cluster === undefined ? "full" : within(`${at}.cluster`, () => parseClusterGrant(cluster)),
          maxMemory: maxMemory === undefined
            ? Infinity
            : within(`${at}.maxMemory`, () => parseSize(String(maxMemory), "maxMemory")),
          terminal: flag(most.terminal, `${at}.terminal`, true),
          completion: flag(most.completion, `${at}.completion`, true),
        };
      }
      return {
        match,
        pattern,
        allow: flag(rule.allow, `${where}.allow`, true),
        maximum,
        verify: rule.verify,
      };
    }),
  };
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

/**
 * Removes the grants above the bounds. Cluster rules stay unchanged, because authorize_request.ts checks each request
 * against the bound as well.
 *
 * @param home the user's home directory, absolute
 * @param real follows links: a bound applies to the target
 * @param bound follows a bound's path; undefined if the target is not certain ({@linkcode boundPath})
 */
export function limitGrants(
  grants: Grants,
  bounds: Bounds | undefined,
  home: string,
  real: (path: string) => string = (path) => path,
  bound: (path: string, reach: readonly string[]) => string | undefined = real,
): Grants {
  if (!bounds) return grants;
  const { read, write } = bounds;
  const byPath = read !== undefined || write !== undefined;
  const homes = [home, ...bounds.homes].flatMap((each) => [each, real(each)]);
  const all: readonly FileGrant[] = grants.home && bounds.home && byPath
    ? [...grants.files, { host: home, guest: home, write: true }]
    : grants.files;
  const reach = [...homes, ...[...read ?? [], ...write ?? []].flatMap((each) => [each, real(each)])];
  const follow = (paths: readonly string[] | undefined) => paths?.flatMap((path) => bound(path, reach) ?? []);
  const roots = byPath ? { read: follow(read), write: follow(write) } : undefined;
  const files = all.flatMap((grant) => roots ? limitFile(grant, roots, real) : [grant])
    .filter((grant) =>
      bounds.home ||
      !homes.some((each) =>
        [real(grant.host), grant.real].some((path) => path !== undefined && isWithin(each, path))
      )
    );
  const cluster = rank(grants.cluster) > rank(bounds.cluster) ? bounds.cluster : grants.cluster;
  return {
    ...grants,
    files,
    home: grants.home && bounds.home && !byPath,
    env: limitEnv(grants.env, bounds.env),
    kubeconfig: grants.kubeconfig && bounds.kubeconfig,
    cluster,
    terminal: grants.terminal && bounds.terminal,
    completion: grants.completion && bounds.completion,
    limits: { ...grants.limits, maxMemory: Math.min(grants.limits.maxMemory, bounds.maxMemory) },
  };
}

/** The parts of a grant inside the bounds. */
function limitFile(
  grant: FileGrant,
  { read, write }: Pick<Bounds, "read" | "write">,
  real: (path: string) => string,
): FileGrant[] {
  // Where it leads now. Opening the file compares this with where it led when it was granted.
  const host = real(grant.host);
  const inside = (path: string, roots: readonly string[] | undefined): string[] => {
    if (roots === undefined) return [path];
    return roots.some((root) => isWithin(path, root)) ? [path] : roots.filter((root) => isWithin(root, path));
  };
  const part = (path: string, write: boolean): FileGrant => {
    if (path === host) return { ...grant, write };
    // The rest is a path from the policy.
    const rest = path.slice(host === "/" ? 0 : host.length);
    return {
      host: path,
      guest: grant.guest === grant.host ? path : grant.guest.replace(/\/$/, "") + rest,
      write,
      real: path,
    };
  };
  const readable = inside(host, read);
  const writable = grant.write ? readable.flatMap((path) => inside(path, write)) : [];
  return [
    ...readable.filter((path) => !writable.includes(path)).map((path) => part(path, false)),
    ...writable.map((path) => part(path, true)),
  ];
}

/** Where a path leads. For a missing path, its nearest existing directory decides. */
export function realOrNamed(path: string): string {
  const at = path.lastIndexOf("/");
  try {
    return realPath(path);
  } catch {
    if (at <= 0) return path;
    const parent = realOrNamed(path.slice(0, at));
    return `${parent === "/" ? "" : parent}${path.slice(at)}`;
  }
}

function limitEnv(env: EnvGrant, bound: EnvGrant): EnvGrant {
  if (bound === "all" || env === bound) return env;
  if (env === "all") return bound;
  if (bound === "default") return (env as readonly string[]).filter((name) => !isCredentialVariable(name));
  return env === "default"
    ? bound.filter((name) => !isCredentialVariable(name))
    : (env as readonly string[]).filter((name) => bound.includes(name));
}

/** The order of the words; rules rank between them. */
function rank(grant: ClusterGrant): number {
  return grant === "none" ? 0 : grant === "full" ? 2 : 1;
}
