/** A cluster on which nothing changes: it sends writes as dry runs, and remembers what they would have changed. */

import { AppError } from "../../base/errors.ts";
import { printable } from "../../base/text.ts";
import { requestInWords, resourceInWords } from "../allow/asked_request.ts";
import { isBuiltIn } from "../allow/built_in_groups.ts";
import { mediaTypeOf, parseBody, readBytes, UnreadableBody } from "../allow/request_body.ts";
import { requestReader } from "../allow/read_request.ts";
import type { RequestInfo } from "../allow/request_info.ts";
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
  /** False as long as the server has not answered: what would change is not known. */
  readonly answered: boolean;
  /** The server refused it; it is among the refused ones. */
  readonly failed?: boolean;
}

/** What a run would have changed. */
export interface WhatIfRecord {
  /** Each write, from the moment when it is sent. */
  readonly tried: TriedWrite[];
  /** What could not be tried: the request in words, and why. */
  readonly refused: { readonly what: string; readonly why: string }[];
}

/** The largest answer that is compared. Bytes. */
const MAX_ANSWER = 64 << 20;

/** Wraps a cluster. Everything that it does with the plugin's requests, it adds to `record`. */
export function whatIfCluster(cluster: Cluster, record: WhatIfRecord): Cluster {
  const { server } = cluster;
  const read = requestReader(server);
  const local = new Map<string, Promise<boolean>>();

  const ask = async (path: string): Promise<ApiObject | undefined> => {
    const headers = [["accept", "application/json"]] as const;
    const response = await cluster.send({ method: "GET", url: path, headers });
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
  const refusedUpgrade = ({ url }: Pick<ClusterRequest, "url">): ClusterResponse =>
    refuse(requestInWords(read({ method: "GET", url }).info), "it connects to something in the cluster");

  async function send(request: ClusterRequest): Promise<ClusterResponse> {
    const { method, path, info, query } = read(request);
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
    const dry = `${path}?${dryQuery(query)}`;
    // Not the plugin's signal: it could send a write and give up before the answer is there.
    const sent = { method, url: dry, ...(body.length > 0 ? { body } : {}) };
    const at = record.tried.push({ ...named(info), before: undefined, after: undefined, answered: false }) -
      1;
    const response = await cluster.send({ ...sent, headers });
    if (response.status >= 300) {
      const why = await tellFailure(at, what, response);
      return { ...response, headers: withLength(response.headers, why.length), body: streamOf(why) };
    }
    const bytes = await bytesOf(response);
    if (bytes === undefined) {
      throw new AppError("REQUEST_INVALID", "The answer of the API server is too large");
    }
    const answer = plainObject(bytes) ?? await again(sent, headers);
    await remember(at, info, path, answer);
    return { ...response, headers: withLength(response.headers, bytes.length), body: streamOf(bytes) };
  }

  /** A write that the server refused changes nothing, but the rest of the run may differ from a real one. */
  async function tellFailure(
    at: number,
    what: string,
    response: ClusterResponse,
  ): Promise<Uint8Array<ArrayBuffer>> {
    const bytes = await bytesOf(response) ?? new Uint8Array();
    const message = objectOf(bytes)?.message;
    record.tried[at] = { ...record.tried[at]!, failed: true, answered: true };
    record.refused.push({
      what,
      why: `the API server answered ${response.status}${typeof message === "string" ? `: ${message}` : ""}`,
    });
    return bytes;
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

  async function remember(
    at: number,
    info: RequestInfo,
    path: string,
    answer: ApiObject | undefined,
  ): Promise<void> {
    const { verb, subresource } = info;
    const write = named(info);
    const tried = (
      object: ApiObject | undefined,
      before: ApiObject | undefined,
      after: ApiObject | undefined,
    ) => {
      const { name, namespace } = (object?.metadata ?? {}) as {
        readonly name?: unknown;
        readonly namespace?: unknown;
      };
      const place = { name: write.name || textOr(name, ""), namespace: textOr(namespace, write.namespace) };
      return { ...write, ...place, before, after, answered: true };
    };
    if (verb === "deletecollection") {
      const items: ApiObject[] = Array.isArray(answer?.items) ? answer.items : [];
      return replace(at, items.map((item) => tried(item, item, undefined)));
    }
    if (verb === "create" && subresource === "eviction") {
      return replace(at, [tried(answer, undefined, undefined)]);
    }
    const before = verb === "create" ? undefined : await ask(path).catch(() => undefined);
    replace(at, [tried(before ?? answer, before, verb === "delete" ? undefined : answer)]);
  }

  /** Replaces an entry and keeps the places of the others, whose answers may still come. */
  function replace(at: number, [first, ...more]: readonly TriedWrite[]): void {
    record.tried[at] = first ?? { ...record.tried[at]!, answered: true };
    record.tried.push(...more);
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
    upgrade: async (request) => ({ refused: refusedUpgrade(request) }),
    tunnel: async (request) => ({ refused: refusedUpgrade(request) }),
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

/** What a write is about, by its request. */
function named(info: RequestInfo) {
  const { verb, namespace, name } = info;
  return { verb, resource: resourceInWords(info), namespace, name };
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

/** The answer as a whole object of the API; undefined for another form: protobuf, a table, metadata alone. */
function plainObject(bytes: Uint8Array): ApiObject | undefined {
  const object = objectOf(bytes);
  return typeof object?.apiVersion === "string" && !object.apiVersion.startsWith("meta.k8s.io/")
    ? object
    : undefined;
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
