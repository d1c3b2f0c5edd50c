/** The API groups that kube-apiserver itself serves. */

/**
 * The groups of Kubernetes 1.37 (`kubectl api-versions`) and older releases. Other groups belong to custom resources
 * and aggregated servers, which may have their own rules.
 */
const BUILT_IN =
  /^(?:|apps|autoscaling|batch|policy|extensions|(?:admissionregistration|apiextensions|apiregistration|authentication|authorization|certificates|coordination|discovery|events|flowcontrol\.apiserver|internal\.apiserver|networking|node|rbac\.authorization|resource|scheduling|storage|storagemigration)\.k8s\.io)$/;

/** Whether kube-apiserver serves the group. The core group is the empty string. */
export function isBuiltIn(apiGroup: string): boolean {
  return BUILT_IN.test(apiGroup);
}
