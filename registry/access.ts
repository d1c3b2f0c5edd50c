/**
 * Requests to a registry's API on the user's behalf: authorized when it asks, redirects followed by hand. Credentials
 * belong to the registry's origin and are decided on anew at every hop.
 */

import { AppError } from "../runtime/errors.ts";
import { printable } from "../runtime/text.ts";
import { parseChallenges, tokenUrl } from "./auth.ts";
import type { RegistryCredentials } from "./credentials.ts";
import { answerFailure, type Task, unauthorized } from "./failure.ts";
import { isLocalAddress, isLoopback } from "./reference.ts";
import type { Answer, Transport, TransportRequest } from "./transport.ts";

/** A repository at a registry, or at a mirror of it. */
export interface Endpoint {
  /** Host and port. */
  readonly registry: string;
  readonly repository: string;
  /** Of the registry's API: `https://ghcr.io`. */
  readonly origin: string;
}

/** A request to a registry's API. */
export interface ApiRequest {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Made anew for every time it is sent. */
  readonly body?: () => NonNullable<TransportRequest["body"]>;
  /** The statuses that are an answer; any other is an error. */
  readonly expect: readonly number[] | ((status: number) => boolean);
  /** What the token is to allow, as distribution's scopes; pulling the repository without it. */
  readonly scopes?: readonly string[];
}

/** Any success: registries differ in which of them they answer to a push. */
export const isSuccess = (status: number): boolean => status >= 200 && status < 300;

const MAX_TOKEN = 1 << 20;
const MAX_REDIRECTS = 5;

/** The scope for pulling. */
export const pullScope = (repository: string): string => `repository:${repository}:pull`;
/** The scope for pulling and pushing. */
export const pushScope = (repository: string): string => `repository:${repository}:pull,push`;

/** One for one command: it keeps tokens. */
export class RegistryAccess {
  #transport: Transport;
  #find: (registry: string, repository: string) => Promise<RegistryCredentials | undefined>;
  #authorizations = new Map<string, string>();
  #found = new Map<string, Promise<RegistryCredentials | undefined>>();

  constructor(
    transport: Transport,
    find: (registry: string, repository: string) => Promise<RegistryCredentials | undefined>,
  ) {
    this.#transport = transport;
    this.#find = find;
  }

  /**
   * Sends a request to `path` (or a whole URL that the registry gave) and hands back an answer of an expected status.
   *
   * @throws AppError REGISTRY_…; RetryLater and errors of the connection, which may be tried again
   */
  async request(task: Task, endpoint: Endpoint, path: string | URL, request: ApiRequest): Promise<Answer> {
    const { method = "GET", headers = {}, body, expect, scopes = [pullScope(endpoint.repository)] } = request;
    const origin = new URL(endpoint.origin).origin;
    let url = new URL(path, endpoint.origin);
    const isExpected = typeof expect === "function" ? expect : (status: number) => expect.includes(status);
    const key = `${endpoint.registry} ${endpoint.repository} ${scopes.join(" ")}`;
    let authorized = false;
    for (let hop = 0; hop <= MAX_REDIRECTS;) {
      const own = url.origin === origin;
      const authorization = own ? this.#authorizations.get(key) : undefined;
      const answer = await this.#transport.send(url, {
        method,
        headers: { ...headers, ...(authorization === undefined ? {} : { authorization }) },
        ...(body ? { body: body() } : {}),
      });
      const { status } = answer;
      if (isExpected(status)) return answer;
      if (status === 401 && own && !authorized) {
        await answer.discard();
        authorized = true;
        const challenge = answer.header("www-authenticate") ?? "";
        this.#authorizations.set(key, await this.#authorize(task, endpoint, challenge, scopes));
        continue;
      }
      // What changes something is sent on only where the status says so (RFC 9110 15.4).
      const follows = ["GET", "HEAD"].includes(method) ? [301, 302, 303, 307, 308] : [307, 308];
      if (follows.includes(status)) {
        await answer.discard();
        url = this.target(task, url, answer.header("location"));
        hop++;
        continue;
      }
      throw await answerFailure(task, answer);
    }
    throw new AppError("REGISTRY_PROTOCOL", `${task.failed}: more than ${MAX_REDIRECTS} redirects`);
  }

  /** Where a registry sends us on to, if we go there. @throws AppError REGISTRY_PROTOCOL */
  target(task: Task, from: URL, location: string | null): URL {
    const to = location === null ? null : URL.parse(location, from);
    const refuse = (why: string): never => {
      throw new AppError(
        "REGISTRY_PROTOCOL",
        `${task.failed}: the registry redirects to "${printable(to?.origin ?? location ?? "", 200)}", ${why}`,
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
    if (to.origin !== from.origin && isLocalAddress(to.host) && !(local && isLoopback(to.host))) {
      return refuse("an address of this machine");
    }
    return to;
  }

  async #authorize(
    task: Task,
    { registry, repository, origin }: Endpoint,
    header: string,
    scopes: readonly string[],
  ): Promise<string> {
    const challenges = parseChallenges(header);
    const credentials = await this.#credentials(registry, repository);
    const bearer = challenges.find(({ scheme }) => scheme === "bearer");
    if (bearer) {
      const url = tokenUrl(bearer, registry, scopes, origin.startsWith("http:"));
      return `Bearer ${await this.#token(task, url, credentials)}`;
    }
    if (challenges.some(({ scheme }) => scheme === "basic") && credentials?.kind === "basic") {
      return basic(credentials);
    }
    throw unauthorized(task, credentials !== undefined);
  }

  async #token(task: Task, url: URL, credentials: RegistryCredentials | undefined): Promise<string> {
    let request: TransportRequest = {
      headers: credentials?.kind === "basic" ? { authorization: basic(credentials) } : {},
    };
    if (credentials?.kind === "identity") {
      // distribution's OAuth2 endpoint: the refresh token goes in the body.
      const body = new URLSearchParams({
        grant_type: "refresh_token",
        refresh_token: credentials.token,
        client_id: "krew-wasm",
        service: url.searchParams.get("service") ?? "",
        scope: url.searchParams.getAll("scope").join(" "),
      });
      request = { method: "POST", headers: {}, body };
      url = new URL(url.origin + url.pathname);
    }
    const answer = await this.#transport.send(url, request);
    if (answer.status === 401 || answer.status === 403) {
      await answer.discard();
      throw unauthorized(task, credentials !== undefined);
    }
    if (answer.status !== 200) throw await answerFailure(task, answer);
    const protocol = (what: string) =>
      new AppError("REGISTRY_PROTOCOL", `The token endpoint ${printable(url.origin, 200)} ${what}`);
    const bytes = await answer.bytes(MAX_TOKEN, () => protocol(`sent more than ${MAX_TOKEN} bytes`));
    let parsed: { token?: unknown; access_token?: unknown } | undefined;
    try {
      parsed = JSON.parse(new TextDecoder().decode(bytes));
    } catch { /* told below; a token is not shown */ }
    const token = parsed?.token ?? parsed?.access_token;
    if (typeof token !== "string" || !/^[\x21-\x7e]+$/.test(token)) {
      throw protocol(`of ${printable(task.registry, 200)} sent no token`);
    }
    return token;
  }

  #credentials(registry: string, repository: string): Promise<RegistryCredentials | undefined> {
    const key = `${registry}/${repository}`;
    let found = this.#found.get(key);
    if (!found) this.#found.set(key, found = this.#find(registry, repository));
    return found;
  }
}

function basic({ username, password }: { username: string; password: string }): string {
  return `Basic ${new TextEncoder().encode(`${username}:${password}`).toBase64()}`;
}
