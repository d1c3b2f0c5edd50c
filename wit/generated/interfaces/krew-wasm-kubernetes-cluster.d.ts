/** @module Interface krew-wasm:kubernetes/cluster@0.1.2 **/
/**
 * Returns the cluster. Sends no request.
 */
export function current(): Connection;
/**
 * Sends a request and waits for the response's head.
 */
export function send(request: Request): Response;
/**
 * Starts a request with a streamed body. A 401 is final, because the host does not keep the body to send it again.
 * Since 0.1.2.
 */
export function start(head: RequestHead): Upload;
export type Pollable = import('./wasi-io-poll.d.ts').Pollable;
export type InputStream = import('./wasi-io-streams.d.ts').InputStream;
export type OutputStream = import('./wasi-io-streams.d.ts').OutputStream;
/**
 * The cluster that receives the requests.
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
   * The default namespace: `-n`, else the context's, else `default`.
   */
  namespace: string,
}
/**
 * The reason why a request has no response. The strings are sentences for people.
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
 * The host cannot get the user's credentials.
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
   * The host drops `Authorization`, `Host`, `Impersonate-…` and headers of the connection, and sets its own.
   */
  headers: Array<[string, string]>,
  body?: Uint8Array,
}
/**
 * A request whose body follows. Since 0.1.2.
 */
export interface RequestHead {
  /**
   * Any method except `GET` and `HEAD`, which have no body.
   */
  method: string,
  /**
   * As in `request`.
   */
  path: string,
  /**
   * As in `request`. `finish` checks the body against a `content-length`. The host sends the body in chunks anyway.
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
  * The body, streamed: a watch arrives line by line. A read returns one piece, which may end within a line or a
  * character, so read until the stream is closed. Can be called once. Dropping the stream closes the connection.
  */
  body(): InputStream;
}

export class Upload {
  /**
   * This type does not have a public constructor.
   */
  private constructor();
  /**
  * The stream for the body. Writes wait until the server accepts more, and a flush waits until the host has sent the
  * bytes. The stream closes when the server accepts no more. If the grants refuse the request, the host discards the
  * body. Can be called once.
  */
  body(): OutputStream;
  /**
  * Ends the body. An error means that its length differs from `content-length`; the request has then failed.
  */
  finish(): void;
  /**
  * Waits for the response's head. Can be called once; later calls return `invalid`.
  */
  response(): Response;
  /**
  * Ready when `response` returns at once.
  */
  subscribe(): Pollable;
}
