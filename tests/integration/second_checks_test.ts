/**
 * The API server's second checks: an RBAC user with the plugin's rules, and authorizeCluster() with the same rules,
 * one after the other. docs/cluster.md lists the checks.
 */

import assert from "node:assert/strict";
import { type ClusterRule, parseRules } from "../../runtime/kube/allow/rules.ts";
import { ControlPlane, controlPlaneMissing } from "../support/envtest.ts";
import { answerUnderRules, type Asked, RbacPlane } from "../support/rbac.ts";

const APPLY = "application/apply-patch+yaml";
const MERGE = "application/merge-patch+json";
const STRATEGIC = "application/strategic-merge-patch+json";
const JSON_PATCH = "application/json-patch+json";
const RBAC = "rbac.authorization.k8s.io";

/** `VERBS GROUP RESOURCES [NAMES]`, `core` for the core group. */
function rule(text: string, namespaces?: string[]): ClusterRule {
  const [verbs = "", group = "", resources = "", names] = text.split(" ");
  return parseRules({
    rules: [{
      verbs: verbs.split(","),
      apiGroups: [group === "core" ? "" : group],
      resources: resources.split(","),
      ...(names === undefined ? {} : { resourceNames: names.split(",") }),
      ...(namespaces === undefined ? {} : { namespaces }),
    }],
  })[0]!;
}

interface Case {
  readonly name: string;
  readonly asked: Asked;
  /** Rules that allow only the request itself. */
  readonly lacking: readonly string[];
  /** Additional rules for all checks. */
  readonly needed: readonly string[];
  /** Objects that the admin creates before. */
  readonly before?: readonly (readonly [path: string, body: unknown])[];
  /** RBAC allows it without `needed`, but krew-wasm lacks the server's knowledge. */
  readonly stricter?: boolean;
  /** As `stricter`, and krew-wasm needs these rules where RBAC needs only `needed`. */
  readonly pluginNeeds?: readonly string[];
}

const configmap = (name: string, more: object = {}) => ({
  apiVersion: "v1",
  kind: "ConfigMap",
  metadata: { name, ...more },
});
const owner = (more: object = {}) => ({
  ownerReferences: [{ apiVersion: "v1", kind: "ConfigMap", name: "owner", uid: "u-1", ...more }],
});
const role = (name: string, rules: unknown, more: object = {}) => ({
  apiVersion: `${RBAC}/v1`,
  kind: "Role",
  metadata: { name },
  rules,
  ...more,
});
const readPods = [{ verbs: ["get"], apiGroups: [""], resources: ["pods"] }];
const CSR = "/apis/certificates.k8s.io/v1/certificatesigningrequests";
const CONFIGMAPS = "/api/v1/namespaces/demo/configmaps";
const ROLES = `/apis/${RBAC}/v1/namespaces/demo/roles`;
const CLUSTER_ROLES = `/apis/${RBAC}/v1/clusterroles`;
const BINDINGS = `/apis/${RBAC}/v1/namespaces/demo/rolebindings`;
const ADMISSION = "/apis/admissionregistration.k8s.io/v1";

/** @param csr a certificate request, PEM in base64; `ca` a certificate, PEM */
function cases(csr: string, ca: string): Case[] {
  return [
    {
      name: "server-side apply creates what is not there",
      asked: { method: "PATCH", path: `${CONFIGMAPS}/a?fieldManager=m`, body: configmap("a"), type: APPLY },
      lacking: ["patch core configmaps"],
      needed: ["create core configmaps"],
    },
    {
      name: "server-side apply in YAML",
      asked: {
        method: "PATCH",
        path: `${CONFIGMAPS}/yaml?fieldManager=m`,
        body: "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: yaml}\ndata:\n  n: yes please\n",
        type: APPLY,
      },
      lacking: ["patch core configmaps"],
      needed: ["create core configmaps yaml"],
    },
    {
      name: "server-side apply to what is there",
      before: [[CONFIGMAPS, configmap("there")]],
      asked: {
        method: "PATCH",
        path: `${CONFIGMAPS}/there?fieldManager=m`,
        body: configmap("there"),
        type: APPLY,
      },
      lacking: ["patch core configmaps"],
      needed: ["create core configmaps"],
      stricter: true,
    },
    ...[
      ["/apis/coordination.k8s.io/v1/namespaces/demo/leases", "coordination.k8s.io leases", "Lease"],
      ["/api/v1/namespaces/demo/endpoints", "core endpoints", "Endpoints"],
      ["/api/v1/namespaces/demo/limitranges", "core limitranges", "LimitRange"],
    ].map(([path, what, kind]): Case => ({
      name: `PUT creates where an update may: ${kind}`,
      asked: {
        method: "PUT",
        path: `${path}/put`,
        body: {
          apiVersion: path!.startsWith("/apis") ? "coordination.k8s.io/v1" : "v1",
          kind,
          metadata: { name: "put" },
          spec: kind === "LimitRange" ? { limits: [] } : {},
        },
      },
      lacking: [`update ${what}`],
      needed: [`create ${what}`],
    })),
    {
      name: "an owner has the object deleted with it",
      before: [[CONFIGMAPS, configmap("owned")]],
      asked: { method: "PATCH", path: `${CONFIGMAPS}/owned`, body: { metadata: owner() }, type: MERGE },
      lacking: ["patch core configmaps"],
      needed: ["delete core configmaps"],
    },
    {
      name: "an owner by a JSON patch",
      before: [[CONFIGMAPS, configmap("owned-json")]],
      asked: {
        method: "PATCH",
        path: `${CONFIGMAPS}/owned-json`,
        body: [{ op: "add", path: "/metadata/ownerReferences", value: owner().ownerReferences }],
        type: JSON_PATCH,
      },
      lacking: ["patch core configmaps"],
      needed: ["delete core configmaps"],
    },
    {
      name: "an owner by a JSON patch whose path begins without a slash",
      before: [[CONFIGMAPS, configmap("owned-odd")]],
      asked: {
        method: "PATCH",
        path: `${CONFIGMAPS}/owned-odd`,
        body: [{ op: "add", path: "x/metadata/ownerReferences", value: owner().ownerReferences }],
        type: JSON_PATCH,
      },
      lacking: ["patch core configmaps"],
      needed: ["delete core configmaps"],
    },
    {
      name: "an owner by a JSON patch of all metadata",
      before: [[CONFIGMAPS, configmap("owned-whole")]],
      asked: {
        method: "PATCH",
        path: `${CONFIGMAPS}/owned-whole`,
        body: [{
          op: "replace",
          path: "/metadata",
          value: { name: "owned-whole", namespace: "demo", ...owner() },
        }],
        type: JSON_PATCH,
      },
      lacking: ["patch core configmaps"],
      needed: ["delete core configmaps", "update * */finalizers"],
    },
    {
      name: "an owner by a strategic merge patch, its deletion blocked",
      before: [[CONFIGMAPS, configmap("owned-strategic")]],
      asked: {
        method: "PATCH",
        path: `${CONFIGMAPS}/owned-strategic`,
        body: { metadata: owner({ blockOwnerDeletion: true }) },
        type: STRATEGIC,
      },
      lacking: ["patch,delete core configmaps"],
      needed: ["update core configmaps/finalizers owner"],
    },
    {
      name: "a created object blocks its owner's deletion",
      asked: {
        method: "POST",
        path: CONFIGMAPS,
        body: configmap("blocks", owner({ blockOwnerDeletion: true })),
      },
      lacking: ["create core configmaps"],
      needed: ["update core configmaps/finalizers"],
    },
    {
      name: "a created object blocks the deletion of an owner that lies in no namespace",
      asked: {
        method: "POST",
        path: CONFIGMAPS,
        body: configmap("blocks-node", owner({ kind: "Node", blockOwnerDeletion: true })),
      },
      lacking: ["create core configmaps"],
      needed: ["update core nodes/finalizers"],
    },
    {
      name: "a role gives what its author has not",
      asked: { method: "POST", path: ROLES, body: role("a", readPods) },
      lacking: [`create ${RBAC} roles`],
      needed: [`escalate ${RBAC} roles`],
    },
    {
      name: "a role gives what its author has",
      asked: { method: "POST", path: ROLES, body: role("b", readPods) },
      lacking: [`create ${RBAC} roles`],
      needed: ["get core pods"],
    },
    {
      name: "a role gives all resources where its author has some",
      asked: {
        method: "POST",
        path: ROLES,
        body: role("c", [{ ...readPods[0], resources: ["*", "pods/log"] }]),
      },
      lacking: [`create ${RBAC} roles`, "get core pods,pods/log,secrets"],
      needed: ["get core *"],
    },
    {
      name: "PUT of a role that is there",
      before: [[ROLES, role("put", [])]],
      asked: { method: "PUT", path: `${ROLES}/put`, body: role("put", readPods) },
      lacking: [`update,create ${RBAC} roles`],
      needed: ["get core pods"],
    },
    {
      name: "a patch of a role",
      before: [[ROLES, role("patched", [])]],
      asked: {
        method: "PATCH",
        path: `${ROLES}/patched`,
        body: [{ op: "replace", path: "/rules", value: readPods }],
        type: JSON_PATCH,
      },
      lacking: [`patch ${RBAC} roles`],
      needed: [`escalate ${RBAC} roles patched`],
    },
    {
      name: "a cluster role that aggregates takes everything",
      asked: {
        method: "POST",
        path: CLUSTER_ROLES,
        body: {
          apiVersion: `${RBAC}/v1`,
          kind: "ClusterRole",
          metadata: { name: "all" },
          aggregationRule: { clusterRoleSelectors: [{ matchLabels: { a: "b" } }] },
        },
      },
      lacking: [`create ${RBAC} clusterroles`],
      needed: [`escalate ${RBAC} clusterroles`],
    },
    {
      name: "a binding hands a role on",
      asked: {
        method: "POST",
        path: BINDINGS,
        body: {
          apiVersion: `${RBAC}/v1`,
          kind: "RoleBinding",
          metadata: { name: "a" },
          subjects: [{ kind: "User", name: "x", apiGroup: RBAC }],
          roleRef: { kind: "ClusterRole", name: "system:node" },
        },
      },
      lacking: [`create ${RBAC} rolebindings`, `bind ${RBAC} clusterroles view`],
      needed: [`bind ${RBAC} clusterroles system:node`],
    },
    {
      name: "a cluster role binding hands a role on everywhere",
      asked: {
        method: "POST",
        path: `/apis/${RBAC}/v1/clusterrolebindings`,
        body: {
          apiVersion: `${RBAC}/v1`,
          kind: "ClusterRoleBinding",
          metadata: { name: "all" },
          roleRef: { apiGroup: RBAC, kind: "ClusterRole", name: "cluster-admin" },
        },
      },
      lacking: [`create ${RBAC} clusterrolebindings`],
      needed: [`bind ${RBAC} clusterroles`],
    },
    {
      name: "approval of a certificate request takes its signer",
      before: [[CSR, request("approve", csr)]],
      asked: {
        method: "PUT",
        path: `${CSR}/approve/approval`,
        body: {
          ...request("approve", csr),
          status: { conditions: [{ type: "Approved", status: "True", reason: "a", message: "b" }] },
        },
      },
      lacking: ["update certificates.k8s.io certificatesigningrequests/approval"],
      needed: ["approve certificates.k8s.io signers test.example/*"],
      pluginNeeds: ["approve certificates.k8s.io signers"],
    },
    {
      name: "signing a certificate request takes its signer",
      before: [[CSR, request("sign", csr)]],
      asked: {
        method: "PATCH",
        path: `${CSR}/sign/status`,
        body: { status: { conditions: [{ type: "Failed", status: "True", reason: "a", message: "b" }] } },
        type: MERGE,
      },
      lacking: ["patch certificates.k8s.io certificatesigningrequests/status"],
      needed: ["sign certificates.k8s.io signers test.example/signer"],
      pluginNeeds: ["sign certificates.k8s.io signers"],
    },
    {
      name: "a trust bundle of a signer takes its attestation",
      asked: {
        method: "POST",
        path: "/apis/certificates.k8s.io/v1/clustertrustbundles",
        body: {
          apiVersion: "certificates.k8s.io/v1",
          kind: "ClusterTrustBundle",
          metadata: { name: "test.example:signer:a" },
          spec: { signerName: "test.example/signer", trustBundle: ca },
        },
      },
      lacking: ["create certificates.k8s.io clustertrustbundles"],
      needed: ["attest certificates.k8s.io signers test.example/*"],
    },
    {
      name: "a policy's parameters take reading all of their kind",
      asked: {
        method: "POST",
        path: `${ADMISSION}/validatingadmissionpolicies`,
        body: policy("v", { paramKind: { apiVersion: "v1", kind: "ConfigMap" } }),
      },
      lacking: ["create admissionregistration.k8s.io validatingadmissionpolicies"],
      needed: ["get core configmaps"],
    },
    {
      name: "a policy's parameters of a kind that nobody serves take reading everything of its group",
      asked: {
        method: "POST",
        path: `${ADMISSION}/validatingadmissionpolicies`,
        body: policy("w", { paramKind: { apiVersion: "example.com/v1", kind: "Thing" } }),
      },
      lacking: [
        "create admissionregistration.k8s.io validatingadmissionpolicies",
        "get example.com things",
      ],
      needed: ["get example.com *"],
    },
    {
      name: "a policy binding's parameters take reading them",
      before: [[
        `${ADMISSION}/validatingadmissionpolicies`,
        policy("bound", { paramKind: { apiVersion: "v1", kind: "ConfigMap" } }),
      ]],
      asked: {
        method: "POST",
        path: `${ADMISSION}/validatingadmissionpolicybindings`,
        body: {
          apiVersion: "admissionregistration.k8s.io/v1",
          kind: "ValidatingAdmissionPolicyBinding",
          metadata: { name: "b" },
          spec: {
            policyName: "bound",
            validationActions: ["Audit"],
            paramRef: { name: "p", namespace: "demo", parameterNotFoundAction: "Deny" },
          },
        },
      },
      lacking: ["create admissionregistration.k8s.io validatingadmissionpolicybindings"],
      needed: ["get core configmaps p"],
      pluginNeeds: ["get * *"],
    },
    {
      name: "a device claim's allocation takes the binding, its devices their drivers",
      before: [["/apis/resource.k8s.io/v1/namespaces/demo/resourceclaims", {
        apiVersion: "resource.k8s.io/v1",
        kind: "ResourceClaim",
        metadata: { name: "c" },
        spec: { devices: { requests: [{ name: "r", exactly: { deviceClassName: "x" } }] } },
      }]],
      asked: {
        method: "PATCH",
        path: "/apis/resource.k8s.io/v1/namespaces/demo/resourceclaims/c/status",
        body: {
          status: {
            allocation: {
              devices: {
                results: [{ request: "r", driver: "d.example", pool: "p", device: "one" }],
              },
            },
            devices: [{ driver: "d.example", pool: "p", device: "one" }],
          },
        },
        type: MERGE,
      },
      lacking: ["patch resource.k8s.io resourceclaims/status"],
      needed: [
        "patch resource.k8s.io resourceclaims/binding",
        "arbitrary-node:patch resource.k8s.io resourceclaims/driver",
      ],
    },
    {
      name: "deleting what can't be read takes a verb of its own",
      before: [[CONFIGMAPS, configmap("broken")]],
      asked: {
        method: "DELETE",
        path: `${CONFIGMAPS}/broken`,
        body: {
          kind: "DeleteOptions",
          apiVersion: "v1",
          ignoreStoreReadErrorWithClusterBreakingPotential: true,
        },
      },
      lacking: ["delete core configmaps"],
      needed: ["unsafe-delete-ignore-read-errors core configmaps"],
    },
    {
      name: "the same in the query",
      before: [[CONFIGMAPS, configmap("broken-query")]],
      asked: {
        method: "DELETE",
        path: `${CONFIGMAPS}/broken-query?ignoreStoreReadErrorWithClusterBreakingPotential=true`,
      },
      lacking: ["delete core configmaps"],
      needed: ["unsafe-delete-ignore-read-errors core configmaps"],
    },
    ...["exec", "attach", "portforward"].map((subresource): Case => ({
      name: `${subresource} by GET takes create as well`,
      before: [["/api/v1/namespaces/demo/pods", {
        apiVersion: "v1",
        kind: "Pod",
        metadata: { name: "web" },
        spec: { containers: [{ name: "c", image: "example.com/c:1" }], nodeName: "none" },
      }]],
      asked: {
        method: "GET",
        path: `/api/v1/namespaces/demo/pods/web/${subresource}?command=sh&stdout=1&container=c&ports=80`,
      },
      lacking: [`get core pods/${subresource}`],
      needed: [`create core pods/${subresource}`],
    })),
  ];
}

function request(name: string, csr: string) {
  return {
    apiVersion: "certificates.k8s.io/v1",
    kind: "CertificateSigningRequest",
    metadata: { name },
    spec: { request: csr, signerName: "test.example/signer", usages: ["digital signature"] },
  };
}

function policy(name: string, spec: object) {
  return {
    apiVersion: "admissionregistration.k8s.io/v1",
    kind: "ValidatingAdmissionPolicy",
    metadata: { name },
    spec: {
      validations: [{ expression: "true" }],
      matchConstraints: {
        resourceRules: [{
          apiGroups: [""],
          apiVersions: ["v1"],
          operations: ["CREATE"],
          resources: ["nodes"],
        }],
      },
      ...spec,
    },
  };
}

Deno.test("authorizeCluster() refuses whatever RBAC refuses, for each second check", {
  ignore: controlPlaneMissing(),
  sanitizeResources: false,
}, async (t) => {
  await using plane = await ControlPlane.start({
    flags: ["--enable-admission-plugins=OwnerReferencesPermissionEnforcement"],
  });
  using rbac = new RbacPlane(plane);
  await rbac.make("/api/v1/namespaces", { metadata: { name: "demo" } });
  const all = cases(await certificateRequest(), plane.authority.cert);
  const users = new Map<Case, [lacking: string, needed: string]>();
  for (const each of all) {
    for (const [path, body] of each.before ?? []) await rbac.make(path, body);
    const lacking = each.lacking.map((text) => rule(text));
    users.set(each, [
      await rbac.user(lacking),
      await rbac.user([...lacking, ...each.needed.map((text) => rule(text))]),
    ]);
  }
  await rbac.settle();
  for (const each of all) {
    await t.step(each.name, async () => {
      const [without, having] = users.get(each)!;
      const lacking = each.lacking.map((text) => rule(text));
      const needed = [...each.needed, ...each.pluginNeeds ?? []].map((text) => rule(text));
      const refused = await rbac.ask(each.asked, without);
      if (!each.stricter) assert.ok(isForbidden(refused), `RBAC refuses: ${JSON.stringify(refused)}`);
      const ours = await answerUnderRules(lacking, each.asked);
      assert.equal(ours.status, 403, `the guard refuses: ${ours.message}`);
      const allowed = await rbac.ask(each.asked, having);
      assert.ok(!isForbidden(allowed), `RBAC allows: ${JSON.stringify(allowed)}`);
      const passed = await answerUnderRules([...lacking, ...needed], each.asked);
      assert.equal(passed.status, 0, `the guard allows: ${passed.message}`);
    });
  }
});

/** Whether RBAC or a similar check refused. Some refusals are a field's error, or have status 422. */
function isForbidden({ status, message }: { status: number; message: string }): boolean {
  return status === 403 || status === 422 && /Forbidden|permission/.test(message);
}

/** A certificate request in PEM, in base64; the server parses it. */
async function certificateRequest(): Promise<string> {
  const directory = await Deno.makeTempDir();
  const { success, stdout, stderr } = await new Deno.Command("openssl", {
    args: [
      ..."req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -noenc -subj /CN=x -keyout".split(" "),
      `${directory}/key`,
    ],
  }).output();
  await Deno.remove(directory, { recursive: true });
  assert.ok(success, new TextDecoder().decode(stderr));
  return btoa(new TextDecoder().decode(stdout));
}
