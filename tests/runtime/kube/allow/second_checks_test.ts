import assert from "node:assert/strict";
import { parseQuery, parseRequest, type RequestInfo } from "../../../../runtime/kube/allow/request_info.ts";
import { needsBody, secondChecks } from "../../../../runtime/kube/allow/second_checks.ts";

/** The first way of each check, as `VERB GROUP RESOURCE/SUB[NAME]@NAMESPACE`; a URL as `VERB PATH`. */
function checks(line: string, value?: unknown, mediaType = "application/json"): string[][] {
  const [method = "", url = ""] = line.split(" ");
  const [path = "", query = ""] = url.split("?");
  const info = parseRequest(method, path, query);
  return secondChecks(info, { mediaType, value }, parseQuery(query)).map(([way]) => way!.map(shown));
}

function shown(
  { isResource, path, verb, apiGroup, resource, subresource, name, namespace }: RequestInfo,
): string {
  if (!isResource) return `${verb} ${path}`;
  return `${verb} ${apiGroup}/${resource}/${subresource}[${name}]@${namespace}`;
}

const APPLY = "application/apply-patch+yaml";
const MERGE = "application/merge-patch+json";

Deno.test("apply and creating updates require create", () => {
  const patch = "PATCH /api/v1/namespaces/a/configmaps/x";
  assert.deepEqual(checks(patch, {}, APPLY), [["create /configmaps/[x]@a"]]);
  assert.deepEqual(checks(patch, { metadata: { uid: "1" } }, APPLY), [], "it was there before");
  assert.deepEqual(checks(patch, {}, MERGE), []);
  assert.deepEqual(checks(`${patch}/status`, {}, APPLY), []);
  assert.deepEqual(checks("PUT /api/v1/namespaces/a/configmaps/x", {}), []);
  assert.deepEqual(checks("PUT /api/v1/namespaces/a/endpoints/x", {}), [["create /endpoints/[x]@a"]]);
  assert.deepEqual(checks("PUT /api/v1/namespaces/a/services/x/status", {}), [[
    "create /services/status[x]@a",
  ]]);
  assert.deepEqual(checks("PUT /apis/example.com/v1/namespaces/a/widgets/x", {}), [
    ["create example.com/widgets/[x]@a"],
  ], "what another server does is not known");
  assert.deepEqual(checks("POST /api/v1/namespaces/a/endpoints", {}), []);
});

Deno.test("an owner reference requires delete, and the owner's finalizers if it blocks", () => {
  const owners = (more: object = {}) => ({
    metadata: {
      ownerReferences: [{ apiVersion: "apps/v1", kind: "Deployment", name: "d", uid: "1", ...more }],
    },
  });
  const path = "/api/v1/namespaces/a/configmaps";
  assert.deepEqual(checks(`POST ${path}`, owners()), []);
  const finalizers = ["update apps/deployments/finalizers[d]@a"];
  assert.deepEqual(checks(`POST ${path}`, owners({ blockOwnerDeletion: true })), [finalizers]);
  const deletes = ["delete /configmaps/[x]@a"];
  assert.deepEqual(checks(`PUT ${path}/x`, owners()), [deletes]);
  assert.deepEqual(checks(`PATCH ${path}/x`, owners({ blockOwnerDeletion: true }), MERGE), [
    deletes,
    finalizers,
  ]);
  const any = ["update */*/finalizers[]@"];
  for (
    const value of [
      { metadata: { ownerReferences: [{ $patch: "delete", uid: "1" }] } },
      { metadata: { "$setElementOrder/ownerReferences": [] } },
      [{ op: "remove", path: "/metadata" }],
      [{ op: "add", path: "x/metadata/ownerReferences/0/blockOwnerDeletion", value: true }],
      [{ op: "replace", path: "/metadata", value: {} }],
      [{ op: "replace", path: "", value: {} }],
      [{ op: "move", from: "/metadata", path: "/spec" }],
      [{ op: "copy", from: "/data/a", path: "/metadata/ownerReferences" }],
    ]
  ) {
    assert.deepEqual(checks(`PATCH ${path}/x`, value, MERGE), [deletes, any], JSON.stringify(value));
  }
  for (
    const value of [
      { metadata: { ownerReferences: null } },
      { metadata: { ownerReferences: [] } },
      [{ op: "remove", path: "/metadata/ownerReferences/0" }],
      [{ op: "add", path: "/metadata/ownerReferences", value: [] }],
    ]
  ) assert.deepEqual(checks(`PATCH ${path}/x`, value, MERGE), [deletes], JSON.stringify(value));
  assert.deepEqual(
    checks(`PATCH ${path}/x`, [{ op: "add", path: "/metadata/labels/a", value: "b" }]),
    [],
  );
  // The resource of another server's owner kind is unknown.
  assert.deepEqual(
    checks(
      `POST ${path}`,
      owners({ apiVersion: "example.com/v1", kind: "Policy", blockOwnerDeletion: true }),
    ),
    [["update example.com/policies/finalizers[d]@"]],
  );
  assert.deepEqual(
    checks("PUT /api/v1/namespaces/a/pods/x/status", owners()),
    [],
    "the server passes over it",
  );
});

Deno.test("roles and bindings require escalate and bind", () => {
  const roles = "/apis/rbac.authorization.k8s.io/v1/namespaces/a/roles";
  const group = "rbac.authorization.k8s.io";
  const rules = [{ verbs: ["get"], apiGroups: [""], resources: ["pods/log"], resourceNames: ["x"] }];
  const info = parseRequest("POST", roles, "");
  const ways = secondChecks(info, { mediaType: "", value: { rules } }, new Map())[0]!.map((way) =>
    way.map(shown)
  );
  assert.deepEqual(ways, [[`escalate ${group}/roles/[]@a`], ["get /pods/log[x]@a"]]);
  assert.equal(
    secondChecks(info, { mediaType: "", value: { rules: [{ verbs: [1] }] } }, new Map())[0]!.length,
    1,
    "rules that are none are covered by nothing",
  );
  assert.deepEqual(checks(`PATCH ${roles}/x`, { metadata: {} }, MERGE), [[`escalate ${group}/roles/[x]@a`]]);
  const bindings = roles.replace("roles", "rolebindings");
  assert.deepEqual(checks(`POST ${bindings}`, { roleRef: { kind: "ClusterRole", name: "admin" } }), [
    [`bind ${group}/clusterroles/[admin]@a`],
  ]);
  assert.deepEqual(checks(`PATCH ${bindings}/x`, { subjects: [] }, MERGE), [
    [`bind ${group}/roles/[]@a`, `bind ${group}/clusterroles/[]@a`],
  ]);
});

Deno.test("needsBody() is true for objects and false for streams", () => {
  const needs = (line: string) => {
    const [method = "", path = ""] = line.split(" ");
    return needsBody(parseRequest(method, path, ""));
  };
  const pod = "/api/v1/namespaces/a/pods/x";
  for (const line of [`PUT ${pod}`, `PATCH ${pod}/status`, `POST ${pod}/eviction`, `DELETE ${pod}`]) {
    assert.ok(needs(line), line);
  }
  for (
    const line of [
      `GET ${pod}`,
      `POST ${pod}/exec`,
      `POST ${pod}/proxy/x`,
      "POST /api/v1/nodes/n/proxy/run",
      "POST /apis/upload.example.com/v1/namespaces/a/images/x/upload",
      "POST /metrics",
    ]
  ) assert.ok(!needs(line), line);
});
