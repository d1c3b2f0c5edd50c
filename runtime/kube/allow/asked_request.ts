/**
 * Turns a request to the cluster into a permission request: its parts, its words, and a rule that allows exactly this
 * request. Pure.
 */

import { isVisible } from "../../base/invisible.ts";
import { printable } from "../../base/text.ts";
import type { RequestInfo } from "./request_info.ts";
import { type ClusterRule, parseRuleWord } from "./rules.ts";

/** A rule that may be granted. */
export interface OfferedRule {
  readonly rule: ClusterRule;
  /** The rule as `--allow-cluster=` takes it. The same text is shown and stored. */
  readonly word: string;
}

/** A request that a person may be asked about. */
export interface AskedRequest extends OfferedRule {
  /** The parts of the request, the namespace first. The prompt prints one part a line. */
  readonly parts: readonly (readonly [label: string, value: string])[];
  /** The same rule for every name, where the request has a name. */
  readonly wider: (OfferedRule & { readonly words: string }) | undefined;
}

/** A DNS label (RFC 1123): the form of namespaces, resources and subresources. */
const LABEL = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/;
/** A DNS subdomain: the form of API groups and most object names. */
const SUBDOMAIN = /^[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)*$/;
/** A service, Pod or node in a proxy path: `https:web:443`. */
const PROXIED = /^(?:https?:)?[a-z0-9][a-z0-9.-]*(?::[a-z0-9-]*)?$/;
/** Kubernetes' own kinds have no longer names, and a screen has no place for them. */
const MAX_NAME = 253;

/**
 * The question about a request. Returns undefined if the API server could not have a name of this form: such a name
 * could be text for the person to read, or a wildcard in a rule.
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

/** The rule with its text; undefined if the text does not parse back to the same rule. */
function offer(rule: ClusterRule): OfferedRule | undefined {
  const word = ruleWord(rule);
  const read = parseRuleWord(word);
  return read?.length === 1 && isSame(read[0]!, rule) ? { rule, word } : undefined;
}

/** The text of a rule for one verb, resource, name and namespace, or for one path. */
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

/** Whether every part has the form that apimachinery's and apiserver's own validation accepts. */
function isNamed(info: RequestInfo): boolean {
  const { apiGroup, namespace, resource, subresource, name } = info;
  return LABEL.test(resource) && (subresource === "" || LABEL.test(subresource)) &&
    (apiGroup === "" || apiGroup.length <= MAX_NAME && SUBDOMAIN.test(apiGroup)) &&
    (namespace === "" || LABEL.test(namespace)) &&
    (name === "" || name.length <= MAX_NAME && isObjectName(info));
}

function isObjectName({ verb, apiGroup, resource, subresource, name }: RequestInfo): boolean {
  const isSegment = name !== "." && name !== ".." && !/[/%]/.test(name);
  // These name no objects: they name a user to impersonate or a signer (`example.com/client`).
  if (verb === "impersonate") return isVisible(name);
  if (verb === "approve" || verb === "sign" || verb === "attest") return /^[a-z0-9./-]+$/.test(name);
  // A role's name may be any single path segment (ValidatePathSegmentName).
  if (apiGroup === "rbac.authorization.k8s.io") return isSegment;
  if (apiGroup === "networking.k8s.io" && resource === "ipaddresses") return /^[0-9a-f.:]+$/.test(name);
  if (apiGroup === "" && (verb === "proxy" || subresource === "proxy")) return PROXIED.test(name);
  const isKubernetes = apiGroup === "" || !apiGroup.includes(".") || apiGroup.endsWith(".k8s.io");
  // Aggregated servers have their own naming rules, such as `image:tag`.
  return SUBDOMAIN.test(name) || !isKubernetes && isSegment && /^[!-~]+$/.test(name);
}

/** `deployments.apps/scale`. Pure. */
export function resourceInWords({ resource, apiGroup, subresource }: RequestInfo): string {
  return `${resource}${apiGroup === "" ? "" : `.${apiGroup}`}${subresource === "" ? "" : `/${subresource}`}`;
}

function where({ namespace, resource }: RequestInfo): string {
  if (resource === "namespaces") return "";
  return namespace === "" ? " in all of the cluster" : ` in the namespace ${quoted(namespace)}`;
}

/** `delete pods "web" in the namespace "default"`, for the log, the hint at exit and refusals. Printable, on one line. */
export function requestInWords(info: RequestInfo): string {
  const { verb, name } = info;
  if (!info.isResource) return `${printable(verb, 30)} the path ${printable(info.path, 200)}`;
  return `${printable(verb, 30)} ${printable(resourceInWords(info), 200)}${
    name === "" ? "" : ` ${quoted(name)}`
  }${where(info)}`;
}

/** Quotes a text. It escapes quotes and cuts each text on its own, so that a name cannot imitate the words after it. */
function quoted(text: string): string {
  return `"${printable(text.replace(/["\\]/g, "\\$&"), 100)}"`;
}
