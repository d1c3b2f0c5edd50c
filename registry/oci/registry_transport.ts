/**
 * registry/'s only fetch: one request to one host, over the TLS and the proxy of that host. No redirect is followed, no
 * credential is known here; silence ends a request, and so does what comes too slowly to ever be done.
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

/** How to reach a host, beside what everybody knows. */
export interface HostTls {
  /** Roots that count beside the usual ones, PEM. */
  readonly ca?: readonly string[];
  /** The client's certificate and key, PEM. */
  readonly client?: { readonly cert: string; readonly key: string };
}

/** A request. */
export interface TransportRequest {
  /** The registry that it is made for, which may have named another host than its own. */
  readonly registry: URL;
  readonly method?: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: Uint8Array<ArrayBuffer> | URLSearchParams | AsyncIterable<Uint8Array<ArrayBuffer>>;
}

/** What a transport is made of. */
export interface TransportOptions {
  readonly trace?: (line: string) => void;
  /** Longest silence, in milliseconds; 30 s without it. */
  readonly idleTimeout?: number;
  /** The TLS of a host (with its port). */
  readonly tls?: (host: string) => Promise<HostTls | undefined>;
  /** The addresses of a name; the system's without it. */
  readonly lookUp?: Lookup;
}

const IDLE_TIMEOUT = 30_000;

/** Requests to registries and their storage. */
export class Transport {
  #options: TransportOptions;
  #clients = new Map<string, Promise<Client>>();
  /** Hosts that have answered. */
  #answered = new Set<string>();
  /** Addresses of names that registries sent us to. */
  #addresses = new Map<string, Promise<readonly string[]>>();

  constructor(options: TransportOptions) {
    this.#options = options;
  }

  /** Sends a request; the answer's body has to be read or discarded. @throws Error of the connection; AppError */
  async send(url: URL, request: TransportRequest): Promise<Answer> {
    const method = request.method ?? "GET";
    const { client, proxy } = await this.#client(url);
    // What a proxy reaches is not this machine's.
    if (!proxy) await this.#refuseLocal(url, request.registry);
    const forwards = url.protocol === "http:" && /^https?:$/.test(proxy?.url.protocol ?? "");
    const place = { host: url.host, proxy, forwards };
    const idle = this.#options.idleTimeout ?? IDLE_TIMEOUT;
    // A registry may be silent for long while it stores what it was sent.
    const patience = method === "GET" || method === "HEAD" ? idle : idle * 10;
    const through = proxy ? `, through the proxy ${printable(proxy.url.host, 200)},` : "";
    const guard = new Guard(patience, `${printable(url.host, 200)}${through}`);
    const started = performance.now();
    const shown = `${method} ${printable(`${url.origin}${url.pathname}`, 500)}`;
    const { body } = request;
    const init: RequestInit & { duplex?: "half"; client?: Deno.HttpClient } = {
      method,
      headers: { "user-agent": USER_AGENT, "accept-encoding": "identity", ...request.headers },
      redirect: "manual",
      signal: guard.signal,
    };
    if (client) init.client = client;
    if (body instanceof Uint8Array || body instanceof URLSearchParams) init.body = body;
    else if (body) {
      init.body = ReadableStream.from(guard.watching(body));
      init.duplex = "half";
    }
    try {
      const response = await fetch(url, init);
      guard.receive();
      this.#answered.add(url.host);
      this.#options.trace?.(`${shown} ${response.status} in ${Math.round(performance.now() - started)} ms`);
      return new Answer(response, guard, { ...place, answered: true });
    } catch (error) {
      guard.end();
      this.#options.trace?.(`${shown} failed: ${messageOf(error)}`);
      if (guard.signal.aborted) throw guard.signal.reason;
      throw withPlace(error, { ...place, answered: this.#answered.has(url.host) });
    }
  }

  /**
   * Refuses a host that a registry elsewhere has named, where its name leads to this machine or a metadata service. Who gives
   * out the name may have it lead elsewhere a moment later.
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

  /** None of a name that nobody knows: connecting to it tells more. */
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

  /** Whether a host answers HTTPS, with whatever status and certificate. @throws AppError of what is set up for it */
  async speaksHttps(host: string): Promise<boolean> {
    if (isLoopback(host)) return await speaksTls(host);
    try {
      const url = new URL(`https://${host}/v2/`);
      const answer = await this.send(url, { registry: url, method: "HEAD", headers: {} });
      await answer.discard();
      return true;
    } catch (error) {
      if (error instanceof AppError) throw error;
      // A certificate that is not trusted, or a handshake that is refused, is no reason to leave out TLS.
      return isTlsFailure(error);
    }
  }

  /** Ends the connections that are kept open. */
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
    // As for Go's programs, no proxy stands between this machine and itself.
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

/** A proxy as Deno takes it, which can't read a user without a password in a URL. */
function proxyOption(url: URL): { url: string; basicAuth?: { username: string; password: string } } {
  const basicAuth = userinfoOfProxy(url);
  const bare = new URL(url);
  bare.username = bare.password = "";
  const named = basicAuth.username !== "" || basicAuth.password !== "";
  return { url: bare.href.replace(/\/$/, ""), ...(named ? { basicAuth } : {}) };
}

/** What requests to an origin are sent with. */
interface Client {
  /** The process's own without it. */
  readonly client: Deno.HttpClient | undefined;
  readonly proxy: EnvironmentProxy | undefined;
}

/**
 * Registries are trusted as docker trusts them: by the system's roots, beside the ones that Deno brings, since a minimal
 * system has none. Deno reads which from the environment when it makes its first client; what is set there holds.
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

/** A client is told its proxy (proxies.ts). What the environment has when it is made is Deno's to read otherwise. */
function withoutProxies<T>(make: () => T): T {
  const kept = PROXY_VARIABLES.map((name) => [name, Deno.env.get(name)] as const);
  for (const name of PROXY_VARIABLES) Deno.env.delete(name);
  try {
    return make();
  } finally {
    for (const [name, value] of kept) if (value !== undefined) Deno.env.set(name, value);
  }
}

/** What TLS does not take ends the process on Deno 2.6. @throws AppError REGISTRIES_INVALID */
async function checkPair(host: string, pair: { cert: string; key: string }): Promise<void> {
  const { pairProblem } = await import("../../runtime/kube/auth/certificate_pair.ts");
  const problem = await pairProblem(pair);
  if (problem === undefined) return;
  throw new AppError(
    "REGISTRIES_INVALID",
    `The client certificate for ${printable(host, 200)} can't be used: ${problem}`,
  );
}

/** A response whose body ends when nothing comes for too long. */
export class Answer {
  #response: Response;
  #guard: Guard;

  constructor(response: Response, guard: Guard, readonly place: ConnectionPlace) {
    this.#response = response;
    this.#guard = guard;
  }

  get status(): number {
    return this.#response.status;
  }

  /** A header's value. One that was sent twice with the same value counts once. */
  header(name: string): string | null {
    const value = this.#response.headers.get(name);
    const parts = value?.split(", ") ?? [];
    return parts.length > 1 && parts.every((part) => part === parts[0]) ? parts[0]! : value;
  }

  /** The body as it comes; leaving the loop ends the request. */
  async *chunks(): AsyncGenerator<Uint8Array<ArrayBuffer>> {
    try {
      yield* unpacked(this.#received(), this.header("content-encoding"));
    } catch (error) {
      if (this.#guard.signal.aborted) throw this.#guard.signal.reason;
      throw withPlace(error, this.place);
    } finally {
      this.#guard.end();
      if (!this.#guard.signal.aborted) this.#guard.abort();
    }
  }

  async *#received(): AsyncGenerator<Uint8Array<ArrayBuffer>> {
    for await (const chunk of this.#response.body ?? []) {
      this.#guard.alive(chunk.length);
      yield chunk;
    }
  }

  /** The whole body. @throws what `tooLarge` makes, beyond `limit` bytes */
  async bytes(limit: number, tooLarge: () => Error): Promise<Uint8Array<ArrayBuffer>> {
    this.#guard.hurry();
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

  /** Lets go of the body. */
  async discard(): Promise<void> {
    this.#guard.end();
    await this.#response.body?.cancel();
  }
}

/** In how many parts silence is measured. */
const PARTS = 10;
/** How long an answer that is read whole may take, by the silence that is allowed: 2 minutes. */
const WHOLE = 4;
/** In what time, by the silence that is allowed, so many bytes have to come: 64 KiB in 5 minutes. */
const SLOW = 10;
const SLOW_BYTES = 65536;

/**
 * Ends a request when nothing has moved for a while, or so little that it would take for ever. Counted are turns of a clock of its own, each of a part of that while:
 * where this process itself stood still (a machine that slept, or is busy), only one has passed.
 */
class Guard {
  #controller = new AbortController();
  #timer: ReturnType<typeof setTimeout> | undefined;
  #silent = 0;
  /** Turns since the answer began; undefined before. */
  #turns: number | undefined;
  #whole = false;
  #bytes = 0;
  /** Bytes when a turn of slowness began. */
  #before = 0;

  /** @param from who is waited for, in words */
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

  /** Why an answer is not waited for any longer, though something of it comes. */
  #slow(): Broken | undefined {
    if (this.#turns === undefined) return undefined;
    this.#turns++;
    const seconds = (turns: number) => turns * this.idle / PARTS / 1000;
    if (this.#whole && this.#turns >= WHOLE * PARTS) {
      const came = `${this.#bytes} bytes of its answer came in ${seconds(this.#turns)} s, and not its end`;
      return new Broken(came, "connection", false);
    }
    if (this.#turns % (SLOW * PARTS) !== 0) return undefined;
    const came = this.#bytes - this.#before;
    this.#before = this.#bytes;
    if (came >= SLOW_BYTES) return undefined;
    return new Broken(`no more than ${came} bytes came in ${seconds(SLOW * PARTS)} s`, "connection", false);
  }

  /** The answer begins. */
  receive(): void {
    this.alive();
    this.#turns = 0;
  }

  /** All of the answer is waited for. */
  hurry(): void {
    this.#whole = true;
  }

  /** Called for every chunk. */
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

  /** A body that is being sent is no silence. */
  async *watching(body: AsyncIterable<Uint8Array<ArrayBuffer>>): AsyncGenerator<Uint8Array<ArrayBuffer>> {
    for await (const chunk of body) {
      this.alive();
      yield chunk;
    }
    this.alive();
  }
}
