/**
 * registry/'s only fetch: one request to one host, over the TLS and the proxy of that host. No redirect is followed, no
 * credential is known here; silence ends a request, the time it takes does not.
 */

import { AppError, messageOf } from "../runtime/errors.ts";
import { printable } from "../runtime/text.ts";
import { USER_AGENT } from "../runtime/version.ts";
import { isLoopback } from "./reference.ts";
import { Broken } from "./retry.ts";

/** How to reach a host, beside what everybody knows. */
export interface HostTls {
  /** Roots that count beside the usual ones, PEM. */
  readonly ca?: readonly string[];
  /** The client's certificate and key, PEM. */
  readonly client?: { readonly cert: string; readonly key: string };
}

/** A request. */
export interface TransportRequest {
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
}

const IDLE_TIMEOUT = 30_000;
const PROXIES = ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"];

/** Requests to registries and their storage. */
export class Transport {
  #options: TransportOptions;
  #clients = new Map<string, Promise<Deno.HttpClient | undefined>>();

  constructor(options: TransportOptions) {
    this.#options = options;
  }

  /** Sends a request; the answer's body has to be read or discarded. @throws Error of the connection; AppError */
  async send(url: URL, request: TransportRequest): Promise<Answer> {
    const method = request.method ?? "GET";
    const client = await this.#client(url);
    const idle = this.#options.idleTimeout ?? IDLE_TIMEOUT;
    // A registry may be silent for long while it stores what it was sent.
    const guard = new Guard(method === "GET" || method === "HEAD" ? idle : idle * 10);
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
      guard.alive();
      this.#options.trace?.(`${shown} ${response.status} in ${Math.round(performance.now() - started)} ms`);
      return new Answer(response, guard, url.host);
    } catch (error) {
      guard.end();
      this.#options.trace?.(`${shown} failed: ${messageOf(error)}`);
      throw guard.signal.aborted ? guard.signal.reason : withHost(error, url.host);
    }
  }

  /** Whether a host answers HTTPS, with whatever status and certificate. */
  async speaksHttps(host: string): Promise<boolean> {
    try {
      const answer = await this.send(new URL(`https://${host}/v2/`), { method: "HEAD", headers: {} });
      await answer.discard();
      return true;
    } catch (error) {
      let text = "";
      for (let cause: unknown = error; cause instanceof Error; cause = cause.cause) text += cause.message;
      // A certificate that is not trusted is no reason to leave out TLS.
      return /certificate|UnknownIssuer/i.test(text);
    }
  }

  /** Ends the connections that are kept open. */
  async close(): Promise<void> {
    for (const client of this.#clients.values()) (await client.catch(() => undefined))?.close();
    this.#clients.clear();
  }

  async #client(url: URL): Promise<Deno.HttpClient | undefined> {
    let client = this.#clients.get(url.origin);
    if (!client) this.#clients.set(url.origin, client = this.#makeClient(url));
    return await client;
  }

  async #makeClient(url: URL): Promise<Deno.HttpClient | undefined> {
    const tls = await this.#options.tls?.(url.host);
    if (tls?.client) await checkPair(url.host, tls.client);
    const options = {
      http2: false,
      ...(tls?.ca ? { caCerts: [...tls.ca] } : {}),
      ...(tls?.client ?? {}),
    } as Deno.CreateHttpClientOptions;
    const local = isLoopback(url.host);
    if (local && url.protocol === "http:" && !PROXIES.some((name) => Deno.env.get(name))) return undefined;
    const direct = local || Deno.env.get("NO_PROXY")?.trim() === "*" ||
      Deno.env.get("no_proxy")?.trim() === "*";
    try {
      const make = () => withUsualRoots(() => Deno.createHttpClient(options));
      return direct ? withoutProxies(make) : make();
    } catch (error) {
      throw new AppError(
        "REGISTRIES_INVALID",
        `The certificates for ${printable(url.host, 200)} can't be used: ${printable(messageOf(error), 200)}`,
        { cause: error },
      );
    }
  }
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

/**
 * Proxies are taken from the environment when a client is made. As for Go's programs, none stands between this machine
 * and itself, and `NO_PROXY=*` means all.
 */
function withoutProxies<T>(make: () => T): T {
  const kept = PROXIES.map((name) => [name, Deno.env.get(name)] as const);
  for (const name of PROXIES) Deno.env.delete(name);
  try {
    return make();
  } finally {
    for (const [name, value] of kept) if (value !== undefined) Deno.env.set(name, value);
  }
}

/** A certificate and a key that are not each other's end the process on Deno 2.6. @throws AppError REGISTRIES_INVALID */
async function checkPair(host: string, { cert, key }: { cert: string; key: string }): Promise<void> {
  const { X509Certificate, createPrivateKey, createPublicKey } = await import("node:crypto");
  const spki = { type: "spki", format: "der" } as const;
  let same: boolean;
  try {
    const ofCertificate = new X509Certificate(cert).publicKey.export(spki);
    const bare = key.replace(/-----BEGIN EC PARAMETERS-----[^-]*-----END EC PARAMETERS-----\s*/, "");
    same = ofCertificate.equals(createPublicKey(createPrivateKey(bare)).export(spki));
  } catch (error) {
    throw new AppError(
      "REGISTRIES_INVALID",
      `The client certificate for ${printable(host, 200)} or its key can't be read: ${
        printable(messageOf(error), 200)
      }`,
    );
  }
  if (!same) {
    throw new AppError(
      "REGISTRIES_INVALID",
      `The client certificate for ${printable(host, 200)} is of another key than the one beside it`,
    );
  }
}

/** Whom an error is of: the storage that a registry redirects to, its token endpoint, or itself. */
function withHost(error: unknown, host: string): unknown {
  return error instanceof Error ? Object.assign(error, { host }) : error;
}

/** A response whose body ends when nothing comes for too long. */
export class Answer {
  #response: Response;
  #guard: Guard;

  constructor(response: Response, guard: Guard, readonly host: string) {
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
      for await (const chunk of this.#response.body ?? []) {
        this.#guard.alive();
        yield chunk;
      }
    } catch (error) {
      throw this.#guard.signal.aborted ? this.#guard.signal.reason : withHost(error, this.host);
    } finally {
      this.#guard.end();
      if (!this.#guard.signal.aborted) this.#guard.abort();
    }
  }

  /** The whole body. @throws what `tooLarge` makes, beyond `limit` bytes */
  async bytes(limit: number, tooLarge: () => Error): Promise<Uint8Array<ArrayBuffer>> {
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

/**
 * Ends a request when nothing has moved for a while. Counted are turns of a clock of its own, each of a part of that while:
 * where this process itself stood still (a machine that slept, or is busy), only one has passed.
 */
class Guard {
  #controller = new AbortController();
  #timer: ReturnType<typeof setTimeout> | undefined;
  #silent = 0;

  constructor(readonly idle: number) {
    this.#wait();
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  #wait(): void {
    this.#timer = setTimeout(() => {
      if (this.#silent++ < PARTS) return this.#wait();
      this.#controller.abort(new Broken(`nothing came for ${this.idle / 1000} s`));
    }, this.idle / PARTS);
  }

  /** Called for every chunk. */
  alive(): void {
    this.#silent = 0;
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
