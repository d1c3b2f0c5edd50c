/** A plugin's sockets to the API server. The host resolves the server's addresses once. */

import { AppError } from "../../base/errors.ts";
import { printable } from "../../base/text.ts";
import { type Lookup, lookUp } from "./addresses.ts";
import type { Connection } from "../config/connection.ts";
import { canonicalAddress, checkName, checkSocket, type Endpoint, endpointOf } from "../allow/destination.ts";
import { dialAddress } from "./dial.ts";
import { proxyFor } from "../http/cluster_proxy.ts";

/**
 * Stands for the server's address where the host needs none: a proxy resolves the name, or the plugin has no network. No
 * machine has this address (RFC 5737).
 */
const STAND_IN = "192.0.2.1";

/**
 * The endpoint of a connection's server.
 *
 * @throws AppError CLUSTER_UNREACHABLE for a name that does not resolve
 */
export async function resolveEndpoint(
  connection: Connection,
  env: Readonly<Record<string, string>>,
  lookup: Lookup = lookUp,
): Promise<Endpoint> {
  const { host, port } = endpointOf(connection.server);
  const literal = canonicalAddress(host);
  if (literal !== undefined) return { host, port, addresses: [literal] };
  if (proxyFor(new URL(connection.server), connection.proxyUrl, env) !== undefined) {
    return { host, port, addresses: [STAND_IN] };
  }
  let addresses: readonly string[];
  try {
    addresses = await lookup(host);
  } catch (error) {
    if (error instanceof Deno.errors.NotCapable || mayNotConnect()) {
      return { host, port, addresses: [STAND_IN] };
    }
    throw new AppError("CLUSTER_UNREACHABLE", `The API server's name ${printable(host)} can't be resolved`);
  }
  return {
    host,
    port,
    addresses: addresses.map(canonicalAddress).filter((address) => address !== undefined),
  };
}

/** Whether the process has given up the network (sandbox/process_permissions.ts). */
function mayNotConnect(): boolean {
  return Deno.permissions.querySync({ name: "net" }).state !== "granted";
}

/** The socket functions for a plugin. */
export interface Sockets {
  /** The server's. */
  readonly addresses: readonly string[];
  /** The addresses of the server's name. @throws AppError DESTINATION_REFUSED for another name */
  resolve(name: string): readonly string[];
  /** Refuses an address that is not the server's. @throws AppError DESTINATION_REFUSED */
  check(address: string, port: number): void;
  /**
   * Connects to the server, for TLS of the plugin's own. The connection carries no credentials.
   *
   * @throws AppError DESTINATION_REFUSED, CLUSTER_UNSUPPORTED; the error of the operating system
   */
  connect(address: string, port: number): Promise<Deno.TcpConn>;
}

/** The sockets of a connection. @throws AppError CLUSTER_UNREACHABLE */
export async function openSockets(
  connection: Connection,
  env: Readonly<Record<string, string>>,
): Promise<Sockets> {
  const proxied = proxyFor(new URL(connection.server), connection.proxyUrl, env) !== undefined;
  const sockets = socketsTo(await resolveEndpoint(connection, env));
  if (!proxied) return sockets;
  const how = connection.proxyUrl === undefined ? "HTTPS_PROXY" : "proxy-url";
  return {
    ...sockets,
    connect: () =>
      Promise.reject(
        new AppError(
          "CLUSTER_UNSUPPORTED",
          `TLS of a plugin's own can't reach ${connection.server}: requests go there through a proxy (${how})`,
          { hint: "HTTP without TLS goes through it, with the host's TLS" },
        ),
      ),
  };
}

/** The sockets to an endpoint. */
export function socketsTo(endpoint: Endpoint): Sockets {
  return {
    addresses: endpoint.addresses,
    resolve: (name) => checkName(endpoint, name),
    check: (address, port) => checkSocket(endpoint, address, port),
    async connect(address, port) {
      checkSocket(endpoint, address, port);
      // Use the checked address: the name may resolve to another one by now.
      return await dialAddress(address, port);
    },
  };
}
