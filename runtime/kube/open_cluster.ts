/** The cluster of one run, opened when the plugin first asks for it, or for the kubeconfig. */

import { AppError, messageOf } from "../base/errors.ts";
import { printable } from "../base/text.ts";
import { makePlaceholderToken } from "./config/redacted_arguments.ts";
import type { Cluster } from "./cluster.ts";
import { type Connection, connectionOf } from "./config/connection.ts";
import type { CredentialHelper } from "./auth/user_credentials.ts";
import { absolute, isFile, kubeconfigPaths, parseConnectionFlags, tilde } from "./config/kubectl_flags.ts";
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
  /** What stands for tokens and passwords in what the plugin sees, where that is seen elsewhere, too; the same at each call. */
  readonly placeholderToken?: () => string;
  /** Does what the kernel refuses to this process. */
  readonly helper?: CredentialHelper | undefined;
  /** Told what kubectl would warn of. */
  readonly warn?: (line: string) => void;
  /** Finds programs, where they were looked for ahead. */
  readonly findProgram?: (command: string) => string | undefined;
  /** Told, before the first request, what the user chose, and the proxy that leads there. */
  readonly chosen?: (connection: Connection, proxy: URL | undefined) => void;
  /** Directory of a Pod's service account. */
  readonly serviceAccount?: string;
}

/** The cluster and what shows of it. */
export interface ClusterAccess {
  /** Where and as whom, by kubeconfig and flags. Nothing is connected. @throws AppError */
  connection(): Promise<Connection>;
  /** The same one ever after. @throws AppError */
  cluster(): Promise<Cluster>;
  /** The kubeconfig's stand-in. @throws AppError KUBECONFIG_INVALID, KUBECONFIG_UNREADABLE */
  redacted(): Promise<Uint8Array>;
  /** Traces what is still under way; the process ends after it. */
  close(): void;
}

/** Where a Pod finds its service account (client-go's rest.InClusterConfig). */
const SERVICE_ACCOUNT = "/var/run/secrets/kubernetes.io/serviceaccount";

/** Opens nothing yet: files are read at the first call of either function. */
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
    if (config) chooseContext(config, flags); // says what is missing
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
  /** Adds kuberc's policy for the user's credential plugin. */
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
        return transport = connectCluster(connection, { env, trace: context.trace, helper: context.helper });
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

/** The proxy that leads there; one that can't be used is told of by the first request. */
function proxyOf({ server, proxyUrl }: Connection, env: Readonly<Record<string, string>>): URL | undefined {
  try {
    return proxyFor(new URL(server), proxyUrl, env);
  } catch {
    return undefined;
  }
}

/** The files there are, merged; undefined for none. @throws AppError KUBECONFIG_INVALID, KUBECONFIG_UNREADABLE */
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
      // Of a list, kubectl skips what is not there; a file named by a flag must be.
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

/** The cluster a Pod runs in, by client-go's rules (rest.InClusterConfig); undefined outside of one. */
function inCluster(env: Readonly<Record<string, string>>, serviceAccount: string): Chosen | undefined {
  const [host, port] = [env.KUBERNETES_SERVICE_HOST, env.KUBERNETES_SERVICE_PORT];
  if (!host || !port || !isFile(`${serviceAccount}/token`)) return undefined;
  let namespace = env.POD_NAMESPACE;
  try {
    namespace ||= Deno.readTextFileSync(`${serviceAccount}/namespace`).trim();
  } catch { /* not every token comes with one */ }
  const ca = `${serviceAccount}/ca.crt`;
  const user = { tokenFile: `${serviceAccount}/token` };
  const cluster = {
    server: `https://${host.includes(":") ? `[${host}]` : host}:${port}`,
    // As client-go: a file without a certificate is no reason to give up, the system's roots may know the server.
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
