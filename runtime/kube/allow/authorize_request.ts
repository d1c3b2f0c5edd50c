/**
 * The one gate between a plugin's doors and the cluster: each request is read as the API server will read it, and leaves only
 * if the plugin's grants cover it. What does not is answered here, with the `Status` that the server itself would send.
 */

import { AppError } from "../../base/errors.ts";
import type { Cluster, ClusterRequest, ClusterResponse } from "../cluster.ts";
import { askedRequest, requestInWords } from "./asked_request.ts";
import { destinationOf } from "./destination.ts";
import { isBuiltIn } from "./built_in_groups.ts";
import { mediaTypeOf, parseBody, readBytes, UnreadableBody } from "./request_body.ts";
import { MeaninglessRequest, parseQuery, parseRequest, type RequestInfo } from "./request_info.ts";
import { type ClusterGrant, type ClusterRule, ruleCovers, ruleDenies } from "./rules.ts";
import { statusResponse } from "../http/status.ts";
import { type Check, type CheckedBody, needsBody, secondChecks } from "./second_checks.ts";
import { shellCommand } from "../../base/shell_word.ts";
import { printable } from "../../base/text.ts";

/** What a plugin may do on the cluster. */
export interface ClusterLimits {
  readonly grant: ClusterGrant;
  /** `true` for everything; wins over the grant. */
  readonly deny: boolean | readonly ClusterRule[];
  /** The administrator's bound, which every request has to be inside of as well. */
  readonly bound?: ClusterGrant | undefined;
}

/** What was refused, for prompts, the hint at exit and the log. */
export interface DeniedRequest {
  /** As a person would say it: `delete pods in the namespace "default"`. */
  readonly what: string;
  /** `delete:pods[web]@default`, what `--allow-cluster=` takes for it and nothing else; undefined where no rule of that form does. */
  readonly rule: string | undefined;
  readonly info: RequestInfo | undefined;
  /** A rule denies it: no grant helps. */
  readonly denied: boolean;
  /** It is the administrator who does not allow it. */
  readonly policy?: boolean;
}

/** Asks whoever can grant it. `true`: let it through this time. */
export type AskCluster = (denied: DeniedRequest) => boolean;

/**
 * What Kubernetes lets every authenticated user read (the cluster roles system:discovery and system:public-info-viewer):
 * clients can't work without it.
 */
const DISCOVERY = /^\/(?:(?:api|apis|openapi)(?:\/.*)?|version\/?|healthz|livez|readyz)$/s;

/** Reviews of one's own rights. */
const SELF_REVIEWS = new Set([
  "selfsubjectaccessreviews.authorization.k8s.io",
  "selfsubjectrulesreviews.authorization.k8s.io",
  "selfsubjectreviews.authentication.k8s.io",
]);

/**
 * Subresources of Kubernetes' own groups that know dry runs; an aggregated server may ignore `dryRun`. `serviceaccounts/token` makes a token all the same, an eviction holds options of its own
 * that may say otherwise.
 */
const DRY_SUBRESOURCES = new Set(["", "status", "scale", "ephemeralcontainers", "resize", "approval"]);

/** Whether every request passes, so that there is nothing to ask about each. */
function isUnlimited({ grant, deny, bound = "full" }: ClusterLimits): boolean {
  return grant === "full" && bound === "full" && deny !== true && (deny === false || deny.length === 0);
}

/**
 * A cluster that lets through what `limits` cover. `current` is asked at each request, since a person may grant more
 * meanwhile.
 */
export function authorizeCluster(
  cluster: Cluster,
  plugin: string,
  current: () => ClusterLimits,
  ask: AskCluster,
): Cluster {
  const { server } = cluster;
  const prefixLength = new URL(server).pathname.replace(/\/+$/, "").length;
  const read = (request: ClusterRequest): { info: RequestInfo; query: ReturnType<typeof parseQuery> } => {
    const url = destinationOf(server, request.url);
    const method = request.method.toUpperCase();
    const query = url.search.slice(1);
    try {
      const info = parseRequest(method, url.pathname.slice(prefixLength) || "/", query);
      // The path's own verb is the server's word for it, whatever the method; it serves no other than GET there.
      if ((info.verb === "watch" || info.verb === "proxy") && method !== "GET" && method !== "HEAD") {
        throw new MeaninglessRequest(`${method} ${info.path}`);
      }
      return { info, query: parseQuery(query) };
    } catch (error) {
      if (!(error instanceof MeaninglessRequest)) throw error;
      throw new AppError(
        "REQUEST_INVALID",
        printable(`The API server would not understand the request: ${error.message}`, 400),
      );
    }
  };
  /** Asks for what is not granted; a person may let it through. Returns what stands in the way. */
  const refusalOf = (info: RequestInfo, how: Passing): DeniedRequest | undefined => {
    const refused = judge(current(), info, how);
    return refused === undefined || ask(refused) ? undefined : refused;
  };
  const pass = async (
    request: ClusterRequest,
    upgrade: boolean,
  ): Promise<ClusterRequest | ClusterResponse> => {
    if (isUnlimited(current())) return request;
    const { info, query } = read(request);
    const head = request.method.toUpperCase() === "HEAD";
    let passed = request;
    let body: CheckedBody | undefined;
    const readBody = async () => {
      if (body !== undefined) return;
      const bytes = await readBytes(passed.body);
      const mediaType = mediaTypeOf(passed.headers);
      const parsed = await parseBody(mediaType, bytes);
      body = { mediaType, value: parsed.value };
      if (passed.body !== undefined) passed = { ...passed, body: parsed.bytes };
    };
    try {
      // Whether it changes anything: the options in a DELETE's body win over its query in the server.
      if (deletes(info) && passed.body !== undefined) await readBody();
      const dryRun = isDryRun(info, query, deletes(info) ? body : undefined);
      const refused = refusalOf(info, { upgrade, dryRun });
      if (refused) return forbidden(plugin, refused, head);
      if (needsBody(info)) await readBody();
      for (const check of secondChecks(info, body, query)) {
        const refused = firstRefused(check, (info) => judge(current(), info, { upgrade, dryRun }), ask);
        if (refused) return forbidden(plugin, refused, head);
      }
      return passed;
    } catch (error) {
      if (error instanceof UnreadableBody) return unreadable(error);
      throw error;
    }
  };
  return {
    context: cluster.context,
    server,
    namespace: cluster.namespace,
    async send(request) {
      const passed = await pass(request, false);
      if (!("status" in passed)) return await cluster.send(passed);
      discard(request.body);
      return passed;
    },
    async upgrade(request) {
      const passed = await pass({ method: "GET", url: request.url, headers: request.headers }, true);
      if ("status" in passed) return { refused: passed };
      return await cluster.upgrade(request);
    },
    async sockets() {
      // What goes through a socket can't be read here (it is TLS), so it takes a grant of everything.
      const limits = current();
      if (isUnlimited(limits) || ask(socketRequest(limits))) return await cluster.sockets();
      throw new AppError(
        "DESTINATION_REFUSED",
        `krew-wasm does not let the plugin "${plugin}" open a socket to the API server: that takes a grant of all of the cluster`,
        {
          hint: `krew-wasm grants ${plugin} --allow-cluster=full`,
        },
      );
    },
  };
}

/** How a request goes. */
interface Passing {
  /** It becomes a WebSocket. */
  readonly upgrade: boolean;
  /** It changes nothing. */
  readonly dryRun: boolean;
}

/** What stands in the way of one thing that the API server would ask its authorizer for. */
function judge(
  { grant, deny, bound = "full" }: ClusterLimits,
  info: RequestInfo,
  how: Passing,
): DeniedRequest | undefined {
  const denied = deny === true || deny !== false && deny.some((rule) => ruleDenies(rule, info));
  if (denied) return { ...deniedRequest(info), denied: true };
  if (!isAllowed(bound, info, how)) return { ...deniedRequest(info), denied: true, policy: true };
  return isAllowed(grant, info, how) ? undefined : deniedRequest(info);
}

/** What a check lacks; undefined where one of its ways is open, or a person opens the first. */
function firstRefused(
  check: Check,
  judged: (info: RequestInfo) => DeniedRequest | undefined,
  ask: AskCluster,
): DeniedRequest | undefined {
  if (check.some((way) => way.every((info) => judged(info) === undefined))) return undefined;
  return check[0]!.map((info) => judged(info)).find((refused) => refused !== undefined && !ask(refused));
}

function isAllowed(grant: ClusterGrant, info: RequestInfo, { upgrade, dryRun }: Passing): boolean {
  if (grant === "full") return true;
  if (grant === "none") return false;
  if (!info.isResource && info.verb === "get" && DISCOVERY.test(info.path)) return true;
  if ((grant === "read-only" || grant.readOnly) && (dryRun || !upgrade && isReading(info))) return true;
  return grant !== "read-only" && grant.rules.some((rule) => ruleCovers(rule, info));
}

function isReading({ isResource, verb, resource, subresource, apiGroup, name }: RequestInfo): boolean {
  if (!isResource) return verb === "get" || verb === "head";
  // The kubelet and Pods do things on a GET; all of something, as a role has it, holds those, too.
  if (subresource === "proxy" || resource === "*" || subresource === "*") return false;
  if (verb === "get" || verb === "list" || verb === "watch") return true;
  return verb === "create" && subresource === "" && name === "" &&
    SELF_REVIEWS.has(`${resource}.${apiGroup}`);
}

function deletes({ isResource, verb }: RequestInfo): boolean {
  return isResource && (verb === "delete" || verb === "deletecollection");
}

/** Whether a request changes nothing, so that a plugin that may look may send it. */
function isDryRun(
  info: RequestInfo,
  query: ReadonlyMap<string, readonly string[]>,
  body: CheckedBody | undefined,
): boolean {
  if (!info.isResource || !isBuiltIn(info.apiGroup) || !DRY_SUBRESOURCES.has(info.subresource)) return false;
  if (!["create", "update", "patch", "delete", "deletecollection"].includes(info.verb)) return false;
  const asked = query.get("dryRun") ?? [];
  if (!asked.every((value) => value === "All")) return false;
  if (body?.value === undefined) return asked.length > 0;
  return JSON.stringify((body.value as { dryRun?: unknown } | null)?.dryRun) === '["All"]';
}

/**
 * A refused request's body is taken and thrown away, as by a server that refuses: a plugin that writes it does not wait for room
 * for ever, and componentize-js takes a stream that is closed meanwhile for the end of the program.
 */
function discard(body: ClusterRequest["body"]): void {
  if (body instanceof ReadableStream && !body.locked) body.pipeTo(new WritableStream()).catch(() => {});
}

/** A raw socket, through which anything may go, as it is asked about. Pure. */
export function socketRequest({ deny, bound = "full" }: ClusterLimits): DeniedRequest {
  const denied = deny !== false || bound !== "full";
  return {
    what: "open a socket to the API server",
    rule: denied ? undefined : "full",
    info: undefined,
    denied,
  };
}

/** A request that a process which is not trusted says the grants don't cover, as it is asked about: by what denies it here. Pure. */
export function claimedRequest(limits: ClusterLimits, info: RequestInfo): DeniedRequest {
  // How it will go is that process's to tell; only what may not pass in any way is refused without a question.
  const refused = judge(limits, info, { upgrade: false, dryRun: true });
  return refused?.denied ? refused : deniedRequest(info);
}

/** A request that the grants don't cover. */
function deniedRequest(info: RequestInfo): DeniedRequest {
  return { what: requestInWords(info), rule: askedRequest(info)?.word, info, denied: false };
}

/** The `Status` that the API server sends for what it forbids (apimachinery's NewForbidden), in the host's name. */
function forbidden(plugin: string, refused: DeniedRequest, head: boolean): ClusterResponse {
  const { info } = refused;
  const resource = info?.isResource
    ? `${info.resource}${info.apiGroup === "" ? "" : `.${info.apiGroup}`}`
    : "";
  const subject = resource === ""
    ? "forbidden"
    : `${resource}${info!.name === "" ? "" : ` ${JSON.stringify(info!.name)}`} is forbidden`;
  const command = refused.rule === undefined
    ? undefined
    : shellCommand(["krew-wasm", "grants", plugin, `--allow-cluster=${refused.rule}`]);
  const way = refused.policy
    ? "the administrator of this machine does not allow it"
    : refused.denied
    ? "its grants deny it"
    : command === undefined
    ? "it is not granted"
    : `it is not granted (${command} allows it)`;
  const failure = {
    code: 403,
    reason: "Forbidden",
    message: printable(
      `${subject}: krew-wasm does not let the plugin "${plugin}" ${refused.what}: ${way}`,
      1000,
    ),
    details: info?.isResource
      ? {
        ...(info.name === "" ? {} : { name: info.name }),
        ...(info.apiGroup === "" ? {} : { group: info.apiGroup }),
        kind: info.resource,
      }
      : {},
  };
  return statusResponse(failure, head);
}

const UNREADABLE = { 400: "BadRequest", 413: "RequestEntityTooLarge", 415: "UnsupportedMediaType" } as const;

function unreadable({ status, message }: UnreadableBody): ClusterResponse {
  return statusResponse({ code: status, reason: UNREADABLE[status], message });
}
