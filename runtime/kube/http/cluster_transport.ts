/**
 * Sends a plugin's requests to the API server of one connection. The host controls origin, TLS and credentials; the
 * plugin controls method, path, its own headers and the body.
 */

import { AppError } from "../../base/errors.ts";
import { printable } from "../../base/text.ts";
import { openClient, type ServerClient } from "./send_request.ts";
import type { Cluster, ClusterRequest, ClusterResponse } from "../cluster.ts";
import type { Connection } from "../config/connection.ts";
import { sendRenewing } from "../auth/send_renewing.ts";
import { type CredentialHelper, type Credentials, CredentialSource } from "../auth/user_credentials.ts";
import { destinationOf } from "../allow/destination.ts";
import type { Sockets } from "../sockets/raw_sockets.ts";
import { bodyFailureOf, failureOf, isHangUp } from "./cluster_failure.ts";
import { isPacked, isWatch, methodOf, requestHeaders, responseHeaders } from "./headers.ts";
import type { HttpAnswer } from "./http_connection.ts";
import { type Place, Pool } from "./pool.ts";
import { checkHeadSize } from "../allow/request_size.ts";
import { RotatingFiles } from "../auth/credential_rotation.ts";

/** What a transport needs to know of the run. */
export interface TransportContext {
  /** The user's environment, for proxies. */
  readonly env: Readonly<Record<string, string>>;
  /** Gets one line for each request, without secrets. */
  readonly trace: (line: string) => void;
  /** Does what the kernel no longer lets this process do. */
  readonly helper?: CredentialHelper | undefined;
  /** The host's User-Agent. */
  readonly agent?: string | undefined;
  /** The time limit for connecting, in milliseconds: {@linkcode CONNECT_PATIENCE}. */
  readonly connectPatience?: number;
}

/** net/http's limit. After connecting, only --request-timeout limits a request. */
const CONNECT_PATIENCE = 30_000;

/** A cluster that can be closed. */
export interface Transport extends Cluster {
  /** Traces requests that are still open. The process ends afterwards. */
  close(): void;
}

/** Opens a transport to a connection's API server. Sends nothing before the first request. */
export function connectCluster(connection: Connection, transportContext: TransportContext): Transport {
  const { env, trace, helper, agent, connectPatience = CONNECT_PATIENCE } = transportContext;
  const { context, server, namespace, requestTimeout } = connection;
  const files = new RotatingFiles(connection, undefined, helper?.readFile);
  const source = new CredentialSource(connection, files, undefined, helper);
  const pool = new Pool();
  const open = new Set<Exchange>();
  let current:
    | { client: Promise<ServerClient>; ca: string | undefined; certificate: string | undefined }
    | undefined;

  /** The connection with its authority file's current content. */
  const fresh = async (): Promise<Connection> => {
    const { ca } = await files.current();
    return ca === connection.ca ? connection : { ...connection, ca };
  };
  /** Files, and an exec plugin's certificate, may change between requests. Open requests keep their client. */
  const clientFor = async ({ certificate }: Credentials): Promise<ServerClient> => {
    const connection = await fresh();
    if (current && current.certificate === certificate?.cert && current.ca === connection.ca) {
      return await current.client;
    }
    current?.client.then(({ client }) => client.close(), () => {});
    const client = openClient(connection, certificate, env, connectPatience);
    current = { client, ca: connection.ca, certificate: certificate?.cert };
    return await client;
  };

  async function attempt(
    exchange: Exchange,
    request: ClusterRequest,
    credentials: Credentials,
  ): Promise<{ response: HttpAnswer; packed: boolean }> {
    const { method, url, signal } = exchange;
    const { client, targetOf, proxyAuthorization } = await clientFor(credentials);
    const own = requestHeaders(method, request.headers, connection, credentials.authorization, agent);
    const headers: [string, string][] = [
      ["host", url.host],
      ...own.map(([name, value]): [string, string] => {
        // A watch is read event by event: compression would hold an event back until the next one.
        return name === "accept-encoding" && isWatch(url) ? [name, "identity"] : [name, value];
      }),
    ];
    const asked = headers.some(([name, value]) => name === "accept-encoding" && value === "gzip");
    if (proxyAuthorization !== undefined) headers.push(["proxy-authorization", proxyAuthorization]);
    const sent = { method, target: targetOf(url), headers, body: bodyOf(method, request), signal };
    let reused = false;
    let response: HttpAnswer;
    try {
      response = await client.send(sent, (used) => reused = used);
    } catch (error) {
      // As net/http: retries a safe request on a new connection, because the server may have closed the idle one.
      if (!reused || !/^(GET|HEAD|OPTIONS)$/.test(method) || !isHangUp(error) || signal?.aborted) throw error;
      client.drain();
      response = await client.send(sent);
    }
    return { response, packed: asked && isPacked(response.headers) };
  }

  async function send(request: ClusterRequest): Promise<ClusterResponse> {
    checkHeadSize(request.url, request.headers);
    const url = destinationOf(server, request.url);
    const method = methodOf(request.method);
    bodyOf(method, request);
    const exchange = new Exchange(method, url, request.signal, requestTimeout, trace);
    open.add(exchange);
    exchange.onEnd = () => open.delete(exchange);
    try {
      exchange.place = await pool.enter(exchange.signal);
      const { response, packed } = await sendRenewing(
        source,
        exchange.signal,
        (credentials) => attempt(exchange, request, credentials),
        ({ response }) =>
          response.status === 401 && !(request.body instanceof ReadableStream) ? response : undefined,
      );
      exchange.answered(response.status);
      return {
        status: response.status,
        headers: responseHeaders(response.headers, packed),
        body: response.body === null ? exchange.end() : exchange.follow(
          packed ? await (await import("./gzip.ts")).unpacked(response.body) : response.body,
          (error) => bodyFailureOf(error, connection),
        ),
      };
    } catch (error) {
      if (request.signal?.aborted) {
        exchange.end("given up by the plugin");
        throw error;
      }
      const failure = failureOf(error, connection);
      exchange.end(failure.message);
      throw failure;
    }
  }

  let sockets: Promise<Sockets> | undefined;
  const upgraded = new Set<{ drop(): void }>();
  const upgradeContext = async () => ({
    ...{ connection: await fresh(), source, env, trace, agent, connectPatience, open: upgraded },
  });
  return {
    context,
    server,
    namespace,
    sockets: () =>
      sockets ??= import("../sockets/raw_sockets.ts").then(({ openSockets }) => openSockets(connection, env)),
    send,
    upgrade: async (request) =>
      await (await import("../websocket/open_websocket.ts")).openUpgrade(await upgradeContext(), request),
    tunnel: async (request) =>
      await (await import("../socket_server/tunnel.ts")).openTunnel(await upgradeContext(), request),
    close: () => {
      for (const exchange of open) exchange.end("still open");
      for (const connection of upgraded) connection.drop();
    },
  };
}

function bodyOf(
  method: string,
  { body }: ClusterRequest,
): Uint8Array<ArrayBuffer> | ReadableStream<Uint8Array<ArrayBuffer>> | undefined {
  if (body === undefined || (body instanceof Uint8Array && body.length === 0)) return undefined;
  if (method !== "GET" && method !== "HEAD") return body;
  throw new AppError("REQUEST_INVALID", `A ${method} request has no body`);
}

/**
 * After how long an open response is traced, in milliseconds: a watch may never end. Other responses are traced at
 * their end, with their byte count, unless that takes too long.
 */
const TRACE_AFTER = { watch: 1000, other: 5000 } as const;

/**
 * One request with its response, from the plugin's call to the last byte: its time limit, its place in the pool, its
 * trace line.
 */
class Exchange {
  /** Aborts it: the plugin gave up, or the time limit passed. */
  readonly signal: AbortSignal | undefined;
  place: Place | undefined;
  onEnd: (() => void) | undefined;
  #started = performance.now();
  #status: number | undefined;
  #milliseconds = 0;
  #bytes = 0;
  #traced = false;
  #ended = false;
  #limit: ReturnType<typeof setTimeout> | undefined;
  #tracing: ReturnType<typeof setTimeout> | undefined;
  #unlink: (() => void) | undefined;

  constructor(
    readonly method: string,
    readonly url: URL,
    given: AbortSignal | undefined,
    requestTimeout: number | undefined,
    private readonly trace: (line: string) => void,
  ) {
    if (requestTimeout === undefined) {
      this.signal = given;
      return;
    }
    const abort = new AbortController();
    this.signal = abort.signal;
    this.#limit = setTimeout(
      () => abort.abort(new DOMException("the time of the request is over", "TimeoutError")),
      Math.min(requestTimeout, 0x7fffffff),
    );
    if (!given) return;
    const giveUp = () => abort.abort(given.reason);
    if (given.aborted) giveUp();
    given.addEventListener("abort", giveUp, { once: true });
    this.#unlink = () => given.removeEventListener("abort", giveUp);
  }

  /** Called when the response's head arrives. */
  answered(status: number): void {
    this.#status = status;
    this.#milliseconds = Math.round(performance.now() - this.#started);
    this.place?.answered();
  }

  /** The body, one chunk at a time, up to its end. */
  follow(
    body: ReadableStream<Uint8Array<ArrayBuffer>>,
    failureOf: (error: unknown) => AppError,
  ): ReadableStream<Uint8Array<ArrayBuffer>> {
    const reader = body.getReader();
    this.#tracing = setTimeout(
      () => this.#line("so far"),
      isWatch(this.url) ? TRACE_AFTER.watch : TRACE_AFTER.other,
    );
    return new ReadableStream({
      pull: async (controller) => {
        try {
          const { done, value } = await reader.read();
          if (done) {
            this.end();
            controller.close();
          } else {
            this.#bytes += value.length;
            controller.enqueue(value);
          }
        } catch (error) {
          const failure = failureOf(error);
          this.end(failure.message);
          controller.error(failure);
        }
      },
      cancel: async (reason) => {
        this.end("dropped");
        await reader.cancel(reason);
      },
    }, { highWaterMark: 0 });
  }

  /** Ends the exchange and traces it; `why` says why the body is incomplete. */
  end(why?: string): null {
    if (this.#ended) return null;
    this.#ended = true;
    clearTimeout(this.#limit);
    clearTimeout(this.#tracing);
    this.#unlink?.();
    this.place?.leave();
    this.onEnd?.();
    this.#line(why);
    return null;
  }

  /** As `kubectl -v=6`: one line, with the time to the head. */
  #line(note?: string): void {
    if (this.#traced) return;
    this.#traced = true;
    const shown = `${this.method} ${printable(`${this.url.pathname}${this.url.search}`, 500)}`;
    if (this.#status === undefined) {
      this.trace(
        `${shown} failed in ${Math.round(performance.now() - this.#started)} ms: ${note ?? "no answer"}`,
      );
      return;
    }
    const bytes = `${this.#bytes} byte${this.#bytes === 1 ? "" : "s"}`;
    this.trace(
      `${shown} ${this.#status} in ${this.#milliseconds} ms, ${bytes}${
        note === undefined ? "" : `, ${note}`
      }`,
    );
  }
}
