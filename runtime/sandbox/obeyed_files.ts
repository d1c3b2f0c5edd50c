/**
 * Files that krew-wasm and kubectl obey. Writing one of them would decide what later runs with the user's rights. A plugin
 * can neither change nor create them, whatever was granted. Pure.
 */

import { hostPath, parentOf } from "../base/host_path.ts";
import { configDirectory, registryAuthFiles, type Variable } from "../base/user_files.ts";
import { POLICY_PATH } from "../policy/policy_path.ts";

/** What {@linkcode obeyedFiles} needs to know about the run. */
export interface ObeyedContext {
  readonly env: Variable;
  /** The user's home directory, absolute. */
  readonly home: string;
  /** The current directory, absolute: variables may name relative paths. */
  readonly cwd: string;
  readonly uid: number | undefined;
  /** Root of the store in use. */
  readonly store: string;
  /** krew-wasm's own binary and its links on PATH; empty if it runs from source. */
  readonly binaries: readonly string[];
  /** The configured paths of kubectl's preferences (kube/config/kuberc_file.ts). */
  readonly kuberc: readonly string[];
}

/** Absolute paths of files and directories, which may not exist. */
export function obeyedFiles({ env, home, cwd, uid, store, binaries, kuberc }: ObeyedContext): string[] {
  const config = configDirectory(env);
  const paths = [
    // The store of this run, and the usual one, which the next run may use.
    ...[store, `${home}/.krew-wasm`, ...binaries, parentOf(POLICY_PATH)],
    // Credentials for registries, and the helpers that they start; mirrors and certificates of registries.
    ...registryAuthFiles(env, uid),
    ...[config && `${config}/containers`, config && `${config}/docker/certs.d`],
    ...[env("CONTAINERS_REGISTRIES_CONF"), "/etc/containers", "/etc/docker"],
    // kubectl's preferences may name another kubeconfig.
    ...[...kuberc, ...kubectlHomes(env, home).map((each) => `${each}/.kube/kuberc`)],
    // client-go copies this file to ~/.kube/config if that is missing (tools/clientcmd/loader.go).
    `${home}/.kube/.kubeconfig`,
  ];
  return absolutePaths(paths, cwd);
}

/** Paths of the user's, resolved; each once. */
export function absolutePaths(paths: readonly (string | undefined)[], cwd: string): string[] {
  return [
    ...new Set(paths.flatMap((path) => {
      if (!path) return [];
      const host = hostPath(path);
      return /^(?:\/|[A-Za-z]:\/)/.test(host) ? host : `${cwd.replace(/\/$/, "")}/${host}`;
    })),
  ];
}

/** The default paths of a kubeconfig. */
export function usualKubeconfigs(env: Variable, home: string): string[] {
  return kubectlHomes(env, home).map((each) => `${each}/.kube/config`);
}

/** The home directories that client-go may use: on Windows the first with a kubeconfig (util/homedir). */
function kubectlHomes(env: Variable, home: string, windows = Deno.build.os === "windows"): string[] {
  if (!windows) return [home];
  const [drive, path] = [env("HOMEDRIVE"), env("HOMEPATH")];
  const homes = [env("HOME"), drive && path && drive + path, env("USERPROFILE"), home];
  return [...new Set(homes.flatMap((each) => each ? [hostPath(each)] : []))];
}
