/** A fake registry with deviations from the specification, as real registries have them. Each deviation is one option. */

import type { Pair } from "../../scripts/servers/certificates.ts";
import { failure, TestRegistry } from "../../scripts/servers/oci_registry.ts";

/** The deviations. Without options the registry follows the specification. */
export interface Oddities {
  /** Status codes for the POST that begins an upload, a PATCH, the last PUT, and the PUT of a manifest. */
  readonly startStatus?: number;
  readonly patchStatus?: number;
  readonly putStatus?: number;
  readonly manifestStatus?: number;
  /** A PATCH response has no location for the next request. */
  readonly patchWithoutLocation?: boolean;
  /** An upload URL has a query whose exact spelling counts. */
  readonly signedUploads?: boolean;
  /** Status code for a HEAD of a blob. */
  readonly headStatus?: number;
  /** A HEAD of a blob is redirected to a storage that accepts only signed GETs. */
  readonly headAtStorage?: boolean;
  /** Status code for a request to mount a blob. */
  readonly mountStatus?: number;
  /** The registry starts an upload instead of a mount, at this location. */
  readonly mountLocation?: string;
  /** Status code for the list of tags. */
  readonly tagsStatus?: number;
  /** Status code for its second page. */
  readonly secondPageStatus?: number;
  /** A first page without tags; a page that comes twice; pages in a circle. */
  readonly pages?: "empty" | "repeated" | "circle";
  /** The link to the next page: with a comma in a parameter, with HTTP of the same host, on another host, and so on. */
  readonly link?: "comma" | "http" | "elsewhere" | "without rel" | "long" | "unreadable";
  /** `Location` has HTTP of the same host. */
  readonly httpLocation?: boolean;
  /** `Docker-Content-Digest` comes twice. */
  readonly digestTwice?: boolean;
  /** The registry requires a token, for everybody or for a user. */
  readonly tokens?: Tokens;
}

/** The token server. */
export interface Tokens {
  /** The user who gets a token; without this, everybody does. */
  readonly user?: { readonly username: string; readonly password: string };
  /** An error status instead of a token. */
  readonly status?: number;
  /** Status code for a request with more than one scope. */
  readonly scopesStatus?: number;
  /** The body of its answer. */
  readonly form?: (token: string) => unknown;
  /** Repositories have another name behind a gateway. Only a token for that name is valid. */
  readonly renamed?: { readonly prefix: string; readonly refusedBy: "token server" | "registry" };
  /** A token is valid for this many requests. */
  readonly uses?: number;
  /** The challenge after a token has expired; by default the usual one. */
  readonly expired?: string;
}

/** Starts the registry. @param tls its certificate and key; plain HTTP without them */
export function oddRegistry(odd: Oddities, tls?: Pair): TestRegistry {
  const registry = TestRegistry.start(undefined, tls);
  const tokens = odd.tokens && tokenAuth(registry, odd.tokens);
  registry.hook = (request, url) => tokens?.(request, url) ?? answerOf(registry, odd, request, url);
  registry.alter = (request, url, answer) => altered(registry, odd, request, url, answer);
  return registry;
}

const isBlob = (url: URL) => /\/blobs\/sha256:/.test(url.pathname);
const isManifest = (url: URL) => /\/manifests\//.test(url.pathname);
const isUpload = (url: URL) => /\/blobs\/uploads\//.test(url.pathname);
const isTags = (url: URL) => /\/tags\/list$/.test(url.pathname);

/** A state that the query's own serializer would spell differently. */
const SIGNED = "sig=a~b%20c%2fd";

/** The response that replaces a proper registry's. */
function answerOf(registry: TestRegistry, odd: Oddities, request: Request, url: URL): Response | undefined {
  const { method } = request;
  if (url.pathname.startsWith("/storage/")) {
    return method === "GET"
      ? new Response("no such blob", { status: 404 })
      : new Response(null, { status: 403 });
  }
  if (isBlob(url) && method === "HEAD") {
    if (odd.headStatus !== undefined) return new Response(null, { status: odd.headStatus });
    if (odd.headAtStorage) {
      return new Response(null, { status: 307, headers: { location: `${registry.origin}/storage/x?sig=1` } });
    }
  }
  if (odd.mountStatus !== undefined && url.searchParams.has("mount")) {
    return failure(odd.mountStatus, "UNSUPPORTED", "no mounts here");
  }
  if (odd.mountLocation !== undefined && url.searchParams.has("mount")) {
    return new Response(null, { status: 202, headers: { location: odd.mountLocation } });
  }
  if (odd.signedUploads && isUpload(url) && method !== "POST" && !url.search.includes(SIGNED)) {
    return failure(403, "DENIED", `the signature is of another query: ${url.search}`);
  }
  if (isTags(url)) return tagsOf(odd, url);
  return undefined;
}

function tagsOf({ tagsStatus, secondPageStatus, pages }: Oddities, url: URL): Response | undefined {
  if (tagsStatus !== undefined) return failure(tagsStatus, "DENIED", "no lists of tags");
  const odd = url.searchParams.has("last") ? undefined : url.searchParams.get("odd");
  const on = (tags: readonly string[], next: string) =>
    Response.json({ tags }, { headers: { link: `<${url.pathname}?${next}>; rel="next"` } });
  if (secondPageStatus !== undefined) {
    return odd === null
      ? on(["v1"], "odd=1")
      : secondPageStatus === 204
      ? new Response(null, { status: 204 })
      : failure(secondPageStatus, "DENIED", "no second page");
  }
  if (pages === "circle") return on(["v1"], odd === "1" ? "odd=2" : "odd=1");
  if (pages === "empty" && odd === null) return on([], "odd=1");
  if (pages === "repeated" && odd === null) return on(["v1"], "odd=1");
  if (pages === "repeated" && odd === "1") return on(["v1"], "odd=2");
  return undefined;
}

/** Changes a proper registry's response. */
function altered(
  registry: TestRegistry,
  odd: Oddities,
  request: Request,
  url: URL,
  answer: Response,
): Response {
  if (!answer.ok) return answer;
  const { method } = request;
  const headers = new Headers(answer.headers);
  let { status } = answer;
  if (isUpload(url)) {
    if (method === "POST" && status === 202) status = odd.startStatus ?? status;
    if (method === "PATCH") {
      status = odd.patchStatus ?? status;
      if (odd.patchWithoutLocation) headers.delete("location");
    }
    if (method === "PUT") status = odd.putStatus ?? status;
    const location = headers.get("location");
    if (location !== null && method !== "PUT") {
      if (odd.signedUploads) headers.set("location", `${location.replace(/\?.*/, "")}?${SIGNED}`);
      if (odd.httpLocation) headers.set("location", `http://${registry.host}${location}`);
    }
  }
  if (isManifest(url) && method === "PUT") status = odd.manifestStatus ?? status;
  const digest = headers.get("docker-content-digest");
  if (odd.digestTwice && digest !== null) headers.append("docker-content-digest", digest.toUpperCase());
  const link = headers.get("link");
  if (link !== null && odd.link !== undefined) headers.set("link", linkAs(registry, odd.link, link));
  return new Response([204, 205].includes(status) ? null : answer.body, { status, headers });
}

function linkAs(registry: TestRegistry, form: NonNullable<Oddities["link"]>, link: string): string {
  const path = /<([^>]*)>/.exec(link)![1]!;
  switch (form) {
    case "comma":
      return `</v2/>; rel="up"; title="a, b", <${path}>; title="one, <two>; rel=prev"; REL=next`;
    case "http":
      return `<http://${registry.host}${path}>; rel="next"`;
    case "without rel":
      return `<https://elsewhere.invalid/docs>, <${path}>`;
    case "long":
      return `<${path}&filler=${"x".repeat(9000)}>; rel="next"`;
    case "unreadable":
      return `${path}; rel="next"`;
    case "elsewhere":
      return `<https://elsewhere.invalid${path}>; rel="next"`;
  }
}

/** Accepts requests with a token, and issues tokens. */
function tokenAuth(
  registry: TestRegistry,
  options: Tokens,
): (request: Request, url: URL) => Response | undefined {
  const { user, renamed, status, scopesStatus, uses = Infinity } = options;
  const issued = new Map<string, { readonly good: boolean; left: number }>();
  const nameOf = (repository: string) => `${renamed?.prefix ?? ""}${repository}`;
  const give = (request: Request, url: URL): Response => {
    if (status !== undefined) return failure(status, "DENIED", "no tokens today");
    const basic = user && `Basic ${btoa(`${user.username}:${user.password}`)}`;
    if (basic !== undefined && request.headers.get("authorization") !== basic) {
      return failure(401, "UNAUTHORIZED", "who are you");
    }
    const scopes = url.searchParams.getAll("scope");
    if (scopesStatus !== undefined && scopes.length > 1) {
      return failure(scopesStatus, "DENIED", "one at a time");
    }
    const good = renamed === undefined ||
      scopes.every((scope) => scope.startsWith(`repository:${renamed.prefix}`));
    if (!good && renamed?.refusedBy === "token server") return failure(403, "DENIED", "no such repository");
    const token = `token-${issued.size}`;
    issued.set(token, { good, left: uses });
    return Response.json((options.form ?? ((token) => ({ token })))(token));
  };
  return (request, url) => {
    if (url.pathname === "/token") return give(request, url);
    if (!url.pathname.startsWith("/v2/")) return undefined;
    const given = issued.get(/^Bearer (.*)/.exec(request.headers.get("authorization") ?? "")?.[1] ?? "");
    if (given?.good && given.left-- > 0) return undefined;
    const repository = /^\/v2\/(.+)\/(?:blobs|manifests|tags|referrers)\//.exec(url.pathname)?.[1];
    const actions = ["GET", "HEAD"].includes(request.method) ? "pull" : "pull,push";
    const scope = repository === undefined ? "" : `,scope="repository:${nameOf(repository)}:${actions}"`;
    const usual = `Bearer realm="${registry.origin}/token",service="test"${scope}`;
    const challenge = given?.good ? options.expired ?? usual : usual;
    return failure(
      401,
      "UNAUTHORIZED",
      "a token, please",
      challenge === "" ? {} : { "www-authenticate": challenge },
    );
  };
}
