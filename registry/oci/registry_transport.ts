/**
 * The only `fetch` of registry/: one request to one host, with that host's TLS and proxy settings. It follows no
 * redirects and knows no credentials. It ends requests that are silent or too slow.
 */

import { AppError, messageOf } from "../../runtime/base/errors.ts";
import { userinfoOfProxy } from "../../runtime/kube/http/cluster_proxy.ts";
import { type Lookup, lookUp } from "../../runtime/kube/sockets/addresses.ts";
import { printable } from "../../runtime/base/text.ts";
import { USER_AGENT } from "../../runtime/base/version.ts";
import { type ConnectionPlace, withPlace } from "./connection_error.ts";
import { unpacked } from "./content_encoding.ts";
import { type EnvironmentProxy, PROXY_VARIABLES, registryProxy } from "./proxies.ts";
import { isLocalIp, isLoopback, isLoopbackIp } from "./mirrored_reference.ts";
import { Broken } from "./retry.ts";
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

/** A proxy in Deno's form. Deno cannot read a URL with a user but no password. */
function proxyOption(url: URL): { url: string; basicAuth?: { username: string; password: string } } {
  const basicAuth = userinfoOfProxy(url);
  const bare = new URL(url);
  bare.username = bare.password = "";
  const named = basicAuth.username !== "" || basicAuth.password !== "";
  return { url: bare.href.replace(/\/$/, ""), ...(named ? { basicAuth } : {}) };
}

/** The client for requests to an origin. */
interface Client {
  /** Undefined for the process's default client. */
  readonly client: Deno.HttpClient | undefined;
  readonly proxy: EnvironmentProxy | undefined;
}

/**
 * Trusts the system's root certificates, as docker does, plus Deno's own, since a minimal system has none. Deno reads
 * the choice from the environment when it makes its first client. A value that the user set is kept.
 */
function withUsualRoots<T>(make: () => T): T {
  if (Deno.env.get("DENO_TLS_CA_STORE") !== undefined) return make();
  Deno.env.set("DENO_TLS_CA_STORE", "mozilla,system");
  try {
    return make();
  } finally {
    Deno.env.delete("DENO_TLS_CA_STORE");
  }
}

/**
 * Hides the environment's proxies while Deno makes a client: proxies.ts has chosen the proxy, and Deno's rules differ.
 */
function withoutProxies<T>(make: () => T): T {
  const kept = PROXY_VARIABLES.map((name) => [name, Deno.env.get(name)] as const);
  for (const name of PROXY_VARIABLES) Deno.env.delete(name);
  try {
    return make();
  } finally {
    for (const [name, value] of kept) if (value !== undefined) Deno.env.set(name, value);
  }
}

/** Checks a certificate and key. Deno 2.6 ends the process for an invalid pair. @throws AppError REGISTRIES_INVALID */
async function checkPair(host: string, pair: { cert: string; key: string }): Promise<void> {
  const { pairProblem } = await import("../../runtime/kube/auth/certificate_pair.ts");
  const problem = await pairProblem(pair);
  if (problem === undefined) return;
  throw new AppError(
    "REGISTRIES_INVALID",
    `The client certificate for ${printable(host, 200)} can't be used: ${problem}`,
  );
}

/** A response whose body fails after too long a silence. */
export class Answer {
  #response: Response;
  #timeout: RequestTimeout;

  constructor(response: Response, timeout: RequestTimeout, readonly place: ConnectionPlace) {
    this.#response = response;
    this.#timeout = timeout;
  }

  get status(): number {
    return this.#response.status;
  }

  /** A header's value. A repeated equal value counts once. */
  header(name: string): string | null {
    const value = this.#response.headers.get(name);
    const parts = value?.split(", ") ?? [];
    return parts.length > 1 && parts.every((part) => part === parts[0]) ? parts[0]! : value;
  }

  /** The body's chunks. Leaving the loop ends the request. */
  async *chunks(): AsyncGenerator<Uint8Array<ArrayBuffer>> {
    try {
      yield* unpacked(this.#received(), this.header("content-encoding"));
    } catch (error) {
      if (this.#timeout.signal.aborted) throw this.#timeout.signal.reason;
      throw withPlace(error, this.place);
    } finally {
      this.#timeout.end();
      if (!this.#timeout.signal.aborted) this.#timeout.abort();
    }
  }

  async *#received(): AsyncGenerator<Uint8Array<ArrayBuffer>> {
    for await (const chunk of this.#response.body ?? []) {
      this.#timeout.alive(chunk.length);
      yield chunk;
    }
  }

  /** The whole body. @throws the error of `tooLarge` beyond `limit` bytes */
  async bytes(limit: number, tooLarge: () => Error): Promise<Uint8Array<ArrayBuffer>> {
    this.#timeout.hurry();
    const chunks: Uint8Array[] = [];
    let size = 0;
    for await (const chunk of this.chunks()) {
      size += chunk.length;
      if (size > limit) throw tooLarge();
      chunks.push(chunk);
    }
    const whole = new Uint8Array(size);
    let offset = 0;
    for (const chunk of chunks) {
      whole.set(chunk, offset);
      offset += chunk.length;
    }
    return whole;
  }

  /** Discards the body. */
  async discard(): Promise<void> {
    this.#timeout.end();
    await this.#response.body?.cancel();
  }
}

/** The timer ticks this often in one `idleTimeout`. */
const PARTS = 10;
/** Time limit for an answer that is read as a whole, in multiples of `idleTimeout`: 2 minutes. */
const WHOLE = 4;
/** A body must bring 64 KiB in this many multiples of `idleTimeout`: 5 minutes. */
const SLOW = 10;
const SLOW_BYTES = 65536;

/**
 * Ends a request that is silent or too slow. It counts ticks of its own timer instead of reading a clock: if this
 * process stood still (a sleeping or busy machine), only one tick has passed.
 */
class RequestTimeout {
  #controller = new AbortController();
  #timer: ReturnType<typeof setTimeout> | undefined;
  #silent = 0;
  /** Ticks since the answer began; undefined before. */
  #ticks: number | undefined;
  #whole = false;
  #bytes = 0;
  /** Bytes at the start of the current slowness interval. */
  #before = 0;

  /** @param from the server's name in messages */
  constructor(readonly idle: number, readonly from: string) {
    this.#wait();
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  #wait(): void {
    this.#timer = setTimeout(() => {
      const why = this.#silent++ < PARTS
        ? this.#slow()
        : new Broken(`nothing came from ${this.from} for ${this.idle / 1000} s`);
      if (why) this.#controller.abort(why);
      else this.#wait();
    }, this.idle / PARTS);
  }

  /** The error for a body that arrives too slowly; undefined if it is fast enough. */
  #slow(): Broken | undefined {
    if (this.#ticks === undefined) return undefined;
    this.#ticks++;
    const seconds = (ticks: number) => ticks * this.idle / PARTS / 1000;
    if (this.#whole && this.#ticks >= WHOLE * PARTS) {
      const came = `${this.#bytes} bytes of its answer came in ${seconds(this.#ticks)} s, and not its end`;
      return new Broken(came, "connection", false);
    }
    if (this.#ticks % (SLOW * PARTS) !== 0) return undefined;
    const came = this.#bytes - this.#before;
    this.#before = this.#bytes;
    if (came >= SLOW_BYTES) return undefined;
    return new Broken(`no more than ${came} bytes came in ${seconds(SLOW * PARTS)} s`, "connection", false);
  }

  /** Call when the answer begins. */
  receive(): void {
    this.alive();
    this.#ticks = 0;
  }

  /** Call when the answer is read as a whole. */
  hurry(): void {
    this.#whole = true;
  }

  /** Call for every chunk. */
  alive(bytes = 0): void {
    this.#silent = 0;
    this.#bytes += bytes;
  }

  end(): void {
    clearTimeout(this.#timer);
  }

  abort(): void {
    this.#controller.abort();
  }

  /** Counts each sent chunk as activity. */
  async *watching(body: AsyncIterable<Uint8Array<ArrayBuffer>>): AsyncGenerator<Uint8Array<ArrayBuffer>> {
    for await (const chunk of body) {
      this.alive();
      yield chunk;
    }
    this.alive();
  }
}
