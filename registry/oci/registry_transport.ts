/**
 * The only `fetch` of registry/: one request to one host, with that host's TLS and proxy settings. It follows no
 * redirects and knows no credentials. It ends requests that are silent or too slow.
 */

import { AppError, messageOf } from "../../runtime/base/errors.ts";
import { type Lookup, lookUp } from "../../runtime/kube/sockets/addresses.ts";
import { printable } from "../../runtime/base/text.ts";
import { USER_AGENT } from "../../runtime/base/version.ts";
import { withPlace } from "./connection_error.ts";
import { type EnvironmentProxy, PROXY_VARIABLES, registryProxy } from "./proxies.ts";
import { isLocalIp, isLoopback, isLoopbackIp } from "./mirrored_reference.ts";
import { Answer } from "./answer.ts";
import { checkPair, proxyOption, withoutProxies, withUsualRoots } from "./deno_client.ts";
import { RequestTimeout } from "./request_timeout.ts";
import { speaksTls } from "./speaks_tls.ts";
import { isTlsFailure } from "./tls_failure.ts";

/** TLS settings of a host. */
export interface HostTls {
  /** Additional root certificates, PEM. */
  readonly ca?: readonly string[];
  /** The client's certificate and key, PEM. */
  readonly client?: { readonly cert: string; readonly key: string };
}

/** A request. */
export interface TransportRequest {
  /** The registry of the request. `send` may go to another host that the registry named. */
  readonly registry: URL;
  readonly method?: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: Uint8Array<ArrayBuffer> | URLSearchParams | AsyncIterable<Uint8Array<ArrayBuffer>>;
}

/** Options of a transport. */
export interface TransportOptions {
  readonly trace?: (line: string) => void;
  /** Longest time without data, in milliseconds. Default: 30 s. */
  readonly idleTimeout?: number;
  /** The TLS settings of a host (with its port). */
  readonly tls?: (host: string) => Promise<HostTls | undefined>;
  /** Resolves a name. Default: the system's resolver. */
  readonly lookUp?: Lookup;
}

const IDLE_TIMEOUT = 30_000;

/** Sends requests to registries and their storage. */
export class Transport {
  #options: TransportOptions;
  #clients = new Map<string, Promise<Client>>();
  /** Hosts that have answered. */
  #answered = new Set<string>();
  /** Addresses of hosts that registries named. */
  #addresses = new Map<string, Promise<readonly string[]>>();

  constructor(options: TransportOptions) {
    this.#options = options;
  }

  /** Sends a request. Read or discard the answer's body. @throws Error of the connection; AppError */
  async send(url: URL, request: TransportRequest): Promise<Answer> {
    const method = request.method ?? "GET";
    const { client, proxy } = await this.#client(url);
    // A host behind a proxy cannot be this machine.
    if (!proxy) await this.#refuseLocal(url, request.registry);
    const forwards = url.protocol === "http:" && /^https?:$/.test(proxy?.url.protocol ?? "");
    const place = { host: url.host, proxy, forwards };
    const idle = this.#options.idleTimeout ?? IDLE_TIMEOUT;
    // A registry may be silent for long while it stores an upload.
    const patience = method === "GET" || method === "HEAD" ? idle : idle * 10;
    const through = proxy ? `, through the proxy ${printable(proxy.url.host, 200)},` : "";
    const timeout = new RequestTimeout(patience, `${printable(url.host, 200)}${through}`);
    const started = performance.now();
    const shown = `${method} ${printable(`${url.origin}${url.pathname}`, 500)}`;
    const { body } = request;
    const init: RequestInit & { duplex?: "half"; client?: Deno.HttpClient } = {
      method,
      headers: { "user-agent": USER_AGENT, "accept-encoding": "identity", ...request.headers },
      redirect: "manual",
      signal: timeout.signal,
    };
    if (client) init.client = client;
    if (body instanceof Uint8Array || body instanceof URLSearchParams) init.body = body;
    else if (body) {
      init.body = ReadableStream.from(timeout.watching(body));
      init.duplex = "half";
    }
    try {
      const response = await fetch(url, init);
      timeout.receive();
      this.#answered.add(url.host);
      this.#options.trace?.(`${shown} ${response.status} in ${Math.round(performance.now() - started)} ms`);
      return new Answer(response, timeout, { ...place, answered: true });
    } catch (error) {
      timeout.end();
      this.#options.trace?.(`${shown} failed: ${messageOf(error)}`);
      if (timeout.signal.aborted) throw timeout.signal.reason;
      throw withPlace(error, { ...place, answered: this.#answered.has(url.host) });
    }
  }

  /**
   * Refuses a host that a remote registry named and that resolves to this machine or to a metadata service. The owner
   * of the name can still change its address afterwards.
   *
   * @throws AppError REGISTRY_PROTOCOL
   */
  async #refuseLocal({ hostname, origin }: URL, registry: URL): Promise<void> {
    if (hostname === registry.hostname || isLoopback(hostname) && isLoopback(registry.hostname)) return;
    const local = (await this.#addressesOf(hostname)).filter(isLocalIp);
    if (local.length === 0) return;
    const own = isLoopback(registry.hostname) ||
      (await this.#addressesOf(registry.hostname)).some(isLoopbackIp);
    if (own && local.every(isLoopbackIp)) return;
    throw new AppError(
      "REGISTRY_PROTOCOL",
      `The registry ${printable(registry.host, 200)} sends us to "${printable(origin, 200)}", which is ${
        local[0]
      }, an address of this machine`,
    );
  }

  /** Returns no address for an unknown name: connecting gives a better error. */
  async #addressesOf(hostname: string): Promise<readonly string[]> {
    const name = hostname.replace(/^\[(.*)\]$/, "$1");
    if (/^[\d.]+$|:/.test(name)) return [name];
    let found = this.#addresses.get(name);
    if (!found) {
      found = (this.#options.lookUp ?? lookUp)(name).catch(() => []);
      this.#addresses.set(name, found);
    }
    return await found;
  }

  /** Whether a host answers HTTPS, with any status and certificate. @throws AppError for invalid TLS settings */
  async speaksHttps(host: string): Promise<boolean> {
    if (isLoopback(host)) return await speaksTls(host);
    try {
      const url = new URL(`https://${host}/v2/`);
      const answer = await this.send(url, { registry: url, method: "HEAD", headers: {} });
      await answer.discard();
      return true;
    } catch (error) {
      if (error instanceof AppError) throw error;
      // An untrusted certificate or a refused handshake is not a reason to use HTTP.
      return isTlsFailure(error);
    }
  }

  /** Closes idle connections. */
  async close(): Promise<void> {
    for (const made of this.#clients.values()) (await made.catch(() => undefined))?.client?.close();
    this.#clients.clear();
  }

  async #client(url: URL): Promise<Client> {
    let client = this.#clients.get(url.origin);
    if (!client) this.#clients.set(url.origin, client = this.#makeClient(url));
    return await client;
  }

  async #makeClient(url: URL): Promise<Client> {
    const tls = await this.#options.tls?.(url.host);
    if (tls?.client) await checkPair(url.host, tls.client);
    // As in Go programs, requests to this machine use no proxy.
    const proxy = isLoopback(url.host) ? undefined : registryProxy(url, (name) => Deno.env.get(name));
    const options = {
      http2: false,
      ...(tls?.ca ? { caCerts: [...tls.ca] } : {}),
      ...(tls?.client ?? {}),
      ...(proxy ? { proxy: proxyOption(proxy.url) } : {}),
    } as Deno.CreateHttpClientOptions;
    const plain = url.protocol === "http:" && !proxy && !PROXY_VARIABLES.some((name) => Deno.env.get(name));
    if (plain && isLoopback(url.host)) return { client: undefined, proxy };
    try {
      const client = withUsualRoots(() => withoutProxies(() => Deno.createHttpClient(options)));
      return { client, proxy };
    } catch (error) {
      const why = printable(messageOf(error), 200);
      const what = proxy && /proxy/i.test(why)
        ? proxy.variable
        : `The certificates for ${printable(url.host, 200)}`;
      throw new AppError("REGISTRIES_INVALID", `${what} can't be used: ${why}`, { cause: error });
    }
  }
}

/** The client for requests to an origin. */
interface Client {
  /** Undefined for the process's default client. */
  readonly client: Deno.HttpClient | undefined;
  readonly proxy: EnvironmentProxy | undefined;
}
