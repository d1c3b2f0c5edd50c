/**
 * Every request of a plugin passes here. It is parsed as the API server will parse it, and leaves only if the
 * plugin's grants cover it. A refused request gets the `Status` that the API server itself would send.
 */

import { AppError } from "../../base/errors.ts";
import type { Cluster, ClusterRequest, ClusterResponse } from "../cluster.ts";
import { askedRequest, requestInWords } from "./asked_request.ts";
import { isBuiltIn } from "./built_in_groups.ts";
import { mediaTypeOf, parseBody, readBytes, UnreadableBody } from "./request_body.ts";
import { requestReader } from "./read_request.ts";
import type { RequestInfo } from "./request_info.ts";
import { type ClusterGrant, type ClusterRule, ruleCovers, ruleDenies } from "./rules.ts";
import { statusResponse } from "../http/status.ts";
import { type Check, type CheckedBody, needsBody, secondChecks } from "./second_checks.ts";
import { shellCommand } from "../../base/shell_word.ts";
import { printable } from "../../base/text.ts";

/** What a plugin may do on the cluster. */
export interface ClusterLimits {
  readonly grant: ClusterGrant;
  /** `true` denies everything. A denial wins over the grant. */
  readonly deny: boolean | readonly ClusterRule[];
  /** The administrator's bound. Every request must be inside it, too. */
  readonly bound?: ClusterGrant | undefined;
}

/** A refused request, for prompts, the hint at exit and the log. */
export interface DeniedRequest {
  /** In a person's words: `delete pods in the namespace "default"`. */
  readonly what: string;
  /**
   * The rule for exactly this request, `delete:pods[web]@default`, as `--allow-cluster=` takes it; undefined if there
   * is none.
   */
  readonly rule: string | undefined;
  readonly info: RequestInfo | undefined;
  /** A deny rule matches: no grant helps. */
  readonly denied: boolean;
  /** The administrator's policy forbids it. */
  readonly policy?: boolean;
}

/** Asks the person who can grant it. Returns true to let the request through this time. */
export type AskCluster = (denied: DeniedRequest) => boolean;

/**
 * Paths that Kubernetes lets every authenticated user read (cluster roles system:discovery and
 * system:public-info-viewer). Clients do not work without them.
 */
const DISCOVERY = /^\/(?:(?:api|apis|openapi)(?:\/.*)?|version\/?|healthz|livez|readyz)$/s;

/** Resources with which a client reviews its own rights. */
const SELF_REVIEWS = new Set([
  "selfsubjectaccessreviews.authorization.k8s.io",
  "selfsubjectrulesreviews.authorization.k8s.io",
  "selfsubjectreviews.authentication.k8s.io",
]);

/**
 * Subresources of Kubernetes' own groups that respect dry runs; an aggregated server may ignore `dryRun`. Not listed:
 * `serviceaccounts/token`, which makes a token anyway, and evictions, whose own options may contradict the query.
 */
const DRY_SUBRESOURCES = new Set(["", "status", "scale", "ephemeralcontainers", "resize", "approval"]);

/** Whether every request passes without a check. */
function isUnlimited({ grant, deny, bound = "full" }: ClusterLimits): boolean {
  return grant === "full" && bound === "full" && deny !== true && (deny === false || deny.length === 0);
}

/**
 * A cluster that sends only requests that `limits` cover. It calls `current` for each request, because a person may
 * grant more during the run.
 */
export function authorizeCluster(
  cluster: Cluster,
  plugin: string,
  current: () => ClusterLimits,
  ask: AskCluster,
): Cluster {
  const { server } = cluster;
  const read = requestReader(server);
  /** Asks about a request that is not granted. Returns the refusal, or undefined if the request may pass. */
  const refusalOf = (info: RequestInfo, how: Passing): DeniedRequest | undefined => {
    const refused = judge(current(), info, how);
    return refused === undefined || ask(refused) ? undefined : refused;
  };
  const pass = async (
    request: ClusterRequest,
    upgrade: boolean,
  ): Promise<ClusterRequest | ClusterResponse> => {
    if (isUnlimited(current())) return request;
    const { method, info, query } = read(request);
    const head = method === "HEAD";
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
      // The server lets the options in a DELETE's body override its query, so dry run depends on the body.
      if (deletes(info) && passed.body !== undefined) await readBody();
      const dryRun = !upgrade && isDryRun(info, query, deletes(info) ? body : undefined);
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
    async tunnel(request) {
      const { method, url, headers } = request;
      const passed = await pass({ method, url, headers }, true);
      if ("status" in passed) return { refused: passed };
      return await cluster.tunnel(request);
    },
    async sockets() {
      const sockets = await cluster.sockets();
      return {
        ...sockets,
        async connect(address, port) {
          // The host cannot read TLS on a raw socket, so a raw socket needs the full grant.
          const limits = current();
          if (isUnlimited(limits) || ask(socketRequest(limits))) return await sockets.connect(address, port);
          throw new AppError(
            "DESTINATION_REFUSED",
            `krew-wasm does not let the plugin "${plugin}" open a socket to the API server: that takes a grant of all of the cluster`,
            { hint: `krew-wasm grants ${plugin} --allow-cluster=full` },
          );
        },
      };
    },
  };
}

/** Properties of a request beside its RequestInfo. */
interface Passing {
  /** It asks for a WebSocket. */
  readonly upgrade: boolean;
  /** It is a dry run. */
  readonly dryRun: boolean;
}

/** The refusal for one authorizer check; undefined if the check passes. */
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

/** The refusal for a check; undefined if one of its ways is granted, or a person grants the first. */
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
  // The kubelet and Pods act on a GET. `*`, as roles write it, includes these, too.
  if (subresource === "proxy" || resource === "*" || subresource === "*") return false;
  if (verb === "get" || verb === "list" || verb === "watch") return true;
  return verb === "create" && subresource === "" && name === "" &&
    SELF_REVIEWS.has(`${resource}.${apiGroup}`);
}

function deletes({ isResource, verb }: RequestInfo): boolean {
  return isResource && (verb === "delete" || verb === "deletecollection");
}

/** Whether a request is a dry run, which a plugin with the read-only grant may send. */
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
 * Reads a refused request's body and throws it away, as a server does. Otherwise the plugin's write would block
 * forever, and componentize-js would take the closed stream for the end of the program.
 */
function discard(body: ClusterRequest["body"]): void {
  if (body instanceof ReadableStream && !body.locked) body.pipeTo(new WritableStream()).catch(() => {});
}

/** The permission request for a raw socket, through which the plugin could send anything. Pure. */
export function socketRequest({ deny, bound = "full" }: ClusterLimits): DeniedRequest {
  const denied = deny !== false || bound !== "full";
  return {
    what: "open a socket to the API server",
    rule: denied ? undefined : "full",
    info: undefined,
    denied,
  };
}

/** The permission request for a refusal that an untrusted process reports. It is judged here again. Pure. */
export function claimedRequest(limits: ClusterLimits, info: RequestInfo): DeniedRequest {
  // Only the other process knows whether it is a dry run or an upgrade. Refuse without a question only what can never
  // pass.
  const refused = judge(limits, info, { upgrade: false, dryRun: true });
  return refused?.denied ? refused : deniedRequest(info);
}

/** A refusal because the grants do not cover the request. */
function deniedRequest(info: RequestInfo): DeniedRequest {
  return { what: requestInWords(info), rule: askedRequest(info)?.word, info, denied: false };
}

/** The `Status` that the API server sends for a forbidden request (apimachinery's NewForbidden), in the host's name. */
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
