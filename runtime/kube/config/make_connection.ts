/**
 * Turns a chosen context into what a transport needs, as client-go's clientcmd and rest packages do: applies flags,
 * finds contradictions, reads files and decodes data.
 */

import { isProxyUrl } from "../http/cluster_proxy.ts";
import type { Connection } from "./connection.ts";
import { credentialsOf, hasUserFlags } from "./connection_credentials.ts";
import { type ConnectionFiles, kubeconfigInvalid, rootsOf } from "./connection_files.ts";
import { parseTimeout } from "./go_duration.ts";
import { impersonationOf } from "./impersonation.ts";
import type { Chosen } from "./kubeconfig.ts";
import type { ConnectionFlags } from "./kubectl_flags.ts";
import { hasZone, serverOf } from "./server_url.ts";
import { shownUrl } from "./shown_url.ts";

const NO_CREDENTIALS = {
  certificate: undefined,
  certificateFiles: undefined,
  token: undefined,
  tokenFile: undefined,
  basic: undefined,
  exec: undefined,
} as const;

/**
 * @param cwd for the paths among the flags
 * @throws AppError KUBECONFIG_INVALID, KUBECONFIG_UNREADABLE, CLUSTER_UNSUPPORTED, USAGE
 */
export function connectionOf(
  { context, namespace, cluster, user }: Chosen,
  flags: ConnectionFlags,
  cwd: string,
  readFile: (path: string) => string = Deno.readTextFileSync,
): Connection {
  const files: ConnectionFiles = { flags, cwd, readFile };
  const { entry } = cluster;
  const where = flags.server === undefined ? `${cluster.where}.server` : "--server";
  const { server, userinfo } = serverOf(
    flags.server ?? entry.server ?? kubeconfigInvalid(where, "is missing"),
    (what) => kubeconfigInvalid(where, what),
  );
  const proxyUrl = flags.proxyUrl ?? entry.proxyUrl;
  if (proxyUrl !== undefined && !isProxyUrl(proxyUrl)) {
    const where = flags.proxyUrl === undefined ? `${cluster.where}.proxy-url` : "--proxy-url";
    kubeconfigInvalid(
      where,
      hasZone(proxyUrl)
        ? "has an IPv6 zone, which krew-wasm can't connect to: name the host"
        : `"${shownUrl(proxyUrl)}" is not an http, https or socks5 URL`,
    );
  }
  const { ca, caFile, insecure } = rootsOf(files, cluster);
  const credentials = user || hasUserFlags(flags)
    ? credentialsOf(files, user, entry.execConfig)
    : NO_CREDENTIALS;
  return {
    context,
    namespace,
    server,
    ca,
    caFile,
    // --server replaces the server's name, too.
    tlsServerName: flags.tlsServerName ?? (flags.server === undefined ? entry.tlsServerName : undefined),
    insecureSkipTlsVerify: insecure,
    proxyUrl,
    disableCompression: flags.disableCompression === true || entry.disableCompression,
    ...usedCredentials(server, userinfo, credentials),
    impersonate: impersonationOf(flags, user),
    requestTimeout: parseTimeout(flags.requestTimeout),
    where: {
      cluster: flags.certificateAuthority === undefined ? `${cluster.where}.` : "--",
      user: flags.clientCertificate === undefined ? `${user?.where}.` : "--",
    },
  };
}

/**
 * Without TLS client-go sends no credentials, because anybody on the way could read them. Credentials in the server's
 * URL are different: net/http sends them first, and with any scheme.
 */
function usedCredentials(
  server: string,
  userinfo: Connection["basic"],
  credentials: ReturnType<typeof credentialsOf>,
): ReturnType<typeof credentialsOf> {
  const { certificate, certificateFiles } = server.startsWith("https:") ? credentials : NO_CREDENTIALS;
  if (userinfo) return { ...NO_CREDENTIALS, certificate, certificateFiles, basic: userinfo };
  return server.startsWith("https:") ? credentials : NO_CREDENTIALS;
}
