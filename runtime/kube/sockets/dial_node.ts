/** TLS by node:tls, for what Deno's own can't: a server that is not checked, a client certificate without a delay. */

import { Buffer } from "node:buffer";
import { connect as connectTcp } from "node:net";
import { connect as connectTls, type TLSSocket } from "node:tls";
import type { Duplex } from "../../wasi/streams/connection_streams.ts";
import { connectToAny } from "./addresses.ts";
import type { ClientCertificate } from "../config/connection.ts";
import type { Place } from "../config/places.ts";

/** How a server is spoken to. */
export interface NodeTls {
  /** Whose certificate it has to have. */
  readonly name: string;
  /** PEM; the system's roots without it. The process's own roots are set before (certificates.ts). */
  readonly ca: string | undefined;
  readonly certificate: ClientCertificate | undefined;
  /** Whether it has to be who it should be. */
  readonly check: boolean;
  /** Told our port before the handshake. */
  readonly connected: ((ownPort: number) => void) | undefined;
}

/** Connects to a server. @throws what the operating system or TLS has against it */
export async function dialNode({ hostname, port }: Place, tls: NodeTls): Promise<Duplex> {
  const { socket } = await connectToAny(hostname, (hostname) => secured(hostname, port, tls));
  let failure: Error | undefined;
  socket.on("error", (error) => failure ??= error); // told by those who read and write
  const chunks = socket[Symbol.asyncIterator]();
  // Deno 2.6 tells of a handshake that failed by the first read, and of a write in no words.
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

/** TLS on a connection that sends what is written at once. */
async function secured(
  host: string,
  port: number,
  { name, ca, certificate, check, connected }: NodeTls,
): Promise<{ socket: TLSSocket; close(): void }> {
  const tcp = connectTcp({ host, port });
  const { promise, resolve, reject } = Promise.withResolvers<{ socket: TLSSocket; close(): void }>();
  tcp.once("error", reject);
  // In the same turn: Deno 2.6 else reads the server's first words itself.
  tcp.once("connect", () => {
    tcp.setNoDelay(true);
    connected?.(tcp.localPort ?? -1);
    // An address is no server name (RFC 6066 3).
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
