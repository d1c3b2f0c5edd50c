/** Merges grants with changes and denials. Pure. */

import { isWithin } from "../base/host_path.ts";
import { type ClusterRule, withRules } from "../kube/allow/rules.ts";
import type { Denials, EnvGrant, FileGrant, GrantChange, Grants } from "./grants.ts";
import { eitherListen } from "./listen_grant.ts";

/**
 * Merges grants for one run: everything that either grants, without anything that either denies. Cluster, environment and
 * limits of the change replace those of the base.
 */
export function mergeGrants(base: Grants, change: GrantChange): Grants {
  return {
    files: mergeFiles(base.files, change.files),
    home: change.home ?? base.home,
    env: change.env === undefined ? base.env : mergeEnv(base.env, change.env),
    kubeconfig: change.kubeconfig ?? base.kubeconfig,
    cluster: withRules(change.cluster ?? base.cluster, change.rules),
    listen: change.listen === undefined ? base.listen : eitherListen(base.listen, change.listen),
    terminal: change.terminal ?? base.terminal,
    completion: change.completion ?? base.completion,
    limits: { ...base.limits, ...change.limits },
    deny: mergeDenials(base.deny, change.deny),
  };
}

/**
 * Merges a lasting change, for `krew-wasm grants`. Like {@linkcode mergeGrants}, but a grant removes an earlier denial of
 * the same, and vice versa.
 */
export function changeGrants(base: Grants, change: GrantChange): Grants {
  const { deny } = base;
  const allowed = new Set(change.files.map(({ host }) => host));
  const allowedToChange = new Set(change.files.filter(({ write }) => write).map(({ host }) => host));
  const names = Array.isArray(change.env) ? change.env as readonly string[] : [];
  const lifted: Grants = {
    ...base,
    deny: {
      read: deny.read.filter((path) => !allowed.has(path)),
      write: deny.write.filter((path) => !allowedToChange.has(path)),
      home: change.home ? false : deny.home,
      env: change.env === "all" || deny.env === "all" && change.env !== undefined
        ? []
        : deny.env === "all"
        ? "all"
        : deny.env.filter((name) => !names.includes(name)),
      kubeconfig: change.kubeconfig ? false : deny.kubeconfig,
      cluster: change.cluster !== undefined && change.cluster !== "none" ||
          change.rules.length > 0 && deny.cluster === true
        ? false
        : Array.isArray(deny.cluster)
        ? without(deny.cluster, change.rules)
        : deny.cluster,
      listen: change.listen !== undefined && change.listen.length > 0 ? false : deny.listen,
      terminal: change.terminal ? false : deny.terminal,
      completion: change.completion ? false : deny.completion,
    },
  };
  const merged = mergeGrants(lifted, change);
  const denied = change.deny;
  return {
    ...merged,
    files: merged.files.flatMap((grant) => {
      if (denied.read.includes(grant.host)) return [];
      return denied.write.includes(grant.host) ? [{ ...grant, write: false }] : [grant];
    }),
    home: merged.home && !denied.home,
    kubeconfig: denied.kubeconfig ? false : merged.kubeconfig,
    listen: denied.listen ? [] : merged.listen,
    env: typeof merged.env === "string" || denied.env === "all"
      ? merged.env
      : merged.env.filter((name) => !denied.env.includes(name)),
  };
}

/** Removes denied grants. File grants go only if a denial covers them whole. */
export function effectiveGrants(grants: Grants): Grants {
  const { deny } = grants;
  return {
    ...grants,
    files: grants.files.filter(({ host }) => !deny.read.some((path) => isWithin(host, path)))
      .map((grant) =>
        grant.write && deny.write.some((path) => isWithin(grant.host, path))
          ? { ...grant, write: false }
          : grant
      ),
    home: grants.home && !deny.home,
    env: deny.env === "all"
      ? []
      : typeof grants.env === "string"
      ? grants.env
      : grants.env.filter((name) => !deny.env.includes(name)),
    kubeconfig: deny.kubeconfig ? false : grants.kubeconfig,
    cluster: deny.cluster === true ? "none" : grants.cluster,
    listen: deny.listen ? [] : grants.listen,
    terminal: grants.terminal && !deny.terminal,
    completion: grants.completion && !deny.completion,
  };
}

/** The rules that the second list does not contain in the same words. */
function without(
  rules: readonly ClusterRule[],
  others: readonly ClusterRule[],
): readonly ClusterRule[] | false {
  const taken = new Set(others.map((rule) => JSON.stringify(rule)));
  const left = rules.filter((rule) => !taken.has(JSON.stringify(rule)));
  return left.length > 0 && left;
}

function mergeFiles(base: readonly FileGrant[], more: readonly FileGrant[]): FileGrant[] {
  const merged = new Map<string, FileGrant>();
  for (const grant of [...base, ...more]) {
    const key = `${grant.host}\0${grant.guest}`;
    const before = merged.get(key);
    // A path that now leads elsewhere is a different file: the old grant does not apply to it.
    const same = before !== undefined &&
      (grant.real ?? before.real ?? before.host) === (before.real ?? before.host);
    merged.set(key, same ? { ...before, ...grant, write: grant.write || before.write } : grant);
  }
  return [...merged.values()];
}

function mergeEnv(base: EnvGrant, more: EnvGrant): EnvGrant {
  if (base === "all" || more === "all") return "all";
  if (base === "default") return more;
  if (more === "default") return base;
  return [...new Set([...base, ...more])];
}

function mergeDenials(base: Denials, more: Denials): Denials {
  const union = (one: readonly string[], other: readonly string[]) => [...new Set([...one, ...other])];
  return {
    read: union(base.read, more.read),
    write: union(base.write, more.write),
    home: base.home || more.home,
    env: base.env === "all" || more.env === "all" ? "all" : union(base.env, more.env),
    kubeconfig: base.kubeconfig || more.kubeconfig,
    cluster: base.cluster === true || more.cluster === true
      ? true
      : base.cluster === false
      ? more.cluster
      : more.cluster === false
      ? base.cluster
      : [...base.cluster, ...more.cluster],
    listen: base.listen || more.listen,
    terminal: base.terminal || more.terminal,
    completion: base.completion || more.completion,
  };
}
