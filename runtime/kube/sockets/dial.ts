/** Opens TCP and TLS connections. Only this file and its siblings do; callers have checked the destination. */

import { AppError } from "../../base/errors.ts";
import type { Duplex } from "../../wasi/streams/connection_streams.ts";
import { untilAborted } from "../http/abort.ts";
import type { ClientCertificate, Connection } from "../config/connection.ts";
import { connectAtOnce, secured, securedThrough } from "./dial_tls.ts";
import { type Place, placeOf } from "../config/places.ts";
import { proxyErrorOf } from "../http/proxy_error.ts";
import { closeAll } from "./relay.ts";

/** Connects to an IP address. */
export async function dialAddress(hostname: string, port: number): Promise<Deno.TcpConn> {
  return await Deno.connect({ hostname, port });
}

/**
 * Connects to a connection's API server, with its TLS settings: authorities, client certificate, server name, or no
 * verification. The result is ready for HTTP/1.1.
 *
 * @param proxy the proxy to connect through
 * @throws the error of the operating system, TLS or the proxy
 */
async function dialServer(
  connection: Connection,
  certificate: ClientCertificate | undefined,
  proxy: URL | undefined,
): Promise<Duplex> {
  const server = new URL(connection.server);
  const secure = server.protocol === "https:";
  const place = placeOf(server, secure ? 443 : 80);
  const name = connection.tlsServerName ?? place.hostname;
  if (proxy === undefined) {
    return secure ? await secured(place, name, connection, certificate) : await connectAtOnce(place);
  }
  const tunnel = await dialProxy(connection, proxy, place);
  try {
    return secure ? await securedThrough(tunnel, name, connection, certificate) : tunnel;
  } catch (error) {
    closeAll(tunnel); // TLS may own the tunnel by now
    throw error;
  }
}

/** The time limit for connecting, in milliseconds. */
export type Patience = number;

/**
 * {@linkcode dialServer} with a time limit. A connection that arrives late is closed.
 *
 * @param signal aborts the attempt
 * @throws AppError CLUSTER_UNREACHABLE after the time limit, the signal's reason, and as `dialServer`
 */
export async function dialWithin(
  patience: Patience,
  connection: Connection,
  certificate: ClientCertificate | undefined,
  proxy: URL | undefined,
  signal?: AbortSignal,
): Promise<Duplex> {
  return await dialled(dialServer(connection, certificate, proxy), patience, connection, signal);
}

/** The same for a proxy that forwards requests unchanged. */
export async function dialForward(
  patience: Patience,
  connection: Connection,
  proxy: URL,
  signal?: AbortSignal,
): Promise<Duplex> {
  return await dialled(connectProxy(connection, proxy), patience, connection, signal);
}

async function dialled(
  dialled: Promise<Duplex>,
  patience: Patience,
  connection: Connection,
  signal: AbortSignal | undefined,
): Promise<Duplex> {
  const limit = new AbortController();
  const timer = setTimeout(() => {
    const seconds = Math.round(patience / 1000);
    const what = `Cannot reach the API server ${connection.server}: no connection within ${seconds} seconds`;
    limit.abort(new AppError("CLUSTER_UNREACHABLE", what));
  }, patience);
  try {
    return await untilAborted(dialled, signal ? AbortSignal.any([signal, limit.signal]) : limit.signal);
  } catch (error) {
    dialled.then((late) => late.close(), () => {});
    throw error;
  } finally {
    clearTimeout(timer);
  }
}

/**
 * A tunnel through a proxy. The proxy's own TLS uses the connection's settings and the proxy's name. @throws
 * ProxyError
 */
async function dialProxy(connection: Connection, proxy: URL, place: Place): Promise<Duplex> {
  const { askProxy } = await import("./dial_proxy.ts");
  const way = await connectProxy(connection, proxy);
  try {
    return await askProxy(way, proxy, place);
  } catch (error) {
    way.close();
    throw proxyErrorOf(error);
  }
}

/** Connects to the proxy itself. @throws ProxyError */
async function connectProxy(connection: Connection, proxy: URL): Promise<Duplex> {
  const standard = proxy.protocol === "https:" ? 443 : proxy.protocol === "http:" ? 80 : 1080;
  const place = placeOf(proxy, standard);
  try {
    return proxy.protocol === "https:"
      ? await secured(place, place.hostname, connection, undefined)
      : await connectAtOnce(place);
  } catch (error) {
    throw proxyErrorOf(error);
  }
}
