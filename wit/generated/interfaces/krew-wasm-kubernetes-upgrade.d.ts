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
   * As in `cluster`'s requests. The host sets the headers of the upgrade.
   */
  headers: Array<[string, string]>,
  /**
   * Subprotocols in order of preference: `v5.channel.k8s.io` for exec and attach,
   * `SPDY/3.1+portforward.k8s.io` for port-forward.
   */
  protocols: Array<string>,
}
/**
 * The reason why there is no connection.
 */
export type Refusal = RefusalRefused | RefusalFailed;
/**
 * The server answered with another status, such as 403 or 404. The body is usually a Status.
 */
export interface RefusalRefused {
  tag: 'refused',
  val: Response,
}
/**
 * The server did not answer.
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
   * A code of RFC 6455, section 7.4.1: 1000 for a normal end, 1006 if the connection broke.
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
  * Input of a channel of a `channel.k8s.io` protocol. For exec and attach, 1 is stdout, 2 is stderr, and 3 is a
  * Status in JSON with the exit code in its `details.causes`.
  * 
  * The stream ends when the server closes the channel, or the connection with code 1000. Otherwise its last
  * operation fails. An error if the connection is used in another way, or its protocol has no channels.
  */
  input(channel: number): InputStream;
  /**
  * Output to a channel. For exec and attach, 0 is stdin, and 4 takes `{"Width":80,"Height":24}`. From v5 on,
  * dropping the stream closes the channel, so that the command sees the end of its input.
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
  * Returns the next message, at most 16 MiB. Never waits: `none` if no message has arrived yet.
  * 
  * After the last message, the error says how the connection ended.
  */
  receive(): Message | undefined;
  /**
  * Ready when `receive` returns a message or the end.
  */
  subscribeReceive(): Pollable;
  /**
  * Sends a message, at most 16 MiB. Never waits: `false` if the send buffer is full.
  */
  send(message: Message): boolean;
  /**
  * Ready when `send` accepts a message.
  */
  subscribeSend(): Pollable;
  /**
  * Returns how the connection ended; `none` while it is open.
  */
  closed(): CloseReason | undefined;
  /**
  * Closes the connection with a code (1000, or 3000 to 4999) and a reason of at most 123 bytes. The plugin can still
  * read what the server sends before it closes, too.
  */
  close(code: number, reason: string): void;
}
