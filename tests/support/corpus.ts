/**
 * The corpus of requests, `tests/fixtures/requests.txt`: what the API server reads in each, from the audit log of a
 * kube-apiserver. A line is `TARGET<tab>METHOD=verb …<tab>URL`. To record it, run `RECORD=1 deno test -A
 * tests/integration/audit_test.ts`.
 */

import { fileURLToPath } from "node:url";
import type { RequestInfo } from "../../runtime/kube/allow/request_info.ts";

/** The corpus's file. */
export const CORPUS = fileURLToPath(new URL("../fixtures/requests.txt", import.meta.url));

/** The methods for each path. */
export const METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"] as const;

/** One request and its meaning. */
export interface Entry {
  readonly method: string;
  readonly url: string;
  /** In the form of {@linkcode target}. */
  readonly target: string;
  readonly verb: string;
}

/** A request's target in one word: `version group resource/subresource[name]@namespace`; `-` without a resource. */
export function target(
  info: Pick<
    RequestInfo,
    "isResource" | "apiVersion" | "apiGroup" | "resource" | "subresource" | "name" | "namespace"
  >,
): string {
  if (!info.isResource) return "-";
  const { apiVersion, apiGroup, resource, subresource, name, namespace } = info;
  return `${apiGroup}/${apiVersion}:${resource}/${subresource}[${name}]@${namespace}`;
}

/** The lines of the file. */
export function formatCorpus(entries: readonly Entry[]): string {
  const lines = new Map<string, string[]>();
  for (const { method, url, target, verb } of entries) {
    const key = `${target}\t${url}`;
    const verbs = lines.get(key) ?? [];
    verbs.push(`${method}=${verb}`);
    lines.set(key, verbs);
  }
  return [...lines].map(([key, verbs]) => {
    const [target, url] = key.split("\t");
    return `${target}\t${verbs.join(" ")}\t${url}\n`;
  }).join("");
}

/** The reverse of {@linkcode formatCorpus}. */
export function parseCorpus(text: string): Entry[] {
  return text.trimEnd().split("\n").flatMap((line) => {
    const [target = "", verbs = "", url = ""] = line.split("\t");
    return verbs.split(" ").map((entry) => {
      const [method = "", verb = ""] = entry.split("=");
      return { method, url, target, verb };
    });
  });
}

const VALUES: Readonly<Record<string, string>> = {
  namespace: "demo",
  name: "web",
  path: "some/where",
  logpath: "kube.log",
};

/** The URLs of an OpenAPI v2 document with values for parameters, and further spellings of clients and attackers. */
export function corpusUrls(openapi: { readonly paths: Readonly<Record<string, unknown>> }): string[] {
  const served = Object.keys(openapi.paths).map((path) =>
    path.replace(/\{(\w+)\}/g, (_, name: string) => VALUES[name] ?? `a-${name}`)
  );
  return [...new Set([...served, ...BY_HAND])];
}

const BY_HAND = [
  ...[
    "watch=true",
    "watch=1",
    "watch=0",
    "watch=false",
    "watch",
    "watch=",
    "w%61tch=1",
    "watch=1;",
    "watch=0&watch=1",
    "Watch=1",
    "limit=x&watch=1",
    "limit=500",
    "fieldSelector=metadata.name%3Dweb",
    "fieldSelector=metadata.name%3D%3Dweb",
    "fieldSelector=metadata.name!%3Dweb",
    "fieldSelector=metadata.name=web",
    "fieldSelector=metadata.name%3Dweb,status.phase%3DRunning",
    "fieldSelector=status.phase%3DRunning,metadata.name%3Dweb&watch=true",
    "fieldSelector=metadata.name%3Da%2Fb",
    "fieldSelector=metadata.name%3Dweb%5C,x",
    "fieldSelector=metadata.name",
    "labelSelector=app%3Dweb",
    "resourceVersion=0&timeoutSeconds=1&allowWatchBookmarks=true&watch=true",
    "dryRun=All",
  ]
    .flatMap((query) => [`/api/v1/namespaces/demo/pods?${query}`, `/apis/apps/v1/deployments?${query}`]),
  "/api/v1/pods/",
  "/api/v1/%70ods",
  "/%61pi/v1/pods",
  "/API/v1/pods",
  "/api/v1/Pods",
  "/api/v1/namespaces/demo/pods/web/",
  "/api/v1/namespaces/demo/pods/we%62",
  "/api/v1/namespaces/d%65mo/pods/web/log",
  "/api/v1/namespaces/demo/pods/web/log?follow=true",
  "/api/v1/namespaces/demo/pods/web/exec?command=ls&stdout=true",
  "/api/v1/namespaces/demo/pods/web?watch=true",
  "/api/v1/namespaces/demo/finalize",
  "/api/v1/namespaces/demo/status",
  "/api/v1/namespaces/demo/status/extra",
  "/api/v1/namespaces/demo/x/y/z/more/parts",
  "/api/v1/namespaces/",
  "/api/v1/watch/pods",
  "/api/v1/proxy/namespaces/demo/pods/web/x",
  "/api/v1/nodes/n1/proxy/pods",
  "/api/v1/namespaces/demo/services/web:80/proxy",
  "/apis/example.com/v1/namespaces/demo/widgets/w/scale",
  "/apis/example.com/v1/widgets",
  "/apis/example.com/v1",
  "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews",
  "/api/v1/namespaces/demo/serviceaccounts/web/token",
  "/api/v1/namespaces/demo/pods/web/eviction",
  "/",
  "/healthz/ping",
  "/metrics",
  "/version/",
  "/openapi/v3/api/v1",
  "/debug/pprof/",
];
