/** Receipts, lock files and grants in the form of the previous krew-wasm. */

import type { Grants } from "../../runtime/grants/grants.ts";
import type { ClusterRule } from "../../runtime/kube/allow/rules.ts";
import type { Receipt } from "../../runtime/store/receipt.ts";

/** Grants without the empty fields of a cluster rule, the record of paths, completion and listening. */
export function formerGrants(grants: Grants): Record<string, unknown> {
  const { files, home, env, kubeconfig, cluster, terminal, limits } = grants;
  const { completion: _, listen: __, ...deny } = grants.deny;
  const rule = (each: ClusterRule) => ({ ...each });
  return {
    files: files.map(({ host, guest, write }) => ({ host, guest, write })),
    home,
    env,
    kubeconfig,
    cluster: typeof cluster === "string" ? cluster : { ...cluster, rules: cluster.rules.map(rule) },
    terminal,
    limits,
    deny,
  };
}

/** A receipt of format 2. Format 1 was the same, without a history. */
export function formerReceipt(receipt: Receipt, format = 2): Record<string, unknown> {
  const { source: _, signatures: __, grants, ...rest } = receipt;
  return { format, ...rest, grants: formerGrants(grants) };
}

/** A lock file of format 1. */
export function formerLock(receipts: readonly Receipt[]): Record<string, unknown> {
  return {
    krewWasmLock: 1,
    plugins: receipts.map(({ name, reference, manifestDigest, digest, version, grants }) => ({
      name,
      reference,
      manifestDigest,
      digest,
      ...(version === undefined ? {} : { version }),
      grants: formerGrants(grants),
    })),
  };
}
