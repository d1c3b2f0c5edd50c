/** TLS whose server is not checked, for insecure-skip-tls-verify: Deno's own can't, node:tls can. */

import { Buffer } from "node:buffer";
import { connect } from "node:tls";
import type { Duplex } from "../wasi/connection_streams.ts";
import type { ClientCertificate } from "./connection.ts";
import type { Place } from "./places.ts";

/** Connects to a server, whoever it is. @throws what node:tls has against it */
export async function dialUnchecked(
  { hostname, port }: Place,
  servername: string,
  certificate: ClientCertificate | undefined,
  connected?: (ownPort: number) => void,
): Promise<Duplex> {
  const socket = connect({
    host: hostname,
    port,
    rejectUnauthorized: false,
    ALPNProtocols: ["http/1.1"],
    // An address is no server name (RFC 6066 3).
    ...(/^[\d.]+$|:/.test(servername) ? {} : { servername }),
    ...(certificate ?? {}),
  });
  socket.once("connect", () => connected?.(socket.localPort ?? -1));
  await new Promise<void>((resolve, reject) => {
    socket.once("secureConnect", resolve);
    socket.once("error", reject);
  });
  socket.on("error", () => {}); // told by the iterator
  const chunks = socket[Symbol.asyncIterator]();
  let chunk: Uint8Array = new Uint8Array();
  return {
    async read(into) {
      while (chunk.length === 0) {
        const { done, value } = await chunks.next();
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
          (error) => error ? reject(error) : resolve(bytes.length),
        );
      }),
    closeWrite: () => new Promise((resolve) => socket.end(() => resolve())),
    close: () => void socket.destroy(),
  };
}
