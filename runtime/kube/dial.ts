/** Connections below HTTP: the only place that opens one. Callers have checked where it goes. */

import { AppError } from "../errors.ts";
import type { Duplex } from "../wasi/connection_streams.ts";
import { untilAborted } from "./abort.ts";
import { withOwnRules } from "./client.ts";
import type { ClientCertificate, Connection } from "./connection.ts";
import type { Place } from "./places.ts";
import { relayTo } from "./relay.ts";

/** Connects to a literal address. */
export async function dialAddress(hostname: string, port: number): Promise<Deno.TcpConn> {
  return await Deno.connect({ hostname, port });
}

/** Host and port of a URL. `standard` is the port of one that has none. */
export function placeOf({ hostname, port }: URL, standard: number): Place {
  return { hostname: hostname.replace(/^\[(.*)\]$/, "$1"), port: port === "" ? standard : Number(port) };
}

/**
 * Connects to a connection's API server, with its TLS: certificate authorities, client certificate, server name, or none
 * of it checked. HTTP/1.1 can be spoken on what it returns.
 *
 * @param proxy leads there, where there is one
 * @throws what the operating system, TLS or the proxy has against it
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
    tunnel.close();
    throw error;
  }
}

/**
 * {@linkcode dialServer} within a time. A connection that is given up is closed when it is there.
 *
 * @param time how long it may take; `told`, where that is another, is what an error says
 * @param signal gives it up
 * @throws AppError CLUSTER_UNREACHABLE after that time, the signal's reason, and as `dialServer`
 */
export async function dialWithin(
  { milliseconds, told = milliseconds }: { readonly milliseconds: number; readonly told?: number },
  connection: Connection,
  certificate: ClientCertificate | undefined,
  proxy: URL | undefined,
  signal?: AbortSignal,
): Promise<Duplex> {
  const dialled = dialServer(connection, certificate, proxy);
  const limit = new AbortController();
  const timer = setTimeout(() => {
    const seconds = Math.round(told / 1000);
    const what = `Cannot reach the API server ${connection.server}: no connection within ${seconds} seconds`;
    limit.abort(new AppError("CLUSTER_UNREACHABLE", what));
  }, milliseconds);
  try {
    return await untilAborted(dialled, signal ? AbortSignal.any([signal, limit.signal]) : limit.signal);
  } catch (error) {
    dialled.then((late) => late.close(), () => {});
    throw error;
  } finally {
    clearTimeout(timer);
  }
}

/** A proxy's way to a place. The proxy itself has the connection's TLS, under its own name. @throws ProxyError */
export async function dialProxy(connection: Connection, proxy: URL, place: Place): Promise<Duplex> {
  const { askProxy } = await import("./dial_proxy.ts");
  const proxyPlace = placeOf(
    proxy,
    proxy.protocol === "https:" ? 443 : proxy.protocol === "http:" ? 80 : 1080,
  );
  const way = proxy.protocol === "https:"
    ? await secured(proxyPlace, proxyPlace.hostname, connection, undefined)
    : await connectAtOnce(proxyPlace);
  try {
    return await askProxy(way, proxy, place);
  } catch (error) {
    way.close();
    throw error;
  }
}

/**
 * A connection that sends what is written at once, as Go's do. Otherwise the request waits for 40 ms, until the server's
 * system acknowledges the end of the handshake.
 */
async function connectAtOnce(place: Place): Promise<Deno.TcpConn> {
  const opened = await Deno.connect({ ...place });
  opened.setNoDelay(true);
  return opened;
}

/** TLS to a place, as whoever has the name. `connected` is told our port before the handshake. */
async function secured(
  place: Place,
  name: string,
  connection: Connection,
  certificate: ClientCertificate | undefined,
  connected?: (ownPort: number) => void,
): Promise<Duplex> {
  if (connection.insecureSkipTlsVerify) {
    const { dialUnchecked } = await import("./dial_node.ts");
    return await dialUnchecked(place, name, certificate, connected);
  }
  const rules = {
    alpnProtocols: ["http/1.1"],
    ...(connection.ca === undefined ? {} : { caCerts: [connection.ca] }),
  };
  let opened: Deno.TlsConn;
  if (certificate === undefined) {
    const tcp = await connectAtOnce(place);
    connected?.(tcp.localAddr.port);
    opened = await withOwnRules(connection.ca, () => Deno.startTls(tcp, { ...rules, hostname: name }));
  } else {
    // Only connectTls() takes a certificate.
    const options: Deno.ConnectTlsOptions & Deno.TlsCertifiedKeyPem = {
      ...place,
      ...rules,
      ...certificate,
      ...(name === place.hostname ? {} : { [Symbol.for("unstableServerName")]: name }),
    };
    opened = await withOwnRules(connection.ca, () => Deno.connectTls(options));
    connected?.((opened.localAddr as Deno.NetAddr).port);
  }
  try {
    await opened.handshake();
  } catch (error) {
    opened.close();
    throw error;
  }
  return opened;
}

/** TLS over a connection that there is already, which Deno can't do with a client certificate. */
async function securedThrough(
  tunnel: Duplex,
  name: string,
  connection: Connection,
  certificate: ClientCertificate | undefined,
): Promise<Duplex> {
  const relay = relayTo(tunnel);
  try {
    return await secured(relay.place, name, connection, certificate, relay.expect);
  } catch (error) {
    relay.close();
    throw error;
  }
}
