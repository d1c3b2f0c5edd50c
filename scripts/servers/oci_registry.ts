/** A small OCI registry for the demo and the tests. Tests can replace its answers. */

import { digestOf } from "../../registry/oci/digest.ts";
import type { Pair } from "./certificates.ts";

/** The authentication that the registry requires. */
export type RegistryAuth =
  | { readonly kind: "basic"; readonly username: string; readonly password: string }
  | { readonly kind: "bearer"; readonly username?: string; readonly password?: string };

/** A hook that sees a request and may answer it. */
export type Hook = (request: Request, url: URL) => Response | undefined | Promise<Response | undefined>;

/** An in-memory registry on 127.0.0.1. */
export class TestRegistry implements AsyncDisposable {
  /** `METHOD /path` of every request. */
  readonly requests: string[] = [];
  /** `authorization` of every request, "" for none. */
  readonly authorizations: string[] = [];
  /** Called before the registry answers. */
  hook: Hook | undefined;
  /** Changes the registry's answer. */
  alter: ((request: Request, url: URL, answer: Response) => Response | Promise<Response>) | undefined;
  #auth: RegistryAuth | undefined;
  /** Whether it has the referrers API. Otherwise clients use a tag. */
  referrers = true;
  /** Tags per page. */
  pageSize = 1000;
  #uploads = new Map<string, Uint8Array<ArrayBuffer>>();
  #blobs = new Map<string, Uint8Array<ArrayBuffer>>();
  #manifests = new Map<string, { type: string; body: Uint8Array<ArrayBuffer> }>();
  #server: Deno.HttpServer<Deno.NetAddr>;

  private constructor(auth: RegistryAuth | undefined, private readonly tls: Pair | undefined, port: number) {
    this.#auth = auth;
    this.#server = Deno.serve(
      { hostname: "127.0.0.1", port, onListen: () => {}, ...tls },
      (request) => this.#handle(request),
    );
  }

  /**
   * @param tls its certificate and key; default: plain HTTP
   * @param port a free port; default: any
   */
  static start(auth?: RegistryAuth, tls?: Pair, port = 0): TestRegistry {
    return new TestRegistry(auth, tls, port);
  }

  /** `127.0.0.1:PORT` */
  get host(): string {
    return `127.0.0.1:${this.#server.addr.port}`;
  }

  get origin(): string {
    return `${this.tls ? "https" : "http"}://${this.host}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server.shutdown();
  }

  /** Stores any bytes as the manifest of any tag, without checks. */
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

  /** Stores a blob under any digest, without checks. */
  putBlob(bytes: Uint8Array, digest = digestOf(bytes)): void {
    this.#blobs.set(digest, new Uint8Array(bytes));
  }

  async #handle(request: Request): Promise<Response> {
    const url = new URL(request.url);
    this.requests.push(`${request.method} ${url.pathname}`);
    this.authorizations.push(request.headers.get("authorization") ?? "");
    let answer = await this.hook?.(request, url) ?? this.#authorize(request, url) ??
      await this.#serve(request, url);
    if (this.alter) answer = await this.alter(request, url, answer);
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
      return Response.json({ token: `token-${url.searchParams.getAll("scope").join(",")}` });
    }
    if (url.pathname === "/v2/" && given.startsWith("Bearer token-")) return undefined;
    const repository = /^\/v2\/(.+)\/(blobs|manifests)\//.exec(url.pathname)?.[1] ?? "";
    if (given.startsWith("Bearer token-") && given.includes(`repository:${repository}:pull`)) {
      return undefined;
    }
    if (request.method !== "GET" && request.method !== "HEAD") return undefined; // pushing is for the tests
    return failure(401, "UNAUTHORIZED", "get a token first", {
      "www-authenticate":
        `Bearer realm="${this.origin}/token",service="test",scope="repository:${repository}:pull"`,
    });
  }

  async #serve(request: Request, url: URL): Promise<Response> {
    if (url.pathname === "/v2/") return Response.json({});
    const [, repository = "", kind = "", reference = ""] =
      /^\/v2\/(.+)\/(blobs|manifests|tags|referrers)\/(.*)$/.exec(url.pathname) ?? [];
    if (kind === "tags") return this.#tags(repository, url);
    if (kind === "referrers") return this.#referrers(repository, reference);
    if (kind === "blobs" && reference.startsWith("uploads/")) {
      if (request.method === "POST") {
        const mount = url.searchParams.get("mount");
        if (mount !== null && this.#blobs.has(mount)) {
          return new Response(null, {
            status: 201,
            headers: { location: `/v2/${repository}/blobs/${mount}` },
          });
        }
        return new Response(null, {
          status: 202,
          headers: { location: `/v2/${repository}/blobs/uploads/${crypto.randomUUID()}?state=x` },
        });
      }
      if (request.method === "PATCH") {
        const upload = url.pathname;
        this.#uploads.set(upload, new Uint8Array(await request.arrayBuffer()));
        return new Response(null, { status: 202, headers: { location: `${upload}?state=y` } });
      }
      const sent = new Uint8Array(await request.arrayBuffer());
      const bytes = this.#uploads.get(url.pathname) ?? sent;
      this.#uploads.delete(url.pathname);
      const digest = url.searchParams.get("digest") ?? "";
      if (digestOf(bytes) !== digest) return failure(400, "DIGEST_INVALID", "the digest is another");
      this.#blobs.set(digest, bytes);
      return new Response(null, { status: 201, headers: { location: `/v2/${repository}/blobs/${digest}` } });
    }
    if (kind === "blobs" && request.method === "HEAD") {
      return new Response(null, { status: this.#blobs.has(reference) ? 200 : 404 });
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
      const subject = JSON.parse(body).subject?.digest as string | undefined;
      return new Response(null, {
        status: 201,
        headers: subject !== undefined && this.referrers ? { "oci-subject": subject } : {},
      });
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

  /** The tags and digests of a repository's manifests. */
  names(repository: string): string[] {
    return [...this.#manifests.keys()].filter((key) => key.startsWith(`${repository}/`))
      .map((key) => key.slice(repository.length + 1));
  }

  /** A manifest's bytes as stored. */
  manifest(repository: string, reference: string): string {
    return new TextDecoder().decode(this.#manifests.get(`${repository}/${reference}`)!.body);
  }

  #tags(repository: string, url: URL): Response {
    const all = this.names(repository).filter((name) => !name.includes(":")).sort();
    if (all.length === 0) return failure(404, "NAME_UNKNOWN", "repository name not known to registry");
    const last = url.searchParams.get("last") ?? "";
    const tags = all.filter((tag) => tag > last).slice(0, this.pageSize);
    const more = tags.length > 0 && tags.at(-1) !== all.at(-1);
    return Response.json({ name: repository, tags }, {
      headers: more ? { link: `</v2/${repository}/tags/list?last=${tags.at(-1)}>; rel="next"` } : {},
    });
  }

  #referrers(repository: string, subject: string): Response {
    if (!this.referrers) return failure(404, "NOT_FOUND", "no such page");
    const manifests = this.names(repository).filter((name) => name.includes(":")).flatMap((digest) => {
      const { type, body } = this.#manifests.get(`${repository}/${digest}`)!;
      const { subject: of, artifactType, config, annotations } = JSON.parse(new TextDecoder().decode(body));
      if (of?.digest !== subject) return [];
      return [{
        mediaType: type,
        digest,
        size: body.length,
        artifactType: artifactType ?? config?.mediaType,
        annotations,
      }];
    });
    return Response.json({
      schemaVersion: 2,
      mediaType: "application/vnd.oci.image.index.v1+json",
      manifests,
    }, { headers: { "content-type": "application/vnd.oci.image.index.v1+json" } });
  }
}

/** An error in the distribution specification's format. */
export function failure(
  status: number,
  code: string,
  message: string,
  headers: Record<string, string> = {},
): Response {
  return Response.json({ errors: [{ code, message }] }, { status, headers });
}

/** Endless answers, and a count of the bytes read. They end only for readers without limits. */
export function endless(status = 200): { readonly answer: () => Response; readonly sent: () => number } {
  let sent = 0;
  const answer = () =>
    new Response(
      new ReadableStream({
        pull(controller) {
          sent += 65536;
          if (sent > 64 << 20) controller.close();
          else controller.enqueue(new Uint8Array(65536).fill(0x20));
        },
      }),
      { status },
    );
  return { answer, sent: () => sent };
}
