/** A plugin's raw sockets to the API server. The host resolves the server's addresses once. */

import { AppError } from "../../base/errors.ts";
import { printable } from "../../base/text.ts";
import { type Lookup, lookUp } from "./addresses.ts";
import type { Connection } from "../config/connection.ts";
import { canonicalAddress, checkName, checkSocket, type Endpoint, endpointOf } from "../allow/destination.ts";
import { dialAddress } from "./dial.ts";
import { proxyFor } from "../http/cluster_proxy.ts";

/**
 * The endpoint of a connection's server.
 *
 * @throws AppError CLUSTER_UNSUPPORTED behind a proxy, CLUSTER_UNREACHABLE for a name that does not resolve
 */
export async function resolveEndpoint(
  connection: Connection,
  env: Readonly<Record<string, string>>,
  lookup: Lookup = lookUp,
): Promise<Endpoint> {
  const { host, port } = endpointOf(connection.server);
  if (proxyFor(new URL(connection.server), connection.proxyUrl, env) !== undefined) {
    throw new AppError(
      "CLUSTER_UNSUPPORTED",
      `Sockets can't reach ${connection.server}: requests go there through a proxy (${
        connection.proxyUrl === undefined ? "HTTPS_PROXY" : "proxy-url"
      })`,
      { hint: "wasi:http and krew-wasm:kubernetes go through it" },
    );
  }
  const literal = canonicalAddress(host);
  if (literal !== undefined) return { host, port, addresses: [literal] };
  let addresses: readonly string[];
  try {
    addresses = await lookup(host);
  } catch {
    throw new AppError("CLUSTER_UNREACHABLE", `The API server's name ${printable(host)} can't be resolved`);
  }
  return {
    host,
    port,
    addresses: addresses.map(canonicalAddress).filter((address) => address !== undefined),
  };
}

/** The socket functions for a plugin. */
export interface Sockets {
  /** The addresses of the server's name. @throws AppError DESTINATION_REFUSED for another name */
  resolve(name: string): readonly string[];
  /** Connects to the server. @throws AppError DESTINATION_REFUSED; the error of the operating system */
  connect(address: string, port: number): Promise<Deno.TcpConn>;
}

/** The sockets of a connection. @throws AppError CLUSTER_UNSUPPORTED, CLUSTER_UNREACHABLE */
export async function openSockets(
  connection: Connection,
  env: Readonly<Record<string, string>>,
): Promise<Sockets> {
  return socketsTo(await resolveEndpoint(connection, env));
}

/** The sockets to an endpoint. */
export function socketsTo(endpoint: Endpoint): Sockets {
  return {
    resolve: (name) => checkName(endpoint, name),
    async connect(address, port) {
      checkSocket(endpoint, address, port);
      // Use the checked address: the name may resolve to another one by now.
      return await dialAddress(address, port);
    },
  };
}
