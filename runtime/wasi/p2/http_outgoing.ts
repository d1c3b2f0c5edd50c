/** What a component sends: wasi:http/types.request-options, outgoing-body, outgoing-request and outgoing-response. */

// deno-lint-ignore-file no-throw-literal -- jco passes a thrown value other than an Error to the guest as the error
// value

import { latin1 } from "../../base/bytes.ts";
import { isToken } from "../../base/http_token.ts";
import type { Kept } from "../host_memory.ts";
import { BodySink, HIGH_WATER } from "../streams/body.ts";
import { END, Fields, LENGTH, LOCK, VIEW } from "./http_fields.ts";
import { keptMemory } from "./http_memory.ts";
import { OutputStream } from "./io.ts";
import { CONSTRUCTED } from "./resources.ts";

type Method = { tag: string; val?: string };
type Scheme = { tag: "HTTP" } | { tag: "HTTPS" } | { tag: "other"; val: string };

/** The parts of a request for the cluster. */
export const PARTS = Symbol("parts");
/** The sink of a body. */
export const SINK = Symbol("sink");

/** The longest method, in characters. */
const MAX_NAME = 100;

/** wasi:http/types.request-options. Durations in nanoseconds. */
export class RequestOptions {
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
export class OutgoingBody {
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
export class OutgoingRequest {
  static readonly [CONSTRUCTED] = true;
  #method: Method = { tag: "get" };
  #path: string | undefined;
  #scheme: Scheme | undefined;
  #authority: string | undefined;
  #headers: Fields;
  #body: OutgoingBody | undefined;
  #kept: Kept = keptMemory();
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

/** wasi:http/types.outgoing-response: can be made but not sent, because a plugin is a command. */
export class OutgoingResponse {
  static readonly [CONSTRUCTED] = true;
  #status = 200;
  #headers: Fields;
  #body: OutgoingBody | undefined;
  #kept: Kept = keptMemory();

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
