/**
 * The one way from a plugin to the network: requests to the API server of one connection. The host owns origin, TLS
 * and credentials; a plugin owns method, path, its own headers and the body.
 */

import { AppError, messageOf } from "../errors.ts";
import { printable } from "../text.ts";
import { USER_AGENT } from "../version.ts";
import type { Cluster, ClusterRequest, ClusterResponse } from "./cluster.ts";
import type { ClientCertificate, Connection } from "./connection.ts";
import { type Credentials, CredentialSource } from "./credentials.ts";
import { destinationOf } from "./destination.ts";
import type { Sockets } from "./endpoint.ts";

const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
const VALUE = /^[\t\x20-\x7e\x80-\uffff]*$/;

// RFC 9110 7.6.1, and what fetch itself decides.
const HOP_BY_HOP = new Set([
  "connection",
  "keep-alive",
  "proxy-connection",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
]);
const NOT_THE_GUESTS = new Set([
  ...HOP_BY_HOP,
  "host",
  "content-length",
  "expect",
  "accept-encoding",
  "authorization",
  "cookie",
  "forwarded",
  "via",
]);
// Proxies and the API server's request-header authentication take these for who the user is.
const IDENTITY = /^(impersonate-|proxy-|x-forwarded-|x-remote-)/;

/** How a response is fetched; `fetch`, but where TLS needs what it lacks. */
type Fetch = (url: string, init: RequestInit & { duplex?: "half" }) => Promise<Response>;

/** Opens the way to a connection's API server. Nothing is sent before the first request. */
export function connectCluster(connection: Connection, trace: (line: string) => void): Cluster {
  const { context, server, namespace, requestTimeout } = connection;
  const source = new CredentialSource(connection);
  let client: { fetch: Promise<Fetch>; certificate: ClientCertificate | undefined } | undefined;
  const clientFor = (credentials: Credentials): Promise<Fetch> => {
    const { certificate } = credentials;
    // An exec plugin's certificate may change from one request to the next.
    if (!client || client.certificate?.cert !== certificate?.cert) {
      client = { certificate, fetch: openClient(connection, certificate) };
    }
    return client.fetch;
  };

  async function attempt(url: URL, method: string, request: ClusterRequest): Promise<Response> {
    const credentials = await source.get();
    const headers = requestHeaders(request.headers, connection, credentials);
    const body = bodyOf(method, request);
    const limits = requestTimeout === undefined ? [] : [AbortSignal.timeout(requestTimeout)];
    if (request.signal) limits.push(request.signal);
    const init: RequestInit & { duplex?: "half" } = { method, headers, redirect: "manual" };
    if (limits.length > 0) init.signal = limits.length === 1 ? limits[0]! : AbortSignal.any(limits);
    if (body !== undefined) {
      init.body = body;
      if (body instanceof ReadableStream) init.duplex = "half";
    }
    const send = await clientFor(credentials);
    return await send(url.href, init);
  }

  let sockets: Promise<Sockets> | undefined;
  return {
    context,
    server,
    namespace,
    sockets: () => sockets ??= import("./endpoint.ts").then(({ openSockets }) => openSockets(connection)),
    async send(request) {
      const url = destinationOf(server, request.url);
      const method = methodOf(request.method);
      const started = performance.now();
      const shown = `${method} ${printable(`${url.pathname}${url.search}`, 500)}`;
      try {
        let response = await attempt(url, method, request);
        if (response.status === 401 && source.renewable && !(request.body instanceof ReadableStream)) {
          await response.body?.cancel();
          source.renew();
          response = await attempt(url, method, request);
        }
        trace(`${shown} ${response.status} in ${Math.round(performance.now() - started)} ms`);
        return responseOf(response);
      } catch (error) {
        if (request.signal?.aborted) throw error;
        const failure = failureOf(error, connection);
        trace(`${shown} failed in ${Math.round(performance.now() - started)} ms: ${failure.message}`);
        throw failure;
      }
    },
  };
}

/** An upper-case method. CONNECT and TRACE would ask proxies for what is not this server's. @throws AppError REQUEST_INVALID */
function methodOf(text: string): string {
  const method = text.toUpperCase();
  if (!TOKEN.test(method) || ["CONNECT", "TRACE", "TRACK"].includes(method)) {
    throw new AppError("REQUEST_INVALID", `"${printable(text, 50)}" is not a method that a plugin may use`);
  }
  return method;
}

function bodyOf(
  method: string,
  { body }: ClusterRequest,
): Uint8Array<ArrayBuffer> | ReadableStream<Uint8Array<ArrayBuffer>> | undefined {
  if (body === undefined || (body instanceof Uint8Array && body.length === 0)) return undefined;
  if (method !== "GET" && method !== "HEAD") return body;
  throw new AppError("REQUEST_INVALID", `A ${method} request has no body`);
}

/** The plugin's headers without what is the host's to say, and the host's. @throws AppError REQUEST_INVALID */
function requestHeaders(
  guest: ClusterRequest["headers"],
  connection: Connection,
  credentials: Credentials,
): Headers {
  const headers = new Headers();
  for (const [name, value] of guest) {
    if (!TOKEN.test(name)) {
      throw new AppError("REQUEST_INVALID", `"${printable(name, 80)}" is not the name of a header`);
    }
    if (!VALUE.test(value)) {
      throw new AppError(
        "REQUEST_INVALID",
        `The header ${printable(name, 80)} holds a character that no header has`,
      );
    }
    const lower = name.toLowerCase();
    if (NOT_THE_GUESTS.has(lower) || IDENTITY.test(lower)) continue;
    headers.append(lower, value);
  }
  if (!headers.has("user-agent")) headers.set("user-agent", USER_AGENT);
  if (connection.disableCompression) headers.set("accept-encoding", "identity");
  if (credentials.authorization !== undefined) headers.set("authorization", credentials.authorization);
  for (const [name, value] of connection.impersonate) headers.append(name, value);
  return headers;
}

function responseOf(response: Response): ClusterResponse {
  const connectionNamed = new Set(
    (response.headers.get("connection") ?? "").split(",").map((name) => name.trim().toLowerCase()),
  );
  return {
    status: response.status,
    headers: [...response.headers].filter(([name]) => !HOP_BY_HOP.has(name) && !connectionNamed.has(name)),
    body: response.body as ClusterResponse["body"],
  };
}

async function openClient(
  connection: Connection,
  certificate: ClientCertificate | undefined,
): Promise<Fetch> {
  if (certificate) await checkPair(certificate);
  if (connection.insecureSkipTlsVerify || connection.tlsServerName !== undefined) {
    return await openUndici(connection, certificate);
  }
  const client = withRoots(connection.ca, () => {
    try {
      return Deno.createHttpClient({
        // A second stream of a connection waited 40 ms now and then with HTTP/2.
        http2: false,
        ...(connection.ca === undefined ? {} : { caCerts: [connection.ca] }),
        ...(certificate ?? {}),
        ...(connection.proxyUrl === undefined ? {} : { proxy: { url: connection.proxyUrl } }),
      });
    } catch (error) {
      throw new AppError(
        "KUBECONFIG_INVALID",
        `The certificates for ${connection.server} can't be used: ${printable(messageOf(error), 300)}`,
      );
    }
  });
  return (url, init) => fetch(url, { ...init, client } as RequestInit);
}

/**
 * Runs `make` with the roots that kubectl would trust: the cluster's CA alone, or the system's where it has none. Deno
 * takes them from the environment when the process first needs TLS. Proxies of the environment are not for loopback
 * (net/http's rule), which Deno does not know.
 */
function withRoots<T>(ca: string | undefined, make: () => T): T {
  const saved = ["DENO_TLS_CA_STORE", "DENO_CERT", "NODE_EXTRA_CA_CERTS"].map((name) =>
    [name, Deno.env.get(name)] as const
  );
  Deno.env.set("DENO_TLS_CA_STORE", ca === undefined ? "system" : "");
  Deno.env.delete("DENO_CERT");
  Deno.env.delete("NODE_EXTRA_CA_CERTS");
  const noProxy = Deno.env.get("NO_PROXY") ?? Deno.env.get("no_proxy") ?? "";
  const saveNoProxy = ["NO_PROXY", "no_proxy"].map((name) => [name, Deno.env.get(name)] as const);
  Deno.env.set(
    "NO_PROXY",
    [noProxy, "localhost", "127.0.0.0/8", "::1"].filter((part) => part !== "").join(","),
  );
  Deno.env.delete("no_proxy");
  try {
    return make();
  } finally {
    for (const [name, value] of [...saved, ...saveNoProxy]) {
      if (value === undefined) Deno.env.delete(name);
      else Deno.env.set(name, value);
    }
  }
}

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

/** fetch knows neither another server name nor an unchecked server. */
async function openUndici(
  connection: Connection,
  certificate: ClientCertificate | undefined,
): Promise<Fetch> {
  if (connection.proxyUrl !== undefined) {
    throw new AppError(
      "CLUSTER_UNSUPPORTED",
      "tls-server-name and insecure-skip-tls-verify can't be combined with proxy-url",
    );
  }
  await provideNodeGlobals();
  const loaded = await import("undici");
  const { Agent, request } = (loaded as unknown as { default?: typeof loaded }).default ?? loaded; // a bundle's CommonJS
  const dispatcher = new Agent({
    // A silent watch may last for hours; what limits a request is --request-timeout.
    headersTimeout: 0,
    bodyTimeout: 0,
    connect: {
      rejectUnauthorized: !connection.insecureSkipTlsVerify,
      ...(connection.ca === undefined ? {} : { ca: connection.ca }),
      ...(certificate ?? {}),
      ...(connection.tlsServerName === undefined ? {} : { servername: connection.tlsServerName }),
    },
  });
  return async (url, init) => {
    const { statusCode, headers, body } = await request(url, {
      dispatcher,
      method: init.method as "GET",
      headers: Object.fromEntries(init.headers as Headers),
      ...(init.signal ? { signal: init.signal } : {}),
      ...(init.body ? { body: init.body as Uint8Array } : {}),
    });
    const list = Object.entries(headers).flatMap(([name, value]) =>
      [value ?? []].flat().map((one): [string, string] => [name, one])
    );
    const hasBody = ![101, 204, 205, 304].includes(statusCode);
    const { Readable } = await import("node:stream");
    return new Response(hasBody ? Readable.toWeb(body) as ReadableStream<Uint8Array<ArrayBuffer>> : null, {
      status: statusCode,
      headers: list,
    });
  };
}

/**
 * A certificate whose key is another's, or a key that is none, ends the process on Deno 2.6 instead of failing; found
 * here first. @throws AppError KUBECONFIG_INVALID
 */
async function checkPair({ cert, key }: ClientCertificate): Promise<void> {
  if (!Deno.version.deno.startsWith("2.6.")) return;
  const { X509Certificate, createPrivateKey, createPublicKey } = await import("node:crypto");
  let same: boolean;
  try {
    const spki = { type: "spki", format: "der" } as const;
    const ofCertificate = new X509Certificate(cert).publicKey.export(spki);
    // node:crypto of this version can't read what stands before the key.
    const bare = key.replace(/-----BEGIN EC PARAMETERS-----[\s\S]*?-----END EC PARAMETERS-----\s*/, "");
    const ofKey = createPublicKey(createPrivateKey(bare)).export(spki);
    same = (ofCertificate as Uint8Array).toString() === (ofKey as Uint8Array).toString();
  } catch (error) {
    // It can't read Ed25519 certificates at all, which TLS can.
    if (/ed25519|unsupported|not implemented/i.test(messageOf(error))) return;
    throw new AppError(
      "KUBECONFIG_INVALID",
      `The client certificate or its key can't be read: ${printable(messageOf(error), 200)}`,
    );
  }
  if (!same) {
    throw new AppError("KUBECONFIG_INVALID", "The client key does not belong to the client certificate");
  }
}

/** Words for what went wrong between here and the server. */
function failureOf(error: unknown, { server }: Connection): AppError {
  if (error instanceof AppError) return error;
  const texts: string[] = [];
  for (
    let cause: unknown = error, depth = 0;
    cause instanceof Error && depth < 6;
    cause = cause.cause, depth++
  ) texts.push(cause.message);
  const text = texts.join(": ");
  const at = `Cannot reach the API server ${server}`;
  if (error instanceof DOMException && error.name === "TimeoutError") {
    return new AppError("CLUSTER_UNREACHABLE", `${at}: no answer within --request-timeout`, { cause: error });
  }
  if (/UnknownIssuer|unable to (get|verify)|self.signed|CaUsedAsEndEntity|BadSignature/i.test(text)) {
    return new AppError(
      "CLUSTER_TLS",
      `${at}: its certificate is signed by an authority that the kubeconfig does not name`,
      {
        hint: "check certificate-authority-data of the cluster in your kubeconfig",
        cause: error,
      },
    );
  }
  if (/NotValidForName|not valid for|altnames|certificate.*name/i.test(text)) {
    return new AppError("CLUSTER_TLS", `${at}: its certificate is for another name`, { cause: error });
  }
  if (/certificate has expired|\bExpired\b|NotValidYet/i.test(text)) {
    return new AppError("CLUSTER_TLS", `${at}: its certificate has expired or is not valid yet`, {
      cause: error,
    });
  }
  // Deno 2.6 has "write UNKNOWN" for every handshake of node:tls that fails.
  if (/certificate|tls|handshake|InvalidContentType|corrupt message|write UNKNOWN/i.test(text)) {
    return new AppError("CLUSTER_TLS", `${at}: the TLS handshake failed: ${printable(lastOf(texts), 200)}`, {
      cause: error,
    });
  }
  const why = /refused/i.test(text)
    ? "connection refused"
    : /dns|lookup|resolve|ENOTFOUND|EAI_/i.test(text)
    ? "its name can't be resolved"
    : printable(lastOf(texts), 200);
  return new AppError("CLUSTER_UNREACHABLE", `${at}: ${why}`, { cause: error });
}

function lastOf(texts: readonly string[]): string {
  return texts.at(-1) ?? "unknown";
}
