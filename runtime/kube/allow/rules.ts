/**
 * What a plugin may do on the cluster, in RBAC's terms (rbac/v1 PolicyRule) plus namespaces. Data and parsing only;
 * `authorize_request.ts` applies the rules. Pure.
 */

import { isObject } from "../../base/strict_json.ts";

/** Allows each of its verbs on each of its resources or URLs. `*` in a list means all. */
export interface ClusterRule {
  /** `get`, `list`, `watch`, `create`, `update`, `patch`, `delete`, `deletecollection`, `proxy`, … or an HTTP method for URLs. */
  readonly verbs: readonly string[];
  /** `""` is the core group. */
  readonly apiGroups?: readonly string[];
  /** `pods`, `pods/log`, `*`, `*` followed by `/scale`. A resource does not cover its subresources. */
  readonly resources?: readonly string[];
  /** Without this list: every name, and requests without a name. */
  readonly resourceNames?: readonly string[];
  /**
   * Without this list: every namespace, and cluster-wide requests. With it: only requests inside one of these
   * namespaces.
   */
  readonly namespaces?: readonly string[];
  /** Paths such as `/healthz` or `/apis/*`, for requests without a resource. */
  readonly nonResourceURLs?: readonly string[];
}

/** What a plugin may do on the cluster: nothing, read, everything its user may, or what the rules allow. */
export type ClusterGrant = "none" | "read-only" | "full" | {
  readonly rules: readonly ClusterRule[];
  /** It may also read everything. */
  readonly readOnly?: boolean;
};

const LISTS = ["verbs", "apiGroups", "resources", "resourceNames", "namespaces", "nonResourceURLs"] as const;

/**
 * Rules from parsed JSON or YAML: `{rules: [...]}`, as in a Role or ClusterRole, whose other fields are ignored.
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
  if (!isObject(entry)) {
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
  // An empty list would match nothing, but people mean "any" by it, and RBAC reads resourceNames so.
  if (resourceNames?.length === 0) delete rule.resourceNames;
  if (namespaces?.length === 0) throw new Error(`${where}.namespaces is empty: leave it out for all`);
  return { ...rule, verbs };
}

/** Parses a grant from JSON. @throws Error with the field's path */
export function parseClusterGrant(value: unknown): ClusterGrant {
  if (value === "none" || value === "read-only" || value === "full") return value;
  const readOnly = (value as { readOnly?: unknown } | null)?.readOnly ?? false;
  if (typeof readOnly !== "boolean") throw new Error("readOnly is neither true nor false");
  return { rules: parseRules(value), ...(readOnly ? { readOnly } : {}) };
}

/** Adds rules to a grant. A full grant becomes these rules alone: naming rules means to restrict. */
export function withRules(grant: ClusterGrant, rules: readonly ClusterRule[]): ClusterGrant {
  if (rules.length === 0) return grant;
  if (typeof grant === "string") return grant === "read-only" ? { rules, readOnly: true } : { rules };
  const known = new Set(grant.rules.map((rule) => JSON.stringify(rule)));
  const more = rules.filter((rule) => !known.has(JSON.stringify(rule)) && known.add(JSON.stringify(rule)));
  return { ...grant, rules: [...grant.rules, ...more] };
}

/** A request as `parseRequest` of request_info.ts returns it. */
type Asked = import("./request_info.ts").RequestInfo;

/**
 * Whether a rule covers a request, as RBAC decides it (k8s.io/kubernetes pkg/registry/rbac/validation and
 * apis/rbac/v1).
 */
export function ruleCovers(rule: ClusterRule, asked: Asked): boolean {
  if (!has(rule.verbs, asked.verb)) return false;
  if (!asked.isResource) return rule.nonResourceURLs?.some((url) => urlMatches(url, asked.path)) ?? false;
  const { apiGroups = [], resources = [], resourceNames, namespaces } = rule;
  return has(apiGroups, asked.apiGroup) &&
    resources.some((resource) => resourceMatches(resource, asked)) &&
    (resourceNames === undefined || resourceNames.includes(asked.name)) &&
    (namespaces === undefined || has(namespaces, asked.namespace) && asked.namespace !== "");
}

/**
 * Whether a deny rule covers a request. It works as {@linkcode ruleCovers}, but also matches a broader request that
 * would include a denied object, such as a list of all namespaces or all names.
 */
export function ruleDenies(rule: ClusterRule, asked: Asked): boolean {
  const { namespaces, resourceNames, ...rest } = rule;
  return ruleCovers(rest, asked) &&
    (namespaces === undefined || asked.namespace === "" || has(namespaces, asked.namespace)) &&
    (resourceNames === undefined || asked.name === "" || resourceNames.includes(asked.name));
}

function has(list: readonly string[], value: string): boolean {
  return list.includes("*") || list.includes(value);
}

function resourceMatches(resource: string, { resource: asked, subresource }: Asked): boolean {
  if (resource === "*") return true;
  if (subresource === "") return resource === asked;
  return resource === `${asked}/${subresource}` || resource === `*/${subresource}`;
}

function urlMatches(url: string, path: string): boolean {
  return url === "*" || url === path || url.endsWith("*") && path.startsWith(url.slice(0, -1));
}

/**
 * Parses a rule as flags take it: `VERB[,VERB]:RESOURCE[,RESOURCE][@NAMESPACE[,NAMESPACE]]`. Resources are written as
 * in kubectl: `pods/log`, `deployments.apps`, a subresource `deployments.apps/scale`, one object `secrets[db]`.
 * `VERB:/PATH` is a URL without a resource. Returns undefined for another form.
 */
export function parseRuleWord(text: string): ClusterRule[] | undefined {
  const match = /^([a-z*,]+):([^@]+?)(?:@([^@]*))?$/.exec(text);
  if (!match) return undefined;
  const verbs = match[1]!.split(",");
  const what = match[2]!.split(",");
  const namespaces = match[3]?.split(",");
  // One letter before a colon is a Windows drive.
  if (
    verbs.some((verb) => verb.length < 2 && verb !== "*") || what.includes("") || namespaces?.includes("")
  ) return undefined;
  if (what.every((word) => word.startsWith("/"))) {
    return namespaces === undefined && what.every((url) => /^\/[^*]*\*?$/.test(url))
      ? [{ verbs, nonResourceURLs: what }]
      : undefined;
  }
  const rules: ClusterRule[] = [];
  for (const word of what) {
    const parts = /^([a-z0-9*-]+)(?:\.([a-z0-9.*-]+))?(?:\/([a-z0-9*-]+))?(?:\[([^\[\]]+)\])?$/.exec(word);
    if (!parts) return undefined;
    const [, resource = "", group, subresource, name] = parts;
    rules.push({
      verbs,
      apiGroups: [resource === "*" && group === undefined ? "*" : group ?? ""],
      resources: [subresource === undefined ? resource : `${resource}/${subresource}`],
      ...(name === undefined ? {} : { resourceNames: [name] }),
      ...(namespaces === undefined ? {} : { namespaces }),
    });
  }
  return rules;
}
