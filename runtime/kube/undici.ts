/** undici as the transport's client: `tls-server-name` and `insecure-skip-tls-verify`, which fetch has not. */

import type { ClientCertificate, Connection } from "./connection.ts";
import { closingOnce, type HttpClient } from "./client.ts";

/**
 * What undici takes for granted as a package of Node's, and finds in node_modules, but not in a bundle: a `require` for
 * Node's modules, and timers that are objects.
 */
async function provideNodeGlobals(): Promise<void> {
  if (!Deno.build.standalone) return;
  const [{ createRequire }, timers] = await Promise.all([import("node:module"), import("node:timers")]);
  const { setTimeout, clearTimeout, setInterval, clearInterval, setImmediate, clearImmediate } = timers;
  Object.assign(globalThis, {
    ...{ setTimeout, clearTimeout, setInterval, clearInterval, setImmediate, clearImmediate },
    require: createRequire(import.meta.url),
  });
}

/** Opens a client; `proxy` may be of http, https, socks5 or socks5h. */
export async function openUndici(
  connection: Connection,
  certificate: ClientCertificate | undefined,
  proxy: URL | undefined,
): Promise<HttpClient> {
  await provideNodeGlobals();
  const loaded = await import("undici");
  const { Agent, buildConnector, request } = (loaded as unknown as { default?: typeof loaded }).default ??
    loaded; // a bundle's CommonJS
  const { Readable } = await import("node:stream");
  const { createGunzip } = await import("node:zlib");
  const direct = buildConnector({
    rejectUnauthorized: !connection.insecureSkipTlsVerify,
    ...(connection.ca === undefined ? {} : { ca: connection.ca }),
    ...(certificate ?? {}),
    ...(connection.tlsServerName === undefined ? {} : { servername: connection.tlsServerName }),
  });
  const dispatcher = new Agent({
    // A silent watch may last for hours; what limits a request is --request-timeout.
    headersTimeout: 0,
    bodyTimeout: 0,
    connect: proxy === undefined ? direct : throughProxy(direct, connection, proxy),
  });
  return {
    close: closingOnce(() => void dispatcher.close().catch(() => {})),
    async send(url, init) {
      const headers = init.headers as Headers;
      const { statusCode, headers: received, body } = await request(url, {
        dispatcher,
        method: init.method as "GET",
        headers: [...headers].flat(),
        ...(init.signal ? { signal: init.signal } : {}),
        ...(init.body ? { body: init.body as Uint8Array } : {}),
      });
      const list = Object.entries(received).flatMap(([name, value]) =>
        [value ?? []].flat().map((one): [string, string] => [name, one])
      );
      if ([101, 204, 205, 304].includes(statusCode)) {
        return new Response(null, { status: statusCode, headers: list });
      }
      const packed = headers.get("accept-encoding") === "gzip" && received["content-encoding"] === "gzip";
      const readable = packed ? unpacked(body, createGunzip()) : body;
      return new Response(Readable.toWeb(readable) as ReadableStream<Uint8Array<ArrayBuffer>>, {
        status: statusCode,
        headers: list,
      });
    },
  };
}

/** How undici connects. */
type Connector = import("undici").buildConnector.connector;

/**
 * Connects through a proxy. undici's own proxies put TLS over a socket there is, which Deno 2.6 can't, and name a server by its
 * address in the handshake; here it dials a place on loopback that the proxy's way begins at.
 */
function throughProxy(direct: Connector, connection: Connection, proxy: URL): Connector {
  return (options, callback) => {
    const connect = async () => {
      const [{ dialProxy, placeOf }, { relayTo }] = await Promise.all([
        import("./dial.ts"),
        import("./relay.ts"),
      ]);
      const server = new URL(connection.server);
      const tunnel = await dialProxy(
        connection,
        proxy,
        placeOf(server, server.protocol === "https:" ? 443 : 80),
      );
      const relay = relayTo(tunnel);
      const { hostname, port } = relay.place;
      const answered: typeof callback = (...[error, socket]) => {
        if (error) {
          relay.close();
          tunnel.close();
          callback(error, null);
        } else callback(null, socket);
      };
      const socket = direct(
        { ...options, hostname, port: String(port) },
        answered,
      ) as unknown as import("node:net").Socket;
      socket.once("connect", () => relay.expect(socket.localPort ?? -1));
    };
    connect().catch((error) => callback(error, null));
  };
}

/** The same bytes unpacked; an end or an error of one is the other's. */
function unpacked(body: import("node:stream").Readable, gunzip: import("node:zlib").Gunzip) {
  body.on("error", (error) => gunzip.destroy(error));
  gunzip.on("close", () => body.destroy());
  return body.pipe(gunzip);
}
