/** Finds out whether a port of this machine speaks TLS, by its first answer. */

import { isLoopback } from "./mirrored_reference.ts";

/** Milliseconds. A server that is still silent counts as HTTP. */
const TIMEOUT = 5_000;

/** Types of TLS records (RFC 8446 5.1) that a server sends first. */
const ALERT = 21;
const HANDSHAKE = 22;

/**
 * A ClientHello (RFC 5246 7.4.1.2) with a few ciphers and no extensions, in one record. A TLS server answers it with
 * its hello or an alert. An HTTP server sees an invalid line followed by an empty line, and stops waiting.
 */
function hello(): Uint8Array<ArrayBuffer> {
  const ciphers = [0x13, 0x01, 0xc0, 0x2b, 0xc0, 0x2f, 0x00, 0x9c];
  const random = crypto.getRandomValues(new Uint8Array(32));
  const body = [3, 3, ...random, 0, 0, ciphers.length, ...ciphers, 1, 0];
  const handshake = [1, 0, 0, body.length, ...body];
  return Uint8Array.of(HANDSHAKE, 3, 1, 0, handshake.length, ...handshake, 13, 10, 13, 10);
}

/** @param host host and port on this machine: `127.0.0.1:5000` */
export async function speaksTls(host: string): Promise<boolean> {
  if (!isLoopback(host)) throw new TypeError(`${host} is not this machine`);
  const { hostname, port } = new URL(`https://${host}`);
  let connection: Deno.TcpConn;
  try {
    connection = await Deno.connect({
      hostname: hostname.replace(/^\[|\]$/g, ""),
      port: Number(port || 443),
    });
  } catch {
    return false; // the request itself reports the failure
  }
  const close = () => {
    try {
      connection.close();
    } catch { /* closed: Deno 2.6 may call a cleared timer that was due in the same turn */ }
  };
  const timer = setTimeout(close, TIMEOUT);
  try {
    await connection.write(hello());
    const first = new Uint8Array(1);
    return await connection.read(first) !== null && [ALERT, HANDSHAKE].includes(first[0]!);
  } catch {
    return false;
  } finally {
    clearTimeout(timer);
    close();
  }
}
