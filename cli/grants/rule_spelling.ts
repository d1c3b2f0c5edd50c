/** Finds misspelt verbs and resources in cluster rules. Such a rule is valid, but grants or denies nothing. Pure. */

import { nearest } from "../../runtime/base/nearest.ts";
import { printable } from "../../runtime/base/text.ts";
import type { ClusterRule } from "../../runtime/kube/allow/rules.ts";
import { BUILTIN_RESOURCES } from "./builtin_resources.ts";

const VERBS = [
  ...["get", "list", "watch", "create", "update", "patch", "delete", "deletecollection"],
  ...["impersonate", "bind", "escalate", "approve", "sign", "attest", "use"],
];
/** Verbs of requests for paths: HTTP's methods. */
const PATH_VERBS = ["get", "post", "put", "patch", "delete", "head", "options"];

/** Warnings about rules, with the right name where it is known. Empty if nothing looks misspelt. */
export function spellingWarnings(rules: readonly ClusterRule[]): string[] {
  const warnings = rules.flatMap((rule) => {
    const { verbs, resources = [], apiGroups = [], nonResourceURLs } = rule;
    const known = nonResourceURLs ? PATH_VERBS : VERBS;
    return [
      ...verbs.flatMap((verb) => verbWarning(verb, known)),
      ...resources.flatMap((resource) => apiGroups.flatMap((group) => resourceWarning(resource, group))),
    ];
  });
  return [...new Set(warnings)];
}

function verbWarning(verb: string, known: readonly string[]): string[] {
  if (verb === "*" || known.includes(verb)) return [];
  const near = nearest(verb.toLowerCase(), known);
  // Other API servers may define verbs of their own.
  return [warning(verb, "is not a verb of Kubernetes", near)];
}

function resourceWarning(name: string, group: string): string[] {
  const [resource = ""] = name.split("/");
  if (resource === "*" || group === "*") return [];
  const named = BUILTIN_RESOURCES.filter(({ plural }) => plural === resource);
  if (named.some((each) => each.group === group)) return [];
  const isBuiltinGroup = BUILTIN_RESOURCES.some((each) => each.group === group);
  // Any resource may exist in a group that Kubernetes does not define.
  if (!isBuiltinGroup) return [];
  const full = group === "" ? resource : `${resource}.${group}`;
  if (named.length > 0) {
    return [warning(full, `is not a resource of ${groupText(group)}`, named.map(fullName))];
  }
  const lower = resource.toLowerCase();
  const others = BUILTIN_RESOURCES.filter(({ plural, others }) => plural === lower || others.includes(lower));
  const own = others.filter((each) => each.group === group);
  const meant = own.length > 0 ? own : others;
  if (meant.length > 0) return [warning(full, "is not the plural that rules use", meant.map(fullName))];
  const near = nearest(lower, [...new Set(BUILTIN_RESOURCES.map(({ plural }) => plural))]);
  if (near.length === 0 && group !== "") return []; // a resource that is newer than the table
  const names = BUILTIN_RESOURCES.filter(({ plural }) => near.includes(plural)).map(fullName);
  return [
    names.length > 0
      ? warning(full, `is not a resource of ${groupText(group)}`, names)
      : `"${printable(full, 100)}" is not a resource of the core group; name its group: ${
        printable(full, 100)
      }.GROUP`,
  ];
}

function fullName({ plural, group }: { readonly plural: string; readonly group: string }): string {
  return group === "" ? plural : `${plural}.${group}`;
}

function groupText(group: string): string {
  return group === "" ? "the core group" : group;
}

function warning(word: string, what: string, meant: readonly string[]): string {
  const names = [...new Set(meant)].slice(0, 3);
  return `"${printable(word, 100)}" ${what}${
    names.length > 0 ? `; did you mean ${names.join(" or ")}?` : ""
  }`;
}
