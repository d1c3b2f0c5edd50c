/** @module Interface krew-wasm:kubernetes/upgrade@0.1.2 **/
/**
 * Asks for the upgrade and waits for the answer.
 */
export function open(request: Request): Connection;
export type Pollable = import('./wasi-io-poll.d.ts').Pollable;
export type InputStream = import('./wasi-io-streams.d.ts').InputStream;
export type OutputStream = import('./wasi-io-streams.d.ts').OutputStream;
export type Error = import('./krew-wasm-kubernetes-cluster.d.ts').Error;
export type Response = import('./krew-wasm-kubernetes-cluster.d.ts').Response;
/**
 * A request for a WebSocket.
 */
export interface Request {
  /**
   * Path and query below the API server's URL:
   * `/api/v1/namespaces/default/pods/web/exec?command=date&stdout=true`.
   */
  path: string,
  /**
   * As of `cluster`'s requests; what belongs to the upgrade is the host's.
   */
  headers: Array<[string, string]>,
  /**
   * Subprotocols, the most wanted first: `v5.channel.k8s.io` for exec and attach,
   * `SPDY/3.1+portforward.k8s.io` for port-forward.
   */
  protocols: Array<string>,
}
/**
 * Why there is no connection.
 */
export type Refusal = RefusalRefused | RefusalFailed;
/**
 * The server answered otherwise, commonly with a Status: 403, 404.
 */
export interface RefusalRefused {
  tag: 'refused',
  val: Response,
}
/**
 * There is no answer.
 */
export interface RefusalFailed {
  tag: 'failed',
  val: Error,
}
/**
 * How a connection ended.
 */
export interface CloseReason {
  /**
   * A code of RFC 6455 7.4.1, 1000 for as it should; 1006 when the connection broke.
   */
  code: number,
  reason: string,
}
export interface Message {
  text: boolean,
  data: Uint8Array,
}

export class Connection {
  /**
   * This type does not have a public constructor.
   */
  private constructor();
  /**
  * The subprotocol that the server chose; empty for none.
  */
  protocol(): string;
  /**
  * What comes on a channel of a `channel.k8s.io` protocol: of exec and attach, 1 is stdout, 2 stderr, 3 a
  * Status in JSON with the exit code among its `details.causes`.
  * 
  * The stream ends where the server closes the channel, or the connection with code 1000; otherwise its last
  * operation fails. An error if the connection is used otherwise, or its protocol has no channels.
  */
  input(channel: number): InputStream;
  /**
  * Where to write to a channel: of exec and attach, 0 is stdin, 4 takes `{"Width":80,"Height":24}`. Dropping
  * the stream closes the channel, so that the command sees the end of its input (from v5 on).
  */
  output(channel: number): OutputStream;
  /**
  * The payload of all messages, as one stream of bytes.
  */
  inputBytes(): InputStream;
  /**
  * Bytes to send, in messages of any size. Dropping the stream closes the connection.
  */
  outputBytes(): OutputStream;
  /**
  * The next message, at most 16 MiB. Never waits: `none` when none has come yet.
  * 
  * The error is how the connection ended, after the last message.
  */
  receive(): Message | undefined;
  /**
  * Ready when `receive` has something to say.
  */
  subscribeReceive(): Pollable;
  /**
  * Sends a message, at most 16 MiB. Never waits: `false` when there is no room now.
  */
  send(message: Message): boolean;
  /**
  * Ready when `send` has room.
  */
  subscribeSend(): Pollable;
  /**
  * How it ended; `none` while it has not.
  */
  closed(): CloseReason | undefined;
  /**
  * Closes it with a code (1000, or 3000 to 4999) and a reason of at most 123 bytes. What the server sends until it
  * closes as well can be read.
  */
  close(code: number, reason: string): void;
}
