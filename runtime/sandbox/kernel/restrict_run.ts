/** The third wall of a run: collects what the run needs, and restricts the process to that. */

import type { ConnectionFlags } from "../../kube/config/kubectl_flags.ts";
import type { Preloaded } from "../../kube/config/preload.ts";
import { isAddress, mayUseProxy, placesNamed } from "../../kube/config/places.ts";
import { type NetworkFacts, restrictionOf, type RunFacts } from "./kept_access.ts";
import { OLDEST_ABI } from "./landlock.ts";
import { landlockVersion, restrictProcess, type Standing } from "./restrict.ts";
import { Syscalls } from "./kernel_calls.ts";

/** What a run with a network knows about its cluster before the first request. */
export interface ClusterFacts {
  readonly preloaded: Pick<Preloaded, "kubeconfigs">;
  readonly flags: ConnectionFlags;
  /** The user's environment. */
  readonly env: Readonly<Record<string, string>>;
  /** Files that are renewed, and their directories. */
  readonly renewed: readonly string[];
}

let kernel: Syscalls | undefined | null;

/** The kernel's calls, if they can restrict this process. Always returns the same object. */
export function kernelCalls(): Syscalls | undefined {
  if (kernel === undefined) {
    // From source, the engine reads modules when they are needed, from any place.
    const system = Deno.build.standalone ? Syscalls.load() : undefined;
    kernel = system && landlockVersion(system) >= OLDEST_ABI ? system : null;
  }
  return kernel ?? undefined;
}

/** A restricted run. */
export interface RestrictedRun {
  readonly standing: Standing;
  /** Reduces the servers to one, by its port. */
  narrowTo(port: number): void;
}

/** Restricts the process to what a run needs, irrevocably. */
export async function restrictRun(
  system: Syscalls,
  facts: Omit<RunFacts, "network">,
  cluster: ClusterFacts | undefined,
): Promise<RestrictedRun> {
  const network = cluster && await networkOf(cluster);
  const { standing, narrow } = restrictProcess(system, restrictionOf({ ...facts, network }));
  return { standing, narrowTo: (port) => narrow([port, ...network?.ownPorts ?? []]) };
}

async function networkOf({ preloaded, flags, env, renewed }: ClusterFacts): Promise<NetworkFacts> {
  const { kubeconfigs } = preloaded;
  const places = await placesNamed(kubeconfigs, flags, env);
  const ownPorts = mayUseProxy(kubeconfigs, flags, env)
    ? [(await import("../../kube/sockets/relay.ts")).shareRelays().port]
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
