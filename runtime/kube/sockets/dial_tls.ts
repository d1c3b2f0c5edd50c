/**
 * TLS with Deno's own functions: the connection's authorities, client certificate and server name, or no
 * verification.
 */

import type { Duplex } from "../../wasi/streams/connection_streams.ts";
import { connectToAny } from "./addresses.ts";
import { certificateFault } from "../http/certificates.ts";
import type { ClientCertificate, Connection } from "../config/connection.ts";
import type { Place } from "../config/places.ts";
import { relayTo } from "./relay.ts";
import { settleRoots, withOwnRules } from "../http/tls_rules.ts";

/**
 * Connects without Nagle's delay, as Go does. Otherwise the request waits 40 ms until the server's system
 * acknowledges the end of the handshake.
 */
export async function connectAtOnce(place: Place): Promise<Deno.TcpConn> {
  const { port } = place;
  const opened = await connectToAny(place.hostname, (hostname) => Deno.connect({ hostname, port }));
  opened.setNoDelay(true);
  return opened;
}

/**
 * TLS to a place, under the connection's server name. `connected` gets our port before the handshake.
 *
 * @param certificate checked before (certificates.ts)
 * @throws AppError KUBECONFIG_INVALID for an unusable authority; the error of the operating system or TLS
 */
export async function secured(
  place: Place,
  name: string,
  connection: Connection,
  certificate: ClientCertificate | undefined,
  connected?: (ownPort: number) => void,
): Promise<Duplex> {
  const { insecureSkipTlsVerify, ca } = connection;
  // With a client certificate, Deno's own TLS sends the next bytes 40 ms late, because Nagle's delay can't be
  // switched off. node:tls costs nothing on Deno 2.6, but more than 40 ms on later versions.
  if (insecureSkipTlsVerify || certificate !== undefined && Deno.version.deno.startsWith("2.6.")) {
    const { dialNode } = await import("./dial_node.ts");
    if (!insecureSkipTlsVerify) settleRoots(ca);
    return await dialNode(place, { name, ca, certificate, check: !insecureSkipTlsVerify, connected });
  }
  try {
    if (certificate === undefined) {
      const tcp = await connectAtOnce(place);
      connected?.(tcp.localAddr.port);
      return await shaken(await startTls(tcp, name, connection));
    }
    const opened = await connectTls(place, name, connection, certificate);
    connected?.((opened.localAddr as Deno.NetAddr).port);
    return await shaken(opened);
  } catch (error) {
    throw isOfNetwork(error) ? error : certificateFault(connection, certificate) ?? error;
  }
}

/** TLS with a client certificate, which only connectTls() supports. */
async function connectTls(
  { hostname, port }: Place,
  name: string,
  connection: Connection,
  certificate: ClientCertificate,
): Promise<Deno.TlsConn> {
  return await connectToAny(hostname, (hostname) => {
    const options: Deno.ConnectTlsOptions & Deno.TlsCertifiedKeyPem = {
      hostname,
      port,
      ...rulesOf(connection),
      ...certificate,
      ...(name === hostname ? {} : { [Symbol.for("unstableServerName")]: name }),
    };
    return withOwnRules(connection.ca, () => Deno.connectTls(options));
  });
}

/** TLS on an existing connection, without a client certificate. */
async function startTls(tcp: Deno.TcpConn, hostname: string, connection: Connection): Promise<Deno.TlsConn> {
  return await withOwnRules(connection.ca, () => Deno.startTls(tcp, { ...rulesOf(connection), hostname }));
}

function rulesOf({ ca }: Connection) {
  return { alpnProtocols: ["http/1.1"], ...(ca === undefined ? {} : { caCerts: [ca] }) };
}

async function shaken(opened: Deno.TlsConn): Promise<Deno.TlsConn> {
  try {
    await opened.handshake();
  } catch (error) {
    opened.close();
    throw error;
  }
  return opened;
}

/** Whether the error is of the network, before TLS began. */
function isOfNetwork(error: unknown): boolean {
  const { ConnectionRefused, ConnectionReset, ConnectionAborted, TimedOut, NotFound, AddrNotAvailable } =
    Deno.errors;
  return [ConnectionRefused, ConnectionReset, ConnectionAborted, TimedOut, NotFound, AddrNotAvailable]
    .some((kind) => error instanceof kind);
}

/** TLS through a tunnel. Deno supports neither a client certificate there nor a connection that is not its own. */
export async function securedThrough(
  tunnel: Duplex,
  name: string,
  connection: Connection,
  certificate: ClientCertificate | undefined,
): Promise<Duplex> {
  if (isTcp(tunnel) && certificate === undefined && !connection.insecureSkipTlsVerify) {
    return await shaken(await startTls(tunnel, name, connection));
  }
  const relay = relayTo(tunnel);
  try {
    return await secured(relay.place, name, connection, certificate, relay.expect);
  } catch (error) {
    relay.close();
    throw error;
  }
}

/** Whether it is Deno's own TCP connection. */
function isTcp(connection: Duplex): connection is Deno.TcpConn {
  return "setNoDelay" in connection;
}
