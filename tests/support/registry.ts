/** A small OCI registry for the demo and the tests: what is pushed can be pulled, and a test can answer instead. */

import { digestOf } from "../../registry/digest.ts";

/** Who may come in. */
export type RegistryAuth =
  | { readonly kind: "basic"; readonly username: string; readonly password: string }
  | { readonly kind: "bearer"; readonly username?: string; readonly password?: string };

/** What a test sees of a request, and may answer itself. */
export type Hook = (request: Request, url: URL) => Response | undefined | Promise<Response | undefined>;

/** A registry on 127.0.0.1, in memory. */
export class TestRegistry implements AsyncDisposable {
  /** `METHOD /path` of every request. */
  readonly requests: string[] = [];
  /** `authorization` of every request, "" for none. */
  readonly authorizations: string[] = [];
  /** Asked first. */
  hook: Hook | undefined;
  #auth: RegistryAuth | undefined;
  #blobs = new Map<string, Uint8Array<ArrayBuffer>>();
  #manifests = new Map<string, { type: string; body: Uint8Array<ArrayBuffer> }>();
  #server: Deno.HttpServer<Deno.NetAddr>;

  private constructor(auth: RegistryAuth | undefined) {
    this.#auth = auth;
    this.#server = Deno.serve(
      { hostname: "127.0.0.1", port: 0, onListen: () => {} },
      (request) => this.#handle(request),
    );
  }

  static start(auth?: RegistryAuth): TestRegistry {
    return new TestRegistry(auth);
  }

  /** `127.0.0.1:PORT` */
  get host(): string {
    return `127.0.0.1:${this.#server.addr.port}`;
  }

  get origin(): string {
    return `http://${this.host}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server.shutdown();
  }

  /** Puts a manifest where no push would: any bytes under any tag. */
  putManifest(
    repository: string,
    tag: string,
    body: string,
    type = "application/vnd.oci.image.manifest.v1+json",
  ): void {
    const bytes = new TextEncoder().encode(body);
    this.#manifests.set(`${repository}/${tag}`, { type, body: bytes });
    this.#manifests.set(`${repository}/${digestOf(bytes)}`, { type, body: bytes });
  }

  /** Puts a blob under any digest. */
  putBlob(bytes: Uint8Array, digest = digestOf(bytes)): void {
    this.#blobs.set(digest, new Uint8Array(bytes));
  }

  async #handle(request: Request): Promise<Response> {
    const url = new URL(request.url);
    this.requests.push(`${request.method} ${url.pathname}`);
    this.authorizations.push(request.headers.get("authorization") ?? "");
    const answer = await this.hook?.(request, url) ?? this.#authorize(request, url) ??
      await this.#serve(request, url);
    if (request.body && !request.bodyUsed) await request.body.cancel();
    return answer;
  }

  #authorize(request: Request, url: URL): Response | undefined {
    const auth = this.#auth;
    if (!auth) return undefined;
    const given = request.headers.get("authorization") ?? "";
    const basic = auth.username === undefined
      ? undefined
      : `Basic ${btoa(`${auth.username}:${auth.password}`)}`;
    if (auth.kind === "basic") {
      if (given === basic) return undefined;
      return failure(401, "UNAUTHORIZED", "log in first", { "www-authenticate": 'Basic realm="test"' });
    }
    if (url.pathname === "/token") {
      if (basic !== undefined && given !== basic) return failure(401, "UNAUTHORIZED", "wrong credentials");
      return Response.json({ token: `token-${url.searchParams.get("scope")}` });
    }
    const repository = /^\/v2\/(.+)\/(blobs|manifests)\//.exec(url.pathname)?.[1] ?? "";
    if (given === `Bearer token-repository:${repository}:pull`) return undefined;
    if (request.method !== "GET" && request.method !== "HEAD") return undefined; // pushing is for the tests
    return failure(401, "UNAUTHORIZED", "get a token first", {
      "www-authenticate":
        `Bearer realm="${this.origin}/token",service="test",scope="repository:${repository}:pull"`,
    });
  }

  async #serve(request: Request, url: URL): Promise<Response> {
    if (url.pathname === "/v2/") return Response.json({});
    const [, repository = "", kind = "", reference = ""] =
      /^\/v2\/(.+)\/(blobs|manifests)\/(.*)$/.exec(url.pathname) ?? [];
    if (kind === "blobs" && reference.startsWith("uploads/")) {
      if (request.method === "POST") {
        return new Response(null, {
          status: 202,
          headers: { location: `/v2/${repository}/blobs/uploads/${crypto.randomUUID()}` },
        });
      }
      const bytes = new Uint8Array(await request.arrayBuffer());
      const digest = url.searchParams.get("digest") ?? "";
      if (digestOf(bytes) !== digest) return failure(400, "DIGEST_INVALID", "the digest is another");
      this.#blobs.set(digest, bytes);
      return new Response(null, { status: 201, headers: { location: `/v2/${repository}/blobs/${digest}` } });
    }
    if (kind === "blobs") {
      const blob = this.#blobs.get(reference);
      if (!blob) return failure(404, "BLOB_UNKNOWN", "blob unknown to registry");
      const from = Number(/^bytes=(\d+)-$/.exec(request.headers.get("range") ?? "")?.[1] ?? 0);
      return new Response(blob.subarray(from), {
        status: from > 0 ? 206 : 200,
        headers: {
          "docker-content-digest": reference,
          ...(from > 0 ? { "content-range": `bytes ${from}-${blob.length - 1}/${blob.length}` } : {}),
        },
      });
    }
    if (kind === "manifests" && request.method === "PUT") {
      const body = new TextDecoder().decode(await request.arrayBuffer());
      this.putManifest(repository, reference, body, request.headers.get("content-type") ?? undefined);
      return new Response(null, { status: 201 });
    }
    if (kind === "manifests") {
      const manifest = this.#manifests.get(`${repository}/${reference}`);
      if (!manifest) return failure(404, "MANIFEST_UNKNOWN", "manifest unknown");
      return new Response(manifest.body, {
        headers: { "content-type": manifest.type, "docker-content-digest": digestOf(manifest.body) },
      });
    }
    return failure(404, "NAME_UNKNOWN", "no such page");
  }
}

/** An error as the distribution specification has it. */
export function failure(
  status: number,
  code: string,
  message: string,
  headers: Record<string, string> = {},
): Response {
  return Response.json({ errors: [{ code, message }] }, { status, headers });
}
