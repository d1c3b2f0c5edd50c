/** Limits grants to the bounds of a policy. Pure. */

import { isWithin } from "../base/host_path.ts";
import { bothListen } from "../grants/listen_grant.ts";
import type { EnvGrant, FileGrant, Grants, KubeconfigGrant } from "../grants/grants.ts";
import { isCredentialVariable } from "../grants/granted_environment.ts";
import type { ClusterGrant } from "../kube/allow/rules.ts";
import type { Bounds } from "./policy.ts";

/**
 * Removes the grants above the bounds. Cluster rules stay unchanged, because authorize_request.ts checks each request
 * against the bound as well.
 *
 * @param home the user's home directory, absolute
 * @param real follows links: a bound applies to the target
 * @param bound follows a bound's path; undefined if the target is not certain ({@linkcode boundPath})
 */
export function limitGrants(
  grants: Grants,
  bounds: Bounds | undefined,
  home: string,
  real: (path: string) => string = (path) => path,
  bound: (path: string, reach: readonly string[]) => string | undefined = real,
): Grants {
  if (!bounds) return grants;
  const { read, write } = bounds;
  const byPath = read !== undefined || write !== undefined;
  const homes = [home, ...bounds.homes].flatMap((each) => [each, real(each)]);
  const all: readonly FileGrant[] = grants.home && bounds.home && byPath
    ? [...grants.files, { host: home, guest: home, write: true }]
    : grants.files;
  const reach = [...homes, ...[...read ?? [], ...write ?? []].flatMap((each) => [each, real(each)])];
  const follow = (paths: readonly string[] | undefined) => paths?.flatMap((path) => bound(path, reach) ?? []);
  const roots = byPath ? { read: follow(read), write: follow(write) } : undefined;
  const files = all.flatMap((grant) => roots ? limitFile(grant, roots, real) : [grant])
    .filter((grant) =>
      bounds.home ||
      !homes.some((each) =>
        [real(grant.host), grant.real].some((path) => path !== undefined && isWithin(each, path))
      )
    );
  const cluster = rank(grants.cluster) > rank(bounds.cluster) ? bounds.cluster : grants.cluster;
  return {
    ...grants,
    files,
    home: grants.home && bounds.home && !byPath,
    env: limitEnv(grants.env, bounds.env),
    kubeconfig: lesserKubeconfig(grants.kubeconfig, bounds.kubeconfig),
    cluster,
    listen: bothListen(grants.listen, bounds.listen),
    terminal: grants.terminal && bounds.terminal,
    completion: grants.completion && bounds.completion,
    limits: { ...grants.limits, maxMemory: Math.min(grants.limits.maxMemory, bounds.maxMemory) },
  };
}

/** The parts of a grant inside the bounds. */
function limitFile(
  grant: FileGrant,
  { read, write }: Pick<Bounds, "read" | "write">,
  real: (path: string) => string,
): FileGrant[] {
  // Where it leads now. Opening the file compares this with where it led when it was granted.
  const host = real(grant.host);
  const inside = (path: string, roots: readonly string[] | undefined): string[] => {
    if (roots === undefined) return [path];
    return roots.some((root) => isWithin(path, root)) ? [path] : roots.filter((root) => isWithin(root, path));
  };
  const part = (path: string, write: boolean): FileGrant => {
    if (path === host) return { ...grant, write };
    // The rest is a path from the policy.
    const rest = path.slice(host === "/" ? 0 : host.length);
    return {
      host: path,
      guest: grant.guest === grant.host ? path : grant.guest.replace(/\/$/, "") + rest,
      write,
      real: path,
    };
  };
  const readable = inside(host, read);
  const writable = grant.write ? readable.flatMap((path) => inside(path, write)) : [];
  return [
    ...readable.filter((path) => !writable.includes(path)).map((path) => part(path, false)),
    ...writable.map((path) => part(path, true)),
  ];
}

function limitEnv(env: EnvGrant, bound: EnvGrant): EnvGrant {
  if (bound === "all" || env === bound) return env;
  if (env === "all") return bound;
  if (bound === "default") return (env as readonly string[]).filter((name) => !isCredentialVariable(name));
  return env === "default"
    ? bound.filter((name) => !isCredentialVariable(name))
    : (env as readonly string[]).filter((name) => bound.includes(name));
}

/** The order of the words; rules rank between them. */
function rank(grant: ClusterGrant): number {
  return grant === "none" ? 0 : grant === "full" ? 2 : 1;
}

/** What both of two grants give. */
function lesserKubeconfig(one: KubeconfigGrant, other: KubeconfigGrant): KubeconfigGrant {
  const order: readonly KubeconfigGrant[] = [false, "switch", true];
  return order[Math.min(order.indexOf(one), order.indexOf(other))]!;
}
