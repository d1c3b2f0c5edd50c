/**
 * A plugin's connection to the API server. Its first byte decides its kind: the first byte of TLS makes it a direct
 * connection whose bytes the host does not read; otherwise the host serves HTTP/1.1.
 */

import { AppError } from "../../base/errors.ts";
import type { Duplex } from "../../wasi/streams/connection_streams.ts";
import type { HostMemory } from "../../wasi/host_memory.ts";
import type { Cluster } from "../cluster.ts";
import { Input } from "../http/http_input.ts";
import { closeAll, passBothWays } from "../sockets/relay.ts";
import { writeAll } from "../http/http_body.ts";
import { serveHttp } from "./http_server.ts";
import { PipeEnd } from "./pipe.ts";

/** The content type of a TLS handshake's record (RFC 8446 5.1). */
const TLS_HANDSHAKE = 0x16;

/** Where a plugin's connection leads, and who is told of it. */
export interface SocketContext {
  readonly cluster: Cluster;
  /** A literal address of the server's. */
  readonly address: string;
  readonly port: number;
  readonly addresses: readonly string[];
  readonly memory: HostMemory;
  /** Gets the reason why the API server did not answer a request. The plugin gets it in the answer. */
  explained(error: AppError): void;
  /** Gets the reason why a TLS connection failed. The plugin gets only an error. */
  refused(error: AppError): void;
  /** One line for `-v`. */
  trace(line: string): void;
}

/** The plugin's end of a connection. Nothing is sent before the plugin says something. */
export function openSocket(context: SocketContext): Duplex {
  const [plugin, host] = PipeEnd.pair();
  serve(host, context).catch((error) => host.fail(error));
  return plugin;
}

async function serve(host: PipeEnd, context: SocketContext): Promise<void> {
  const input = new Input(host);
  if (!await input.more()) return host.close();
  if (input.bytes[0] !== TLS_HANDSHAKE) {
    const { cluster, addresses, memory, explained } = context;
    return await serveHttp(host, input, { cluster, addresses, memory, failed: explained });
  }
  const server = await connectTls(context);
  try {
    await writeAll(server, input.take(Infinity));
    await passBothWays(host, server, host.closedByPeer);
  } catch (error) {
    closeAll(server);
    throw error;
  }
}

async function connectTls({ cluster, address, port, refused, trace }: SocketContext): Promise<Deno.TcpConn> {
  const started = performance.now();
  const shown = `socket to ${address.includes(":") ? `[${address}]` : address}:${port}`;
  const elapsed = () => `in ${Math.round(performance.now() - started)} ms`;
  try {
    const connection = await (await cluster.sockets()).connect(address, port);
    connection.setNoDelay(true);
    trace(`${shown} open ${elapsed()}`);
    return connection;
  } catch (error) {
    if (error instanceof AppError) refused(error);
    else trace(`${shown} failed ${elapsed()}: ${error instanceof Error ? error.name : error}`);
    throw error;
  }
}
