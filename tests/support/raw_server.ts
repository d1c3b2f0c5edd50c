/** A server that sends exactly the bytes of a test, even those that a proper HTTP server would never send. */

/** One request's connection. */
export interface RawExchange {
  /** The request's head. */
  readonly head: string;
  /** The number of the connection, from 1. */
  readonly connection: number;
  /** Sends bytes, or a text as bytes. @throws if the client has gone */
  send(data: string | Uint8Array): Promise<void>;
  /** Reads what the client sends after its head; null at the end. */
  read(): Promise<Uint8Array | null>;
  /** Closes the connection at once and discards unsent data. */
  reset(): void;
  /** Resolves when the client has closed the connection. */
  readonly closed: Promise<void>;
}

/** A server on 127.0.0.1, without TLS unless it has a certificate. */
export class RawServer implements Disposable {
  /** Connections so far. */
  connections = 0;
  /** Open connections. */
  open = new Set<Deno.Conn>();
  #listener: Deno.Listener;

  private constructor(
    listener: Deno.Listener,
    private readonly answer: (exchange: RawExchange) => Promise<void>,
  ) {
    this.#listener = listener;
    this.#accept();
  }

  static start(
    answer: (exchange: RawExchange) => Promise<void>,
    pair?: { readonly cert: string; readonly key: string },
  ): RawServer {
    const address = { hostname: "127.0.0.1", port: 0 };
    return new RawServer(pair ? Deno.listenTls({ ...address, ...pair }) : Deno.listen(address), answer);
  }

  get port(): number {
    return (this.#listener.addr as Deno.NetAddr).port;
  }

  /** A kubeconfig for this server. */
  kubeconfig(cluster: object = {}, user: object = {}): string {
    return JSON.stringify({
      "current-context": "x",
      clusters: [{ name: "c", cluster: { server: `http://127.0.0.1:${this.port}`, ...cluster } }],
      users: [{ name: "u", user }],
      contexts: [{ name: "x", context: { cluster: "c", user: "u" } }],
    });
  }

  [Symbol.dispose](): void {
    this.#listener.close();
    for (const connection of this.open) close(connection);
  }

  async #accept(): Promise<void> {
    try {
      for await (const connection of this.#listener) {
        this.connections++;
        this.open.add(connection);
        this.#serve(connection, this.connections).catch(() => {}).finally(() => {
          close(connection);
          this.open.delete(connection);
        });
      }
    } catch { /* it is closed */ }
  }

  /** Serves the requests of one connection in order, until an answer closes it. */
  async #serve(connection: Deno.Conn, number: number): Promise<void> {
    let rest = new Uint8Array();
    for (;;) {
      let end = headEnd(rest);
      while (end < 0) {
        const more = await readSome(connection);
        if (more === null) return;
        rest = join(rest, more);
        end = headEnd(rest);
      }
      const head = new TextDecoder("latin1").decode(rest.subarray(0, end));
      rest = rest.subarray(end);
      const closed = Promise.withResolvers<void>();
      let reading: Promise<Uint8Array | null> | undefined;
      const next = () =>
        reading ??= readSome(connection).then((bytes) => {
          reading = undefined;
          if (bytes === null) closed.resolve();
          return bytes;
        }, () => {
          closed.resolve();
          return null;
        });
      // Only reading reveals the end of a connection. The answer reads the request's body before.
      const watching = () => void next().then((bytes) => bytes && (rest = join(rest, bytes)));
      const exchange: RawExchange = {
        head,
        connection: number,
        async send(data) {
          const bytes = typeof data === "string" ? new TextEncoder().encode(data) : data;
          for (let sent = 0; sent < bytes.length;) sent += await connection.write(bytes.subarray(sent));
        },
        async read() {
          if (rest.length > 0) {
            const bytes = rest;
            rest = new Uint8Array();
            return bytes;
          }
          return await next();
        },
        reset: () => close(connection),
        get closed() {
          watching();
          return closed.promise;
        },
      };
      await this.answer(exchange);
      if (reading !== undefined) {
        // Another reader waits for the client, and gets the head of the next request.
        const bytes = await reading;
        if (bytes === null) return;
      }
    }
  }
}

async function readSome(connection: Deno.Conn): Promise<Uint8Array<ArrayBuffer> | null> {
  const buffer = new Uint8Array(65536);
  const count = await connection.read(buffer);
  return count === null ? null : buffer.subarray(0, count);
}

function headEnd(bytes: Uint8Array): number {
  for (let at = 3; at < bytes.length; at++) {
    if (bytes[at] === 10 && bytes[at - 1] === 13 && bytes[at - 2] === 10 && bytes[at - 3] === 13) {
      return at + 1;
    }
  }
  return -1;
}

function join(one: Uint8Array, other: Uint8Array): Uint8Array<ArrayBuffer> {
  const both = new Uint8Array(one.length + other.length);
  both.set(one);
  both.set(other, one.length);
  return both;
}

function close(connection: Deno.Conn): void {
  try {
    connection.close();
  } catch { /* it is closed */ }
}
