/**
 * Sends the user's requests to a registry's API. Authorizes them when the registry asks, and follows redirects itself.
 * Credentials belong to the registry's origin; each redirect decides again whether to send them.
 */

import { AppError } from "../../runtime/base/errors.ts";
import { type Challenge, namedScopes, parseChallenges, tokenUrl } from "./auth_challenge.ts";
import type { RegistryCredentials } from "./credentials/registry_credentials.ts";
import { answerFailure, type Task } from "./registry_failure.ts";
import { MAX_REDIRECTS, redirectTarget } from "./redirect.ts";
import { RetryLater } from "./retry.ts";
import { basic, fetchToken } from "./token.ts";
import type { Answer } from "./answer.ts";
import type { Transport, TransportRequest } from "./registry_transport.ts";

/** A repository at its registry, or at a mirror. */
export interface Endpoint {
  /** Host and port. */
  readonly registry: string;
  readonly repository: string;
  /** Origin of the registry's API: `https://ghcr.io`. */
  readonly origin: string;
  /** The user's own configuration chose this place instead of the reference's. */
  readonly isUsers?: boolean;
}

/** A request to a registry's API. */
export interface ApiRequest {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Called for each attempt. */
  readonly body?: () => NonNullable<TransportRequest["body"]>;
  /** The statuses that count as an answer; any other is an error. */
  readonly expect: readonly number[] | ((status: number) => boolean);
  /** The scopes that the token needs. Default: pull the repository. */
  readonly scopes?: readonly string[];
}

/** Any success: registries answer a push with different statuses. */
export const isSuccess = (status: number): boolean => status >= 200 && status < 300;

/** The scope for pulling. */
export const pullScope = (repository: string): string => `repository:${repository}:pull`;
/** The scope for pulling and pushing. */
export const pushScope = (repository: string): string => `repository:${repository}:pull,push`;

/** Keeps tokens. Make one for each command. */
export class RegistryAccess {
  #transport: Transport;
  #find: (registry: string, repository: string) => Promise<RegistryCredentials | undefined>;
  #authorizations = new Map<string, string>();
  #found = new Map<string, Promise<RegistryCredentials | undefined>>();
  /** The last Bearer challenge of each registry. */
  #challenges = new Map<string, Challenge>();

  constructor(
    transport: Transport,
    find: (registry: string, repository: string) => Promise<RegistryCredentials | undefined>,
  ) {
    this.#transport = transport;
    this.#find = find;
  }

  /**
   * Sends a request to `path`, or to a whole URL from the registry. Returns an answer with an expected status.
   *
   * @throws AppError REGISTRY_…; RetryLater and connection errors, which callers may retry
   */
  async request(task: Task, endpoint: Endpoint, path: string | URL, request: ApiRequest): Promise<Answer> {
    const { method = "GET", headers = {}, body, expect, scopes = [pullScope(endpoint.repository)] } = request;
    const origin = new URL(endpoint.origin).origin;
    let url = new URL(path, endpoint.origin);
    const isExpected = typeof expect === "function" ? expect : (status: number) => expect.includes(status);
    const key = `${endpoint.registry} ${endpoint.repository} ${scopes.join(" ")}`;
    const tried = new Set<string>();
    for (let hop = 0; hop <= MAX_REDIRECTS;) {
      const own = url.origin === origin;
      const authorization = own ? this.#authorizations.get(key) : undefined;
      const answer = await this.#transport.send(url, {
        registry: new URL(origin),
        method,
        headers: { ...headers, ...(authorization === undefined ? {} : { authorization }) },
        ...(body ? { body: body() } : {}),
      });
      const { status } = answer;
      if (isExpected(status)) return answer;
      if (own && (status === 401 || (status === 403 && lacksScope(answer)))) {
        const challenges = parseChallenges(answer.header("www-authenticate") ?? "");
        const had = await this.#credentials(endpoint) !== undefined;
        const failure = await answerFailure(task, answer, { had });
        const next = await this.#authorize(task, endpoint, challenges, scopes, tried);
        if (next === undefined) throw failure;
        this.#authorizations.set(key, next);
        continue;
      }
      // A request that changes something follows only 307 and 308 (RFC 9110 15.4).
      const follows = ["GET", "HEAD"].includes(method) ? [301, 302, 303, 307, 308] : [307, 308];
      if (follows.includes(status)) {
        await answer.discard();
        url = redirectTarget(task, url, answer.header("location"));
        hop++;
        continue;
      }
      throw await answerFailure(task, answer, { kind: own ? "registry" : "storage" });
    }
    throw new AppError("REGISTRY_PROTOCOL", `${task.failed}: more than ${MAX_REDIRECTS} redirects`);
  }

  /**
   * The authorization for the next attempt: the first way that the registry offers and that this request has not
   * `tried`. Undefined if none is left.
   *
   * - The user's own token for the registry.
   * - A token for the needed scopes, whatever scope the registry names.
   * - A token for the scope that the registry names, if it differs: behind a gateway a repository may have another
   *   name.
   * - User name and password.
   *
   * A registry may answer an expired token without a Bearer challenge. Then its last challenge counts.
   */
  async #authorize(
    task: Task,
    endpoint: Endpoint,
    challenges: readonly Challenge[],
    scopes: readonly string[],
    tried: Set<string>,
  ): Promise<string | undefined> {
    const { registry, origin } = endpoint;
    const credentials = await this.#credentials(endpoint);
    const offered = challenges.find(({ scheme }) => scheme === "bearer");
    if (offered) this.#challenges.set(registry, offered);
    const bearer = offered ?? this.#challenges.get(registry);
    const named = offered && namedScopes(offered, scopes);
    if (credentials?.kind === "registry" && !tried.has("registry")) {
      tried.add("registry");
      return `Bearer ${credentials.token}`;
    }
    let failure: unknown;
    for (const wanted of bearer ? [scopes, ...(named ? [named] : [])] : []) {
      const way = `bearer ${wanted.join(" ")}`;
      if (tried.has(way)) continue;
      tried.add(way);
      try {
        const url = tokenUrl(bearer!, registry, wanted, origin.startsWith("http:"));
        return `Bearer ${await fetchToken(this.#transport, task, new URL(origin), url, credentials)}`;
      } catch (error) {
        if (!(error instanceof AppError) || error instanceof RetryLater) throw error;
        failure ??= error;
      }
    }
    if (
      challenges.some(({ scheme }) => scheme === "basic") && credentials?.kind === "basic" &&
      !tried.has("basic")
    ) {
      tried.add("basic");
      return basic(credentials);
    }
    if (failure !== undefined) throw failure;
    return undefined;
  }

  #credentials({ registry, repository }: Endpoint): Promise<RegistryCredentials | undefined> {
    const key = `${registry}/${repository}`;
    let found = this.#found.get(key);
    if (!found) this.#found.set(key, found = this.#find(registry, repository));
    return found;
  }
}

/** Whether a 403 asks for a token with another scope (RFC 6750 3.1). */
function lacksScope(answer: Answer): boolean {
  return parseChallenges(answer.header("www-authenticate") ?? "").some(({ scheme, parameters }) =>
    scheme === "bearer" && parameters.error === "insufficient_scope" && parameters.realm !== undefined
  );
}
