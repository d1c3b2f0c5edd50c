/** The environment variables of a plugin. Pure. */

import { guestPath } from "../base/host_path.ts";
import { grantedEnvironment } from "../grants/granted_environment.ts";
import type { Grants } from "../grants/grants.ts";
import { PRIVATE_DIRECTORIES } from "./private_directory.ts";

/** What {@linkcode pluginEnvironment} needs. Paths are absolute, on the host. */
export interface EnvironmentContext {
  /** The user's environment. */
  readonly variables: Readonly<Record<string, string>>;
  readonly grants: Pick<Grants, "env" | "deny" | "home">;
  readonly cwd: string;
  readonly home: string;
  /** The plugin's private directory. */
  readonly own: string;
  /** Where the plugin reads its kubeconfig; undefined if there is none. */
  readonly kubeconfig: string | undefined;
  /** This machine's name, if the user's environment lacks it. */
  readonly hostname?: string | undefined;
}

/**
 * The plugin's variables, and the names of the user's variables that it does not get.
 *
 * @param windows whether WASI programs need HOME: they do not read USERPROFILE
 */
export function pluginEnvironment(
  { variables, grants, cwd, home, own, kubeconfig, hostname }: EnvironmentContext,
  windows: boolean = Deno.build.os === "windows",
): { readonly env: ReadonlyMap<string, string>; readonly withheld: readonly string[] } {
  const { given, withheld } = grantedEnvironment(variables, grants.env, grants.deny.env);
  const env = new Map(given);
  const provide = (name: string, path: string) => {
    if (mayKnow(grants, name)) env.set(name, path);
  };
  provide("PWD", guestPath(cwd));
  provide("TMPDIR", `${guestPath(own)}/tmp`);
  if (!grants.home) {
    for (const [name, directory] of PRIVATE_DIRECTORIES) provide(name, `${guestPath(own)}/${directory}`);
  }
  // WASI has no call for it.
  if (!env.has("HOSTNAME") && hostname !== undefined && mayKnow(grants, "HOSTNAME")) {
    env.set("HOSTNAME", hostname);
  }
  if (windows) provide("HOME", guestPath(home));
  if (kubeconfig !== undefined) provide("KUBECONFIG", guestPath(kubeconfig));
  return { env, withheld };
}

/**
 * Whether a plugin may know a variable that krew-wasm sets. With an exact list of variables, it gets only the files behind
 * those variables.
 */
function mayKnow({ env, deny }: Pick<Grants, "env" | "deny">, name: string): boolean {
  return (typeof env === "string" || env.includes(name)) &&
    deny.env !== "all" && !deny.env.includes(name);
}

/** Whether the environment leads to the private directory. */
export function mayKnowPrivateDirectory(grants: Pick<Grants, "env" | "deny">): boolean {
  return ["TMPDIR", ...PRIVATE_DIRECTORIES.map(([name]) => name)].some((name) => mayKnow(grants, name));
}

/** Whether the environment leads to the kubeconfig. */
export function mayKnowKubeconfig(grants: Pick<Grants, "env" | "deny">): boolean {
  return mayKnow(grants, "HOME") || mayKnow(grants, "KUBECONFIG");
}
