/**
 * TLS with node:tls, for two things that Deno's own TLS can't do: skip verification, and send a client certificate
 * without delay.
 */

import { Buffer } from "node:buffer";
import { connect as connectTcp } from "node:net";
import { connect as connectTls, type TLSSocket } from "node:tls";
import type { Duplex } from "../../wasi/streams/connection_streams.ts";
import { connectToAny } from "./addresses.ts";
import type { ClientCertificate } from "../config/connection.ts";
import type { Place } from "../config/places.ts";

/** TLS settings for a server. */
export interface NodeTls {
  /** The name that the server's certificate must have. */
  readonly name: string;
  /** PEM; without it the system's roots count. The process's own roots are set before (certificates.ts). */
  readonly ca: string | undefined;
  readonly certificate: ClientCertificate | undefined;
  /** Whether to verify the server's identity. */
  readonly check: boolean;
  /** Gets our port before the handshake. */
  readonly connected: ((ownPort: number) => void) | undefined;
}

/** Connects to a server. @throws the error of the operating system or TLS */
export async function dialNode({ hostname, port }: Place, tls: NodeTls): Promise<Duplex> {
  const { socket } = await connectToAny(hostname, (hostname) => secured(hostname, port, tls));
  let failure: Error | undefined;
  socket.on("error", (error) => failure ??= error); // reads and writes report it
  const chunks = socket[Symbol.asyncIterator]();
  // On Deno 2.6 only the first read reports a failed handshake clearly.
  let next: ReturnType<typeof chunks.next> | undefined = chunks.next();
  next.catch(() => {});
  for (let turn = 0; turn < 3 && failure === undefined; turn++) {
    await new Promise((resolve) => setTimeout(resolve));
  }
  if (failure !== undefined) throw failure;
  let chunk: Uint8Array = new Uint8Array();
  return {
    async read(into) {
      while (chunk.length === 0) {
        const { done, value } = await (next ?? chunks.next());
        next = undefined;
        if (done) return null;
        chunk = value;
      }
      const count = Math.min(into.length, chunk.length);
      into.set(chunk.subarray(0, count));
      chunk = chunk.subarray(count);
      return count;
    },
    write: (bytes) =>
      new Promise((resolve, reject) => {
        socket.write(
          Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length),
          (error) => error ? reject(failure ?? error) : resolve(bytes.length),
        );
      }),
    closeWrite: () => new Promise((resolve) => socket.end(() => resolve())),
    close: () => void socket.destroy(),
  };
}

/** TLS on a connection without Nagle's delay. */
async function secured(
  host: string,
  port: number,
  { name, ca, certificate, check, connected }: NodeTls,
): Promise<{ socket: TLSSocket; close(): void }> {
  const tcp = connectTcp({ host, port });
  const { promise, resolve, reject } = Promise.withResolvers<{ socket: TLSSocket; close(): void }>();
  tcp.once("error", reject);
  // In the same turn: otherwise Deno 2.6 itself reads the server's first bytes.
  tcp.once("connect", () => {
    tcp.setNoDelay(true);
    connected?.(tcp.localPort ?? -1);
    // An address is not allowed as a server name (RFC 6066 3).
    const isAddress = /^[\d.]+$|:/.test(name);
    const socket = connectTls({
      socket: tcp,
      host: name,
      rejectUnauthorized: check,
      ALPNProtocols: ["http/1.1"],
      ...(isAddress ? {} : { servername: name }),
      ...(ca === undefined || !check ? {} : { ca }),
      ...(certificate ?? {}),
    });
    const opened = { socket, close: () => void socket.destroy() };
    socket.once("secureConnect", () => resolve(opened));
    socket.once("error", reject);
  });
  return await promise;
}
