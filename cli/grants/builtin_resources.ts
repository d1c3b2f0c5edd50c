/** The resources of Kubernetes 1.34 itself, to recognize misspelt rules without asking a cluster. */

/** A resource, its group, and other names that kubectl accepts. */
export interface BuiltinResource {
  /** `deployments` */
  readonly plural: string;
  /** `apps`; empty for the core group. */
  readonly group: string;
  /** The singular and short names: `deployment`, `deploy`. */
  readonly others: readonly string[];
}

/** Group, then plural:singular,short names. */
const TABLE: readonly (readonly [group: string, resources: string])[] = [
  [
    "",
    "bindings:binding componentstatuses:componentstatus,cs configmaps:configmap,cm endpoints:ep events:event,ev " +
    "limitranges:limitrange,limits namespaces:namespace,ns nodes:node,no " +
    "persistentvolumeclaims:persistentvolumeclaim,pvc persistentvolumes:persistentvolume,pv pods:pod,po " +
    "podtemplates:podtemplate replicationcontrollers:replicationcontroller,rc resourcequotas:resourcequota,quota " +
    "secrets:secret serviceaccounts:serviceaccount,sa services:service,svc users: groups: userextras:",
  ],
  [
    "admissionregistration.k8s.io",
    "mutatingwebhookconfigurations:mutatingwebhookconfiguration validatingadmissionpolicies:validatingadmissionpolicy " +
    "validatingadmissionpolicybindings:validatingadmissionpolicybinding " +
    "validatingwebhookconfigurations:validatingwebhookconfiguration",
  ],
  ["apiextensions.k8s.io", "customresourcedefinitions:customresourcedefinition,crd,crds"],
  ["apiregistration.k8s.io", "apiservices:apiservice"],
  [
    "apps",
    "controllerrevisions:controllerrevision daemonsets:daemonset,ds deployments:deployment,deploy " +
    "replicasets:replicaset,rs statefulsets:statefulset,sts",
  ],
  ["authentication.k8s.io", "selfsubjectreviews:selfsubjectreview tokenreviews:tokenreview"],
  [
    "authorization.k8s.io",
    "localsubjectaccessreviews:localsubjectaccessreview selfsubjectaccessreviews:selfsubjectaccessreview " +
    "selfsubjectrulesreviews:selfsubjectrulesreview subjectaccessreviews:subjectaccessreview",
  ],
  ["autoscaling", "horizontalpodautoscalers:horizontalpodautoscaler,hpa"],
  ["batch", "cronjobs:cronjob,cj jobs:job"],
  ["certificates.k8s.io", "certificatesigningrequests:certificatesigningrequest,csr signers:signer"],
  ["coordination.k8s.io", "leases:lease"],
  ["discovery.k8s.io", "endpointslices:endpointslice"],
  ["events.k8s.io", "events:event,ev"],
  [
    "flowcontrol.apiserver.k8s.io",
    "flowschemas:flowschema prioritylevelconfigurations:prioritylevelconfiguration",
  ],
  ["metrics.k8s.io", "nodes:node pods:pod"],
  [
    "networking.k8s.io",
    "ingressclasses:ingressclass ingresses:ingress,ing ipaddresses:ipaddress,ip networkpolicies:networkpolicy,netpol " +
    "servicecidrs:servicecidr",
  ],
  ["node.k8s.io", "runtimeclasses:runtimeclass"],
  ["policy", "poddisruptionbudgets:poddisruptionbudget,pdb"],
  [
    "rbac.authorization.k8s.io",
    "clusterrolebindings:clusterrolebinding clusterroles:clusterrole rolebindings:rolebinding roles:role",
  ],
  [
    "resource.k8s.io",
    "deviceclasses:deviceclass resourceclaims:resourceclaim resourceclaimtemplates:resourceclaimtemplate " +
    "resourceslices:resourceslice",
  ],
  ["scheduling.k8s.io", "priorityclasses:priorityclass,pc"],
  [
    "storage.k8s.io",
    "csidrivers:csidriver csinodes:csinode csistoragecapacities:csistoragecapacity storageclasses:storageclass,sc " +
    "volumeattachments:volumeattachment volumeattributesclasses:volumeattributesclass,vac",
  ],
];

/** All resources, those of the core group first. */
export const BUILTIN_RESOURCES: readonly BuiltinResource[] = TABLE.flatMap(([group, resources]) =>
  resources.split(" ").map((text): BuiltinResource => {
    const [plural = "", others = ""] = text.split(":");
    return { plural, group, others: others.split(",").filter((word) => word !== "") };
  })
);
