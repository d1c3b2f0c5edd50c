/**
 * A publisher's wish: the grants that a plugin asks for, as JSON in the annotation `krew-wasm.dev/grants` (schema in
 * docs/grants.md). A wish grants nothing until the user or a flag accepts it. Pure.
 */

import {
  type EnvGrant,
  type FileGrant,
  type GrantChange,
  type Grants,
  LEAST,
  mergeGrants,
  NO_DENIALS,
  parseSize,
} from "../../runtime/grants/grants.ts";
import { type ClusterGrant, parseClusterGrant, withRules } from "../../runtime/kube/allow/rules.ts";
import { messageOf } from "../../runtime/base/errors.ts";
import { hostPath, withoutSlash } from "../../runtime/base/host_path.ts";

/** The annotation's name. */
export const WISH_ANNOTATION = "krew-wasm.dev/grants";

/** The version of the schema. */
export const WISH_VERSION = 1;

/** The longest wish, in UTF-16 units. People must be able to read it. */
const MAX_TEXT = 65_536;
const MAX_ITEMS = 100;

/** A parsed wish. */
export interface Wish {
  /** The publisher's reason; not yet safe to print. */
  readonly why: string | undefined;
  readonly change: GrantChange;
}

const FIELDS = new Set([
  "version",
  "why",
  "read",
  "write",
  "home",
  "env",
  "kubeconfig",
  "cluster",
  "maxMemory",
]);

/**
 * Parses a wish from the annotation.
 *
 * @param home the user's home directory, absolute, for paths that begin with `~/`
 * @throws Error naming the invalid field
 */
export function parseWish(text: string, home: string): Wish {
  if (text.length > MAX_TEXT) throw new Error(`it is longer than ${MAX_TEXT} characters`);
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    throw new Error("it is not JSON");
  }
  if (typeof json !== "object" || json === null || Array.isArray(json)) throw new Error("it is no object");
  const wish = json as Record<string, unknown>;
  for (const field of Object.keys(wish)) {
    if (!FIELDS.has(field)) throw new Error(`${field} is not a field of a wish`);
  }
  const { version, why, kubeconfig, cluster, maxMemory, env } = wish;
  if (version !== undefined && version !== WISH_VERSION) {
    throw new Error(`version is ${JSON.stringify(version)}, this krew-wasm reads ${WISH_VERSION}`);
  }
  if (why !== undefined && (typeof why !== "string" || why.length > 500)) {
    throw new Error("why is no text of at most 500 characters");
  }
  return {
    why,
    change: {
      files: [
        ...paths(wish.read, "read", home).map((path) => fileGrant(path, false)),
        ...paths(wish.write, "write", home).map((path) => fileGrant(path, true)),
      ],
      home: flag(wish.home, "home"),
      env: envOf(env),
      kubeconfig: flag(kubeconfig, "kubeconfig"),
      cluster: cluster === undefined ? undefined : clusterOf(cluster),
      rules: [],
      terminal: undefined,
      completion: undefined,
      limits: maxMemory === undefined ? {} : { maxMemory: memoryOf(maxMemory) },
      deny: NO_DENIALS,
    },
  };
}

function flag(value: unknown, field: string): true | undefined {
  if (value !== undefined && typeof value !== "boolean") {
    throw new Error(`${field} is neither true nor false`);
  }
  return value || undefined;
}

function words(value: unknown, field: string): readonly string[] {
  if (value === undefined) return [];
  if (!Array.isArray(value) || value.length > MAX_ITEMS || !value.every((item) => typeof item === "string")) {
    throw new Error(`${field} is no list of at most ${MAX_ITEMS} texts`);
  }
  return value;
}

/** Reads absolute paths and paths that begin with `~/`: a publisher does not know the user's home. */
function paths(value: unknown, field: string, home: string): string[] {
  return words(value, field).map((path, index) => {
    const named = hostPath(path);
    const absolute = named === "~" ? home : named.startsWith("~/") ? home + named.slice(1) : named;
    if (!/^(?:\/|[A-Za-z]:\/)/.test(absolute) || /\0|\/\/|\/\.{1,2}(?:\/|$)|::/.test(absolute)) {
      throw new Error(`${field}[${index}] is neither an absolute path nor one that begins with ~/`);
    }
    return absolute;
  });
}

/** A trailing slash means a directory, which need not exist yet. */
function fileGrant(path: string, write: boolean): FileGrant {
  const host = withoutSlash(path);
  return { host, guest: host, write, ...(host === path ? {} : { directory: true }) };
}

function envOf(value: unknown): EnvGrant | undefined {
  if (value === undefined || value === "default" || value === "all") return value;
  const names = words(value, "env");
  for (const name of names) {
    if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(name)) throw new Error(`env holds "${name}"`);
  }
  return names;
}

function clusterOf(value: unknown): ClusterGrant {
  try {
    return parseClusterGrant(value);
  } catch (error) {
    throw new Error(`cluster: ${messageOf(error)}`);
  }
}

function memoryOf(value: unknown): number {
  try {
    return parseSize(String(value), "maxMemory");
  } catch (error) {
    throw new Error(messageOf(error));
  }
}

/**
 * The grants before anyone grants anything: the least. A wish for less cluster access or less memory than the default
 * is applied.
 */
export function startingGrants(wish: Wish | undefined): Grants {
  const { cluster, limits } = wish?.change ?? {};
  const maxMemory = Math.min(limits?.maxMemory ?? LEAST.limits.maxMemory, LEAST.limits.maxMemory);
  return { ...LEAST, cluster: cluster ?? LEAST.cluster, limits: { ...LEAST.limits, maxMemory } };
}

/** Adds a wish to existing grants. */
export function wishedGrants(base: Grants, { change }: Wish): Grants {
  const { env, limits } = change;
  const maxMemory = Math.max(base.limits.maxMemory, limits.maxMemory ?? 0);
  return mergeGrants(base, {
    ...change,
    cluster: change.cluster === undefined ? undefined : bothOf(base.cluster, change.cluster),
    // "default" asks for nothing; an existing list stays.
    env: env === "default" ? undefined : env,
    limits: { maxMemory },
  });
}

function bothOf(one: ClusterGrant, other: ClusterGrant): ClusterGrant {
  if (one === "full" || other === "full") return "full";
  if (one === "none") return other;
  if (other === "none") return one;
  const rules = [one, other].flatMap((grant) => typeof grant === "object" ? grant.rules : []);
  const readOnly = [one, other].some((grant) =>
    grant === "read-only" || typeof grant === "object" && grant.readOnly
  );
  if (rules.length === 0) return "read-only";
  return withRules({ rules: [], ...(readOnly ? { readOnly } : {}) }, rules);
}

/** What `--grants=none` leaves: the private directory and the redacted kubeconfig. */
export const NOTHING: Grants = { ...LEAST, env: [], cluster: "none", completion: false };
