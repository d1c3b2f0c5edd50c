/**
 * The files that krew-wasm and kubectl read and obey: who could write one would have a say in what runs with the user's rights
 * next. A plugin may change none of them, nor make one that is not there, whatever it was granted. Pure.
 */

import { hostPath, parentOf } from "../base/host_path.ts";
import { POLICY_PATH } from "../policy/policy_path.ts";

/** A variable of the environment. */
export type Variable = (name: string) => string | undefined;

/** Where docker's tools and containers' keep credentials for registries, in the order they are asked. */
export function registryAuthFiles(env: Variable, uid: number | undefined): string[] {
  const docker = dockerAuthFile(env);
  // A file that the environment names outright is meant; podman then reads no other of its own.
  const named = env("REGISTRY_AUTH_FILE");
  const runtime = env("XDG_RUNTIME_DIR") || (uid === undefined ? undefined : `/run/containers/${uid}`);
  const config = configDirectory(env);
  const podman = [
    runtime && (env("XDG_RUNTIME_DIR") ? `${runtime}/containers/auth.json` : `${runtime}/auth.json`),
    config && `${config}/containers/auth.json`,
  ];
  return (named ? [named, docker] : [docker, ...podman]).filter((file) => file !== undefined);
}

/** docker's file; undefined where there is no place for it. */
export function dockerAuthFile(env: Variable): string | undefined {
  const home = env("HOME") || env("USERPROFILE");
  const directory = env("DOCKER_CONFIG") || (home ? `${home}/.docker` : undefined);
  return directory && `${directory}/config.json`;
}

/** The user's settings (XDG base directory specification); undefined where there is no place for them. */
export function configDirectory(env: Variable): string | undefined {
  const home = env("HOME") || env("USERPROFILE");
  return env("XDG_CONFIG_HOME") || (home ? `${home}/.config` : undefined);
}

/** What {@linkcode obeyedFiles} needs to know of the run. */
export interface ObeyedContext {
  readonly env: Variable;
  /** The user's home directory, absolute. */
  readonly home: string;
  readonly uid: number | undefined;
  /** Root of the store in use. */
  readonly store: string;
  /** krew-wasm's own binary and its links on PATH; none where it is run from source. */
  readonly binaries: readonly string[];
  /** Where kubectl's preferences are named to be (kube/kuberc_file.ts). */
  readonly kuberc: readonly string[];
}

/** Absolute paths of files and directories, whether or not they are there. */
export function obeyedFiles({ env, home, uid, store, binaries, kuberc }: ObeyedContext): string[] {
  const config = configDirectory(env);
  const paths = [
    // The store of this run, and the usual one, which the next may use.
    ...[store, `${home}/.krew-wasm`, ...binaries, parentOf(POLICY_PATH)],
    // Credentials for registries, with the helpers that are started for them; mirrors and certificates of registries.
    ...registryAuthFiles(env, uid),
    ...[config && `${config}/containers`, config && `${config}/docker/certs.d`],
    ...[env("CONTAINERS_REGISTRIES_CONF"), "/etc/containers", "/etc/docker"],
    // kubectl's preferences, which may name another kubeconfig.
    ...[...kuberc, ...kubectlHomes(env, home).map((each) => `${each}/.kube/kuberc`)],
    // Copied to ~/.kube/config where that is missing (client-go, tools/clientcmd/loader.go).
    `${home}/.kube/.kubeconfig`,
  ];
  const absolute = paths.flatMap((path) => path === undefined ? [] : [hostPath(path)])
    .filter((path) => /^(?:\/|[A-Za-z]:\/)/.test(path));
  return [...new Set(absolute)];
}

/** Where a kubeconfig is looked for that nothing else names. */
export function usualKubeconfigs(env: Variable, home: string): string[] {
  return kubectlHomes(env, home).map((each) => `${each}/.kube/config`);
}

/** What client-go may take for the user's home directory: on Windows the first with a kubeconfig (util/homedir). */
function kubectlHomes(env: Variable, home: string, windows = Deno.build.os === "windows"): string[] {
  if (!windows) return [home];
  const [drive, path] = [env("HOMEDRIVE"), env("HOMEPATH")];
  const homes = [env("HOME"), drive && path && drive + path, env("USERPROFILE"), home];
  return [...new Set(homes.flatMap((each) => each ? [hostPath(each)] : []))];
}
