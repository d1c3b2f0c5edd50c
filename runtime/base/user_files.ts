/** Where the user's settings and registry credentials are, by the environment. Pure. */

/** Where a Pod finds its service account (client-go's rest.InClusterConfig). Its token is renewed during a run. */
export const SERVICE_ACCOUNT = "/var/run/secrets/kubernetes.io/serviceaccount";

/** Reads an environment variable. */
export type Variable = (name: string) => string | undefined;

/** Where docker's and containers' tools keep credentials for registries, in their order. */
export function registryAuthFiles(env: Variable, uid: number | undefined): string[] {
  const docker = dockerAuthFile(env);
  // If the environment names a file, podman reads no other of its own.
  const named = env("REGISTRY_AUTH_FILE");
  const runtime = env("XDG_RUNTIME_DIR") || (uid === undefined ? undefined : `/run/containers/${uid}`);
  const config = configDirectory(env);
  const podman = [
    runtime && (env("XDG_RUNTIME_DIR") ? `${runtime}/containers/auth.json` : `${runtime}/auth.json`),
    config && `${config}/containers/auth.json`,
  ];
  return (named ? [named, docker] : [docker, ...podman]).filter((file) => file !== undefined);
}

/** docker's file; undefined without a home directory. */
export function dockerAuthFile(env: Variable): string | undefined {
  const home = env("HOME") || env("USERPROFILE");
  const directory = env("DOCKER_CONFIG") || (home ? `${home}/.docker` : undefined);
  return directory && `${directory}/config.json`;
}

/** The user's settings (XDG base directory specification); undefined without a home directory. */
export function configDirectory(env: Variable): string | undefined {
  const home = env("HOME") || env("USERPROFILE");
  return env("XDG_CONFIG_HOME") || (home ? `${home}/.config` : undefined);
}
