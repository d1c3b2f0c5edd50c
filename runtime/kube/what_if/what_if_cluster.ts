/** A cluster on which nothing changes: it sends writes as dry runs, and remembers what they would have changed. */

import { AppError } from "../../base/errors.ts";
import { printable } from "../../base/text.ts";
import { destinationOf } from "../allow/destination.ts";
import { requestInWords } from "../allow/asked_request.ts";
import { isBuiltIn } from "../allow/built_in_groups.ts";
import { mediaTypeOf, parseBody, readBytes, UnreadableBody } from "../allow/request_body.ts";
import { MeaninglessRequest, parseQuery, parseRequest, type RequestInfo } from "../allow/request_info.ts";
import type { Cluster, ClusterRequest, ClusterResponse } from "../cluster.ts";
import { statusResponse } from "../http/status.ts";
import { dryOptions, dryQuery, whatIf } from "./dry_run.ts";

/** An object of the API. */
export type ApiObject = Record<string, unknown>;

/** A write that was tried. */
export interface TriedWrite {
  readonly verb: string;
  /** `deployments.apps`, `pods`, `deployments.apps/scale` */
  readonly resource: string;
  /** Empty for a resource of the cluster. */
  readonly namespace: string;
  readonly name: string;
  /** As it is on the server; undefined if there is none. */
  readonly before: ApiObject | undefined;
  /** As it would be; undefined if it would be deleted. */
  readonly after: ApiObject | undefined;
}

/** What a run would have changed. */
export interface WhatIfRecord {
  readonly tried: TriedWrite[];
  /** What could not be tried: the request in words, and why. */
  readonly refused: { readonly what: string; readonly why: string }[];
}

/** The largest answer that is compared. Bytes. */
const MAX_ANSWER = 64 << 20;

/** Wraps a cluster. Everything that it does with the plugin's requests, it adds to `record`. */
export function whatIfCluster(cluster: Cluster, record: WhatIfRecord): Cluster {
  const { server } = cluster;
  const prefix = new URL(server).pathname.replace(/\/+$/, "");
  const local = new Map<string, Promise<boolean>>();

  const ask = async (path: string, signal?: AbortSignal): Promise<ApiObject | undefined> => {
    const headers = [["accept", "application/json"]] as const;
    const response = await cluster.send({ method: "GET", url: path, headers, ...(signal ? { signal } : {}) });
    const bytes = await bytesOf(response);
    return response.status === 200 && bytes ? objectOf(bytes) : undefined;
  };
  /** Whether kube-apiserver itself serves a group, custom resources included. Other servers may ignore dry runs. */
  const isLocal = ({ apiGroup, apiVersion }: RequestInfo): Promise<boolean> => {
    if (isBuiltIn(apiGroup)) return Promise.resolve(true);
    const name = `${apiVersion}.${apiGroup}`;
    if (!/^[a-z0-9.-]+$/.test(name)) return Promise.resolve(false);
    let found = local.get(name);
    if (!found) {
      found = ask(`/apis/apiregistration.k8s.io/v1/apiservices/${name}`).then((service) => {
        const spec = service?.spec as { service?: unknown } | undefined;
        return spec !== undefined && (spec.service === undefined || spec.service === null);
      }, () => false);
      local.set(name, found);
    }
    return found;
  };
  const refuse = (what: string, why: string, head = false): ClusterResponse => {
    record.refused.push({ what, why });
    const message = printable(
      `krew-wasm tries what would change (what-if), and did not ${what}: ${why}`,
      1000,
    );
    return statusResponse({ code: 403, reason: "Forbidden", message }, head);
  };
  const refusedUpgrade = async (request: { readonly url: string }): Promise<ClusterResponse> => {
    const info = infoOf("GET", destinationOf(server, request.url), prefix);
    return await Promise.resolve(
      refuse(info ? requestInWords(info) : "open a connection", "it connects to something in the cluster"),
    );
  };

  async function send(request: ClusterRequest): Promise<ClusterResponse> {
    const url = destinationOf(server, request.url);
    const method = request.method.toUpperCase();
    const info = infoOf(method, url, prefix);
    if (info === undefined) {
      throw new AppError("REQUEST_INVALID", "The API server would not understand the request");
    }
    const decided = whatIf(method, info);
    if (decided.kind === "read") return await cluster.send(request);
    const what = requestInWords(info);
    const no = async (why: string) => {
      await readBytes(request.body).catch(() => {}); // as a server does; else the plugin would wait
      return refuse(what, why, method === "HEAD");
    };
    if (decided.kind === "refused") return await no(decided.why);
    if (!await isLocal(info)) return await no(`the server of ${info.apiGroup} may not support dry runs`);
    let { body, headers } = { body: await readBytes(request.body), headers: request.headers };
    if (decided.options !== "none" && body.length > 0) {
      const parsed = await parseBody(mediaTypeOf(headers), body);
      const options = dryOptions(decided.options, parsed.value);
      if (!options) return await no("its options cannot be read");
      body = new TextEncoder().encode(JSON.stringify(options));
      headers = [
        ...headers.filter(([name]) => name.toLowerCase() !== "content-type"),
        ["content-type", "application/json"],
      ];
    } else if (decided.options === "eviction") return await no("its options cannot be read");
    const path = `${url.pathname.slice(prefix.length)}`;
    const dry = `${path}?${dryQuery(parseQuery(url.search.slice(1)))}`;
    const sent = {
      method,
      url: dry,
      ...(body.length > 0 ? { body } : {}),
      ...(request.signal ? { signal: request.signal } : {}),
    };
    const response = await cluster.send({ ...sent, headers });
    if (response.status >= 300) return response;
    const bytes = await bytesOf(response);
    if (bytes === undefined) {
      throw new AppError("REQUEST_INVALID", "The answer of the API server is too large");
    }
    const answer = plainObject(bytes) ?? await again(sent, headers);
    await remember(info, path, answer);
    return { ...response, headers: withLength(response.headers, bytes.length), body: streamOf(bytes) };
  }

  /** The answer as JSON, where the plugin asked for another form. A dry run can be sent twice. */
  async function again(
    sent: Omit<ClusterRequest, "headers">,
    headers: ClusterRequest["headers"],
  ): Promise<ApiObject | undefined> {
    const others = headers.filter(([name]) => name.toLowerCase() !== "accept");
    const response = await cluster.send({ ...sent, headers: [...others, ["accept", "application/json"]] });
    const bytes = await bytesOf(response);
    return response.status < 300 && bytes ? plainObject(bytes) : undefined;
  }

  async function remember(info: RequestInfo, path: string, answer: ApiObject | undefined): Promise<void> {
    const { verb, apiGroup, subresource, namespace } = info;
    const resource = `${info.resource}${apiGroup === "" ? "" : `.${apiGroup}`}${
      subresource === "" ? "" : `/${subresource}`
    }`;
    const metadata = (object: ApiObject | undefined) =>
      (object?.metadata ?? {}) as { readonly name?: unknown; readonly namespace?: unknown };
    const add = (name: string, before: ApiObject | undefined, after: ApiObject | undefined) => {
      record.tried.push({
        verb,
        resource,
        namespace: textOr(metadata(after ?? before).namespace, namespace),
        name,
        before,
        after,
      });
    };
    if (verb === "deletecollection") {
      for (const item of Array.isArray(answer?.items) ? answer.items : []) {
        add(textOr(metadata(item).name, ""), item, undefined);
      }
      return;
    }
    const name = info.name || textOr(metadata(answer).name, "");
    if (verb === "create" && subresource === "eviction") return add(name, undefined, undefined);
    const before = verb === "create" ? undefined : await ask(path).catch(() => undefined);
    add(name, before, verb === "delete" ? undefined : answer);
  }

  return {
    context: cluster.context,
    server,
    namespace: cluster.namespace,
    async send(request) {
      try {
        return await send(request);
      } catch (error) {
        if (!(error instanceof UnreadableBody)) throw error;
        return refuse("send a request", error.message);
      }
    },
    upgrade: async (request) => ({ refused: await refusedUpgrade(request) }),
    tunnel: async (request) => ({ refused: await refusedUpgrade(request) }),
    async sockets() {
      const sockets = await cluster.sockets();
      return {
        ...sockets,
        connect() {
          refuse("open a socket to the API server", "krew-wasm cannot see what it sends");
          return Promise.reject(
            new AppError(
              "DESTINATION_REFUSED",
              "krew-wasm does not open sockets while it tries what would change (what-if)",
            ),
          );
        },
      };
    },
  };
}

function infoOf(method: string, url: URL, prefix: string): RequestInfo | undefined {
  try {
    return parseRequest(method, url.pathname.slice(prefix.length) || "/", url.search.slice(1));
  } catch (error) {
    if (error instanceof MeaninglessRequest) return undefined;
    throw error;
  }
}

/** A response's body; undefined if it is too large. */
async function bytesOf({ body }: ClusterResponse): Promise<Uint8Array<ArrayBuffer> | undefined> {
  if (body === null) return new Uint8Array();
  const parts: Uint8Array<ArrayBuffer>[] = [];
  let size = 0;
  for await (const part of body) {
    size += part.length;
    if (size > MAX_ANSWER) return undefined;
    parts.push(part);
  }
  return new Uint8Array(await new Blob(parts).arrayBuffer());
}

/** The answer as an object of the API; undefined for another form, a table too. */
function plainObject(bytes: Uint8Array): ApiObject | undefined {
  const object = objectOf(bytes);
  return object?.kind === "Table" ? undefined : object;
}

function objectOf(bytes: Uint8Array): ApiObject | undefined {
  try {
    const value = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
    return typeof value === "object" && value !== null && !Array.isArray(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

function withLength(headers: ClusterResponse["headers"], length: number): ClusterResponse["headers"] {
  return [...headers.filter(([name]) => name !== "content-length"), ["content-length", String(length)]];
}

function streamOf(bytes: Uint8Array<ArrayBuffer>): ReadableStream<Uint8Array<ArrayBuffer>> {
  return new Blob([bytes]).stream() as ReadableStream<Uint8Array<ArrayBuffer>>;
}

function textOr(value: unknown, other: string): string {
  return typeof value === "string" ? value : other;
}
