/** @module Interface krew-wasm:kubernetes/cluster@0.1.2 **/
/**
 * Which cluster this is. No request is made.
 */
export function current(): Connection;
/**
 * Sends a request and waits for the response's head.
 */
export function send(request: Request): Response;
/**
 * Begins a request whose body is written as it is made. An answer of 401 is final: what has been sent is not sent again.
 * Since 0.1.2.
 */
export function start(head: RequestHead): Upload;
export type Pollable = import('./wasi-io-poll.d.ts').Pollable;
export type InputStream = import('./wasi-io-streams.d.ts').InputStream;
export type OutputStream = import('./wasi-io-streams.d.ts').OutputStream;
/**
 * Which cluster requests go to.
 */
export interface Connection {
  /**
   * Name of the kubeconfig context; empty inside a Pod.
   */
  context: string,
  /**
   * URL of the API server, without a trailing slash.
   */
  server: string,
  /**
   * The namespace to use where the user named none: `-n`, else the context's, else `default`.
   */
  namespace: string,
}
/**
 * Why a request has no response. The strings are sentences for people.
 */
export type Error = ErrorNoCluster | ErrorDenied | ErrorInvalid | ErrorCredentials | ErrorUnreachable;
/**
 * There is no kubeconfig, no current context, or it can't be used.
 */
export interface ErrorNoCluster {
  tag: 'no-cluster',
  val: string,
}
/**
 * The plugin may not make this request.
 */
export interface ErrorDenied {
  tag: 'denied',
  val: string,
}
/**
 * The request is malformed.
 */
export interface ErrorInvalid {
  tag: 'invalid',
  val: string,
}
/**
 * The user's credentials can't be had.
 */
export interface ErrorCredentials {
  tag: 'credentials',
  val: string,
}
/**
 * The API server can't be reached, or its certificate is not the cluster's.
 */
export interface ErrorUnreachable {
  tag: 'unreachable',
  val: string,
}
/**
 * A request to the API server.
 */
export interface Request {
  /**
   * An HTTP method: `GET`, `POST`, …
   */
  method: string,
  /**
   * Path and query below the API server's URL: `/api/v1/namespaces/default/pods?watch=true`.
   */
  path: string,
  /**
   * `Authorization`, `Host`, `Impersonate-…` and what belongs to the connection are the host's: dropped.
   */
  headers: Array<[string, string]>,
  body?: Uint8Array,
}
/**
 * A request whose body follows. Since 0.1.2.
 */
export interface RequestHead {
  /**
   * Any but `GET` and `HEAD`, which have no body.
   */
  method: string,
  /**
   * As of `request`.
   */
  path: string,
  /**
   * As of `request`. A `content-length` is what `finish` holds the body to; it is sent in chunks all the same.
   */
  headers: Array<[string, string]>,
}

export class Response {
  /**
   * This type does not have a public constructor.
   */
  private constructor();
  status(): number;
  /**
  * Names in lower case.
  */
  headers(): Array<[string, string]>;
  /**
  * The body as it comes, so that a watch is seen line by line. A read returns one piece, which may end within a line or a
  * character: read until the stream is closed. Can be taken once; dropping the stream closes the connection.
  */
  body(): InputStream;
}

export class Upload {
  /**
   * This type does not have a public constructor.
   */
  private constructor();
  /**
  * Where to write the body. It takes as much as the server does: what is written waits for that, and a flush until it is on
  * its way. The stream is closed once the server takes no more of it; what is written to a request that the grants refuse
  * is thrown away. Can be taken once.
  */
  body(): OutputStream;
  /**
  * The body is whole. An error if it has another length than `content-length` says: the request has failed then.
  */
  finish(): void;
  /**
  * Waits for the response's head. Can be taken once; `invalid` after that.
  */
  response(): Response;
  /**
  * Ready when `response` has no need to wait.
  */
  subscribe(): Pollable;
}
