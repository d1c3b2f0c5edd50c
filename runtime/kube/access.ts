/** The cluster of one run, opened when the plugin first asks for it, or for the kubeconfig. */

import { AppError, messageOf } from "../errors.ts";
import { printable } from "../text.ts";
import type { Cluster } from "./cluster.ts";
import { type Connection, connectionOf } from "./connection.ts";
import { absolute, kubeconfigPaths, parseConnectionFlags } from "./flags.ts";
import { chooseContext, type Kubeconfig, mergeKubeconfigs, parseKubeconfig } from "./kubeconfig.ts";
import { formatStandIn, makeStandInCredentials } from "./standin.ts";
import { connectCluster } from "./transport.ts";

/** What {@linkcode openCluster} needs to know of the run. */
export interface ClusterContext {
  readonly env: Readonly<Record<string, string>>;
  /** The plugin's arguments, its name left out. */
  readonly args: readonly string[];
  readonly home: string;
  readonly cwd: string;
  readonly trace: (line: string) => void;
  /** Reads a file as text, from memory where it was read ahead. */
  readonly readFile?: (path: string) => string;
  /** Told, before the first request, what the user chose. */
  readonly chosen?: (connection: Connection) => void;
}

/** The cluster and what shows of it. */
export interface ClusterAccess {
  /** The same one ever after. @throws AppError */
  cluster(): Promise<Cluster>;
  /** The kubeconfig's stand-in. @throws AppError KUBECONFIG_INVALID, KUBECONFIG_UNREADABLE */
  standIn(): Promise<Uint8Array>;
}

/** Where a Pod finds its service account (client-go's rest.InClusterConfig). */
const SERVICE_ACCOUNT = "/var/run/secrets/kubernetes.io/serviceaccount";

/** Opens nothing yet: files are read at the first call of either function. */
export function openCluster(context: ClusterContext): ClusterAccess {
  const flags = parseConnectionFlags(context.args);
  const { paths, named } = kubeconfigPaths(context.env, context.args, context.home, context.cwd);
  const readFile = context.readFile ?? Deno.readTextFileSync;
  let config: Promise<Kubeconfig | undefined> | undefined;
  const read = () => config ??= readKubeconfig(paths, flags.kubeconfig !== undefined, readFile);
  let connection: Promise<Connection> | undefined;
  const connect = () =>
    connection ??= read().then((config) => {
      if (config) return connectionOf(chooseContext(config, flags), flags, context.cwd, readFile);
      const inCluster = inClusterConnection(context.env, flags.namespace);
      if (inCluster) return inCluster;
      throw new AppError(
        "NO_CLUSTER",
        `There is no kubeconfig at ${printable(paths.join(", "))}, so there is no cluster to reach`,
        {
          hint: named ? "check KUBECONFIG and --kubeconfig" : "put one there, or set KUBECONFIG",
        },
      );
    });
  let cluster: Promise<Cluster> | undefined;
  return {
    cluster: () =>
      cluster ??= connect().then((connection) => {
        context.chosen?.(connection);
        return connectCluster(connection, context.trace);
      }),
    async standIn() {
      const config = await read() ?? mergeKubeconfigs([]);
      const caOf = (name: string): string | undefined => {
        const { entry, directory } = config.clusters.get(name)!;
        try {
          if (entry.certificateAuthorityData !== undefined) return atob(entry.certificateAuthorityData);
          if (entry.certificateAuthority !== undefined) {
            return readFile(absolute(entry.certificateAuthority, directory));
          }
        } catch { /* it is missed when the cluster is used */ }
        return undefined;
      };
      const text = formatStandIn(config, flags.context, caOf, await makeStandInCredentials());
      return new TextEncoder().encode(text);
    },
  };
}

/** The files there are, merged; undefined for none. @throws AppError KUBECONFIG_INVALID, KUBECONFIG_UNREADABLE */
async function readKubeconfig(
  paths: readonly string[],
  needed: boolean,
  readFile: (path: string) => string,
): Promise<Kubeconfig | undefined> {
  const files: Kubeconfig[] = [];
  for (const path of paths) {
    let text: string;
    try {
      text = readFile(path);
    } catch (error) {
      // Of a list, kubectl skips what is not there; a file named by a flag must be.
      if (error instanceof Deno.errors.NotFound && !needed) continue;
      throw new AppError(
        "KUBECONFIG_UNREADABLE",
        `Cannot read the kubeconfig "${printable(path)}": ${printable(messageOf(error), 200)}`,
      );
    }
    files.push(await parseKubeconfig(text, path));
  }
  return files.length === 0 ? undefined : mergeKubeconfigs(files);
}

function inClusterConnection(
  env: Readonly<Record<string, string>>,
  namespace: string | undefined,
): Connection | undefined {
  const host = env.KUBERNETES_SERVICE_HOST;
  const port = env.KUBERNETES_SERVICE_PORT;
  if (!host || !port) return undefined;
  const read = (file: string): string | undefined => {
    try {
      return Deno.readTextFileSync(`${SERVICE_ACCOUNT}/${file}`);
    } catch {
      return undefined;
    }
  };
  if (read("token") === undefined) return undefined;
  return {
    context: "",
    namespace: namespace ?? read("namespace")?.trim() ?? "default",
    server: `https://${host.includes(":") ? `[${host}]` : host}:${port}`,
    ca: read("ca.crt"),
    tlsServerName: undefined,
    insecureSkipTlsVerify: false,
    proxyUrl: undefined,
    disableCompression: false,
    certificate: undefined,
    token: undefined,
    tokenFile: `${SERVICE_ACCOUNT}/token`,
    basic: undefined,
    exec: undefined,
    impersonate: [],
    requestTimeout: undefined,
  };
}
