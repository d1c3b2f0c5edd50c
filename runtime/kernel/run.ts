/** The third wall of a run: what it is for, gathered, and the process restricted to it. */

import type { ConnectionFlags } from "../kube/flags.ts";
import { isAddress, mayUseProxy, placesNamed } from "../kube/places.ts";
import { type NetworkFacts, restrictionOf, type RunFacts } from "./keep.ts";
import { OLDEST_ABI } from "./landlock.ts";
import { landlockVersion, restrictProcess, type Standing } from "./restrict.ts";
import { Syscalls } from "./syscalls.ts";

/** What a run with a network knows of its cluster before it is asked for. */
export interface ClusterFacts {
  /** Texts by path. */
  readonly kubeconfigs: ReadonlyMap<string, string>;
  readonly flags: ConnectionFlags;
  /** The user's environment. */
  readonly env: Readonly<Record<string, string>>;
  /** Files that are renewed, and directories in which they are. */
  readonly renewed: readonly string[];
}

/** The kernel, where it can restrict a process, and the process can be restricted. */
export function kernelWall(): Syscalls | undefined {
  // From source, the engine reads modules whenever they are needed, from wherever they are.
  if (!Deno.build.standalone) return undefined;
  const system = Syscalls.load();
  return system && landlockVersion(system) >= OLDEST_ABI ? system : undefined;
}

/** Restricts the process to what a run needs. Not to be undone. */
export async function restrictRun(
  system: Syscalls,
  facts: Omit<RunFacts, "network">,
  cluster: ClusterFacts | undefined,
): Promise<Standing> {
  const network = cluster && await networkOf(cluster);
  return restrictProcess(system, restrictionOf({ ...facts, network }));
}

async function networkOf({ kubeconfigs, flags, env, renewed }: ClusterFacts): Promise<NetworkFacts> {
  const places = await placesNamed(kubeconfigs, flags, env);
  const ownPorts = mayUseProxy(kubeconfigs, env)
    ? [(await import("../kube/relay.ts")).shareRelays().port]
    : [];
  const services = places.every(({ hostname }) => isAddress(hostname))
    ? undefined
    : readOrNothing("/etc/nsswitch.conf");
  return { places, ownPorts, renewed, env, services };
}

function readOrNothing(path: string): string | undefined {
  try {
    return Deno.readTextFileSync(path);
  } catch {
    return undefined;
  }
}
