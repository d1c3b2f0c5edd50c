import assert from "node:assert/strict";
import type { Case, Group } from "../case.ts";

type Request = readonly [method: string, path: string, body?: string, type?: string];

/** Requests that the grant does not cover. krew-wasm refuses each and sends none. */
function held(tries: string, granted: string, requests: readonly Request[], more: Partial<Case> = {}): Case {
  return {
    tries,
    granted,
    network: true,
    attack: requests.flatMap(([method, path, body = "", type]) => [
      ...["request", method, `$SERVER${path}`, body],
      ...(type === undefined ? [] : ["Content-Type", type]),
      ",",
    ]),
    sees: requests.map(() => "403 {…").join("; "),
    shown: "403 by krew-wasm; nothing is sent",
    ...more,
  };
}

const POD = "/api/v1/namespaces/default/pods/web";
const CONFIGMAP = "/api/v1/namespaces/default/configmaps/x";
const RBAC = "/apis/rbac.authorization.k8s.io/v1";
const APPLY = "application/apply-patch+yaml";
const MERGE = "application/merge-patch+json";
const JSON_PATCH = "application/json-patch+json";
const ALL = '[{"verbs":["*"],"apiGroups":["*"],"resources":["*"]}]';

/** More access to the cluster than granted. */
export const CLUSTER: Group = {
  title: "more of the cluster than was granted",
  cases: [
    held("reach a cluster that it was denied", "--allow-cluster=none", [
      ["get", "/version"],
      ["get", "/api"],
      ["get", POD],
    ]),
    held("change objects that it may only read", "--allow-cluster=read-only", [
      ["post", "/api/v1/namespaces/default/pods", "{}"],
      ["put", POD, "{}"],
      ["patch", POD, "{}"],
      ["delete", POD],
      ["delete", "/api/v1/namespaces/default/pods"],
      ["post", `${POD}/eviction`, "{}"],
      ["post", "/api/v1/namespaces/default/serviceaccounts/default/token", "{}"],
    ]),
    held("get into a container, or a node, by a GET", "--allow-cluster=read-only", [
      ["get", `${POD}/exec?command=sh&stdin=true`],
      ["get", `${POD}/attach`],
      ["get", `${POD}/portforward?ports=22`],
      ["get", "/api/v1/nodes/n1/proxy/run/kube-system/x/y?cmd=id"],
      ["get", "/api/v1/proxy/nodes/n1/run"],
      ["get", "/api/v1/namespaces/default/services/web/proxy/"],
    ]),
    held("disguise a write as a dry run", "--allow-cluster=read-only", [
      ["post", "/api/v1/namespaces/default/pods?dryrun=All", "{}"],
      ["post", "/api/v1/namespaces/default/pods?dryRun=", "{}"],
      ["post", "/api/v1/namespaces/default/pods?dryRun=None&dryRun=All", "{}"],
      ["post", "/api/v1/namespaces/default/pods?x=%26dryRun=All", "{}"],
    ]),
    held("act on another namespace than granted", "--allow-cluster=get:pods@default", [
      ["get", "/api/v1/namespaces/kube-system/pods/web"],
      ["get", "/api/v1/namespaces/Default/pods/web"],
      ["get", "/api/v1/namespaces/default%20/pods/web"],
      ["get", "/api/v1/pods"],
    ]),
    {
      tries: "act on another namespace by tricks of the path",
      granted: "--allow-cluster=get:pods@default",
      network: true,
      attack: [
        "/api/v1/namespaces/default/../kube-system/pods/web",
        "/api/v1/namespaces/default/%2e%2e/kube-system/pods/web",
        "/api/v1/namespaces/default/.%2E/kube-system/pods/web",
        "/api/v1/namespaces/default/pods/../../kube-system/pods/web",
        "/api/v1/namespaces/default\\..\\kube-system/pods/web",
        "/api/v1/namespaces/kube-system/pods/web?namespace=default",
        "/api/v1/namespaces/kube-system/pods/web#/namespaces/default/pods",
      ].flatMap((path) => ["request", "get", `$SERVER${path}`, "", ","]),
      sees: [...Array(5).fill("destination-not-allowed"), "403 {…", "403 {…"].join("; "),
      shown: "an error, or 403 by krew-wasm; nothing is sent",
    },
    held("act on another namespace by an encoded slash", "--allow-cluster=get:pods@default", [
      ["get", "/api/v1/namespaces/default%2f..%2fkube-system/pods/web"],
      ["get", "/api/v1/namespaces/default%2Fpods%2F..%2F..%2Fkube-system/pods/web"],
    ], {
      sees: "destination-not-allowed; destination-not-allowed",
      shown: "an error; nothing is sent",
    }),
    held("read another object than granted", "--allow-cluster=get:secrets[db]@default", [
      ["get", "/api/v1/namespaces/default/secrets/other"],
      ["get", "/api/v1/namespaces/default/secrets"],
      ["get", "/api/v1/namespaces/default/secrets?fieldSelector=metadata.name%3Ddb"],
      ["get", "/api/v1/watch/namespaces/default/secrets/db"],
    ]),
    held("list or watch where it may get", "--allow-cluster=get:pods@default", [
      ["get", "/api/v1/namespaces/default/pods"],
      ["get", "/api/v1/namespaces/default/pods?watch=true"],
      ["get", "/api/v1/namespaces/default/pods?watch=1&resourceVersion=0"],
      ["get", "/api/v1/watch/namespaces/default/pods"],
    ]),
    held("watch where it may list, in another notation", "--allow-cluster=list:pods@default", [
      ["get", "/api/v1/namespaces/default/pods?watch=1&watch=0"],
      ["get", "/api/v1/namespaces/default/pods?watch=TRUE"],
      ["get", "/api/v1/namespaces/default/pods?watch"],
      ["get", "/api/v1/namespaces/default/pods?watch=0;&watch=1"],
      ["get", "/api/v1/namespaces/default/pods?w%61tch=yes"],
      ["get", "/api/v1/watch/namespaces/default/pods?watch=false"],
    ]),
    held(
      "list more than the one allowed object, by a selector",
      "--allow-cluster=list:secrets[db]@default",
      [
        ["get", "/api/v1/namespaces/default/secrets?fieldSelector=metadata.name!=db"],
        [
          "get",
          "/api/v1/namespaces/default/secrets?fieldSelector=metadata.name=other&fieldSelector=metadata.name=db",
        ],
        ["get", "/api/v1/namespaces/default/secrets?fieldSelector=metadata.name%3Ddb%5C%2Cx"],
        ["get", "/api/v1/namespaces/default/secrets?fieldSelector=type=db"],
        ["get", "/api/v1/namespaces/default/secrets?labelSelector=metadata.name=db"],
        ["get", "/api/v1/namespaces/default/secrets?fieldselector=metadata.name=db"],
      ],
    ),
    held("learn by HEAD about an object that it may not get", "--allow-cluster=list:pods@default", [
      ["head", POD],
      ["head", "/api/v1/namespaces/default/secrets/db"],
    ], { sees: "403…; 403…" }),
    held(
      "disguise a write as a dry run, by an unknown or contradicting parameter",
      "--allow-cluster=read-only",
      [
        ["post", "/apis/aggregated.k8s.io/v1/namespaces/default/things?dryRun=All", "{}"],
        ["post", "/apis/evil.example/v1/namespaces/default/things?dryRun=All", "{}"],
        ["post", "/api/v1/namespaces/default/pods?dryRun=All;x", "{}"],
        ["post", "/api/v1/namespaces/default/pods?dryRun=All&dryRun=", "{}"],
        ["delete", `${POD}?dryRun=All`, '{"dryRun":[]}'],
        ["delete", `${POD}?dryRun=All`, '{"dryRun":["All"],"dryRun":[]}'],
        ["post", `${POD}/binding?dryRun=All`, "{}"],
      ],
      {
        sees: "403 {…; 403 {…; 403 {…; 403 {…; 403 {…; 400 {…; 403 {…",
        shown: "403, or 400 for repeated parameters, by krew-wasm; nothing is sent",
      },
    ),
    held("delete all where it may delete one", "--allow-cluster=delete:pods[web]@default", [
      ["delete", "/api/v1/namespaces/default/pods"],
      ["delete", "/api/v1/namespaces/default/pods/"],
      ["delete", "/api/v1/namespaces/default/pods?labelSelector=a"],
    ]),
    held(
      "use a subresource without a grant for it",
      "--allow-cluster=get,create:pods@default",
      [
        ["get", `${POD}/log`],
        ["post", `${POD}/exec?command=sh`],
        ["get", `${POD}/exec?command=sh`],
        ["post", `${POD}/ephemeralcontainers`, "{}"],
      ],
    ),
    held("create where it may only change", "--allow-cluster=patch,update:*.*@default", [
      ["patch", CONFIGMAP, '{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"x"}}', APPLY],
      ["patch", CONFIGMAP, "metadata: {name: x}", APPLY],
      ["patch", CONFIGMAP, '{"metadata":{"uid":""}}', APPLY],
      ["put", "/api/v1/namespaces/default/endpoints/x", '{"metadata":{"name":"x"}}'],
      ["put", "/apis/coordination.k8s.io/v1/namespaces/default/leases/x", "{}"],
      ["put", "/api/v1/namespaces/default/services/x/status", "{}"],
    ]),
    held("create a denied object by a patch", "--allow-cluster=full --deny-cluster=create:pods", [
      ["patch", POD, '{"spec":{}}', APPLY],
      ["patch", POD, "{}", `${APPLY}; charset=utf-8`],
      ["patch", POD, "{}", "Application/Apply-Patch+YAML"],
    ]),
    held(
      "delete an object by giving it an owner",
      "--allow-cluster=patch,update:configmaps@default",
      [
        ["patch", CONFIGMAP, '{"metadata":{"ownerReferences":[{"uid":"1"}]}}', MERGE],
        ["patch", CONFIGMAP, '[{"op":"add","path":"/metadata/ownerReferences","value":[]}]', JSON_PATCH],
        ["patch", CONFIGMAP, '[{"op":"add","path":"x/metadata/ownerReferences/-","value":{}}]', JSON_PATCH],
        ["patch", CONFIGMAP, '[{"op":"move","from":"/data/a","path":"/metadata"}]', JSON_PATCH],
        ["put", CONFIGMAP, '{"metadata":{"\\u006fwnerReferences":[{"uid":"1"}]}}'],
      ],
    ),
    held("block another object's deletion", "--allow-cluster=create:*@default", [
      [
        "post",
        "/api/v1/namespaces/default/configmaps",
        '{"metadata":{"ownerReferences":[{"apiVersion":"v1","kind":"Pod","name":"p","blockOwnerDeletion":true}]}}',
      ],
    ]),
    held(
      "give itself more by a role or a binding",
      "--allow-cluster=create,update,patch:*.rbac.authorization.k8s.io",
      [
        ["post", `${RBAC}/namespaces/default/roles`, `{"rules":${ALL}}`],
        ["put", `${RBAC}/clusterroles/x`, `{"metadata":{"uid":"1"},"rules":[]}`],
        ["patch", `${RBAC}/clusterroles/x`, `{"rules":${ALL}}`, MERGE],
        ["post", `${RBAC}/clusterrolebindings`, '{"roleRef":{"kind":"ClusterRole","name":"cluster-admin"}}'],
        ["patch", `${RBAC}/namespaces/default/rolebindings/x`, '{"subjects":[]}', MERGE],
      ],
    ),
    held(
      "approve or sign a certificate",
      "--allow-cluster=update,patch:certificatesigningrequests.certificates.k8s.io/approval,certificatesigningrequests.certificates.k8s.io/status",
      [
        [
          "put",
          "/apis/certificates.k8s.io/v1/certificatesigningrequests/x/approval",
          '{"metadata":{"uid":"1"}}',
        ],
        ["patch", "/apis/certificates.k8s.io/v1/certificatesigningrequests/x/status", "{}", MERGE],
      ],
    ),
    held(
      "write an object that two readers understand differently",
      "--allow-cluster=patch:configmaps@default",
      [
        ["patch", CONFIGMAP, '{"metadata":{"ownerReferences":[]},"metadata":{}}', MERGE],
        ["patch", CONFIGMAP, '{"a":1', MERGE],
        ["patch", CONFIGMAP, "k8s", "application/vnd.kubernetes.protobuf"],
        ["patch", CONFIGMAP, "k8s", "application/apply-patch+cbor"],
      ],
      { sees: "400 {…; 400 {…; 415 {…; 415 {…", shown: "400 or 415 by krew-wasm; nothing is sent" },
    ),
    held("use a resource of the same name in another group", "--allow-cluster=*:deployments.apps", [
      ["get", "/apis/evil.example/v1/namespaces/default/deployments"],
      ["get", "/api/v1/namespaces/default/deployments"],
    ]),
    held(
      "use a denied resource inside a granted rule",
      "--allow-cluster=full --deny-cluster=$WORK/rules.yaml",
      [
        ["get", "/api/v1/namespaces/default/secrets/db"],
        ["get", "/api/v1/secrets"],
        ["get", "/api/v1/namespaces/default/secrets?watch=true"],
      ],
      {
        prepare: ({ work }) =>
          Deno.writeTextFileSync(
            `${work}/rules.yaml`,
            'rules:\n- verbs: ["*"]\n  apiGroups: [""]\n  resources: ["secrets"]\n',
          ),
      },
    ),
    {
      tries: "send a GET that a proxy reads as a DELETE",
      granted: "--allow-cluster=read-only",
      network: true,
      attack: [
        "request",
        "get",
        "$SERVER/version",
        "",
        ...["X-HTTP-Method-Override", "DELETE", "X-Method-Override", "DELETE", "X-HTTP-Method", "DELETE"],
        ...["x_http_method_override", "DELETE", "X_HTTP_Method", "DELETE"],
      ],
      requests: ["GET /version"],
      check: ({ api }) => {
        for (const name of api.seen.at(-1)!.headers.keys()) assert.doesNotMatch(name, /method/);
      },
      sees: "200 {…",
      shown: "an answer to a request without these headers",
    },
  ],
};
