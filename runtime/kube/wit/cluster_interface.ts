/** The host's side of `krew-wasm:kubernetes/cluster` (wit/kubernetes.wit). */

// deno-lint-ignore-file no-throw-literal -- jco passes a thrown value other than an Error to the guest as the error
// value

import { AppError, type ErrorCode, messageOf } from "../../base/errors.ts";
import type { Sandbox } from "../../sandbox/types.ts";
import { BodySink, BodySource, contentLength, HIGH_WATER } from "../../wasi/streams/body.ts";
import { HostMemory, type Kept } from "../../wasi/host_memory.ts";
import { InputStream, OutputStream } from "../../wasi/p2/io.ts";
import { type Pollable, pollableOf } from "../../wasi/p2/pollables.ts";
import type * as Wit from "../../../wit/generated/interfaces/krew-wasm-kubernetes-cluster.d.ts";
import type { ClusterResponse } from "../cluster.ts";
import { headSize } from "../allow/request_size.ts";
import { headersFromText, headersToText } from "../http/header_text.ts";

/** A response, for this interface and for `upgrade`. */
export class Response {
  #response: ClusterResponse;
  #source: BodySource;
  #taken = false;

  /** @param failed gets the error that broke off the body */
  constructor(response: ClusterResponse, failed: (error: unknown) => void) {
    this.#response = response;
    this.#source = new BodySource(response.body, failed);
  }

  status(): number {
    return this.#response.status;
  }

  headers(): [string, string][] {
    return headersToText(this.#response.headers);
  }

  body(): InputStream {
    if (this.#taken) throw undefined;
    this.#taken = true;
    return new InputStream(this.#source);
  }

  [Symbol.dispose](): void {
    if (!this.#taken) this.#source.close();
  }
}

/** A request whose body the plugin writes while it is sent. */
class Upload {
  #sink: BodySink;
  #length: bigint | undefined;
  #answer: { response: Response } | { error: unknown } | undefined;
  #readiness = { ready: () => this.#answer !== undefined, wait: () => this.#settled };
  #settled: Promise<void>;
  #abort: AbortController;
  #taken = { body: false, response: false };
  #finished = false;
  #dropped = false;
  #failed: (error: unknown) => never;
  #kept: Kept;

  constructor(
    sink: BodySink,
    length: bigint | undefined,
    response: Promise<ClusterResponse>,
    abort: AbortController,
    failed: (error: unknown) => never,
    brokeOff: (error: unknown) => void,
    kept: Kept,
  ) {
    this.#failed = failed;
    this.#kept = kept;
    this.#sink = sink;
    this.#length = length;
    this.#abort = abort;
    this.#settled = response.then((response) => {
      this.#answer = { response: new Response(response, brokeOff) };
      if (this.#dropped) this.#answer.response[Symbol.dispose]();
    }, (error) => {
      this.#answer = { error };
      sink.fail();
    }).finally(() => {
      if (this.#dropped) kept.end();
    });
  }

  body(): OutputStream {
    if (this.#taken.body) throw undefined;
    this.#taken.body = true;
    return new OutputStream(this.#sink);
  }

  finish(): void {
    const { written } = this.#sink;
    if (this.#length !== undefined && written !== this.#length) {
      this.#sink.fail();
      throw {
        tag: "invalid",
        val: `The body has ${written} bytes, its content-length says ${this.#length}`,
      } satisfies Wit.Error;
    }
    this.#finished = true;
    this.#sink.finish();
  }

  async response(): Promise<Response> {
    if (this.#taken.response) {
      throw { tag: "invalid", val: "The response was taken before" } satisfies Wit.Error;
    }
    this.#taken.response = true;
    await this.#settled;
    const answer = this.#answer!;
    return "response" in answer ? answer.response : this.#failed(answer.error);
  }

  subscribe(): Pollable {
    return pollableOf(this.#readiness);
  }

  [Symbol.dispose](): void {
    if (this.#dropped) return;
    this.#dropped = true;
    if (!this.#finished) this.#sink.fail();
    if (this.#answer !== undefined) this.#kept.end();
    if (this.#taken.response) return; // the plugin owns its body
    if (this.#answer === undefined) this.#abort.abort(new DOMException("given up", "AbortError"));
    else if ("response" in this.#answer) this.#answer.response[Symbol.dispose]();
  }
}

const TAGS: Partial<Record<ErrorCode, Wit.Error["tag"]>> = {
  DESTINATION_REFUSED: "denied",
  REQUEST_INVALID: "invalid",
  CREDENTIALS_FAILED: "credentials",
  CLUSTER_UNREACHABLE: "unreachable",
  CLUSTER_TLS: "unreachable",
};

/** The error in the interface's terms. `refused` gets it for the user. */
export function witError(error: unknown, refused: (error: AppError) => void): Wit.Error {
  if (!(error instanceof AppError)) return { tag: "unreachable", val: messageOf(error) };
  refused(error);
  const val = error.hint === undefined ? error.message : `${error.message} (${error.hint})`;
  return { tag: TAGS[error.code] ?? "no-cluster", val };
}

/** The interface by name. `refused` gets each failure for the user. */
export function clusterInterfaces(sandbox: Sandbox, refused: (error: AppError) => void) {
  const failed = (error: unknown): never => {
    throw witError(error, refused);
  };
  const brokeOff = (error: unknown): void => {
    if (error instanceof AppError) refused(error);
  };
  const memory = new HostMemory();
  const pathOf = (path: string): string =>
    path.startsWith("/")
      ? path
      : failed(new AppError("REQUEST_INVALID", `"${path}" is not a path: it begins with no slash`));
  return {
    "krew-wasm:kubernetes/cluster": {
      Response,
      Upload,
      async current(): Promise<Wit.Connection> {
        const { context, server, namespace } = await sandbox.cluster().catch(failed);
        return { context, server, namespace };
      },
      async send({ method, path, headers, body }: Wit.Request): Promise<Response> {
        const url = pathOf(path);
        const cluster = await sandbox.cluster().catch(failed);
        const sent = headersFromText(headers);
        const request = { method, url, headers: sent, ...(body === undefined ? {} : { body: body.slice() }) };
        return new Response(await cluster.send(request).catch(failed), brokeOff);
      },
      async start({ method, path, headers }: Wit.RequestHead): Promise<Upload> {
        const url = pathOf(path);
        if (/^(get|head)$/i.test(method)) {
          failed(new AppError("REQUEST_INVALID", `A ${method.toUpperCase()} request has no body`));
        }
        const cluster = await sandbox.cluster().catch(failed);
        const kept = memory.open();
        kept.grow(headSize(path, headers) + HIGH_WATER);
        const sink = new BodySink(true);
        sandbox.stdin.share?.();
        const abort = new AbortController();
        const sent = headersFromText(headers);
        const response = cluster.send({
          method,
          url,
          headers: sent,
          body: sink.stream,
          signal: abort.signal,
        });
        return new Upload(sink, contentLength(headers), response, abort, failed, brokeOff, kept);
      },
    },
  };
}
