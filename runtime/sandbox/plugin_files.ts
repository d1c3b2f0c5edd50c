/** The files of a run: what the plugin sees, and what no grant lets it change. */

import { guestPath, hostPath, isWithin } from "../base/host_path.ts";
import { namesOnPath } from "../base/program_path.ts";
import type { Grants } from "../grants/grants.ts";
import { kubercPaths } from "../kube/config/kuberc_file.ts";
import { mountsFor } from "./mounts.ts";
import { obeyedContents } from "./obeyed_contents.ts";
import { obeyedFiles } from "./obeyed_files.ts";
import { mayKnowKubeconfig, mayKnowPrivateDirectory } from "./plugin_environment.ts";
import type { PluginKubeconfig } from "./plugin_kubeconfig.ts";
import type { RunUser } from "./sandbox_context.ts";
import type { Files, KubeFiles, Mount, Overlay } from "./types.ts";

/** What {@linkcode pluginFiles} needs. */
export interface PluginFilesContext extends RunUser {
  /** The plugin's name; undefined for a file that is run without installing. */
  readonly plugin: string | undefined;
  readonly grants: Grants;
  /** The plugin's private directory. */
  readonly own: string;
  readonly kubeconfig: PluginKubeconfig;
  readonly overlays: readonly Overlay[];
  /** The root of the store. */
  readonly store: string;
  /** Whether a person may be asked for files. */
  readonly asks: boolean;
  readonly outside: Files["outside"];
  readonly requests: Files["requests"];
  /** Loads what a plugin needs to write its kubeconfig. */
  readonly writable: KubeFiles["writable"];
}

/**
 * The files of a run. Reads the contents of protected directories when `protectedPaths` is first read, and only if the
 * plugin may change files.
 *
 * @throws AppError GRANT_INVALID if a granted path leads elsewhere than when it was granted
 */
export function pluginFiles(context: PluginFilesContext): Files {
  const { grants, own, overlays, outside, requests, home } = context;
  const mounts = mountsOf(context);
  const paths = protectedFiles(context);
  let contents: readonly string[] | undefined;
  return {
    mounts,
    overlays,
    get protectedPaths() {
      contents ??= mayChangeFiles(context, mounts) ? contentsOf(context) : [];
      return [...paths, ...contents];
    },
    unprotectedPaths: [own],
    deniedPaths: [...grants.deny.read, ...(grants.deny.home ? [home] : [])],
    deniedWrites: grants.deny.write,
    ...(outside ? { outside } : {}),
    requests,
    kube: kubeFiles(context, mounts),
  };
}

/** What the plugin finds where kubectl keeps its files. */
function kubeFiles(context: PluginFilesContext, mounts: readonly Mount[]): KubeFiles {
  const { grants, own, kubeconfig: { shown, readOnce }, cwd, home, writable } = context;
  const kubeHome = guestPath(`${home}/.kube`);
  const mayWrite = mounts.some(({ guest, write, only }) => write && !only && isWithin(kubeHome, guest));
  return {
    kubeconfig: shown === undefined || readOnce || grants.kubeconfig === true || !mayKnowKubeconfig(grants)
      ? undefined
      : guestPath(shown),
    home: mayWrite ? undefined : kubeHome,
    private: mayKnowPrivateDirectory(grants) ? guestPath(own) : undefined,
    cwd: guestPath(cwd),
    writable,
  };
}

function mountsOf({ plugin, grants, cwd, home, own, kubeconfig, trace }: PluginFilesContext): Mount[] {
  return mountsFor(grants, {
    plugin,
    cwd,
    home,
    own: mayKnowPrivateDirectory(grants) ? own : undefined,
    redacted: mayKnowKubeconfig(grants) ? kubeconfig.shown : undefined,
    trace,
  });
}

/** Whether the plugin may change files beyond its private directory, now or once a person grants it. */
function mayChangeFiles({ asks, own }: PluginFilesContext, mounts: readonly Mount[]): boolean {
  return asks || mounts.some(({ host, write }) => write && host !== own);
}

function protectedFiles({ grants, kubeconfig, store, ...user }: PluginFilesContext): string[] {
  const { variables, args, home, cwd } = user;
  const env = (name: string) => variables[name];
  const obeyed = obeyedFiles({
    env,
    home,
    cwd,
    store,
    uid: Deno.uid() ?? undefined,
    binaries: Deno.build.standalone
      ? [Deno.execPath(), ...namesOnPath("krew-wasm", Deno.execPath(), env)].map(hostPath)
      : [],
    kuberc: kubercPaths(variables, args, home, cwd),
  });
  // The plugin may read the real file. To change it, it needs a grant for exactly this file.
  const kubeconfigs = grants.kubeconfig === true
    ? [...kubeconfig.all].filter((path) => !isGrantedToWrite(grants, path))
    : [];
  return [...obeyed, ...kubeconfigs];
}

function contentsOf({ variables, home, cwd, store }: PluginFilesContext): string[] {
  return obeyedContents({ env: (name) => variables[name], home, cwd, store });
}

/** Whether a single file is granted for writing. */
function isGrantedToWrite({ files }: Grants, path: string): boolean {
  return files.some(({ host, write }) => write && host === path);
}
