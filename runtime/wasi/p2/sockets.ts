/**
 * wasi:sockets 0.2.12 (all interfaces): TCP to the cluster's API server only, and listeners on loopback where a grant
 * covers the port. The host resolves the server's name, once; other names and UDP are denied. The first byte decides what a
 * connection is (kube/socket_server/socket.ts). It is HTTP/1.1 that the host serves, with its TLS and the user's
 * credentials, or the plugin's own TLS, which needs the grant `full`.
 *
 * Follows the TcpSocketOperationalSemantics of WebAssembly/wasi-sockets 0.2. It does not use preview2-shim, whose browser
 * build has in-memory sockets only.
 */

// deno-lint-ignore-file no-throw-literal -- jco passes a thrown value other than an Error to the guest as the error
// value

import type { AppError } from "../../base/errors.ts";
import type { Sandbox } from "../../sandbox/types.ts";
import { HostMemory } from "../host_memory.ts";
import { CAUSE, type IoError } from "./io.ts";
import { resolveAddresses, ResolveAddressStream } from "./name_lookup.ts";
import type { Family } from "./socket_hints.ts";
import { type Code, codeOf, type SocketHost } from "./socket_host.ts";
import { TcpSocket } from "./tcp_socket.ts";
import { IncomingDatagramStream, OutgoingDatagramStream, UdpSocket } from "./udp_socket.ts";

/** How many connections a plugin may have at once. Operating systems commonly allow a process 1024 descriptors. */
const MAX_SOCKETS = 256;

class Network {}

/** The interfaces by name. `refused` gets each refusal for the user, `explained` each error that a response explains. */
export function socketInterfaces(
  sandbox: Sandbox,
  refused: (error: AppError) => void,
  explained: (error: AppError) => void = () => {},
) {
  const network = new Network();
  const host: SocketHost = {
    cluster: () => sandbox.cluster(),
    memory: new HostMemory(),
    explained,
    refused,
    trace: (line) => sandbox.trace(line),
    listen: (address, port) => sandbox.listen(address, port),
    share: () => sandbox.stdin.share?.(),
    isFull: () => host.open >= Math.min(MAX_SOCKETS, sandbox.limits.descriptors),
    open: 0,
  };
  return {
    "wasi:sockets/instance-network": { instanceNetwork: () => network },
    "wasi:sockets/ip-name-lookup": {
      ResolveAddressStream,
      resolveAddresses: (_network: Network, name: string) => resolveAddresses(host, name),
    },
    "wasi:sockets/network": {
      Network,
      networkErrorCode: ({ [CAUSE]: cause }: IoError): Code | undefined => {
        const code = codeOf(cause);
        return code === "unknown" ? undefined : code;
      },
    },
    "wasi:sockets/tcp": { TcpSocket },
    "wasi:sockets/tcp-create-socket": {
      createTcpSocket(family: Family): TcpSocket {
        if (host.isFull()) throw "new-socket-limit";
        return new TcpSocket(host, family);
      },
    },
    "wasi:sockets/udp": { IncomingDatagramStream, OutgoingDatagramStream, UdpSocket },
    "wasi:sockets/udp-create-socket": { createUdpSocket: (family: Family) => new UdpSocket(family) },
  };
}
