/**
 * Random rules and random requests: compares the API server, asked by an RBAC user with these rules, with
 * authorizeCluster() and the same rules. It refuses whatever the server refuses. For the first check of a request,
 * both always agree.
 */

import assert from "node:assert/strict";
import { parseRequest, type RequestInfo } from "../../runtime/kube/allow/request_info.ts";
import { type ClusterRule, ruleCovers } from "../../runtime/kube/allow/rules.ts";
import { ControlPlane, controlPlaneMissing } from "../support/envtest.ts";
import { fc } from "../support/fuzz.ts";
import { type Answered, answerUnderRules, type Asked, RbacPlane } from "../support/rbac.ts";

/** How many sets of rules to try, each for its own user. */
const USERS = Number(Deno.env.get("FUZZ_SECONDS") ?? 3) * 30;

const NAMESPACES = ["a", "b"];
const NAMES = ["x", "y"];
const RBAC = "rbac.authorization.k8s.io";

/** Served resources: group/version, resource, its subresources; whether it is namespaced. */
const SERVED:
  readonly (readonly [prefix: string, resource: string, subresources: string[], inNamespace: boolean])[] = [
    ["/api/v1", "configmaps", [], true],
    ["/api/v1", "secrets", [], true],
    ["/api/v1", "endpoints", [], true],
    ["/api/v1", "events", [], true],
    ["/api/v1", "limitranges", [], true],
    ["/api/v1", "services", ["proxy", "status"], true],
    [
      "/api/v1",
      "pods",
      ["log", "exec", "attach", "portforward", "status", "eviction", "binding", "proxy"],
      true,
    ],
    ["/api/v1", "serviceaccounts", ["token"], true],
    ["/api/v1", "replicationcontrollers", ["scale"], true],
    ["/api/v1", "namespaces", ["status", "finalize"], false],
    ["/api/v1", "nodes", ["status", "proxy"], false],
    ["/apis/apps/v1", "deployments", ["scale", "status"], true],
    ["/apis/coordination.k8s.io/v1", "leases", [], true],
    ["/apis/node.k8s.io/v1", "runtimeclasses", [], false],
    [`/apis/${RBAC}/v1`, "roles", [], true],
    [`/apis/${RBAC}/v1`, "rolebindings", [], true],
    [`/apis/${RBAC}/v1`, "clusterroles", [], false],
    [`/apis/${RBAC}/v1`, "clusterrolebindings", [], false],
    ["/apis/certificates.k8s.io/v1", "certificatesigningrequests", ["approval", "status"], false],
    ["/apis/example.com/v1", "widgets", ["status", "scale"], true],
  ];
const KINDS: Readonly<Record<string, string>> = {
  configmaps: "ConfigMap",
  secrets: "Secret",
  endpoints: "Endpoints",
  events: "Event",
  limitranges: "LimitRange",
  services: "Service",
  pods: "Pod",
  serviceaccounts: "ServiceAccount",
  replicationcontrollers: "ReplicationController",
  namespaces: "Namespace",
  nodes: "Node",
  deployments: "Deployment",
  leases: "Lease",
  runtimeclasses: "RuntimeClass",
  roles: "Role",
  rolebindings: "RoleBinding",
  clusterroles: "ClusterRole",
  clusterrolebindings: "ClusterRoleBinding",
  certificatesigningrequests: "CertificateSigningRequest",
  widgets: "Widget",
};
const GROUPS = [...new Set(SERVED.map(([prefix]) => groupOf(prefix)))];

function groupOf(prefix: string): string {
  return prefix === "/api/v1" ? "" : prefix.split("/")[2]!;
}

const oneOf = <T>(...values: readonly T[]) => fc.constantFrom(...values);
const some = <T>(values: readonly T[]) =>
  fc.uniqueArray(fc.constantFrom(...values), { minLength: 1, maxLength: 3 });

/** Owners, and other metadata for which the server makes further checks. */
const metadata = (name: string) =>
  fc.record({
    name: fc.constant(name),
    ...{
      uid: oneOf("u-2", ""),
      ownerReferences: fc.array(
        fc.record({
          apiVersion: oneOf("v1", "apps/v1"),
          kind: oneOf("ConfigMap", "Node", "Deployment"),
          name: oneOf(...NAMES),
          uid: fc.constant("u-1"),
          blockOwnerDeletion: fc.boolean(),
        }, { requiredKeys: ["apiVersion", "kind", "name", "uid"] }),
        { maxLength: 2 },
      ),
    },
  }, { requiredKeys: ["name"] });

const rbacRule = fc.record({
  verbs: some(["get", "list", "create", "*"]),
  apiGroups: some(["", "apps", "*"]),
  resources: some(["pods", "configmaps", "pods/log", "*/scale", "*"]),
  resourceNames: some(NAMES),
}, { requiredKeys: ["verbs", "apiGroups", "resources"] });

function bodyOf(prefix: string, resource: string, name: string) {
  const apiVersion = prefix.replace(/^\/apis?\//, "");
  return metadata(name).chain((metadata) =>
    fc.record({
      ...(/roles$/.test(resource) ? { rules: fc.array(rbacRule, { maxLength: 2 }) } : {}),
      ...(/rolebindings$/.test(resource)
        ? {
          roleRef: fc.record({
            apiGroup: fc.constant(RBAC),
            kind: oneOf("ClusterRole", ...(resource === "rolebindings" ? ["Role"] : [])),
            name: oneOf("system:node", "x"),
          }),
        }
        : {}),
      ...(resource === "clusterroles"
        ? { aggregationRule: oneOf(undefined, { clusterRoleSelectors: [{ matchLabels: { a: "b" } }] }) }
        : {}),
      ...(resource === "limitranges" ? { spec: fc.constant({ limits: [] }) } : {}),
      ...(resource === "runtimeclasses" ? { handler: fc.constant("h") } : {}),
      ...(resource === "services" ? { spec: fc.constant({ ports: [{ port: 80 }] }) } : {}),
      ...(resource === "certificatesigningrequests"
        ? { status: fc.constant({ conditions: [{ type: "Approved", status: "True" }] }) }
        : {}),
    }).map((more) => ({ apiVersion, kind: KINDS[resource], metadata, ...more }))
  );
}

const resourceRequest: fc.Arbitrary<Asked> = fc.record({
  served: fc.constantFrom(...SERVED),
  method: oneOf("GET", "GET", "HEAD", "POST", "PUT", "PUT", "PATCH", "PATCH", "PATCH", "DELETE"),
  namespace: oneOf(...NAMESPACES, ...NAMESPACES, undefined),
  name: oneOf("x", "x", "new", undefined),
  sub: fc.nat(),
  withSubresource: fc.boolean(),
  special: oneOf("", "", "", "", "watch/", "proxy/"),
  query: oneOf(
    "",
    "",
    "watch=1",
    "fieldSelector=metadata.name%3Dx",
    "limit=1",
    "watch=0&fieldSelector=metadata.name=y",
  ),
  type: oneOf("apply", "merge", "strategic", "json"),
}).chain(({ served, method, namespace, name, sub, withSubresource, special, query, type }) => {
  const [prefix, resource, subresources, inNamespace] = served;
  const writes = method !== "GET" && method !== "HEAD";
  const subresource = withSubresource && name !== undefined
    ? subresources[sub % subresources.length]
    : undefined;
  // The server never ends a watch that HEAD asks for, and the connection is useless after it.
  const ends = method === "HEAD" && (special === "watch/" || query === "watch=1");
  const path = [
    `${prefix}/${writes || ends ? "" : special}`.replace(/\/$/, ""),
    ...(inNamespace && namespace !== undefined ? ["namespaces", namespace] : []),
    resource,
    ...(name === undefined ? [] : [name]),
    ...(subresource === undefined ? [] : [subresource]),
  ].join("/");
  // A dry run: other users' rules are on the server, too.
  const url = `${path}?${
    writes
      ? `dryRun=All${type === "apply" && method === "PATCH" ? "&fieldManager=m" : ""}`
      : ends
      ? ""
      : query
  }`;
  const object = bodyOf(prefix, resource, name ?? "new");
  if (method === "POST" || method === "PUT") {
    return object.map((body): Asked => ({ method, path: url, body }));
  }
  if (method === "DELETE") {
    return oneOf(undefined, { dryRun: ["All"] }, {
      dryRun: ["All"],
      ignoreStoreReadErrorWithClusterBreakingPotential: true,
    }).map((body): Asked => ({ method, path: url, ...(body === undefined ? {} : { body }) }));
  }
  if (method !== "PATCH") return fc.constant<Asked>({ method, path: url });
  if (type === "json") {
    return object.chain(({ metadata, ...fields }) =>
      oneOf<readonly [path: string, value: unknown]>(
        ["/metadata/ownerReferences", metadata.ownerReferences ?? []],
        ["/metadata/labels", {}],
        ["/metadata", { ...metadata, namespace }],
        ...Object.entries(fields).map(([field, value]) => [`/${field}`, value] as const),
      )
    ).map(([path, value]): Asked => ({
      method,
      path: url,
      body: [{ op: "add", path, value }],
      type: "application/json-patch+json",
    }));
  }
  const types = {
    apply: "apply-patch+yaml",
    merge: "merge-patch+json",
    strategic: "strategic-merge-patch+json",
  };
  return object.map((body): Asked => ({
    method,
    path: url,
    body,
    type: `application/${types[type as "apply"]}`,
  }));
});

const otherRequest: fc.Arbitrary<Asked> = fc.record({
  method: oneOf("GET", "GET", "HEAD", "POST"),
  path: oneOf(
    ...[
      "/",
      "/api",
      "/apis/apps/v1",
      "/apis/",
      "/openapi/v3",
      "/version",
      "/version/",
      "/healthz",
      "/healthz/ping",
    ],
    ...[
      "/livez/ping",
      "/readyz",
      "/metrics",
      "/logs/x",
      "/debug/pprof/",
      "/.well-known/openid-configuration",
    ],
  ),
});

const asked = fc.oneof({ arbitrary: resourceRequest, weight: 9 }, { arbitrary: otherRequest, weight: 1 });

const randomRule: fc.Arbitrary<ClusterRule> = fc.oneof(
  fc.record({
    verbs: some(["get", "list", "watch", "create", "update", "patch", "delete", "escalate", "bind", "*"]),
    apiGroups: some([...GROUPS, "*"]),
    resources: some([
      ...SERVED.flatMap(([, resource, subresources]) => [
        resource,
        ...subresources.map((each) => `${resource}/${each}`),
      ]),
      ...["*", "*/scale", "*/finalizers", "configmaps/finalizers", "nodes/finalizers", "signers"],
    ]),
    resourceNames: some([...NAMES, "*"]),
    namespaces: some(NAMESPACES),
  }, { requiredKeys: ["verbs", "apiGroups", "resources"] }),
  fc.record({
    verbs: some(["get", "head", "post", "*"]),
    nonResourceURLs: some(["/metrics", "/logs/*", "/healthz/*", "*"]),
  }),
);

function infoOf({ method, path }: Asked): RequestInfo {
  const [url = "", query = ""] = path.split(/\?(.*)/s);
  return parseRequest(method, url, query);
}

/** A rule that allows the first check of a request, more or less narrowly. */
function ruleFor(info: RequestInfo, narrow: boolean): ClusterRule {
  if (!info.isResource) return { verbs: [info.verb || "*"], nonResourceURLs: [info.path] };
  const { verb, apiGroup, resource, subresource, name, namespace } = info;
  return {
    verbs: [verb || "*"],
    apiGroups: [apiGroup],
    resources: [subresource === "" ? resource : `${resource}/${subresource}`],
    ...(narrow && name !== "" ? { resourceNames: [name] } : {}),
    ...(narrow && namespace !== "" ? { namespaces: [namespace] } : {}),
  };
}

const round = fc.record({
  requests: fc.array(asked, { minLength: 4, maxLength: 4 }),
  first: fc.array(fc.record({ given: fc.nat(4), narrow: fc.boolean() }), { minLength: 4, maxLength: 4 }),
  rules: fc.array(randomRule, { maxLength: 3 }),
}).map(({ requests, first, rules }) => ({
  requests,
  rules: [
    ...requests.flatMap((request, index) =>
      first[index]!.given > 0 ? [ruleFor(infoOf(request), first[index]!.narrow)] : []
    )
      .filter(({ namespaces }) =>
        namespaces === undefined || namespaces.every((each) => NAMESPACES.includes(each))
      ),
    ...rules,
  ],
}));

/** A refusal of the first check. */
const FIRST = /cannot \S* ?(?:resource|path)|is forbidden: User/;
/** What RBAC gives every user, whatever their rules. */
const EVERYBODYS = /^\/(?:(?:api|apis|openapi)(?:\/.*)?|version\/?|healthz|livez|readyz)$/;

Deno.test("authorizeCluster() refuses whatever RBAC refuses, for random rules and requests", {
  ignore: controlPlaneMissing(),
  sanitizeResources: false,
}, async () => {
  await using plane = await ControlPlane.start({
    flags: ["--enable-admission-plugins=OwnerReferencesPermissionEnforcement"],
  });
  using rbac = new RbacPlane(plane);
  await furnish(rbac);
  const rounds = fc.sample(round, { numRuns: USERS, seed: fc.readConfigureGlobal().seed! });
  const users = await each(rounds, ({ rules }) => rbac.user(rules));
  await rbac.settle();
  const seen = { forbidden: 0, allowed: 0, first: 0, stricter: 0 };
  await each(
    rounds.flatMap(({ requests, rules }, index) => requests.map((asked) => ({ asked, rules, index }))),
    async ({
      asked,
      rules,
      index,
    }) => {
      const theirs = await rbac.ask(asked, users[index]).catch((error) => {
        throw new Error(JSON.stringify(asked), { cause: error });
      });
      const ours = await answerOf(rules, asked);
      const told = () => JSON.stringify({ asked, rules, theirs, ours }, null, 1);
      const info = infoOf(asked);
      const first = rules.some((rule) => ruleCovers(rule, info)) ||
        !info.isResource && info.verb === "get" && EVERYBODYS.test(info.path);
      const forbidden = isForbidden(theirs, asked);
      if (!first) {
        assert.ok(forbidden, `RBAC refuses what no rule covers: ${told()}`);
        assert.notEqual(ours.status, 0, `and so does krew-wasm: ${told()}`);
        seen.first++;
      } else if (forbidden) {
        assert.notEqual(ours.status, 0, `the guard refuses what RBAC refuses: ${told()}`);
        seen.forbidden++;
      } else if (ours.status === 0) seen.allowed++;
      else {
        assert.ok(mayBeStricter(info, asked), `the guard is stricter only where it can't know: ${told()}`);
        seen.stricter++;
      }
    },
  );
  // deno-lint-ignore no-console -- how many cases are meaningful
  console.log(JSON.stringify(seen));
  assert.ok(Math.min(seen.forbidden, seen.allowed, seen.first) > USERS / 10, JSON.stringify(seen));
});

/** Cases in docs/cluster.md for which krew-wasm is stricter than the server. */
function mayBeStricter(info: RequestInfo, { body, type = "" }: Asked): boolean {
  const text = JSON.stringify(body ?? null);
  return /ownerReferences|"\/metadata"/.test(text) || type.includes("apply") ||
    info.verb === "update" || // may create
    /roles$|bindings$|^certificatesigningrequests$/.test(info.resource) ||
    text.includes("ignoreStoreReadError") ||
    info.resource === "pods" && ["exec", "attach", "portforward"].includes(info.subresource);
}

function isForbidden({ status, message }: Answered, { method }: Asked): boolean {
  return status === 403 &&
    (method === "HEAD" || FIRST.test(message) || !/because it is being terminated/.test(message));
}

async function answerOf(rules: readonly ClusterRule[], asked: Asked): Promise<Answered> {
  try {
    return await answerUnderRules(rules, asked);
  } catch (error) {
    return { status: -1, message: (error as Error).message };
  }
}

/** Runs eight at a time, results in order. */
async function each<T, R>(all: readonly T[], work: (one: T) => Promise<R>): Promise<R[]> {
  const results: R[] = [];
  let next = 0;
  await Promise.all(Array.from({ length: 8 }, async () => {
    for (let index = next++; index < all.length; index = next++) results[index] = await work(all[index]!);
  }));
  return results;
}

/** Creates one object `x` of each kind, so that updates find something. */
async function furnish(rbac: RbacPlane): Promise<void> {
  await rbac.make("/apis/apiextensions.k8s.io/v1/customresourcedefinitions", {
    metadata: { name: "widgets.example.com" },
    spec: {
      group: "example.com",
      scope: "Namespaced",
      names: { plural: "widgets", singular: "widget", kind: "Widget", listKind: "WidgetList" },
      versions: [{
        name: "v1",
        served: true,
        storage: true,
        schema: { openAPIV3Schema: { type: "object", "x-kubernetes-preserve-unknown-fields": true } },
        subresources: {
          status: {},
          scale: { specReplicasPath: ".spec.replicas", statusReplicasPath: ".status.replicas" },
        },
      }],
    },
  });
  for (const name of NAMESPACES) await rbac.make("/api/v1/namespaces", { metadata: { name } });
  const x = (more: object = {}) => ({ metadata: { name: "x" }, ...more });
  const pod = { containers: [{ name: "c", image: "example.com/c:1" }] };
  const template = { metadata: { labels: { a: "b" } }, spec: pod };
  const selector = { matchLabels: { a: "b" } };
  for (const namespace of NAMESPACES) {
    const core = `/api/v1/namespaces/${namespace}`;
    for (const resource of ["configmaps", "secrets", "endpoints", "serviceaccounts"]) {
      await rbac.make(`${core}/${resource}`, x());
    }
    await rbac.make(`${core}/limitranges`, x({ spec: { limits: [] } }));
    await rbac.make(`${core}/services`, x({ spec: { ports: [{ port: 80 }] } }));
    await rbac.make(`${core}/pods`, x({ spec: pod }));
    await rbac.make(`${core}/replicationcontrollers`, x({ spec: { selector: { a: "b" }, template } }));
    await rbac.make(`/apis/apps/v1/namespaces/${namespace}/deployments`, x({ spec: { selector, template } }));
    await rbac.make(`/apis/coordination.k8s.io/v1/namespaces/${namespace}/leases`, x());
    await rbac.make(`/apis/${RBAC}/v1/namespaces/${namespace}/roles`, x({ rules: [] }));
    await rbac.make(
      `/apis/${RBAC}/v1/namespaces/${namespace}/rolebindings`,
      x({ roleRef: { apiGroup: RBAC, kind: "ClusterRole", name: "system:node" } }),
    );
  }
  await rbac.make("/apis/node.k8s.io/v1/runtimeclasses", x({ handler: "h" }));
  await rbac.make(`/apis/${RBAC}/v1/clusterroles`, x({ rules: [] }));
  await rbac.make("/api/v1/nodes", x());
  let widget: Answered;
  do {
    widget = await rbac.ask({
      method: "POST",
      path: "/apis/example.com/v1/namespaces/a/widgets",
      body: { apiVersion: "example.com/v1", kind: "Widget", ...x() },
    });
  } while (widget.status === 404);
  assert.ok(widget.status < 300, JSON.stringify(widget));
}
