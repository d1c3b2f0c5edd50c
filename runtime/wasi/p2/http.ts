/**
 * wasi:http 0.2.12 (types, outgoing-handler) over the sandbox's cluster: requests to the API server only.
 * incoming-handler is not supported, because a plugin is a command.
 *
 * It does not use preview2-shim, which calls the global fetch and buffers whole bodies (docs/maintainers/upstream.md,
 * S8).
 */

// deno-lint-ignore-file no-throw-literal -- jco passes a thrown value that is no Error to the guest as the error
// value

import { isToken } from "../../base/http_token.ts";
import { latin1 } from "../../base/bytes.ts";
import { AppError, messageOf } from "../../base/errors.ts";
import { untilAborted } from "../../kube/http/abort.ts";
import type { ClusterResponse } from "../../kube/cluster.ts";
import type { Sandbox } from "../../sandbox/types.ts";
import { BodySink, BodySource, contentLength, HIGH_WATER } from "../streams/body.ts";
import { WasiError } from "../errno.ts";
import { HostMemory, type Kept } from "../host_memory.ts";
import {
  CAUSE,
  checkOwn,
  InputStream,
  type IoError,
  OutputStream,
  type Pollable,
  pollableOf,
  READY,
} from "./io.ts";
import { CONSTRUCTED } from "./resources.ts";

type Method = { tag: string; val?: string };
type Scheme = { tag: "HTTP" } | { tag: "HTTPS" } | { tag: "other"; val: string };
type ErrorCode = { tag: string; val?: unknown };
type Result<T> = { tag: "ok"; val: T } | { tag: "err"; val: ErrorCode };

// The host's own methods of a resource have symbols as names, because a component could call any string name.
const RECEIVED = Symbol("received");
const LOCK = Symbol("lock");
const PARTS = Symbol("parts");
const SINK = Symbol("sink");
const LENGTH = Symbol("length");
const VIEW = Symbol("view");
const END = Symbol("end");
const BYTES = Symbol("bytes");

/** Memory for the plugin's data. A process runs one plugin. */
let memory = new HostMemory();
/** The approximate size of a host object without its bytes. */
const OBJECT = 100;

/** The longest method, in characters. */
const MAX_NAME = 100;
/** Headers that a guest may not set, because they belong to the connection (wasi:http/types, header-error.forbidden). */
const FORBIDDEN = new Set([
  "connection",
  "host",
  "http2-settings",
  "keep-alive",
  "proxy-authenticate",
  "proxy-authorization",
  "proxy-connection",
  "te",
  "transfer-encoding",
  "upgrade",
]);

function fieldValueIsValid(value: Uint8Array): boolean {
  return value.every((byte) => byte === 9 || (byte >= 0x20 && byte !== 0x7f));
}

/** wasi:http/types.fields */
class Fields {
  static readonly [CONSTRUCTED] = true;
  #entries: [name: string, value: Uint8Array][] = [];
  #immutable = false;
  #kept: Kept = memory.open();

  static fromList(entries: [string, Uint8Array][]): Fields {
    const fields = new Fields();
    for (const [name, value] of entries) fields.append(name, value);
    return fields;
  }

  /** Immutable fields. */
  static [RECEIVED](entries: readonly (readonly [string, string])[]): Fields {
    const fields = new Fields();
    // fetch returns a header's bytes as Latin-1 characters.
    fields.#entries = entries.map((
      [name, value],
    ) => [name, Uint8Array.from(value, (character) => character.charCodeAt(0))]);
    fields.#immutable = true;
    fields.#kept.grow(fields[BYTES]());
    return fields;
  }

  /** A new handle of the same fields for each call, because the guest drops each. */
  static [VIEW](fields: Fields): Fields {
    const view = new Fields();
    view.#entries = fields.#entries;
    view.#immutable = true;
    return view;
  }

  static [LOCK](fields: Fields): Fields {
    fields.#immutable = true;
    return fields;
  }

  #check(name: string, values: readonly Uint8Array[]): string {
    if (this.#immutable) throw { tag: "immutable" };
    if (!isToken(name) || !values.every(fieldValueIsValid)) throw { tag: "invalid-syntax" };
    const lower = name.toLowerCase();
    if (FORBIDDEN.has(lower)) throw { tag: "forbidden" };
    return lower;
  }

  get(name: string): Uint8Array[] {
    const lower = name.toLowerCase();
    return this.#entries.filter(([entry]) => entry.toLowerCase() === lower).map(([, value]) => value);
  }

  has(name: string): boolean {
    return this.get(name).length > 0;
  }

  set(name: string, values: Uint8Array[]): void {
    this.#remove(this.#check(name, values));
    for (const value of values) this.#add(name, value);
  }

  delete(name: string): void {
    this.#remove(this.#check(name, []));
  }

  append(name: string, value: Uint8Array): void {
    this.#check(name, [value]);
    this.#add(name, value);
  }

  #add(name: string, value: Uint8Array): void {
    this.#kept.grow(sizeOf(name, value));
    this.#entries.push([name, value.slice()]);
  }

  #remove(lower: string): void {
    this.#entries = this.#entries.filter(([name, value]) => {
      if (name.toLowerCase() !== lower) return true;
      this.#kept.grow(-sizeOf(name, value));
      return false;
    });
  }

  entries(): [string, Uint8Array][] {
    return this.#entries;
  }

  clone(): Fields {
    const fields = new Fields();
    for (const [name, value] of this.#entries) fields.#add(name, value);
    return fields;
  }

  [Symbol.dispose](): void {
    this[END]();
  }

  /** Releases the memory. */
  [END](): void {
    this.#kept.end();
  }

  [BYTES](): number {
    return this.#entries.reduce((sum, [name, value]) => sum + sizeOf(name, value), 0);
  }

  /** The body's length according to these headers. */
  [LENGTH](): bigint | undefined {
    return contentLength(this.get("content-length").map((value) => ["content-length", latin1(value)]));
  }
}

function sizeOf(name: string, value: Uint8Array): number {
  return OBJECT + name.length + value.length;
}

/** wasi:http/types.request-options. Durations in nanoseconds. */
class RequestOptions {
  static readonly [CONSTRUCTED] = true;
  #connect: bigint | undefined;
  #firstByte: bigint | undefined;
  #betweenBytes: bigint | undefined;

  connectTimeout(): bigint | undefined {
    return this.#connect;
  }
  firstByteTimeout(): bigint | undefined {
    return this.#firstByte;
  }
  betweenBytesTimeout(): bigint | undefined {
    return this.#betweenBytes;
  }
  setConnectTimeout(duration: bigint | undefined): void {
    this.#connect = duration;
  }
  setFirstByteTimeout(duration: bigint | undefined): void {
    this.#firstByte = duration;
  }
  setBetweenBytesTimeout(duration: bigint | undefined): void {
    this.#betweenBytes = duration;
  }
}

/** wasi:http/types.outgoing-body */
class OutgoingBody {
  readonly [SINK] = new BodySink();
  #taken = false;
  #finished = false;
  #length: bigint | undefined;

  constructor(length: bigint | undefined) {
    this.#length = length;
  }

  write(): OutputStream {
    if (this.#taken) throw undefined;
    this.#taken = true;
    return new OutputStream(this[SINK]);
  }

  static finish(body: OutgoingBody, trailers: Fields | undefined): void {
    if (trailers) throw { tag: "internal-error", val: "trailers are not sent" };
    if (body.#length !== undefined && body[SINK].written !== body.#length) {
      body[SINK].fail();
      throw { tag: "HTTP-request-body-size", val: body[SINK].written };
    }
    body.#finished = true;
    body[SINK].finish();
  }

  [Symbol.dispose](): void {
    if (!this.#finished) this[SINK].fail();
  }
}

/** Ends a component that passes an object as text: it could read differently when it is checked and when it is sent. */
function refuseNoText(value: unknown): void {
  if (typeof value !== "string") throw new WebAssembly.RuntimeError("it passes an object as text");
}

/** wasi:http/types.outgoing-request */
class OutgoingRequest {
  static readonly [CONSTRUCTED] = true;
  #method: Method = { tag: "get" };
  #path: string | undefined;
  #scheme: Scheme | undefined;
  #authority: string | undefined;
  #headers: Fields;
  #body: OutgoingBody | undefined;
  #kept: Kept = memory.open();
  #sent = false;

  constructor(headers: Fields) {
    this.#headers = Fields[LOCK](headers);
  }

  body(): OutgoingBody {
    if (this.#body) throw undefined;
    this.#kept.grow(HIGH_WATER);
    return this.#body = new OutgoingBody(this.#headers[LENGTH]());
  }

  method(): Method {
    return this.#method;
  }
  setMethod(method: Method): void {
    const { tag, val = "" } = method;
    refuseNoText(val);
    if (tag === "other" && (!isToken(val) || val.length > MAX_NAME)) throw undefined;
    this.#method = method;
  }

  pathWithQuery(): string | undefined {
    return this.#path;
  }
  setPathWithQuery(path: string | undefined): void {
    if (path !== undefined) refuseNoText(path);
    if (path !== undefined && /[\u0000-\u0020\u007f#]/.test(path)) throw undefined;
    this.#kept.grow((path?.length ?? 0) - (this.#path?.length ?? 0));
    this.#path = path;
  }

  scheme(): Scheme | undefined {
    return this.#scheme;
  }
  setScheme(scheme: Scheme | undefined): void {
    if (scheme?.tag === "other") refuseNoText(scheme.val);
    if (scheme?.tag === "other" && !/^[a-z][a-z0-9+.-]{0,99}$/i.test(scheme.val)) throw undefined;
    this.#scheme = scheme;
  }

  authority(): string | undefined {
    return this.#authority;
  }
  setAuthority(authority: string | undefined): void {
    if (authority !== undefined) refuseNoText(authority);
    if (authority !== undefined && !/^[^\u0000-\u0020\u007f/?#\\]{0,1000}$/.test(authority)) throw undefined;
    this.#authority = authority;
  }

  headers(): Fields {
    return Fields[VIEW](this.#headers);
  }

  [Symbol.dispose](): void {
    if (this.#sent) return;
    this.#body?.[SINK].fail(); // its reader has gone
    this[END]();
  }

  /** Releases the memory. */
  [END](): void {
    this.#headers[END]();
    this.#kept.end();
  }

  /** The parts of the request for the cluster. */
  static [PARTS](request: OutgoingRequest) {
    request.#sent = true;
    const scheme = request.#scheme;
    const name = scheme === undefined || scheme.tag === "HTTPS"
      ? "https"
      : scheme.tag === "HTTP"
      ? "http"
      : scheme.val;
    const path = request.#path ?? "/";
    const method = request.#method.tag === "other" ? request.#method.val! : request.#method.tag;
    return {
      method,
      url: `${name}://${request.#authority ?? ""}${path.startsWith("/") ? "" : "/"}${path}`,
      headers: request.#headers.entries().map(([name, value]): [string, string] => [name, latin1(value)]),
      body: request.#body,
    };
  }
}

/** wasi:http/types.incoming-body */
class IncomingBody {
  #source: BodySource;
  #taken = false;

  constructor(source: BodySource) {
    this.#source = source;
  }

  stream(): InputStream {
    if (this.#taken) throw undefined;
    this.#taken = true;
    return new InputStream(this.#source);
  }

  static finish(body: IncomingBody): FutureTrailers {
    body.#source.close();
    return new FutureTrailers();
  }

  [Symbol.dispose](): void {
    this.#source.close();
  }
}

/** wasi:http/types.future-trailers: always empty, because fetch does not return trailers. */
class FutureTrailers {
  #taken = false;

  subscribe(): Pollable {
    return pollableOf(READY);
  }

  get(): unknown {
    if (this.#taken) return { tag: "err" };
    this.#taken = true;
    return { tag: "ok", val: { tag: "ok", val: undefined } };
  }
}

/** wasi:http/types.incoming-response */
class IncomingResponse {
  #response: ClusterResponse;
  #source: BodySource;
  #consumed = false;

  /** @param patience the longest wait for the next bytes of the body, in milliseconds */
  constructor(
    response: ClusterResponse,
    failed: (error: unknown) => void,
    patience: number | undefined,
  ) {
    this.#response = response;
    this.#source = new BodySource(response.body, failed, patience);
  }

  status(): number {
    return this.#response.status;
  }
  headers(): Fields {
    return Fields[RECEIVED](this.#response.headers);
  }

  consume(): IncomingBody {
    if (this.#consumed) throw undefined;
    this.#consumed = true;
    return new IncomingBody(this.#source);
  }

  [Symbol.dispose](): void {
    if (!this.#consumed) this.#source.close();
  }
}

/** wasi:http/types.future-incoming-response */
class FutureIncomingResponse {
  #result: Result<IncomingResponse> | undefined;
  #readiness = { ready: () => this.#result !== undefined, wait: () => this.#settled };
  #taken = false;
  #dropped = false;
  #settled: Promise<void>;
  #abort: AbortController;

  constructor(response: Promise<IncomingResponse>, abort: AbortController) {
    this.#abort = abort;
    this.#settled = response.then(
      (response) => {
        this.#result = { tag: "ok", val: response };
        if (this.#dropped) response[Symbol.dispose](); // it arrived after the guest dropped the future
      },
      (error) => {
        this.#result = { tag: "err", val: errorCodeOf(error) };
      },
    );
  }

  subscribe(): Pollable {
    return pollableOf(this.#readiness);
  }

  get(): unknown {
    if (this.#result === undefined) return undefined;
    if (this.#taken) return { tag: "err" };
    this.#taken = true;
    return { tag: "ok", val: this.#result };
  }

  [Symbol.dispose](): void {
    this.#dropped = true;
    // Dropping the future before the response arrives aborts the request.
    if (this.#result === undefined) this.#abort.abort();
    else if (!this.#taken && this.#result.tag === "ok") this.#result.val[Symbol.dispose]();
  }
}

/** The error-code of a cluster error. */
function errorCodeOf(error: unknown): ErrorCode {
  if (isTimeout(error)) return { tag: "connection-timeout" };
  if (!(error instanceof AppError)) return { tag: "internal-error", val: messageOf(error) };
  switch (error.code) {
    case "DESTINATION_REFUSED":
      return { tag: "HTTP-request-denied" };
    case "CLUSTER_TLS":
      return { tag: "TLS-certificate-error" };
    case "CLUSTER_UNREACHABLE":
      return { tag: "connection-refused" };
    default:
      return { tag: "internal-error", val: error.message };
  }
}

/** The error-code of a body stream's error. */
function bodyErrorCodeOf(error: unknown): ErrorCode {
  if (isTimeout(error)) return { tag: "connection-read-timeout" };
  return error instanceof AppError ? errorCodeOf(error) : { tag: "connection-terminated" };
}

/** Whether a time limit ended it, the plugin's or the user's. */
function isTimeout(error: unknown): boolean {
  for (let cause = error, depth = 0; cause instanceof Error && depth < 6; cause = cause.cause, depth++) {
    if (cause instanceof DOMException && cause.name === "TimeoutError") return true;
  }
  return false;
}

/** wasi:http/types.outgoing-response: can be made but not sent, because a plugin is a command. */
class OutgoingResponse {
  static readonly [CONSTRUCTED] = true;
  #status = 200;
  #headers: Fields;
  #body: OutgoingBody | undefined;
  #kept: Kept = memory.open();

  constructor(headers: Fields) {
    this.#headers = Fields[LOCK](headers);
  }

  statusCode(): number {
    return this.#status;
  }
  setStatusCode(status: number): void {
    if (status < 100 || status > 999) throw undefined;
    this.#status = status;
  }
  headers(): Fields {
    return Fields[VIEW](this.#headers);
  }
  body(): OutgoingBody {
    if (this.#body) throw undefined;
    this.#kept.grow(HIGH_WATER);
    return this.#body = new OutgoingBody(this.#headers[LENGTH]());
  }

  [Symbol.dispose](): void {
    this.#body?.[SINK].fail();
    this.#headers[END]();
    this.#kept.end();
  }
}

// A command never gets one, but imports the resource with the rest of the interface.
class IncomingRequest {}
class ResponseOutparam {
  static set(): never {
    throw new WebAssembly.RuntimeError("it answers a request that it was never given");
  }
}

/** The interfaces by name. The first request calls `sandbox.cluster`. */
export function httpInterfaces(sandbox: Sandbox, refused: (error: AppError) => void) {
  memory = new HostMemory();
  const failed = (error: unknown): void => {
    if (error instanceof AppError) refused(error);
  };
  const handle = (request: OutgoingRequest, options: RequestOptions | undefined): FutureIncomingResponse => {
    if (options) checkOwn(options, RequestOptions);
    const { body, ...parts } = OutgoingRequest[PARTS](request);
    if (body) sandbox.stdin.share?.();
    const abort = new AbortController();
    // fetch does not report when it has connected, so the connect timeout can't be separate from the answer's.
    const firstByte = options?.firstByteTimeout();
    const limit = firstByte === undefined ? undefined : firstByte + (options!.connectTimeout() ?? 0n);
    const timer = limit === undefined ? undefined : setTimeout(
      () => abort.abort(new DOMException("no answer in time", "TimeoutError")),
      milliseconds(limit),
    );
    const betweenBytes = options?.betweenBytesTimeout();
    const response = sandbox.cluster().then(async (cluster) =>
      new IncomingResponse(
        await cluster.send({
          ...parts,
          ...(body === undefined ? {} : { body: await bodyFor(parts.method, body, abort.signal) }),
          signal: abort.signal,
        }),
        failed,
        betweenBytes === undefined ? undefined : milliseconds(betweenBytes),
      )
    );
    response.catch((error) => {
      body?.[SINK].fail();
      failed(error);
    }).finally(() => {
      clearTimeout(timer);
      request[END]();
    });
    return new FutureIncomingResponse(response, abort);
  };
  return {
    "wasi:http/types": {
      Fields,
      FutureIncomingResponse,
      FutureTrailers,
      IncomingBody,
      IncomingRequest,
      IncomingResponse,
      OutgoingBody,
      OutgoingRequest,
      OutgoingResponse,
      RequestOptions,
      ResponseOutparam,
      httpErrorCode: ({ [CAUSE]: cause }: IoError): ErrorCode | undefined =>
        cause instanceof WasiError ? undefined : bodyErrorCodeOf(cause),
    },
    "wasi:http/outgoing-handler": { handle },
  };
}

/** Nanoseconds in milliseconds for setTimeout, at most its 24 days. */
function milliseconds(nanoseconds: bigint): number {
  const whole = (nanoseconds + 999_999n) / 1_000_000n;
  return whole > 0x7fffffffn ? 0x7fffffff : Number(whole);
}

/**
 * A body for fetch. A GET's body is read first, because libraries open one and leave it empty. A non-empty one is
 * refused at once, because the plugin's memory limit does not count bytes that are kept here.
 *
 * @throws AppError REQUEST_INVALID; the signal's reason
 */
async function bodyFor(method: string, { [SINK]: sink }: OutgoingBody, signal: AbortSignal) {
  if (!/^(get|head)$/i.test(method)) return sink.stream;
  const end = async () => {
    for await (const chunk of sink.stream) {
      if (chunk.length > 0) {
        throw new AppError("REQUEST_INVALID", `A ${method.toUpperCase()} request has no body`);
      }
    }
  };
  await untilAborted(end(), signal);
  return new Uint8Array();
}
