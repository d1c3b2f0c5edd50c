/** TLS below HTTP: the connection's authorities, its client certificate, its server's name, or none of it checked. */

import type { Duplex } from "../../wasi/streams/connection_streams.ts";
import { connectToAny } from "./addresses.ts";
import { certificateFault } from "../http/certificates.ts";
import type { ClientCertificate, Connection } from "../config/connection.ts";
import type { Place } from "../config/places.ts";
import { relayTo } from "./relay.ts";
import { settleRoots, withOwnRules } from "../http/tls_rules.ts";

/**
 * A connection that sends what is written at once, as Go's do. Otherwise the request waits for 40 ms, until the server's
 * system acknowledges the end of the handshake.
 */
export async function connectAtOnce(place: Place): Promise<Deno.TcpConn> {
  const { port } = place;
  const opened = await connectToAny(place.hostname, (hostname) => Deno.connect({ hostname, port }));
  opened.setNoDelay(true);
  return opened;
}

/**
 * TLS to a place, as whoever has the name. `connected` is told our port before the handshake.
 *
 * @param certificate checked before (certificates.ts)
 * @throws AppError KUBECONFIG_INVALID for an authority that can't be used; what the operating system or TLS has against it
 */
export async function secured(
  place: Place,
  name: string,
  connection: Connection,
  certificate: ClientCertificate | undefined,
  connected?: (ownPort: number) => void,
): Promise<Duplex> {
  const { insecureSkipTlsVerify, ca } = connection;
  // Deno's own TLS sends what follows a client's certificate 40 ms late, as it can't be told to send at once; node:tls costs
  // nothing on Deno 2.6, and more than that on later ones.
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

/** TLS with a client certificate, which only connectTls() takes. */
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

/** TLS of a connection that there is already, without a client certificate. */
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

/** Whether nobody was reached at all. */
function isOfNetwork(error: unknown): boolean {
  const { ConnectionRefused, ConnectionReset, ConnectionAborted, TimedOut, NotFound, AddrNotAvailable } =
    Deno.errors;
  return [ConnectionRefused, ConnectionReset, ConnectionAborted, TimedOut, NotFound, AddrNotAvailable]
    .some((kind) => error instanceof kind);
}

/** TLS through a proxy's way. Deno can't do that with a client certificate, nor with what is no connection of its own. */
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

/** Whether it is a connection of Deno's own. */
function isTcp(connection: Duplex): connection is Deno.TcpConn {
  return "setNoDelay" in connection;
}
