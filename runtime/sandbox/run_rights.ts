/** Decides which rights the process keeps while a plugin runs. give_up_rights.ts acts on it. */

import { parentOf } from "../base/host_path.ts";
import { DENO_PATHS, walkPath } from "../base/path_walk.ts";
import type { Grants } from "../grants/grants.ts";
import { eitherListen, type ListenGrant } from "../grants/listen_grant.ts";
import type { Layout } from "../store/layout.ts";
import { isMadeOutside, type RunFacts } from "./kernel/kept_access.ts";
import type { Standing } from "./kernel/restrict.ts";
import type { PrivateDirectory } from "./private_directory.ts";
import type { Keep, Uses } from "./process_permissions.ts";
import { TIME_ZONES } from "../wasi/files/time_zone.ts";
import type { Mount } from "./types.ts";

/** What a run may still do. */
export interface RunNeeds {
  /** A person may be asked. */
  readonly asks: boolean;
  /** A person may be asked, and the plugin can do something that needs a grant. */
  readonly hasQuestions: boolean;
  readonly network: boolean;
  /** The ports to accept connections at, now or once a person grants them; none if undefined. */
  readonly listen: ListenGrant | undefined;
  /** The plugin names files, or has a file tree. */
  readonly files: boolean;
  /** Files are opened by their names, with Deno's permissions. Otherwise they are already open. */
  readonly named: boolean;
  /** The plugin makes symbolic links by name. */
  readonly symlinks: boolean;
  /** The broker must create some of the granted files. */
  readonly makesFiles: boolean;
  /** The plugin may change contexts in the user's kubeconfig. */
  readonly switches: boolean;
}

/** What a run needs, by the plugin's imports and grants. */
export function needsOf(
  { grants, listenBound, uses, asks, tree, mounts }: {
    readonly grants: Grants;
    /** The ports that the administrator lets people grant. */
    readonly listenBound: ListenGrant;
    readonly uses: Uses;
    readonly asks: boolean;
    /** Whether the plugin has a file tree. */
    readonly tree: boolean;
    readonly mounts: readonly Mount[];
  },
): RunNeeds {
  const files = tree || uses.files;
  const named = uses.files && uses.throughDeno;
  return {
    asks,
    hasQuestions: asks && (files || uses.network),
    // A person may grant the cluster later.
    network: uses.network && (grants.cluster !== "none" || asks && grants.deny.cluster !== true),
    listen: uses.listens ? portsFor(grants, asks ? listenBound : []) : undefined,
    files,
    named,
    symlinks: uses.symlinks && named,
    makesFiles: files && !named && mounts.some(isMadeOutside),
    switches: files && grants.kubeconfig === "switch",
  };
}

/** @param later the ports that a person may still grant */
function portsFor({ listen, deny }: Grants, later: ListenGrant): ListenGrant | undefined {
  const ports = deny.listen ? listen : eitherListen(listen, later);
  return ports.length > 0 ? ports : undefined;
}

/**
 * Whether a run needs the broker: to ask and open granted files later, to start a credential plugin, to create files, to
 * change the kubeconfig, or to read renewed files.
 *
 * @param renewed how many files may be renewed during the run
 */
export function needsBroker(
  { hasQuestions, makesFiles, network, switches }: RunNeeds,
  mayRun: boolean,
  renewed: number,
): boolean {
  return hasQuestions || mayRun || makesFiles || switches || network && renewed > 0;
}

/** Whether the kernel can restrict this process. If the run needs a broker and none could be started, it cannot. */
export function canBeRestricted(
  { makesFiles, switches }: RunNeeds,
  mayRun: boolean,
  { kernel, broker }: { readonly kernel: boolean; readonly broker: boolean },
): boolean {
  return kernel && (broker || !mayRun && !makesFiles && !switches);
}

/**
 * Whether the kernel allows all files. Without openat2 the broker cannot open files for this process, which then opens
 * whatever a person may grant.
 */
function allowsAllFiles({ named, asks }: RunNeeds): boolean {
  return named && asks;
}

/** What the kernel enforces in the end. */
export function finalStanding(needs: RunNeeds, standing: Standing): Standing {
  return allowsAllFiles(needs) && standing === "full" ? "partial" : standing;
}

/** The paths of a run. All absolute, on the host. */
export interface RunPaths {
  /** krew-wasm's binary. */
  readonly program: string;
  readonly own: PrivateDirectory;
  readonly layout: Pick<Layout, "root" | "log" | "lock" | "stage" | "receipts" | "history">;
  /** The directory of the plugin's compiled form; empty if it is not installed. */
  readonly code: readonly string[];
  /** Files that are renewed during the run, and their directories. */
  readonly renewed: readonly string[];
  readonly mounts: readonly Mount[];
  /** Files that show other content. */
  readonly overlaid: readonly string[];
  /** Paths that the plugin must not see. */
  readonly denied: readonly string[];
  /** The user's kubeconfig files. */
  readonly kubeconfigs: readonly string[];
}

/** What the kernel still allows. */
export function kernelFacts(
  needs: RunNeeds,
  { program, own, layout, code, mounts, overlaid, denied }: RunPaths,
): Omit<RunFacts, "network" | "descriptors"> {
  const anyFile = allowsAllFiles(needs) ? ["/"] : [];
  const made = needs.named ? mounts.filter(isMadeOutside).map(({ host }) => host) : [];
  return {
    read: [program, ...code],
    write: [own.path, ...anyFile, ...made],
    log: layout.log,
    remove: own.ofThisRun ? [parentOf(own.path)] : [],
    mounts: needs.files ? mounts : [],
    listed: needs.files ? denied : [],
    overlaid,
    listen: needs.listen,
  };
}

/**
 * The permissions of Deno that remain.
 *
 * @param saves whether this process itself asks the person and saves grants, without a broker
 * @param mayRun whether it starts the credential plugin
 * @param broker whether there is a broker
 */
export function keptPermissions(
  needs: RunNeeds,
  { own, layout, code, renewed, mounts, overlaid, kubeconfigs }: RunPaths,
  { saves, mayRun, broker }: { readonly saves: boolean; readonly mayRun: boolean; readonly broker: boolean },
): Keep {
  const { named } = needs;
  // A private directory for this run alone is removed at the end.
  const always = [
    ...(allowsAllFiles(needs) ? ["/"] : []),
    ...(named || own.ofThisRun ? [own.path] : []),
    layout.log,
  ];
  // Changes are made beside the files: lock, and rename.
  const switched = needs.switches && !broker || saves && needs.hasQuestions && needs.files
    ? kubeconfigs.flatMap((path) => [parentOf(path), parentOf(walkPath(path, DENO_PATHS).path)])
    : [];
  return {
    network: needs.network || needs.listen !== undefined,
    run: mayRun,
    symlinks: needs.symlinks,
    sys: saves,
    read: [
      ...always,
      ...(saves ? [layout.root] : []),
      ...(named
        ? [
          ...TIME_ZONES,
          ...mounts.map(({ host }) => host),
          ...overlaid.map((host) => walkPath(host, DENO_PATHS).path),
        ]
        : []),
      ...code,
      ...renewed,
      ...switched,
    ],
    write: [
      ...always,
      // The parts of the store for saving grants, but no code that runs.
      ...(saves ? [layout.lock, layout.stage, layout.receipts, layout.history] : []),
      ...(named ? mounts.filter(({ write }) => write).map(({ host }) => host) : []),
      ...switched,
    ],
  };
}
