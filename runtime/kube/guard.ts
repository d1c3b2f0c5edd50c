/**
 * The one gate between a plugin's doors and the cluster: each request is read as the API server will read it, and leaves only
 * if the plugin's grants cover it. What does not is answered here, with the `Status` that the server itself would send.
 */

import { AppError } from "../errors.ts";
import type { Cluster, ClusterRequest, ClusterResponse } from "./cluster.ts";
import { destinationOf } from "./destination.ts";
import { MeaninglessRequest, parseQuery, parseRequest, type RequestInfo } from "./request_info.ts";
import { type ClusterGrant, type ClusterRule, ruleCovers, ruleDenies, ruleWordFor } from "./rules.ts";
import { shellCommand } from "../shell_word.ts";
import { printable } from "../text.ts";

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
  /** `delete:pods@default`, what `--allow-cluster=` takes for it; undefined where no grant of that form helps. */
  readonly rule: string | undefined;
  readonly info: RequestInfo | undefined;
  /** A rule denies it: no grant helps. */
  readonly denied: boolean;
  /** It is the administrator who does not allow it. */
  readonly policy?: boolean;
}

/** Asks whoever can grant it. `true`: let it through this time. */
export type AskCluster = (denied: DeniedRequest) => boolean;

/** What every authenticated user may read (system:discovery, system:public-info-viewer): clients can't work without it. */
const DISCOVERY = /^\/(?:api|apis|openapi|version|healthz|livez|readyz)(?:\/|$)/;

/** Subresources that reach into a container or a node: whatever method opens them, that is no looking. */
const CONNECTING = new Set(["exec", "attach", "portforward"]);

/** Reviews of one's own rights. */
const SELF_REVIEWS = new Set([
  "selfsubjectaccessreviews.authorization.k8s.io",
  "selfsubjectrulesreviews.authorization.k8s.io",
  "selfsubjectreviews.authentication.k8s.io",
]);

/**
 * Groups of the API server itself (1.37, `kubectl api-versions`), all of whose objects know dry runs. An aggregated server may
 * ignore `dryRun`, under a name of Kubernetes' own, too.
 */
const BUILT_IN =
  /^(?:|apps|autoscaling|batch|policy|extensions|(?:admissionregistration|apiextensions|apiregistration|authentication|authorization|certificates|coordination|discovery|events|flowcontrol\.apiserver|internal\.apiserver|networking|node|rbac\.authorization|resource|scheduling|storage|storagemigration)\.k8s\.io)$/;
/**
 * Subresources that know dry runs. `serviceaccounts/token` makes a token all the same, an eviction holds options of its own
 * that may say otherwise.
 */
const DRY_SUBRESOURCES = new Set(["", "status", "scale", "ephemeralcontainers", "resize", "approval"]);

/** Proxies before the API server may take these for the method. */
const METHOD_OVERRIDE = /^x-(?:http-)?method(?:-override)?$/i;

/** Whether every request passes, so that there is nothing to ask about each. */
function isUnlimited({ grant, deny, bound = "full" }: ClusterLimits): boolean {
  return grant === "full" && bound === "full" && deny !== true && (deny === false || deny.length === 0);
}

/**
 * A cluster that lets through what `limits` cover. `current` is asked at each request, since a person may grant more
 * meanwhile.
 */
export function guardCluster(
  cluster: Cluster,
  plugin: string,
  current: () => ClusterLimits,
  ask: AskCluster,
): Cluster {
  const { server } = cluster;
  const prefixLength = new URL(server).pathname.replace(/\/+$/, "").length;
  /** What stands in the way; undefined for nothing. The request may be changed on its way. */
  const check = (request: ClusterRequest, upgrade: boolean): Verdict => {
    const limits = current();
    if (isUnlimited(limits)) return { request, refused: undefined };
    const url = destinationOf(server, request.url);
    const method = request.method.toUpperCase();
    let info: RequestInfo;
    try {
      const path = url.pathname.slice(prefixLength) || "/";
      info = effective(parseRequest(method, path, url.search.slice(1)));
      // The path's own verb is the server's word for it, whatever the method; it serves no other than GET there.
      if ((info.verb === "watch" || info.verb === "proxy") && method !== "GET" && method !== "HEAD") {
        throw new MeaninglessRequest(`${method} ${info.path}`);
      }
    } catch (error) {
      if (!(error instanceof MeaninglessRequest)) throw error;
      throw new AppError(
        "REQUEST_INVALID",
        printable(`The API server would not understand the request: ${error.message}`, 400),
      );
    }
    const headers = request.headers.some(([name]) => METHOD_OVERRIDE.test(name))
      ? request.headers.filter(([name]) => !METHOD_OVERRIDE.test(name))
      : request.headers;
    const checked: ClusterRequest = { ...request, headers };
    const denied = limits.deny === true ||
      limits.deny !== false && limits.deny.some((rule) => ruleDenies(rule, info));
    if (denied) return { request: checked, refused: { ...describe(info), denied: true } };
    const allowed = isAllowed(limits.grant, info, upgrade) ?? dryRun(limits.grant, info, checked, url);
    const { bound = "full" } = limits;
    const bounded = isAllowed(bound, info, upgrade) ?? dryRun(bound, info, checked, url);
    if (!bounded) return { request: checked, refused: { ...describe(info), denied: true, policy: true } };
    if (!allowed) return { request: checked, refused: describe(info) };
    // What a dry run was understood as is what is sent.
    const sent = allowed === true ? bounded : allowed;
    return { request: sent === true ? checked : sent, refused: undefined };
  };
  const pass = (request: ClusterRequest, upgrade: boolean): ClusterRequest | ClusterResponse => {
    const { request: checked, refused } = check(request, upgrade);
    if (!refused || ask(refused)) return checked;
    return forbidden(plugin, refused, request.method.toUpperCase() === "HEAD");
  };
  return {
    context: cluster.context,
    server,
    namespace: cluster.namespace,
    async send(request) {
      const passed = pass(request, false);
      if (!("status" in passed)) return await cluster.send(passed);
      // Its body is taken and thrown away, as by a server that refuses: who writes it does not wait for room for ever, and
      // componentize-js takes a stream that is closed meanwhile for the end of the program.
      if (request.body instanceof ReadableStream) request.body.pipeTo(new WritableStream()).catch(() => {});
      return passed;
    },
    async upgrade(request) {
      const passed = pass({ method: "GET", url: request.url, headers: request.headers }, true);
      if ("status" in passed) return { refused: passed };
      return await cluster.upgrade({ ...request, headers: passed.headers });
    },
    async sockets() {
      // What goes through a socket can't be read here (it is TLS), so it takes a grant of everything.
      const limits = current();
      if (isUnlimited(limits)) return await cluster.sockets();
      const denied = limits.deny !== false || (limits.bound ?? "full") !== "full";
      const refused = {
        what: "open a socket to the API server",
        rule: denied ? undefined : "full",
        info: undefined,
        denied,
      };
      if (ask(refused)) return await cluster.sockets();
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

interface Verdict {
  readonly request: ClusterRequest;
  readonly refused: DeniedRequest | undefined;
}

/**
 * Kubernetes 1.35 asks for `create` where a WebSocket opens a container with GET (AuthorizePodWebsocketUpgradeCreatePermission);
 * older servers take `get`, which a rule meant for looking grants by accident.
 */
function effective(info: RequestInfo): RequestInfo {
  const connects = info.isResource && info.resource === "pods" && info.apiGroup === "" &&
    CONNECTING.has(info.subresource);
  return connects ? { ...info, verb: "create" } : info;
}

function isAllowed(grant: ClusterGrant, info: RequestInfo, upgrade: boolean): true | undefined {
  if (grant === "full") return true;
  if (grant === "none") return undefined;
  if (!info.isResource && (info.verb === "get" || info.verb === "head") && DISCOVERY.test(info.path)) {
    return true;
  }
  if (grant === "read-only" || grant.readOnly) {
    if (!upgrade && isReading(info)) return true;
    if (grant === "read-only") return undefined;
  }
  return grant.rules.some((rule) => ruleCovers(rule, info)) ? true : undefined;
}

function isReading({ isResource, verb, resource, subresource, apiGroup, name }: RequestInfo): boolean {
  if (!isResource) return verb === "get" || verb === "head";
  if (subresource === "proxy") return false; // the kubelet and Pods do things on a GET
  if (verb === "get" || verb === "list" || verb === "watch") return true;
  return verb === "create" && subresource === "" && name === "" &&
    SELF_REVIEWS.has(`${resource}.${apiGroup}`);
}

/**
 * A dry run changes nothing, so who may look may ask for one. The request is sent as it was understood here: the options in a
 * DELETE's body win over its query in the server.
 */
function dryRun(
  grant: ClusterGrant,
  info: RequestInfo,
  request: ClusterRequest,
  url: URL,
): ClusterRequest | undefined {
  if (grant !== "read-only" && !(typeof grant === "object" && grant.readOnly)) return undefined;
  if (!info.isResource || !BUILT_IN.test(info.apiGroup) || !DRY_SUBRESOURCES.has(info.subresource)) {
    return undefined;
  }
  if (!["create", "update", "patch", "delete", "deletecollection"].includes(info.verb)) return undefined;
  const asked = parseQuery(url.search.slice(1)).get("dryRun") ?? [];
  if (!asked.every((value) => value === "All")) return undefined;
  const { body } = request;
  const deletes = info.verb === "delete" || info.verb === "deletecollection";
  if (!deletes || body === undefined || body instanceof Uint8Array && body.length === 0) {
    return asked.length > 0 ? request : undefined;
  }
  if (!(body instanceof Uint8Array)) return undefined;
  try {
    const options = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(body)) as {
      dryRun?: unknown;
    };
    if (JSON.stringify(options.dryRun) !== '["All"]') return undefined;
    return {
      ...request,
      body: new TextEncoder().encode(JSON.stringify(options)),
      headers: [
        ...request.headers.filter(([name]) => name.toLowerCase() !== "content-type"),
        ["content-type", "application/json"],
      ],
    };
  } catch {
    return undefined;
  }
}

function describe(info: RequestInfo): DeniedRequest {
  return { what: requestInWords(info), rule: ruleWordFor(info), info, denied: false };
}

/** `delete the pods "web" in the namespace "default"`. Free of control characters. */
function requestInWords(info: RequestInfo): string {
  const { verb, resource, apiGroup, subresource, namespace, name } = info;
  if (!info.isResource) return printable(`${verb} the path ${info.path}`, 300);
  const group = apiGroup === "" ? "" : `.${apiGroup}`;
  return printable(
    `${verb} ${resource}${group}${subresource === "" ? "" : `/${subresource}`}${
      name === "" ? "" : ` "${name}"`
    }` +
      (resource === "namespaces"
        ? ""
        : namespace === ""
        ? " in all of the cluster"
        : ` in the namespace "${namespace}"`),
    300,
  );
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
  const status = {
    kind: "Status",
    apiVersion: "v1",
    metadata: {},
    status: "Failure",
    message: printable(
      `${subject}: krew-wasm does not let the plugin "${plugin}" ${refused.what}: ${way}`,
      1000,
    ),
    reason: "Forbidden",
    details: info?.isResource
      ? {
        ...(info.name === "" ? {} : { name: info.name }),
        ...(info.apiGroup === "" ? {} : { group: info.apiGroup }),
        kind: info.resource,
      }
      : {},
    code: 403,
  };
  const bytes = new TextEncoder().encode(`${JSON.stringify(status)}\n`);
  return {
    status: 403,
    headers: [
      ["cache-control", "no-cache, private"],
      ["content-length", String(bytes.length)],
      ["content-type", "application/json"],
      ["x-content-type-options", "nosniff"],
    ],
    body: head ? null : new Blob([bytes]).stream() as ReadableStream<Uint8Array<ArrayBuffer>>,
  };
}
