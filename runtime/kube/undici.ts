/** undici as the transport's client: `tls-server-name` and `insecure-skip-tls-verify`, which fetch has not. */

import { AppError } from "../errors.ts";
import type { ClientCertificate, Connection } from "./connection.ts";
import type { HttpClient } from "./client.ts";

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
  const { Agent, ProxyAgent, request } = (loaded as unknown as { default?: typeof loaded }).default ?? loaded; // a bundle's CommonJS
  const { default: process } = await import("node:process");
  const { Readable } = await import("node:stream");
  const { createGunzip } = await import("node:zlib");
  const tls: Tls = {
    rejectUnauthorized: !connection.insecureSkipTlsVerify,
    ...(connection.ca === undefined ? {} : { ca: connection.ca }),
    ...(certificate ?? {}),
    ...(connection.tlsServerName === undefined ? {} : { servername: connection.tlsServerName }),
  };
  // A silent watch may last for hours; what limits a request is --request-timeout.
  const limits = { headersTimeout: 0, bodyTimeout: 0 };
  const dispatcher = proxy === undefined
    ? new Agent({ ...limits, connect: tls })
    : proxyAgent(process, ProxyAgent, limits, tls, proxy);
  return {
    close: () => void dispatcher.close().catch(() => {}),
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

type Tls = Record<string, unknown> & { readonly rejectUnauthorized: boolean };

function proxyAgent(
  process: { emitWarning: unknown },
  ProxyAgent: typeof import("undici").ProxyAgent,
  limits: object,
  { servername, ...tls }: Tls,
  proxy: URL,
): import("undici").ProxyAgent {
  if (!proxy.protocol.startsWith("socks")) {
    // The proxy's name is its own. Whose certificates it may have is the cluster's setting, as in net/http.
    const requestTls = servername === undefined ? tls : { ...tls, servername };
    const isAddress = /^\[|^[\d.]+$/.test(proxy.hostname);
    if (proxy.protocol === "https:" && isAddress && tls.rejectUnauthorized) {
      throw new AppError(
        "CLUSTER_UNSUPPORTED",
        `The proxy ${proxy.host} is named by its address, whose certificate can't be checked along with tls-server-name`,
        { hint: "name it by its name, or use one of http" },
      );
    }
    // undici would name it by its address in the handshake, which is no name there (RFC 6066 3); unchecked, any will do.
    const proxyTls = isAddress ? { ...tls, servername: "proxy" } : tls;
    return new ProxyAgent({ ...limits, uri: proxy.href, requestTls, proxyTls } as never);
  }
  const { emitWarning } = process;
  // It says that SOCKS is experimental there, to who can do nothing about it.
  process.emitWarning = () => {};
  try {
    // It names the server in the handshake even where that is an address, which is none (RFC 6066 3); nobody checks it
    // where the certificate is not checked.
    const requestTls = { ...tls, servername: servername ?? "kubernetes" };
    return new ProxyAgent(
      { ...limits, uri: proxy.href.replace(/^socks5h:/, "socks5:"), requestTls } as never,
    );
  } finally {
    process.emitWarning = emitWarning;
  }
}

/** The same bytes unpacked; an end or an error of one is the other's. */
function unpacked(body: import("node:stream").Readable, gunzip: import("node:zlib").Gunzip) {
  body.on("error", (error) => gunzip.destroy(error));
  gunzip.on("close", () => body.destroy());
  return body.pipe(gunzip);
}
