/**
 * What a plugin may do on the cluster, in the words of Kubernetes' RBAC (rbac/v1 PolicyRule), with namespaces beside them.
 * Data and its parsing; `guard.ts` holds requests to it. Pure.
 */

/** One thing that is allowed: any of its verbs, on any of its resources or URLs. Lists hold `*` for all. */
export interface ClusterRule {
  /** `get`, `list`, `watch`, `create`, `update`, `patch`, `delete`, `deletecollection`, `proxy`, … or an HTTP method for URLs. */
  readonly verbs: readonly string[];
  /** `""` is the core group. */
  readonly apiGroups?: readonly string[];
  /** `pods`, `pods/log`, `*`, `*` followed by `/scale`: a resource does not cover its subresources. */
  readonly resources?: readonly string[];
  /** Without it every name, and requests that have none. */
  readonly resourceNames?: readonly string[];
  /** Without it every namespace, and what has none. With it, only requests inside one of these. */
  readonly namespaces?: readonly string[];
  /** Paths such as `/healthz` or `/apis/*`, for requests that name no resource. */
  readonly nonResourceURLs?: readonly string[];
}

/** What a plugin may do on the cluster: nothing, look, all that its user may, or what rules say. */
export type ClusterGrant = "none" | "read-only" | "full" | { readonly rules: readonly ClusterRule[] };

const LISTS = ["verbs", "apiGroups", "resources", "resourceNames", "namespaces", "nonResourceURLs"] as const;

/**
 * Rules from parsed JSON or YAML: `{rules: [...]}`, as in a Role or ClusterRole (whose other fields may stand beside them).
 *
 * @throws Error with the field's path, such as `rules[1].verbs is missing`
 */
export function parseRules(value: unknown): ClusterRule[] {
  const rules = typeof value === "object" && value !== null
    ? (value as { rules?: unknown }).rules
    : undefined;
  if (!Array.isArray(rules)) throw new Error("rules is missing or no list");
  return rules.map((entry: unknown, index) => parseRule(entry, `rules[${index}]`));
}

function parseRule(entry: unknown, where: string): ClusterRule {
  if (typeof entry !== "object" || entry === null || Array.isArray(entry)) {
    throw new Error(`${where} is no object`);
  }
  const rule: Partial<Record<typeof LISTS[number], readonly string[]>> = {};
  for (const [field, list] of Object.entries(entry)) {
    if (!(LISTS as readonly string[]).includes(field)) {
      throw new Error(`${where}.${field} is not a field of a rule`);
    }
    if (list === null || list === undefined) continue;
    if (!Array.isArray(list) || !list.every((item) => typeof item === "string")) {
      throw new Error(`${where}.${field} is not a list of words`);
    }
    rule[field as typeof LISTS[number]] = list;
  }
  const { verbs, apiGroups, resources, nonResourceURLs, resourceNames, namespaces } = rule;
  if (!verbs || verbs.length === 0) throw new Error(`${where}.verbs is missing`);
  if (nonResourceURLs && nonResourceURLs.length > 0) {
    if (apiGroups?.length || resources?.length || resourceNames?.length || namespaces?.length) {
      throw new Error(`${where} has nonResourceURLs beside resources: write two rules`);
    }
    for (const url of nonResourceURLs) {
      if (url !== "*" && !/^\/[^*]*\*?$/.test(url)) {
        throw new Error(`${where}.nonResourceURLs: "${url}" is neither a path nor one with a * at its end`);
      }
    }
  } else {
    if (!apiGroups || apiGroups.length === 0) {
      throw new Error(`${where}.apiGroups is missing ("" is the core group)`);
    }
    if (!resources || resources.length === 0) throw new Error(`${where}.resources is missing`);
  }
  // An empty list grants nothing in none of them, but people mean "any" by it, and RBAC reads resourceNames so.
  if (resourceNames?.length === 0) delete rule.resourceNames;
  if (namespaces?.length === 0) throw new Error(`${where}.namespaces is empty: leave it out for all`);
  return { ...rule, verbs };
}

/** A grant as JSON holds it. @throws Error with the field's path */
export function parseClusterGrant(value: unknown): ClusterGrant {
  if (value === "none" || value === "read-only" || value === "full") return value;
  return { rules: parseRules(value) };
}
