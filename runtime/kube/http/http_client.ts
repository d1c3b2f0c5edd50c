/** Keeps connections to one server for the next request, as net/http's Transport does. */

import type { Duplex } from "../../wasi/streams/connection_streams.ts";
import { type HttpAnswer, HttpConnection, type HttpRequest } from "./http_connection.ts";

/** The longest time that a connection may be idle, in milliseconds: net/http's own limit. */
const LONGEST_IDLE = 90_000;

/** A client for one server, with one certificate. */
export class HttpClient {
  #dial: (signal: AbortSignal | undefined) => Promise<Duplex>;
  #idle: HttpConnection[] = [];
  #closed = false;

  /** @param dial opens a connection for HTTP/1.1, or throws the signal's reason */
  constructor(dial: (signal: AbortSignal | undefined) => Promise<Duplex>) {
    this.#dial = dial;
  }

  /**
   * Sends a request, on an idle connection if there is one.
   *
   * @param told gets whether the connection had been used before
   * @throws as HttpConnection.exchange, and the error of a failed connect
   */
  async send(request: HttpRequest, told: (reused: boolean) => void = () => {}): Promise<HttpAnswer> {
    let connection: HttpConnection | undefined;
    while (!connection && this.#idle.length > 0) {
      const last = this.#idle.pop()!;
      if (last.isFresh(LONGEST_IDLE)) connection = last;
      else last.close();
    }
    told(connection !== undefined);
    connection ??= new HttpConnection(await this.#dial(request.signal));
    const taken = connection;
    return await taken.exchange(request, () => {
      if (this.#closed) taken.close();
      else this.#idle.push(taken);
    });
  }

  /** Closes idle connections now, and the others after their request. */
  close(): void {
    this.#closed = true;
    this.drain();
  }

  /** Closes idle connections: the next request opens its own. */
  drain(): void {
    for (const connection of this.#idle.splice(0)) connection.close();
  }
}
