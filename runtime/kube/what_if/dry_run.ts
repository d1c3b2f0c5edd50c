/**
 * Turns a plugin's request into one that changes nothing: a read passes as it is, a write becomes a dry run, and what the
 * API server cannot try is refused. When in doubt, a request is refused. Pure.
 *
 * A dry run has `dryRun=All` in its query (Kubernetes API concepts, "Dry-run"). The options in the body of a DELETE, and
 * those in an Eviction, replace the query's, so they get the same field.
 */

import type { RequestInfo } from "../allow/request_info.ts";

/** What becomes of a request. */
export type WhatIf =
  | { readonly kind: "read" }
  /** `body`: whether the body has options that need the field, and where. */
  | { readonly kind: "write"; readonly options: "none" | "body" | "eviction" }
  /** `why` completes "it was not tried: …". */
  | { readonly kind: "refused"; readonly why: string };

/** Subresources of Kubernetes' own groups whose writes can be tried. */
const SUBRESOURCES: ReadonlySet<string> = new Set([
  "",
  "status",
  "scale",
  "ephemeralcontainers",
  "resize",
  "approval",
]);
/** Subresources that act on a GET, too. */
const CONNECTS: ReadonlySet<string> = new Set(["exec", "attach", "portforward", "proxy"]);
const WRITES: ReadonlySet<string> = new Set(["create", "update", "patch", "delete", "deletecollection"]);
/** Questions to the API server in the form of objects. It stores none of them. */
const REVIEWS =
  /^(?:(?:self|local)?subject(?:access|rules)reviews\.authorization|(?:selfsubject|token)reviews\.authentication)\.k8s\.io$/;

/** Decides about a request by its method and its RequestInfo. */
export function whatIf(method: string, info: RequestInfo): WhatIf {
  const { verb, resource, apiGroup, subresource } = info;
  const reads = method === "GET" || method === "HEAD";
  if (!info.isResource) {
    return reads ? { kind: "read" } : { kind: "refused", why: "it is no request for a resource" };
  }
  if (verb === "proxy" || CONNECTS.has(subresource) || resource === "*") {
    return { kind: "refused", why: "it connects to something in the cluster" };
  }
  if (reads) return { kind: "read" };
  if (verb === "create" && subresource === "" && REVIEWS.test(`${resource}.${apiGroup}`)) {
    return { kind: "read" };
  }
  if (!WRITES.has(verb)) {
    return { kind: "refused", why: `the verb ${verb === "" ? method : verb} cannot be tried` };
  }
  if (verb === "create" && apiGroup === "" && resource === "pods" && subresource === "eviction") {
    return { kind: "write", options: "eviction" };
  }
  if (!SUBRESOURCES.has(subresource) || apiGroup === "" && resource === "bindings") {
    return {
      kind: "refused",
      why: `${resource}${subresource === "" ? "" : `/${subresource}`} cannot be tried`,
    };
  }
  return { kind: "write", options: verb === "delete" || verb === "deletecollection" ? "body" : "none" };
}

/** A query with `dryRun=All` in place of what the plugin asked for. */
export function dryQuery(query: ReadonlyMap<string, readonly string[]>): string {
  const parameters = new URLSearchParams();
  for (const [name, values] of query) {
    if (name !== "dryRun") { for (const value of values) parameters.append(name, value); }
  }
  parameters.append("dryRun", "All");
  return parameters.toString();
}

/**
 * The options of a DELETE, or an Eviction, with the field of a dry run.
 *
 * @returns undefined if the value is no object
 */
export function dryOptions(kind: "body" | "eviction", value: unknown): Record<string, unknown> | undefined {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return undefined;
  const dryRun = ["All"];
  if (kind === "body") return { ...value, dryRun };
  const { deleteOptions, ...rest } = value as Record<string, unknown>;
  if (deleteOptions === undefined || deleteOptions === null) return { ...rest, deleteOptions: { dryRun } };
  const options = dryOptions("body", deleteOptions);
  return options && { ...rest, deleteOptions: options };
}
