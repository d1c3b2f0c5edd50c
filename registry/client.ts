/**
 * The OCI distribution API (distribution-spec), as much as pulling needs, and registry/'s only fetch. Everything a
 * registry sends is limited in size and time; credentials belong to an origin and are decided on anew at every hop.
 */

import { AppError, type ErrorCode, messageOf } from "../runtime/errors.ts";
import { printable } from "../runtime/text.ts";
import { USER_AGENT } from "../runtime/version.ts";
import { parseChallenges, tokenUrl } from "./auth.ts";
import { findCredentials, type RegistryCredentials } from "./credentials.ts";
import { Digester, digestOf } from "./digest.ts";
import { INDEX_TYPES, MANIFEST_TYPES } from "./manifest.ts";
import { formatReference, isLoopback, type Reference, registryOrigin } from "./reference.ts";

/** How a client differs from the plainest. */
export interface ClientOptions {
  /** HTTP for registries that are not on this machine. */
  readonly plainHttp?: boolean;
  readonly credentials?: (registry: string, repository: string) => Promise<RegistryCredentials | undefined>;
  readonly trace?: (line: string) => void;
  /** Told before a pause that the registry asked for. */
  readonly notice?: (line: string) => void;
  readonly sleep?: (milliseconds: number) => Promise<void>;
  /** Longest silence of a registry, in milliseconds. */
  readonly idleTimeout?: number;
}

/** A manifest as it was sent, its digest checked. */
export interface FetchedManifest {
  readonly text: string;
  readonly digest: string;
}

const MAX_MANIFEST = 4 << 20; // distribution-spec: registries take manifests of 4 MiB at least
const MAX_TOKEN = 1 << 20;
const MAX_ERROR = 64 << 10;
const MAX_REDIRECTS = 5;
const TRIES = 4;
const IDLE_TIMEOUT = 30_000;
/** A registry that wants a longer pause is told to the user instead. */
const MAX_PAUSE = 30_000;

/** One client for one command: it keeps tokens. */
export class RegistryClient {
  #options: ClientOptions;
  #tokens = new Map<string, string>();
  #found = new Map<string, Promise<RegistryCredentials | undefined>>();

  constructor(options: ClientOptions = {}) {
    this.#options = options;
  }

  /**
   * The manifest a reference names.
   *
   * @throws AppError REGISTRY_…, DIGEST_MISMATCH, TOO_LARGE
   */
  async fetchManifest(reference: Reference): Promise<FetchedManifest> {
    const { repository, tag, digest } = reference;
    const path = `/v2/${repository}/manifests/${digest ?? tag}`;
    return await this.#retry(reference, async () => {
      const headers = { accept: [...MANIFEST_TYPES, ...INDEX_TYPES].join(", ") };
      const { response, guard } = await this.#get(reference, path, headers);
      const bytes = await readAll(
        response,
        MAX_MANIFEST,
        guard,
        () =>
          new AppError(
            "TOO_LARGE",
            `Cannot pull "${shown(reference)}": its manifest is larger than ${MAX_MANIFEST} bytes`,
          ),
      );
      const actual = digestOf(bytes);
      if (digest !== undefined && actual !== digest) {
        throw new AppError(
          "DIGEST_MISMATCH",
          `Cannot pull "${shown(reference)}": the registry sent a manifest with the digest ${actual}`,
        );
      }
      const claimed = response.headers.get("docker-content-digest");
      if (claimed?.startsWith("sha256:") && claimed !== actual) {
        throw new AppError(
          "DIGEST_MISMATCH",
          `Cannot pull "${shown(reference)}": the registry calls its manifest ${
            printable(claimed, 100)
          }, it is ${actual}`,
        );
      }
      return { text: new TextDecoder().decode(bytes), digest: actual };
    });
  }

  /**
   * Sends a blob's bytes to `sink` as they come, and checks size and digest of the whole. `begin` opens the sink, once
   * for every try.
   *
   * @throws AppError REGISTRY_…, DIGEST_MISMATCH
   */
  async fetchBlob(
    reference: Reference,
    blob: { readonly digest: string; readonly size: number },
    begin: () => (bytes: Uint8Array) => void,
    progress: (bytes: number) => void = () => {},
  ): Promise<void> {
    const path = `/v2/${reference.repository}/blobs/${blob.digest}`;
    await this.#retry(reference, async () => {
      const { response, guard } = await this.#get(reference, path, {});
      const sink = begin();
      const digester = new Digester();
      const wrong = (what: string) =>
        new AppError("DIGEST_MISMATCH", `Cannot pull "${shown(reference)}": ${what}`);
      for await (const chunk of guard.chunks(response)) {
        digester.update(chunk);
        if (digester.size > blob.size) {
          throw wrong(`its layer is longer than the ${blob.size} bytes that its manifest says`);
        }
        sink(chunk);
        progress(digester.size);
      }
      if (digester.size < blob.size) {
        throw new Broken(`its layer was cut off after ${digester.size} of ${blob.size} bytes`);
      }
      const actual = digester.digest();
      if (actual !== blob.digest) {
        throw wrong(`the registry sent ${actual}, the manifest says ${blob.digest}`);
      }
    });
  }

  /** GET of the registry's API, authorized when it asks, redirects followed by hand; only a 200 comes back. */
  async #get(
    reference: Reference,
    path: string,
    headers: Record<string, string>,
  ): Promise<{ response: Response; guard: Guard }> {
    const { registry, repository } = reference;
    const origin = registryOrigin(registry, this.#options.plainHttp ?? false);
    let url = new URL(`${origin}${path}`);
    let authorized = false;
    for (let hop = 0; hop <= MAX_REDIRECTS;) {
      const own = url.origin === new URL(origin).origin;
      const token = own ? this.#tokens.get(`${registry}/${repository}`) : undefined;
      const { response, guard } = await this.#fetch(url, {
        ...headers,
        ...(token === undefined ? {} : { authorization: token }),
      });
      const { status } = response;
      if (status === 200) return { response, guard };
      if (status === 401 && own && !authorized) {
        await guard.discard(response);
        authorized = true;
        this.#tokens.set(`${registry}/${repository}`, await this.#authorize(reference, response));
        continue;
      }
      if ([301, 302, 303, 307, 308].includes(status)) {
        const location = response.headers.get("location");
        await guard.discard(response);
        url = this.#redirect(reference, url, location);
        hop++;
        continue;
      }
      throw await this.#failure(reference, response, guard);
    }
    throw new AppError(
      "REGISTRY_PROTOCOL",
      `Cannot pull "${shown(reference)}": more than ${MAX_REDIRECTS} redirects`,
    );
  }

  #redirect(reference: Reference, from: URL, location: string | null): URL {
    const to = location === null ? null : URL.parse(location, from);
    const refuse = (why: string): never => {
      throw new AppError(
        "REGISTRY_PROTOCOL",
        `Cannot pull "${shown(reference)}": the registry redirects to "${
          printable(to?.origin ?? location ?? "", 200)
        }", ${why}`,
      );
    };
    if (!to) return refuse("which is not a URL");
    if (to.username || to.password) return refuse("with credentials in it");
    const local = isLoopback(from.host);
    if (
      to.protocol === "http:"
        ? !(local && isLoopback(to.host)) && to.origin !== from.origin
        : to.protocol !== "https:"
    ) {
      return refuse("which is not HTTPS");
    }
    // A registry elsewhere has no business on this machine or with a cloud's metadata service.
    if (!local && (isLoopback(to.host) || /^(169\.254\.|0\.|\[fe80:|\[fd00:ec2)/i.test(to.host))) {
      return refuse("an address of this machine");
    }
    return to;
  }

  async #authorize(reference: Reference, response: Response): Promise<string> {
    const { registry, repository } = reference;
    const challenges = parseChallenges(response.headers.get("www-authenticate") ?? "");
    const credentials = await this.#credentials(registry, repository);
    const bearer = challenges.find(({ scheme }) => scheme === "bearer");
    if (bearer) {
      return `Bearer ${await this.#token(
        reference,
        tokenUrl(bearer, registry, repository, this.#options.plainHttp ?? false),
        credentials,
      )}`;
    }
    if (challenges.some(({ scheme }) => scheme === "basic") && credentials?.kind === "basic") {
      return basic(credentials);
    }
    throw unauthorized(reference, credentials !== undefined);
  }

  async #token(
    reference: Reference,
    url: URL,
    credentials: RegistryCredentials | undefined,
  ): Promise<string> {
    const headers: Record<string, string> = credentials?.kind === "basic"
      ? { authorization: basic(credentials) }
      : {};
    let init: RequestInit | undefined;
    if (credentials?.kind === "identity") {
      // distribution's OAuth2 endpoint: the refresh token goes in the body.
      const form = new URLSearchParams({
        grant_type: "refresh_token",
        refresh_token: credentials.token,
        client_id: "krew-wasm",
        service: url.searchParams.get("service") ?? "",
        scope: url.searchParams.get("scope") ?? "",
      });
      init = { method: "POST", body: form };
      url = new URL(url.origin + url.pathname);
    }
    const { response, guard } = await this.#fetch(url, headers, init);
    if (response.status === 401 || response.status === 403) {
      await guard.discard(response);
      throw unauthorized(reference, credentials !== undefined);
    }
    if (response.status !== 200) throw await this.#failure(reference, response, guard);
    const bytes = await readAll(
      response,
      MAX_TOKEN,
      guard,
      () =>
        new AppError(
          "REGISTRY_PROTOCOL",
          `The token endpoint ${url.origin} sent more than ${MAX_TOKEN} bytes`,
        ),
    );
    let answer: { token?: unknown; access_token?: unknown } | undefined;
    try {
      answer = JSON.parse(new TextDecoder().decode(bytes));
    } catch { /* told below; a token is not shown */ }
    const token = answer?.token ?? answer?.access_token;
    if (typeof token !== "string" || !/^[\x21-\x7e]+$/.test(token)) {
      throw new AppError(
        "REGISTRY_PROTOCOL",
        `The token endpoint ${printable(url.origin)} of ${reference.registry} sent no token`,
      );
    }
    return token;
  }

  #credentials(registry: string, repository: string): Promise<RegistryCredentials | undefined> {
    let found = this.#found.get(registry);
    if (!found) {
      this.#found.set(registry, found = (this.#options.credentials ?? findCredentials)(registry, repository));
    }
    return found;
  }

  async #fetch(
    url: URL,
    headers: Record<string, string>,
    init: RequestInit = {},
  ): Promise<{ response: Response; guard: Guard }> {
    const guard = new Guard(this.#options.idleTimeout ?? IDLE_TIMEOUT);
    const started = performance.now();
    const shownUrl = printable(`${url.origin}${url.pathname}`, 500);
    try {
      const response = await fetch(url, {
        ...init,
        headers: { "user-agent": USER_AGENT, ...headers },
        redirect: "manual",
        signal: guard.signal,
      });
      guard.alive();
      this.#options.trace?.(
        `${init.method ?? "GET"} ${shownUrl} ${response.status} in ${
          Math.round(performance.now() - started)
        } ms`,
      );
      return { response, guard };
    } catch (error) {
      guard.end();
      this.#options.trace?.(`${init.method ?? "GET"} ${shownUrl} failed: ${messageOf(error)}`);
      throw error;
    }
  }

  async #failure(reference: Reference, response: Response, guard: Guard): Promise<AppError> {
    const { status } = response;
    const text = await readAll(response, MAX_ERROR, guard, () => new Broken("too long")).then(
      (bytes) => new TextDecoder().decode(bytes),
      () => "",
    );
    const said = registryErrors(text);
    const at = `Cannot pull "${shown(reference)}": `;
    const why = said === "" ? "" : `: ${said}`;
    if (status === 401) return unauthorized(reference, true);
    if (status === 403) {
      return new AppError("REGISTRY_FORBIDDEN", `${at}the registry forbids it (403)${why}`, {
        hint: `log in with an account that may: docker login ${reference.registry}`,
      });
    }
    if (status === 404) {
      return new AppError("REGISTRY_NOT_FOUND", `${at}the registry has no such thing (404)${why}`, {
        hint: "check the name and the tag",
      });
    }
    if (status === 429) {
      return new RetryLater(
        "REGISTRY_RATE_LIMITED",
        `${at}the registry wants fewer requests (429)${why}`,
        retryAfter(response),
      );
    }
    if (status >= 500) {
      return new RetryLater(
        "REGISTRY_FAILED",
        `${at}the registry failed (${status})${why}`,
        retryAfter(response),
      );
    }
    return new AppError("REGISTRY_FAILED", `${at}the registry answered ${status}${why}`);
  }

  /** Tries again what a broken connection, a 429 or a 5xx ended, with growing pauses. */
  async #retry<T>(reference: Reference, operation: () => Promise<T>): Promise<T> {
    const sleep = this.#options.sleep ??
      ((milliseconds) => new Promise<void>((resolve) => setTimeout(resolve, milliseconds)));
    for (let tried = 1;; tried++) {
      try {
        return await operation();
      } catch (error) {
        const transient = error instanceof RetryLater || !(error instanceof AppError);
        const failure = error instanceof AppError ? error : this.#connectionFailure(reference, error);
        const retryable = transient && failure.code !== "REGISTRY_PROTOCOL" && !isFinal(error);
        const asked = error instanceof RetryLater ? error.pause : undefined;
        if (!retryable || tried === TRIES || (asked ?? 0) > MAX_PAUSE) throw failure;
        const pause = asked ?? 250 * 2 ** tried * (0.5 + Math.random());
        this.#options.notice?.(
          `${failure.message}; trying again in ${Math.max(1, Math.round(pause / 1000))} s`,
        );
        await sleep(pause);
      }
    }
  }

  #connectionFailure(reference: Reference, error: unknown): AppError {
    const texts: string[] = [];
    for (let cause: unknown = error; cause instanceof Error && texts.length < 6; cause = cause.cause) {
      texts.push(cause.message);
    }
    const text = texts.join(": ");
    const at = `Cannot pull "${shown(reference)}": `;
    if (error instanceof Broken) {
      return new AppError(
        error.message.startsWith("its layer") ? "DIGEST_MISMATCH" : "REGISTRY_UNREACHABLE",
        `${at}${error.message}`,
      );
    }
    const registry = printable(reference.registry);
    const why = /UnknownIssuer|certificate/i.test(text)
      ? `the certificate of ${registry} is not trusted`
      : /refused/i.test(text)
      ? `${registry} refused the connection`
      : /dns|lookup|resolve/i.test(text)
      ? `the name ${registry} can't be resolved`
      : /InvalidContentType|corrupt message/i.test(text)
      ? `${registry} does not speak HTTPS`
      : `${registry} can't be reached: ${printable(texts.at(-1) ?? "unknown", 200)}`;
    const hint = /InvalidContentType|corrupt message/i.test(text) ? { hint: "--plain-http speaks HTTP" } : {};
    return new AppError("REGISTRY_UNREACHABLE", `${at}${why}`, { ...hint, cause: error });
  }
}

/** What broke off and may be tried again. */
class Broken extends Error {}

/** A failure after which the registry may be asked again, after `pause` milliseconds where it said so. */
class RetryLater extends AppError {
  constructor(code: ErrorCode, message: string, readonly pause: number | undefined) {
    super(
      code,
      message,
      pause !== undefined && pause > MAX_PAUSE
        ? { hint: `it asks to wait for ${Math.round(pause / 1000)} s` }
        : {},
    );
  }
}

/** Failures of a connection that another try would meet again at once. */
function isFinal(error: unknown): boolean {
  let text = "";
  for (let cause: unknown = error; cause instanceof Error; cause = cause.cause) text += cause.message;
  return /certificate|InvalidContentType|corrupt message|refused|dns error|lookup/i.test(text);
}

/** Ends a request when nothing has come for a while. */
class Guard {
  #controller = new AbortController();
  #timer: ReturnType<typeof setTimeout>;

  constructor(readonly idle: number) {
    this.#timer = this.#start();
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  #start() {
    return setTimeout(
      () => this.#controller.abort(new Broken(`nothing came for ${this.idle / 1000} s`)),
      this.idle,
    );
  }

  alive(): void {
    clearTimeout(this.#timer);
    this.#timer = this.#start();
  }

  end(): void {
    clearTimeout(this.#timer);
  }

  async *chunks(response: Response): AsyncGenerator<Uint8Array> {
    try {
      for await (const chunk of response.body ?? []) {
        this.alive();
        yield chunk;
      }
    } finally {
      this.end();
      if (!this.signal.aborted) this.#controller.abort();
    }
  }

  async discard(response: Response): Promise<void> {
    this.end();
    await response.body?.cancel();
  }
}

async function readAll(
  response: Response,
  limit: number,
  guard: Guard,
  tooLarge: () => Error,
): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of guard.chunks(response)) {
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

/** Seconds or an HTTP date, as milliseconds from now. */
function retryAfter(response: Response): number | undefined {
  const value = response.headers.get("retry-after");
  if (value === null) return undefined;
  const milliseconds = /^\d+$/.test(value) ? Number(value) * 1000 : Date.parse(value) - Date.now();
  return Number.isNaN(milliseconds) ? undefined : Math.max(0, milliseconds);
}

/** The messages of an error body (distribution-spec, "Error Codes"), safe to print. */
function registryErrors(text: string): string {
  try {
    const { errors } = JSON.parse(text) as { errors?: { code?: unknown; message?: unknown }[] };
    return (errors ?? []).slice(0, 3).map(({ code, message }) =>
      printable([code, message].filter((part) => typeof part === "string" && part !== "").join(" "), 200)
    ).join("; ");
  } catch {
    return "";
  }
}

function unauthorized(reference: Reference, had: boolean): AppError {
  return new AppError(
    "REGISTRY_UNAUTHORIZED",
    `Cannot pull "${shown(reference)}": ${
      had
        ? "the registry does not accept your credentials for it (401)"
        : "the registry wants credentials for it (401)"
    }`,
    { hint: `docker login ${reference.registry}, or check that the repository exists` },
  );
}

function basic({ username, password }: { username: string; password: string }): string {
  const bytes = new TextEncoder().encode(`${username}:${password}`);
  return `Basic ${btoa(String.fromCharCode(...bytes))}`;
}

function shown(reference: Reference): string {
  return printable(formatReference(reference), 400);
}
