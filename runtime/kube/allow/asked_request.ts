/**
 * What a person is asked about a request to the cluster: the request in parts and in words, and the rule that allows it and
 * nothing else. Pure.
 */

import { isVisible } from "../../base/invisible.ts";
import { printable } from "../../base/text.ts";
import type { RequestInfo } from "./request_info.ts";
import { type ClusterRule, parseRuleWord } from "./rules.ts";

/** A rule that may be granted. */
export interface OfferedRule {
  readonly rule: ClusterRule;
  /** The rule as `--allow-cluster=` takes it: what is shown is what is stored. */
  readonly word: string;
}

/** A request that a person may be asked about. */
export interface AskedRequest extends OfferedRule {
  /** Its parts, the namespace first: each stands on a line of its own. */
  readonly parts: readonly (readonly [label: string, value: string])[];
  /** The same for every name, where it has one. */
  readonly wider: (OfferedRule & { readonly words: string }) | undefined;
}

/** A name of DNS (RFC 1123), as Kubernetes has namespaces, resources and subresources. */
const LABEL = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/;
/** API groups, and most names of objects. */
const SUBDOMAIN = /^[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)*$/;
/** A service, Pod or node behind its proxy: `https:web:443`. */
const PROXIED = /^(?:https?:)?[a-z0-9][a-z0-9.-]*(?::[a-z0-9-]*)?$/;
/** No longer name fits into Kubernetes' own kinds, nor on a screen. */
const MAX_NAME = 253;

/**
 * What is asked about a request; undefined where nothing is: what the API server itself has no name for could only be meant
 * for the person who reads it, or be a wildcard in a rule.
 */
export function askedRequest(info: RequestInfo): AskedRequest | undefined {
  const { verb, namespace, name, path } = info;
  if (!/^[a-z]{2,30}$/.test(verb)) return undefined;
  if (!info.isResource) {
    const offered = path.length <= 500 && /^\/[!-~]*$/.test(path)
      ? offer({ verbs: [verb], nonResourceURLs: [path] })
      : undefined;
    return offered && { parts: [["verb", verb], ["path", path]], ...offered, wider: undefined };
  }
  if (!isNamed(info)) return undefined;
  const rule: ClusterRule = {
    verbs: [verb],
    apiGroups: [info.apiGroup],
    resources: [info.subresource === "" ? info.resource : `${info.resource}/${info.subresource}`],
    ...(name === "" ? {} : { resourceNames: [name] }),
    ...(namespace === "" ? {} : { namespaces: [namespace] }),
  };
  const offered = offer(rule);
  if (!offered) return undefined;
  const { resourceNames, ...every } = rule;
  const wider = resourceNames && offer(every);
  const what = resourceInWords(info);
  return {
    parts: [
      ["namespace", namespace === "" ? "every namespace, all of the cluster" : namespace],
      ["verb", verb],
      ["resource", what],
      ["name", name === "" ? "any" : name],
    ],
    ...offered,
    wider: wider && { ...wider, words: `${verb} ${what} of any name${where(info)}` },
  };
}

/** A rule that says in one word what it says. */
function offer(rule: ClusterRule): OfferedRule | undefined {
  const word = ruleWord(rule);
  const read = parseRuleWord(word);
  return read?.length === 1 && isSame(read[0]!, rule) ? { rule, word } : undefined;
}

/** The word of a rule of one verb, resource, name and namespace, or of one path. */
function ruleWord(
  { verbs, apiGroups, resources, resourceNames, namespaces, nonResourceURLs }: ClusterRule,
): string {
  if (nonResourceURLs) return `${verbs[0]}:${nonResourceURLs[0]}`;
  const [resource, subresource] = resources![0]!.split("/");
  return `${verbs[0]}:${resource}${apiGroups![0] === "" ? "" : `.${apiGroups![0]}`}` +
    (subresource === undefined ? "" : `/${subresource}`) +
    (resourceNames ? `[${resourceNames[0]}]` : "") +
    (namespaces ? `@${namespaces[0]}` : "");
}

function isSame(one: ClusterRule, other: ClusterRule): boolean {
  const fields = [
    "verbs",
    "apiGroups",
    "resources",
    "resourceNames",
    "namespaces",
    "nonResourceURLs",
  ] as const;
  const holdsNoWildcard = !fields.some((field) => one[field]?.some((word) => word.includes("*")));
  return holdsNoWildcard && fields.every((field) => one[field]?.join("\n") === other[field]?.join("\n"));
}

/** Whether every part has the form that the API server takes for one (apimachinery's and apiserver's own validation). */
function isNamed(info: RequestInfo): boolean {
  const { apiGroup, namespace, resource, subresource, name } = info;
  return LABEL.test(resource) && (subresource === "" || LABEL.test(subresource)) &&
    (apiGroup === "" || apiGroup.length <= MAX_NAME && SUBDOMAIN.test(apiGroup)) &&
    (namespace === "" || LABEL.test(namespace)) &&
    (name === "" || name.length <= MAX_NAME && isObjectName(info));
}

function isObjectName({ verb, apiGroup, resource, subresource, name }: RequestInfo): boolean {
  const isSegment = name !== "." && name !== ".." && !/[/%]/.test(name);
  // Not of objects: whom one may act as, and whose certificates one may sign (`example.com/client`).
  if (verb === "impersonate") return isVisible(name);
  if (verb === "approve" || verb === "sign" || verb === "attest") return /^[a-z0-9./-]+$/.test(name);
  // Roles may have any name that is one part of a path (ValidatePathSegmentName).
  if (apiGroup === "rbac.authorization.k8s.io") return isSegment;
  if (apiGroup === "networking.k8s.io" && resource === "ipaddresses") return /^[0-9a-f.:]+$/.test(name);
  if (apiGroup === "" && (verb === "proxy" || subresource === "proxy")) return PROXIED.test(name);
  const isKubernetes = apiGroup === "" || !apiGroup.includes(".") || apiGroup.endsWith(".k8s.io");
  // An aggregated server has rules of its own, such as `image:tag`.
  return SUBDOMAIN.test(name) || !isKubernetes && isSegment && /^[!-~]+$/.test(name);
}

function resourceInWords({ resource, apiGroup, subresource }: RequestInfo): string {
  return `${resource}${apiGroup === "" ? "" : `.${apiGroup}`}${subresource === "" ? "" : `/${subresource}`}`;
}

function where({ namespace, resource }: RequestInfo): string {
  if (resource === "namespaces") return "";
  return namespace === "" ? " in all of the cluster" : ` in the namespace ${quoted(namespace)}`;
}

/** `delete pods "web" in the namespace "default"`, for the log, the hint at exit and a refusal's message. Visible, on one line. */
export function requestInWords(info: RequestInfo): string {
  const { verb, name } = info;
  if (!info.isResource) return `${printable(verb, 30)} the path ${printable(info.path, 200)}`;
  return `${printable(verb, 30)} ${printable(resourceInWords(info), 200)}${
    name === "" ? "" : ` ${quoted(name)}`
  }${where(info)}`;
}

/** What stands between quotes holds none, and is cut by itself: nothing of it can be read as what follows. */
function quoted(text: string): string {
  return `"${printable(text.replace(/["\\]/g, "\\$&"), 100)}"`;
}
