/**
 * A publisher's wish: the grants that a plugin asks for, as JSON in the annotation `krew-wasm.dev/grants` (schema in
 * docs/grants.md). A wish grants nothing until the user or a flag accepts it. Pure.
 */

import {
  type EnvGrant,
  type FileGrant,
  type GrantChange,
  type Grants,
  type KubeconfigGrant,
  LEAST,
  NO_DENIALS,
} from "../../runtime/grants/grants.ts";
import { mergeGrants } from "../../runtime/grants/merge_grants.ts";
import { parseSize } from "../../runtime/grants/size.ts";
import { readPorts } from "../../runtime/grants/listen_grant.ts";
import { kubeconfigGrant } from "../../runtime/grants/grants_json.ts";
import { type ClusterGrant, parseClusterGrant, withRules } from "../../runtime/kube/allow/rules.ts";
import { hostPath, withoutSlash } from "../../runtime/base/host_path.ts";
import {
  boolean,
  converted,
  list,
  malformed,
  object,
  optional,
  parseJson,
  type Reader,
  text,
} from "../../runtime/base/strict_json.ts";

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

/** The fields of a wish, before paths are resolved. */
interface Fields {
  readonly version?: number;
  readonly why?: string;
  readonly read?: readonly FileGrant[];
  readonly write?: readonly FileGrant[];
  readonly home?: boolean;
  readonly env?: EnvGrant;
  readonly kubeconfig?: KubeconfigGrant;
  readonly cluster?: ClusterGrant;
  readonly listen?: readonly number[];
  readonly maxMemory?: number;
}

/**
 * Parses a wish from the annotation.
 *
 * @param home the user's home directory, absolute, for paths that begin with `~/`
 * @throws Error naming the invalid field
 */
export function parseWish(content: string, home: string): Wish {
  if (content.length > MAX_TEXT) throw new Error(`it is longer than ${MAX_TEXT} characters`);
  const wish = wishReader(home)(parseJson(content), "");
  return {
    why: wish.why,
    change: {
      files: [...wish.read ?? [], ...wish.write ?? []],
      home: wish.home || undefined,
      env: wish.env,
      kubeconfig: wish.kubeconfig || undefined,
      cluster: wish.cluster,
      rules: [],
      listen: wish.listen,
      terminal: undefined,
      completion: undefined,
      limits: wish.maxMemory === undefined ? {} : { maxMemory: wish.maxMemory },
      deny: NO_DENIALS,
    },
  };
}

function wishReader(home: string): Reader<Fields> {
  const env: Reader<EnvGrant> = (value, path) =>
    value === "default" || value === "all" ? value : VARIABLES(value, path);
  return object<Fields>({
    version: optional((value, path) =>
      value === WISH_VERSION
        ? WISH_VERSION
        : malformed(path, `is ${JSON.stringify(value)}, this krew-wasm reads ${WISH_VERSION}`)
    ),
    why: optional(text(/^[^]{0,500}$/, "is no text of at most 500 characters")),
    read: optional(list(fileReader(home, false), MAX_ITEMS)),
    write: optional(list(fileReader(home, true), MAX_ITEMS)),
    home: optional(boolean),
    env: optional(env),
    kubeconfig: optional(kubeconfigGrant),
    cluster: optional(converted(parseClusterGrant)),
    // A wish names its ports, so that people see what they agree to.
    listen: optional(readPorts),
    maxMemory: optional(converted((value) => parseSize(String(value), "maxMemory"))),
  });
}

const VARIABLES = list(text(/^[A-Za-z_][A-Za-z0-9_]*$/, "is not the name of a variable"), MAX_ITEMS);

/**
 * Reads an absolute path, or one that begins with `~/`: a publisher does not know the user's home. A trailing slash means
 * a directory, which need not exist yet.
 */
function fileReader(home: string, write: boolean): Reader<FileGrant> {
  return (value, path) => {
    const named = hostPath(text(undefined, "is no path")(value, path));
    const absolute = named === "~" ? home : named.startsWith("~/") ? home + named.slice(1) : named;
    if (!/^(?:\/|[A-Za-z]:\/)/.test(absolute) || /\0|\/\/|\/\.{1,2}(?:\/|$)|::/.test(absolute)) {
      return malformed(path, "is neither an absolute path nor one that begins with ~/");
    }
    const host = withoutSlash(absolute);
    return { host, guest: host, write, ...(host === absolute ? {} : { directory: true }) };
  };
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
