/**
 * Gives up, before a plugin's first instruction, the rights that the run does not need: through Deno's permissions, and on
 * Linux also through the kernel. Starts the broker for what the kernel cannot allow to this process alone.
 */

import { SERVICE_ACCOUNT } from "../base/user_files.ts";
import { exists } from "../base/host_path.ts";
import { VERSION } from "../base/version.ts";
import type { Grants } from "../grants/grants.ts";
import { parseConnectionFlags } from "../kube/config/kubectl_flags.ts";
import { preloadKubeconfig } from "../kube/config/preload.ts";
import { Broker } from "./broker/broker_client.ts";
import type { BrokerContext } from "./broker/broker_context.ts";
import { renewedFile } from "./broker/renewed.ts";
import { checkStanding } from "./kernel/required.ts";
import { kernelCalls, restrictRun } from "./kernel/restrict_run.ts";
import type { PluginKubeconfig } from "./plugin_kubeconfig.ts";
import type { PrivateDirectory } from "./private_directory.ts";
import { giveUp, type Uses } from "./process_permissions.ts";
import type { RightsLeft } from "./run_cluster.ts";
import {
  canBeRestricted,
  finalStanding,
  keptPermissions,
  kernelFacts,
  needsBroker,
  needsOf,
  type RunNeeds,
  type RunPaths,
} from "./run_rights.ts";
import type { RunUser, SandboxContext } from "./sandbox_context.ts";
import type { Files, OpenFiles } from "./types.ts";

/** A run whose sandbox is complete. */
export interface ReadyRun {
  readonly context: SandboxContext;
  /** The grants within the administrator's bounds. */
  readonly grants: Grants;
  readonly user: RunUser;
  readonly own: PrivateDirectory;
  readonly kubeconfig: PluginKubeconfig;
  readonly files: Files;
  /** What is left is stored here. */
  readonly rights: RightsLeft;
}

/**
 * Gives the rights up, irrevocably for this process.
 *
 * @param tree the plugin's open files
 * @throws AppError WALL_MISSING if a required restriction is not available
 */
export async function giveUpRights(
  run: ReadyRun,
  uses: Uses,
  tree: OpenFiles | undefined,
): Promise<void> {
  const { context: { layout, ask, requiredBy, administrator }, grants, user, kubeconfig, files, rights } =
    run;
  const needs = needsOf({
    grants,
    listenBound: administrator?.listen ?? "all",
    uses,
    asks: ask !== undefined,
    tree: tree !== undefined,
    mounts: files.mounts,
  });
  if (needs.network || uses.files) {
    rights.preloaded = await preloadKubeconfig(kubeconfig.paths, { ...user, env: user.variables });
  }
  rights.mayRun = needs.network && (rights.preloaded?.exec ?? false);
  if (needs.files) void files.protectedPaths; // Later this process can't read what it obeys.
  if (exists(layout.root)) tryMaking(layout.log); // Later the kernel allows no new files in the store.
  const kernel = kernelCalls();
  if (kernel) {
    if (needsBroker(needs, rights.mayRun, rights.preloaded?.keep.length ?? 0)) {
      rights.broker = Broker.start(kernel, brokerContext(run, needs), rights.mayRun);
    }
    files.outside!.calls = rights.broker?.files;
    if (rights.broker) ask?.by?.(rights.broker);
  }
  const restricts = canBeRestricted(needs, rights.mayRun, {
    kernel: kernel !== undefined,
    broker: rights.broker !== undefined,
  });
  if (restricts || needs.named) tree?.lookAhead();
  const paths = pathsOf(run, needs);
  if (restricts) {
    rights.restricted = await restrictRun(
      kernel!,
      { ...kernelFacts(needs, paths), descriptors: tree?.descriptors },
      clusterFacts(run, needs, paths.renewed),
    );
  }
  await checkStanding(requiredBy, finalStanding(needs, rights.restricted?.standing ?? "none"));
  if (rights.broker) rights.mayRun = false;
  giveUp(keptPermissions(needs, paths, {
    saves: needs.asks && kernel === undefined,
    mayRun: rights.mayRun,
    broker: rights.broker !== undefined,
  }));
}

function brokerContext(
  { context, user: { home, cwd }, kubeconfig, files, rights: { preloaded } }: ReadyRun,
  needs: RunNeeds,
): BrokerContext {
  return {
    version: VERSION,
    pid: Deno.pid,
    plugin: context.name,
    args: context.args,
    installed: context.installed,
    grants: context.grants,
    home,
    cwd,
    root: context.layout.root,
    bounds: context.bounds,
    asks: needs.hasQuestions,
    files: {
      mounts: needs.files ? files.mounts : [],
      overlaid: files.overlays.map(({ host }) => host),
      protectedPaths: files.protectedPaths,
      unprotectedPaths: files.unprotectedPaths,
      deniedPaths: files.deniedPaths ?? [],
      deniedWrites: files.deniedWrites ?? [],
    },
    kubeconfigs: kubeconfig.paths,
    texts: [...preloaded?.texts ?? []],
    renewed: (preloaded?.keep ?? []).map(renewedFile),
  };
}

function pathsOf(
  { context: { layout, code }, user, own, kubeconfig, files, rights: { preloaded } }: ReadyRun,
  needs: RunNeeds,
): RunPaths {
  const inPod = user.variables.KUBERNETES_SERVICE_HOST ? [SERVICE_ACCOUNT] : [];
  return {
    program: Deno.execPath(),
    own,
    layout,
    code: code === undefined ? [] : [code],
    renewed: needs.network ? [...preloaded?.keep ?? [], ...inPod] : [],
    mounts: files.mounts,
    overlaid: files.overlays.map(({ host }) => host),
    denied: files.deniedPaths ?? [],
    kubeconfigs: kubeconfig.paths,
  };
}

function clusterFacts(
  { user: { variables, args }, rights: { preloaded } }: ReadyRun,
  needs: RunNeeds,
  renewed: readonly string[],
) {
  if (!needs.network || !preloaded) return undefined;
  return { preloaded, flags: parseConnectionFlags(args), env: variables, renewed };
}

/** Tries to create log/. Without it, for example on a read-only store, the run is not recorded. */
function tryMaking(path: string): void {
  try {
    Deno.mkdirSync(path, { mode: 0o700 });
  } catch { /* it is there, or can't be */ }
}
