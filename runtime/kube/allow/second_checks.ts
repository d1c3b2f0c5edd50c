/**
 * The checks that kube-apiserver makes beside the request itself: an update that may create, a role that may give
 * more rights than its author has, an owner whose deletion is blocked. docs/cluster.md has the list. It covers every
 * call of Authorize() in k8s.io/apiserver 0.37 and k8s.io/kubernetes 1.37. If a check depends on objects that only
 * the server knows, it is always made. Pure.
 */

import { isObject } from "../../base/strict_json.ts";
import { isBuiltIn } from "./built_in_groups.ts";
import type { RequestInfo } from "./request_info.ts";
import type { ClusterRule } from "./rules.ts";

/** Alternative ways to satisfy one check. Each way lists requests that must all be allowed. Errors name the first way. */
export type Check = readonly (readonly RequestInfo[])[];

/** The parts of a request's body on which checks depend. */
export interface CheckedBody {
  /** In lower case, without parameters. */
  readonly mediaType: string;
  /** undefined for an empty body. */
  readonly value: unknown;
}

type Json = Record<string, unknown>;

const RBAC = "rbac.authorization.k8s.io";
const CERTIFICATES = "certificates.k8s.io";
const ADMISSION = "admissionregistration.k8s.io";

/** Subresources whose body is a stream or its own request, not an object. */
const CONNECTING = new Set(["exec", "attach", "portforward"]);

/** Built-in resources that a PUT creates if they do not exist (AllowCreateOnUpdate of their strategies). */
const CREATED_BY_UPDATE = new Set([
  "endpoints",
  "events",
  "limitranges",
  "services",
  "leases.coordination.k8s.io",
  "leasecandidates.coordination.k8s.io",
  "events.events.k8s.io",
  "runtimeclasses.node.k8s.io",
  `clusterroles.${RBAC}`,
  `clusterrolebindings.${RBAC}`,
  `roles.${RBAC}`,
  `rolebindings.${RBAC}`,
]);

/** Kubernetes' own kinds that own other objects and live in a namespace. */
const NAMESPACED_OWNERS = new Set([
  ..."ConfigMap Endpoints PersistentVolumeClaim Pod ReplicationController Secret Service ServiceAccount"
    .split(" "),
  ..."DaemonSet.apps Deployment.apps ReplicaSet.apps StatefulSet.apps".split(" "),
  ..."CronJob.batch Job.batch Ingress.networking.k8s.io Lease.coordination.k8s.io".split(" "),
]);

/** Whether a request connects to a container or a port of a Pod. */
export function connects({ isResource, apiGroup, resource, subresource }: RequestInfo): boolean {
  return isResource && apiGroup === "" && resource === "pods" && CONNECTING.has(subresource);
}

/** Whether a request's checks depend on its body. */
export function needsBody(info: RequestInfo): boolean {
  const { isResource, verb, apiGroup, subresource } = info;
  if (!isResource || subresource === "proxy" || connects(info)) return false;
  if (verb === "delete") return subresource === "";
  if (verb !== "create" && verb !== "update" && verb !== "patch") return false;
  // A subresource of another server may be anything, even an upload.
  return isBuiltIn(apiGroup) || ["", "status", "scale"].includes(subresource);
}

/**
 * All checks beside the request itself.
 *
 * @param body undefined if {@linkcode needsBody} is false
 * @param query of the request
 */
export function secondChecks(
  info: RequestInfo,
  body: CheckedBody | undefined,
  query: ReadonlyMap<string, readonly string[]>,
): Check[] {
  if (!info.isResource) return [];
  // Kubernetes 1.35 (AuthorizePodWebsocketUpgradeCreatePermission). Older servers check only `get` for a WebSocket.
  if (connects(info)) return info.verb === "create" ? [] : [one({ ...info, verb: "create" })];
  if (!body || !needsBody(info)) return [];
  if (info.verb === "delete") return unsafeDelete(info, body, query);
  const written = new Written(info, body);
  return [
    ...createdByUpdate(written),
    ...owners(written),
    ...OF_RESOURCE[`${info.resource}.${info.apiGroup}/${info.subresource}`]?.(written) ?? [],
  ];
}

/** A created, replaced or patched object. */
class Written {
  readonly object: Json;
  readonly isPatch: boolean;
  readonly isJsonPatch: boolean;
  readonly isApply: boolean;

  constructor(readonly info: RequestInfo, { mediaType, value }: CheckedBody) {
    this.isPatch = info.verb === "patch";
    this.isJsonPatch = this.isPatch && Array.isArray(value);
    this.isApply = this.isPatch && mediaType.startsWith("application/apply-patch");
    this.object = isObject(value) ? value : {};
    this.patches = this.isJsonPatch ? (value as unknown[]).map((each) => isObject(each) ? each : {}) : [];
  }

  /** The operations of a JSON patch. */
  readonly patches: readonly Json[];

  get metadata(): Json {
    return objectAt(this.object, "metadata");
  }

  get spec(): Json {
    return objectAt(this.object, "spec");
  }
}

type Checks = (written: Written) => Check[];

const OF_RESOURCE: Readonly<Record<string, Checks>> = {
  [`roles.${RBAC}/`]: escalation,
  [`clusterroles.${RBAC}/`]: escalation,
  [`rolebindings.${RBAC}/`]: binding,
  [`clusterrolebindings.${RBAC}/`]: binding,
  [`certificatesigningrequests.${CERTIFICATES}/approval`]: () => [signers("approve")],
  [`certificatesigningrequests.${CERTIFICATES}/status`]: () => [signers("sign")],
  [`podcertificaterequests.${CERTIFICATES}/status`]: () => [signers("sign")],
  [`clustertrustbundles.${CERTIFICATES}/`]: attestation,
  "resourceclaims.resource.k8s.io/status": claimStatus,
  [`validatingadmissionpolicies.${ADMISSION}/`]: parameterKind,
  [`mutatingadmissionpolicies.${ADMISSION}/`]: parameterKind,
  [`validatingadmissionpolicybindings.${ADMISSION}/`]: parameters,
  [`mutatingadmissionpolicybindings.${ADMISSION}/`]: parameters,
};

function one(info: RequestInfo): Check {
  return [[info]];
}

/** A check that no request of its own stands for. */
function asked(fields: Partial<RequestInfo>): RequestInfo {
  return {
    isResource: true,
    path: "",
    verb: "",
    apiGroup: "",
    apiVersion: "*",
    namespace: "",
    resource: "",
    subresource: "",
    name: "",
    ...fields,
  };
}

/**
 * endpoints/handlers/patch.go and update.go: withAuthorization(). An object with a uid existed before. Kubernetes'
 * own subresources create only if updates of the resource do (`services/status`).
 */
function createdByUpdate({ info, metadata, isPatch, isApply }: Written): Check[] {
  const { verb, apiGroup, resource, subresource } = info;
  if (verb === "create" || isPatch && !isApply) return [];
  if (typeof metadata.uid === "string" && metadata.uid !== "") return [];
  const never = isBuiltIn(apiGroup) && !(isApply && subresource === "") &&
    !CREATED_BY_UPDATE.has(apiGroup === "" ? resource : `${resource}.${apiGroup}`);
  return never ? [] : [one({ ...info, verb: "create" })];
}

/** endpoints/handlers/delete.go: authorizeUnsafeDelete(). */
function unsafeDelete(
  info: RequestInfo,
  { value }: CheckedBody,
  query: ReadonlyMap<string, readonly string[]>,
): Check[] {
  const option = "ignoreStoreReadErrorWithClusterBreakingPotential";
  const [given] = query.get(option) ?? [];
  const unsafe = isObject(value)
    ? value[option] !== undefined && value[option] !== null && value[option] !== false
    : given !== undefined && given !== "0" && given.toLowerCase() !== "false";
  return unsafe ? [one({ ...info, verb: "unsafe-delete-ignore-read-errors" })] : [];
}

/**
 * plugin/pkg/admission/gc. Setting an owner lets the deletion of that owner delete the object. Blocking the owner's
 * deletion acts on the owner.
 */
function owners(written: Written): Check[] {
  const { info } = written;
  if (info.resource === "pods" && info.apiGroup === "" && info.subresource === "status") return [];
  const references = ownerReferences(written);
  if (references === undefined) return [];
  return [
    ...(info.verb === "create" ? [] : [one({ ...info, verb: "delete" })]),
    ...references.map((reference) => finalizersOf(reference, info.namespace))
      .filter((finalizers) => finalizers !== undefined).map(one),
  ];
}

function finalizersOf(reference: Json | "unknown", namespace: string): RequestInfo | undefined {
  const any = asked({ verb: "update", apiGroup: "*", resource: "*", subresource: "finalizers" });
  if (reference === "unknown") return any;
  const { blockOwnerDeletion, kind, apiVersion, name } = reference;
  if (!blockOwnerDeletion) return undefined;
  // Owners are merged by uid, so a patch may leave out the rest.
  if (typeof kind !== "string" || typeof apiVersion !== "string" || typeof name !== "string") return any;
  const apiGroup = groupOf(apiVersion);
  const namespaced = NAMESPACED_OWNERS.has(apiGroup === "" ? kind : `${kind}.${apiGroup}`);
  return asked({
    verb: "update",
    apiGroup,
    apiVersion: "*",
    resource: resourceOfKind(kind),
    subresource: "finalizers",
    name,
    namespace: namespaced ? namespace : "",
  });
}

/** The owners that a body sets; `unknown` if a change does not say which; undefined if it does not change them. */
function ownerReferences({ metadata, isJsonPatch, patches }: Written): (Json | "unknown")[] | undefined {
  const field = "ownerReferences";
  const listed = (value: unknown): (Json | "unknown")[] =>
    Array.isArray(value)
      ? value.map((each) => isObject(each) && each.$patch === undefined ? each : "unknown")
      : isObject(value)
      ? [value]
      : value === null
      ? []
      : ["unknown"];
  const changes = isJsonPatch
    ? patches.flatMap(({ op, path, from, value }) => {
      const places = (from === undefined ? [path] : [path, from])
        .map((pointer) => typeof pointer === "string" ? pointer : "");
      if (places.some((pointer) => pointer.includes(field))) return [op === "remove" ? [] : listed(value)];
      // The whole object, or all of its metadata. The server ignores everything before the first slash.
      return places.some((pointer) => /^[^/]*(\/|\/metadata)?$/.test(pointer)) ? [["unknown" as const]] : [];
    })
    : Object.entries(metadata).filter(([key]) => key.includes(field))
      .map(([key, value]) => key === field ? listed(value) : ["unknown" as const]);
  return changes.length === 0 ? undefined : changes.flat();
}

/** registry/rbac/escalation_check.go and validation.ConfirmNoEscalation(). */
function escalation({ info, object, isPatch, isJsonPatch }: Written): Check[] {
  const allowed: RequestInfo[] = [{ ...info, verb: "escalate", apiVersion: "*" }];
  const { rules, aggregationRule } = object;
  const isClusterRole = info.resource === "clusterroles";
  // An aggregated role gathers any rule. Only the server knows whether the existing role aggregates.
  if (
    isClusterRole && (info.verb !== "create" || aggregationRule !== undefined && aggregationRule !== null)
  ) {
    const everything = asked({ verb: "*", apiGroup: "*", resource: "*" });
    return [[allowed, [everything, { ...everything, isResource: false, path: "*" }]]];
  }
  const known = isJsonPatch || isPatch && !Array.isArray(rules)
    ? undefined
    : rules === undefined || rules === null
    ? []
    : Array.isArray(rules) && rules.every(isRule)
    ? rules
    : undefined;
  return [known === undefined ? [allowed] : [allowed, known.flatMap((rule) => parts(rule, info.namespace))]];
}

/** Each single permission in a rule (validation.BreakdownRule). */
function parts(rule: Partial<ClusterRule>, namespace: string): RequestInfo[] {
  const { verbs = [], apiGroups = [], resources = [], resourceNames = [], nonResourceURLs = [] } = rule;
  const names = resourceNames.length === 0 ? [""] : resourceNames;
  return verbs.flatMap((verb) => [
    ...apiGroups.flatMap((apiGroup) =>
      resources.flatMap((each) => {
        const [resource = "", subresource = ""] = each.split(/\/(.*)/s);
        return names.map((name) => asked({ verb, apiGroup, resource, subresource, name, namespace }));
      })
    ),
    ...nonResourceURLs.map((path) => asked({ isResource: false, verb, path })),
  ]);
}

function isRule(value: unknown): value is Partial<ClusterRule> {
  return isObject(value) &&
    Object.values(value).every((list) =>
      list === null || Array.isArray(list) && list.every((each) => typeof each === "string")
    );
}

/** BindingAuthorized(). Only the server knows what the role allows, so having all of its rights does not help here. */
function binding({ info, object }: Written): Check[] {
  const { kind, name } = objectAt(object, "roleRef");
  const namespace = info.resource === "rolebindings" ? info.namespace : "";
  const bind = (resource: string, name: string) =>
    asked({ verb: "bind", apiGroup: RBAC, resource, name, namespace });
  if (typeof name === "string" && (kind === "Role" || kind === "ClusterRole")) {
    return [one(bind(kind === "Role" ? "roles" : "clusterroles", name))];
  }
  return [[[bind("roles", ""), bind("clusterroles", "")]]];
}

/** certauthorization.IsAuthorizedForSignerName(). Only the server knows whose request is approved or signed. */
function signers(verb: string, name = ""): Check {
  const signer = (name: string) => asked({ verb, apiGroup: CERTIFICATES, resource: "signers", name });
  return name === "" ? one(signer("")) : [[signer(name)], [signer(`${name.split("/")[0]}/*`)]];
}

/** plugin/pkg/admission/certificates/ctbattest. */
function attestation({ spec, isPatch }: Written): Check[] {
  const { signerName } = spec;
  if (typeof signerName === "string" && signerName !== "") return [signers("attest", signerName)];
  return isPatch ? [signers("attest")] : [];
}

/** registry/resource/utils.go: AuthorizedForBinding(), AuthorizedForDeviceStatus(). */
function claimStatus({ info }: Written): Check[] {
  const all = { ...info, name: "" };
  return [
    one({ ...all, subresource: "binding", namespace: "" }),
    one({ ...all, subresource: "driver", verb: `arbitrary-node:${info.verb}` }),
  ];
}

/**
 * registry/admissionregistration: naming a kind for a policy's parameters requires the right to read all objects of
 * that kind.
 */
function parameterKind({ spec, isJsonPatch }: Written): Check[] {
  const { paramKind } = spec;
  if (!isJsonPatch && (paramKind === undefined || paramKind === null)) return [];
  const { apiVersion, kind } = isObject(paramKind) ? paramKind : {};
  const known = typeof apiVersion === "string" && typeof kind === "string";
  const apiGroup = known ? groupOf(apiVersion) : "*";
  const resource = known && isBuiltIn(apiGroup) ? resourceOfKind(kind) : "*";
  return [one(asked({ verb: "get", apiGroup, resource, name: "*", namespace: "*" }))];
}

/** The same for the parameters that a binding names. Their kind is in the policy. */
function parameters({ spec, isPatch, isJsonPatch }: Written): Check[] {
  const { paramRef, policyName } = spec;
  const any = { apiGroup: "*", resource: "*" };
  const unknown = isJsonPatch || isPatch && !isObject(paramRef) && policyName !== undefined;
  if (unknown || isPatch && isObject(paramRef)) {
    return [one(asked({ ...any, verb: "get" })), one(asked({ ...any, verb: "list" }))];
  }
  if (!isObject(paramRef)) return [];
  const [name, namespace] = [paramRef.name, paramRef.namespace]
    .map((each) => typeof each === "string" ? each : "");
  return [one(asked({ ...any, verb: name === "" ? "list" : "get", name: name!, namespace: namespace! }))];
}

/** The group: `apps` for `apps/v1`, empty for `v1`. */
function groupOf(apiVersion: string): string {
  return apiVersion.includes("/") ? apiVersion.slice(0, apiVersion.indexOf("/")) : "";
}

/** The plural that Kubernetes itself guesses (meta.UnsafeGuessKindToResource). */
function resourceOfKind(kind: string): string {
  const singular = kind.toLowerCase();
  if (singular === "endpoints") return singular;
  if (singular.endsWith("s")) return `${singular}es`;
  return singular.endsWith("y") ? `${singular.slice(0, -1)}ies` : `${singular}s`;
}

function objectAt(object: Json, field: string): Json {
  const value = object[field];
  return isObject(value) ? value : {};
}
