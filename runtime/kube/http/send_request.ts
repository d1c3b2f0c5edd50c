/** The HTTP client for a connection's server, direct or through its proxy. */

import { encodeBase64 } from "../../base/bytes.ts";
import { checkCertificate } from "./certificates.ts";
import type { ClientCertificate, Connection } from "../config/connection.ts";
import { dialForward, dialWithin, type Patience } from "../sockets/dial.ts";
import { HttpClient } from "./http_client.ts";
import { proxyFor, userinfoOfProxy } from "./cluster_proxy.ts";

/** A client, and how requests address the server. */
export interface ServerClient {
  readonly client: HttpClient;
  /** The target in a request's first line: the path, or the whole URL for a forwarding proxy. */
  readonly targetOf: (url: URL) => string;
  /** Only for a forwarding proxy. */
  readonly proxyAuthorization: string | undefined;
}

/**
 * Opens a client. Sends nothing yet.
 *
 * @param env the user's environment, for proxies
 * @param patience the time limit for connecting
 * @throws AppError KUBECONFIG_INVALID, CLUSTER_UNSUPPORTED
 */
export async function openClient(
  connection: Connection,
  certificate: ClientCertificate | undefined,
  env: Readonly<Record<string, string>>,
  patience: Patience,
): Promise<ServerClient> {
  const server = new URL(connection.server);
  const proxy = proxyFor(server, connection.proxyUrl, env);
  if (certificate) await checkCertificate(certificate, connection);
  // As net/http: an HTTP proxy forwards plain requests without a tunnel.
  if (proxy && server.protocol === "http:" && /^https?:$/.test(proxy.protocol)) {
    const { username, password } = userinfoOfProxy(proxy);
    return {
      client: new HttpClient((signal) => dialForward(patience, connection, proxy, signal)),
      targetOf: (url) => url.href,
      proxyAuthorization: username === "" && password === "" ? undefined : basic(username, password),
    };
  }
  return {
    client: new HttpClient((signal) => dialWithin(patience, connection, certificate, proxy, signal)),
    targetOf: (url) => `${url.pathname}${url.search}`,
    proxyAuthorization: undefined,
  };
}

function basic(username: string, password: string): string {
  return `Basic ${encodeBase64(`${username}:${password}`)}`;
}
