/**
 * A small API server for the demo and the tests: TLS, a bearer token, a few resources, lists and watches. It answers in
 * several pieces, like real servers, so that a plugin that reads only the first piece fails.
 */

import { Authority, type Pair } from "./certificates.ts";

/** Whether this machine has IPv6 on loopback. Many containers lack it; the test then prints that and skips. */
export function hasIpv6(): boolean {
  try {
    Deno.listen({ hostname: "::1", port: 0 }).close();
    return true;
  } catch {
    // deno-lint-ignore no-console -- reports what the test skips
    console.warn("this machine has no ::1: what is tried over IPv6 is left out");
    return false;
  }
}

/** A request as the server received it. */
export interface SeenRequest {
  readonly method: string;
  /** Path and query. */
  readonly path: string;
  readonly headers: Headers;
}

/** Answers instead of the server. */
export type ApiHook = (request: Request, url: URL) => Response | undefined | Promise<Response | undefined>;

interface Resource {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { name: string; namespace: string; resourceVersion?: string };
  readonly [field: string]: unknown;
}

/** Options of an API server. */
export interface ApiServerOptions {
  /** The address it listens on. */
  readonly host?: string;
  /** The names and addresses of its certificate. */
  readonly hosts?: readonly string[];
  /** Validity of its certificate, in days from now. */
  readonly days?: readonly [from: number, to: number];
  /** Without TLS. */
  readonly plain?: boolean;
  /** The authority that signs its certificate. */
  readonly authority?: Authority;
}

/** An API server on 127.0.0.1 with one user. */
export class TestApiServer implements AsyncDisposable {
  readonly seen: SeenRequest[] = [];
  readonly plain: boolean;
  readonly token = `secret-token-${crypto.randomUUID()}`;
  hook: ApiHook | undefined;
  /** All open watches. */
  watches = new Set<ReadableStreamDefaultController<Uint8Array>>();
  #resources = new Map<string, Resource[]>();
  #version = 1;
  #server: Deno.HttpServer<Deno.NetAddr>;

  private constructor(readonly authority: Authority, readonly host: string, pair: Pair | undefined) {
    this.plain = pair === undefined;
    this.#server = Deno.serve(
      {
        hostname: host,
        port: 0,
        ...pair,
        onListen: () => {},
        onError: () => new Response(null, { status: 500 }),
      },
      (request) => this.#handle(request),
    );
  }

  static async start(options: ApiServerOptions = {}): Promise<TestApiServer> {
    const authority = options.authority ?? await Authority.make();
    const { host = "127.0.0.1", hosts = ["127.0.0.1", "localhost", "::1"], days } = options;
    const pair = await authority.issue({ commonName: "kube-apiserver", hosts, ...(days ? { days } : {}) });
    return new TestApiServer(authority, host, options.plain ? undefined : pair);
  }

  get server(): string {
    const scheme = this.plain ? "http" : "https";
    return `${scheme}://${this.host.includes(":") ? `[${this.host}]` : this.host}:${this.#server.addr.port}`;
  }

  get port(): number {
    return this.#server.addr.port;
  }

  /** A kubeconfig for its one user. */
  kubeconfig(change: { server?: string; ca?: string; token?: string; namespace?: string } = {}): string {
    return JSON.stringify({
      apiVersion: "v1",
      kind: "Config",
      "current-context": "demo",
      clusters: [{
        name: "demo",
        cluster: {
          server: change.server ?? this.server,
          "certificate-authority-data": btoa(change.ca ?? this.authority.cert),
        },
      }],
      users: [{ name: "jane", user: { token: change.token ?? this.token } }],
      contexts: [{
        name: "demo",
        context: { cluster: "demo", user: "jane", namespace: change.namespace ?? "default" },
      }],
    });
  }

  /** Adds a resource and notifies watches. */
  add(plural: string, resource: Resource): void {
    const list = this.#resources.get(plural) ?? [];
    resource.metadata.resourceVersion = String(++this.#version);
    list.push(resource);
    this.#resources.set(plural, list);
    for (const watch of this.watches) watch.enqueue(line({ type: "ADDED", object: resource }));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const watch of this.watches) watch.close();
    this.watches.clear();
    await this.#server.shutdown();
  }

  async #handle(request: Request): Promise<Response> {
    const url = new URL(request.url);
    this.seen.push({
      method: request.method,
      path: `${url.pathname}${url.search}`,
      headers: new Headers(request.headers), // a copy, because the request's headers end with the request
    });
    const hooked = await this.hook?.(request, url);
    if (hooked) return hooked;
    if (request.headers.get("authorization") !== `Bearer ${this.token}`) {
      return status(401, "Unauthorized", "Unauthorized");
    }
    if (url.pathname === "/version") {
      return jsonResponse({ major: "1", minor: "37", gitVersion: "v1.37.0-demo" });
    }
    if (url.pathname === "/apis/authentication.k8s.io/v1/selfsubjectreviews" && request.method === "POST") {
      const review = await request.json();
      const userInfo = {
        username: "jane@example.com",
        uid: "4711",
        groups: ["developers", "system:authenticated"],
      };
      return jsonResponse({ ...review, metadata: {}, status: { userInfo } }, 201);
    }
    const [, namespace, plural, name] =
      /^\/api\/v1(?:\/namespaces\/([^/]+))?\/([^/]+)(?:\/([^/]+))?$/.exec(url.pathname) ?? [];
    if (plural === undefined || request.method !== "GET") {
      return status(404, "NotFound", "the server could not find the requested resource");
    }
    const items = (this.#resources.get(plural) ?? []).filter(({ metadata }) =>
      namespace === undefined || metadata.namespace === namespace
    );
    if (name !== undefined) {
      const found = items.find(({ metadata }) => metadata.name === name);
      return found ? jsonResponse(found) : status(404, "NotFound", `${plural} "${name}" not found`);
    }
    if (["1", "true"].includes(url.searchParams.get("watch") ?? "")) return this.#watch(items, url);
    const kind = `${plural.charAt(0).toUpperCase()}${plural.slice(1, -1)}List`;
    return jsonResponse({
      apiVersion: "v1",
      kind,
      metadata: { resourceVersion: String(this.#version) },
      items,
    });
  }

  #watch(items: Resource[], url: URL): Response {
    const since = Number(url.searchParams.get("resourceVersion") ?? 0);
    let controller!: ReadableStreamDefaultController<Uint8Array>;
    const body = new ReadableStream<Uint8Array<ArrayBuffer>>({
      start: (opened) => {
        controller = opened;
        this.watches.add(controller);
        for (const object of items) {
          if (Number(object.metadata.resourceVersion) > since) {
            opened.enqueue(line({ type: "ADDED", object }));
          }
        }
        // A watch with an initial list marks the end of the list (KEP-3157).
        if (url.searchParams.get("sendInitialEvents") === "true") {
          const metadata = {
            resourceVersion: String(this.#version),
            annotations: { "k8s.io/initial-events-end": "true" },
          };
          opened.enqueue(
            line({ type: "BOOKMARK", object: { apiVersion: "v1", kind: "Bookmark", metadata } }),
          );
        }
      },
      cancel: () => {
        this.watches.delete(controller);
      },
    });
    return new Response(body.pipeThrough(inPieces()), { headers: { "content-type": "application/json" } });
  }
}

function line(value: unknown): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(`${JSON.stringify(value)}\n`);
}

/**
 * Cuts each chunk into three pieces, which split lines and documents. Each piece gets its own turn of the event
 * loop, because Deno sends the writes of one turn together.
 */
function inPieces(): TransformStream<Uint8Array<ArrayBuffer>, Uint8Array<ArrayBuffer>> {
  return new TransformStream({
    async transform(bytes, controller) {
      const size = Math.ceil(bytes.length / 3);
      for (let at = 0; at < bytes.length; at += size) {
        controller.enqueue(bytes.subarray(at, at + size));
        await new Promise((resolve) => setTimeout(resolve, 0));
      }
    },
  });
}

/** A JSON response. */
export function jsonResponse(value: unknown, code = 200): Response {
  const bytes = new TextEncoder().encode(JSON.stringify(value));
  return new Response(ReadableStream.from([bytes]).pipeThrough(inPieces()), {
    status: code,
    headers: { "content-type": "application/json" },
  });
}

/** A Kubernetes Status. */
export function status(code: number, reason: string, message: string): Response {
  return jsonResponse(
    { apiVersion: "v1", kind: "Status", metadata: {}, status: "Failure", message, reason, code },
    code,
  );
}
