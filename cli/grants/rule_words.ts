/** Cluster rules in words, their risk, and the flag that grants them. Pure. */

import { type ClusterRule, parseRuleWord } from "../../runtime/kube/allow/rules.ts";
import { listed } from "./shown_words.ts";

const READING = new Set(["get", "list", "watch"]);
/** Verbs that escalate the user's own rights. */
const MORE_RIGHTS = new Set(["impersonate", "escalate", "bind", "approve", "sign"]);
/** Resources that define access rights. */
const RIGHTS = /^(?:cluster)?role(?:binding)?s$/;
/** Subresources that reach into running containers, or bypass Kubernetes' rules. */
const INSIDE = /\/(?:exec|attach|portforward|proxy|token|ephemeralcontainers)$/;

/** All risks of a rule; empty without one. */
export function ruleRisk(rule: ClusterRule): string {
  const { verbs, resources = [] } = rule;
  const all = (list: readonly string[] | undefined) => list?.includes("*") ?? false;
  if (all(verbs) && all(resources)) return "everything that you may do";
  const reasons: string[] = [];
  if (all(verbs) || verbs.some((verb) => MORE_RIGHTS.has(verb)) || changes(verbs, resources, RIGHTS)) {
    reasons.push("it can give itself more rights");
  }
  if (all(resources) || resources.some((name) => INSIDE.test(name))) {
    reasons.push("it gets into containers and nodes, or makes tokens");
  }
  if (all(resources) || resources.includes("secrets")) reasons.push("Secrets are among it");
  if (reasons.length === 0 && !verbs.every((verb) => READING.has(verb))) {
    reasons.push("it changes the cluster");
  }
  return reasons.join("; ");
}

/** Whether a rule may change one of these resources. */
function changes(verbs: readonly string[], resources: readonly string[], which: RegExp): boolean {
  return verbs.some((verb) => !READING.has(verb)) &&
    resources.some((name) => name === "*" || which.test(name));
}

/** A rule in words: `get, list pods, pods/log in the namespace demo`. */
export function ruleInWords(rule: ClusterRule): string {
  const { verbs, apiGroups = [], resources = [], resourceNames, namespaces, nonResourceURLs } = rule;
  const doing = verbs.includes("*") ? "do anything with" : listed(verbs);
  if (nonResourceURLs) {
    return `${doing} the path${nonResourceURLs.length === 1 ? "" : "s"} ${listed(nonResourceURLs)}`;
  }
  const isCore = apiGroups.includes("");
  const others = apiGroups.filter((group) => group !== "");
  const groups = [...(isCore ? ["the core group"] : []), ...(others.length > 0 ? [listed(others)] : [])];
  const of = others.includes("*")
    ? " of any group"
    : others.length === 0
    ? ""
    : ` of ${groups.join(" and ")}`;
  const things = resources.includes("*") ? "every resource" : listed(resources);
  const named = resourceNames === undefined ? "" : ` named ${listed(resourceNames)}`;
  const where = namespaces === undefined
    ? ""
    : ` in the namespace${namespaces.length === 1 ? "" : "s"} ${listed(namespaces)}`;
  return `${doing} ${things}${of}${named}${where}`;
}

/** The flag that grants exactly this rule; undefined if there is none. */
export function ruleFlag(rule: ClusterRule, flag: string): string | undefined {
  const word = ruleWords(rule);
  const read = parseRuleWord(word)?.flatMap(singleRules) ?? [];
  const meant = singleRules(rule);
  return read.length === meant.length && meant.every((one) => read.includes(one))
    ? `${flag}=${word}`
    : undefined;
}

/** Expands a rule to one text for each resource and name, so that two spellings of one rule compare equal. */
function singleRules(rule: ClusterRule): string[] {
  const {
    verbs,
    apiGroups = [""],
    resources = [""],
    resourceNames = [undefined],
    namespaces,
    nonResourceURLs = [""],
  } = rule;
  return apiGroups.flatMap((group) =>
    resources.flatMap((resource) =>
      resourceNames.flatMap((name) =>
        nonResourceURLs.map((url) => JSON.stringify([verbs, group, resource, name, namespaces, url]))
      )
    )
  );
}

function ruleWords(rule: ClusterRule): string {
  const { verbs, apiGroups = [], resources = [], resourceNames = [], namespaces, nonResourceURLs } = rule;
  if (nonResourceURLs) return `${verbs.join(",")}:${nonResourceURLs.join(",")}`;
  const words = resources.flatMap((name) =>
    apiGroups.flatMap((group) => {
      const [resource, sub] = name.split("/");
      const word = (resource === "*" && group === "*" || group === "" ? resource : `${resource}.${group}`) +
        (sub === undefined ? "" : `/${sub}`);
      return resourceNames.length === 0 ? [word] : resourceNames.map((object) => `${word}[${object}]`);
    })
  );
  return `${verbs.join(",")}:${words.join(",")}${namespaces ? `@${namespaces.join(",")}` : ""}`;
}
