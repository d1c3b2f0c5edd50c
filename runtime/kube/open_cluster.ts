/** Opens the cluster of one run when the plugin first uses it or reads the kubeconfig. */

import { SERVICE_ACCOUNT } from "../base/user_files.ts";
import { AppError, messageOf } from "../base/errors.ts";
import { printable } from "../base/text.ts";
import { makePlaceholderToken } from "./config/redacted_arguments.ts";
import type { Cluster } from "./cluster.ts";
import type { Connection } from "./config/connection.ts";
import { connectionOf } from "./config/make_connection.ts";
import type { CredentialHelper } from "./auth/user_credentials.ts";
import {
  absolute,
  isReadable,
  kubeconfigPaths,
  parseConnectionFlags,
  tilde,
} from "./config/kubectl_flags.ts";
import {
  chooseContext,
  type Chosen,
  clusterEntry,
  type Kubeconfig,
  mergeKubeconfigs,
  parseKubeconfig,
  userEntry,
} from "./config/kubeconfig.ts";
import { proxyFor } from "./http/cluster_proxy.ts";
import { formatRedactedKubeconfig, makePlaceholderCredentials } from "./config/redacted_kubeconfig.ts";
import { readText } from "./config/text_file.ts";
import { connectCluster, type Transport } from "./http/cluster_transport.ts";
import { pluginAgent } from "./http/user_agent.ts";

/** What {@linkcode openCluster} needs to know of the run. */
export interface ClusterContext {
  readonly env: Readonly<Record<string, string>>;
  /** The plugin's arguments without its name. */
  readonly args: readonly string[];
  readonly home: string;
  readonly cwd: string;
  readonly trace: (line: string) => void;
  /** Reads a text file, from memory if it was preloaded. */
  readonly readFile?: (path: string) => string;
  /** The placeholder for tokens and passwords that the plugin sees. It returns the same value at each call. */
  readonly placeholderToken?: () => string;
  /** Does what the kernel no longer lets this process do. */
  readonly helper?: CredentialHelper | undefined;
  /** The plugin that sends the requests, for the User-Agent. `version` is from its artifact. */
  readonly plugin?: { readonly name: string; readonly version: string | undefined };
  /** Gets the warnings that kubectl would print. */
  readonly warn?: (line: string) => void;
  /** Finds programs that were looked for ahead. */
  readonly findProgram?: (command: string) => string | undefined;
  /** Gets the user's choice and the proxy for it, before the first request. */
  readonly chosen?: (connection: Connection, proxy: URL | undefined) => void;
  /** Directory of a Pod's service account. */
  readonly serviceAccount?: string;
}

/** The cluster, and its redacted kubeconfig. */
export interface ClusterAccess {
  /** The connection that kubeconfig and flags select. Does not connect. @throws AppError */
  connection(): Promise<Connection>;
  /** The same cluster at each call. @throws AppError */
  cluster(): Promise<Cluster>;
  /** The redacted kubeconfig. @throws AppError KUBECONFIG_INVALID, KUBECONFIG_UNREADABLE */
  redacted(): Promise<Uint8Array>;
  /** Traces requests that are still open. The process ends afterwards. */
  close(): void;
}

/** Opens nothing yet: the first call of a function reads the files. */
export function openCluster(context: ClusterContext): ClusterAccess {
  const { env, home, cwd, serviceAccount = SERVICE_ACCOUNT } = context;
  const flags = parseConnectionFlags(context.args);
  const { paths, named } = kubeconfigPaths(env, context.args, home, cwd);
  const readFile = context.readFile ?? readText;
  let config: Promise<Kubeconfig | undefined> | undefined;
  const read = () => config ??= readKubeconfig(paths, home, flags.kubeconfig !== undefined, readFile);
  const pod = () => inCluster(env, serviceAccount);
  const choose = async (): Promise<Connection> => {
    if (flags.problem !== undefined) throw new AppError("USAGE", flags.problem);
    const config = await read();
    const chosen = flags.server !== undefined || flags.cluster !== undefined || flags.context !== undefined ||
      config?.currentContext !== undefined;
    if (chosen) {
      const fallback = pod()?.namespace;
      return connectionOf(
        chooseContext(config ?? mergeKubeconfigs([]), flags, fallback),
        flags,
        cwd,
        readFile,
      );
    }
    const inside = pod();
    if (inside) {
      return connectionOf(
        { ...inside, namespace: flags.namespace ?? inside.namespace },
        flags,
        cwd,
        readFile,
      );
    }
    if (config) chooseContext(config, flags); // throws an error that names the missing part
    throw new AppError(
      "NO_CLUSTER",
      paths.length === 0
        ? "KUBECONFIG names no file, so there is no cluster to reach"
        : `There is no kubeconfig at ${printable(paths.join(", "))}, so there is no cluster to reach`,
      {
        hint: named ? "check KUBECONFIG and --kubeconfig" : "put one there, or set KUBECONFIG",
      },
    );
  };
  /** Adds kuberc's policy to the user's credential plugin. */
  const withPolicy = async (connection: Connection): Promise<Connection> => {
    if (!connection.exec) return connection;
    const [{ allowedProgram, readPluginPolicy }, { kubercFile }] = await Promise.all([
      import("./config/kuberc.ts"),
      import("./config/kuberc_file.ts"),
    ]);
    const file = kubercFile(env, context.args, home, cwd);
    const policy = await readPluginPolicy(file, readFile, context.warn ?? context.trace);
    if (!policy) return connection;
    const { findProgram } = await import("../base/program_path.ts");
    const find = context.findProgram ?? findProgram;
    const allowed = (command: string) => allowedProgram(command, policy, find);
    return { ...connection, exec: { ...connection.exec, allowed } };
  };
  let transport: Transport | undefined;
  let chosen: Promise<Connection> | undefined;
  const connection = () => chosen ??= choose().then(withPolicy);
  let cluster: Promise<Cluster> | undefined;
  return {
    connection,
    cluster: () =>
      cluster ??= connection().then((connection) => {
        context.chosen?.(connection, proxyOf(connection, env));
        return transport = connectCluster(connection, {
          env,
          trace: context.trace,
          helper: context.helper,
          agent: context.plugin && pluginAgent(context.plugin.name, context.plugin.version),
        });
      }),
    async redacted() {
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
      const credentials = await makePlaceholderCredentials(
        (context.placeholderToken ?? makePlaceholderToken)(),
      );
      const text = formatRedactedKubeconfig(config, flags.context, caOf, credentials);
      return new TextEncoder().encode(text);
    },
    close: () => transport?.close(),
  };
}

/** The proxy for the server. The first request reports an unusable one. */
function proxyOf({ server, proxyUrl }: Connection, env: Readonly<Record<string, string>>): URL | undefined {
  try {
    return proxyFor(new URL(server), proxyUrl, env);
  } catch {
    return undefined;
  }
}

/**
 * The existing kubeconfig files, merged; undefined if there are none. @throws AppError KUBECONFIG_INVALID,
 * KUBECONFIG_UNREADABLE
 */
async function readKubeconfig(
  paths: readonly string[],
  home: string,
  needed: boolean,
  readFile: (path: string) => string,
): Promise<Kubeconfig | undefined> {
  const files: Kubeconfig[] = [];
  for (const path of paths) {
    let text: string;
    try {
      text = readFile(path);
    } catch (error) {
      // kubectl skips missing files of a list; a file that a flag names must exist.
      if (error instanceof Deno.errors.NotFound && !needed) continue;
      throw new AppError(
        "KUBECONFIG_UNREADABLE",
        `Cannot read the kubeconfig "${printable(tilde(path, home))}": ${printable(messageOf(error), 200)}`,
      );
    }
    files.push(await parseKubeconfig(text, path, tilde(path, home)));
  }
  return files.length === 0 ? undefined : mergeKubeconfigs(files);
}

/** The cluster of the Pod that this process is in (client-go's rest.InClusterConfig); undefined outside of a Pod. */
function inCluster(env: Readonly<Record<string, string>>, serviceAccount: string): Chosen | undefined {
  const [host, port] = [env.KUBERNETES_SERVICE_HOST, env.KUBERNETES_SERVICE_PORT];
  if (!host || !port || !isReadable(`${serviceAccount}/token`)) return undefined;
  let namespace = env.POD_NAMESPACE;
  try {
    namespace ||= Deno.readTextFileSync(`${serviceAccount}/namespace`).trim();
  } catch { /* not every token comes with one */ }
  const ca = `${serviceAccount}/ca.crt`;
  const user = { tokenFile: `${serviceAccount}/token` };
  const cluster = {
    server: `https://${host.includes(":") ? `[${host}]` : host}:${port}`,
    // As client-go: ignore a file without a certificate, because the system's roots may know the server.
    ...(holdsCertificate(ca) ? { "certificate-authority": ca } : {}),
  };
  return {
    context: "",
    namespace: namespace || "default",
    cluster: { entry: clusterEntry(cluster), where: "the service account", directory: serviceAccount },
    user: { entry: userEntry(user), where: "the service account", directory: serviceAccount },
  };
}

function holdsCertificate(path: string): boolean {
  try {
    return Deno.readTextFileSync(path).includes("-----BEGIN CERTIFICATE-----");
  } catch {
    return false;
  }
}
