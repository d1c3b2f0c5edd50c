/** The user's kubeconfigs during a run: which ones exist for the plugin, and where it reads the redacted one. */

import { kubeconfigPaths } from "../kube/config/kubectl_flags.ts";
import { isReadOnce } from "../kube/config/text_file.ts";
import type { RunUser } from "./sandbox_context.ts";
import { usualKubeconfigs } from "./obeyed_files.ts";
import type { Overlay } from "./types.ts";

/** The kubeconfigs of a run. All paths are absolute, on the host. */
export interface PluginKubeconfig {
  /** The files that kubectl would read in this run; the first wins. */
  readonly paths: readonly string[];
  /**
   * These files, and those that kubectl reads without flags. The plugin can neither read nor create any of them, even if a
   * flag chose another one for this run.
   */
  readonly all: ReadonlySet<string>;
  /** The file whose place the redacted kubeconfig takes; undefined if none exists. */
  readonly original: string | undefined;
  /** Where the plugin reads it. */
  readonly shown: string | undefined;
  /** Whether `original` can be read only once. The plugin then reads a regular file of its private directory. */
  readonly readOnce: boolean;
}

/** @param own the plugin's private directory */
export function pluginKubeconfig(
  { variables, args, home, cwd }: Omit<RunUser, "trace">,
  own: string,
): PluginKubeconfig {
  const ofRun = kubeconfigPaths(variables, args, home, cwd);
  const withoutFlags = kubeconfigPaths(variables, [], home, cwd);
  const original = ofRun.redactedPath;
  const readOnce = original !== undefined && isReadOnce(original);
  return {
    paths: ofRun.paths,
    all: new Set([
      ...[ofRun, withoutFlags].flatMap(({ paths, written }) => [...paths, ...written]),
      ...usualKubeconfigs((name) => variables[name], home),
    ]),
    original,
    shown: readOnce ? `${own}/kubeconfig` : original,
    readOnce,
  };
}

/**
 * The files with the host's content. One redacted file replaces the whole KUBECONFIG list; the others show empty, which
 * client-go treats as missing.
 *
 * @param granted whether the plugin may read the real kubeconfigs
 */
export function kubeconfigOverlays(
  { all, original, shown, readOnce }: PluginKubeconfig,
  granted: boolean,
  content: { readonly redacted: Overlay["content"]; readonly real: (path: string) => string },
): Overlay[] {
  const overlays: Overlay[] = granted ? [] : [...all].map((host) => ({
    host,
    content: () => host === original ? content.redacted() : new Uint8Array(),
  }));
  if (readOnce) {
    const real = () => new TextEncoder().encode(content.real(original!));
    overlays.push({ host: shown!, content: granted ? real : content.redacted });
  }
  return overlays;
}
