/** A proxy for tests: CONNECT and plain requests over HTTP or HTTPS, or SOCKS5. It records each request. */

import type { Pair } from "../../scripts/servers/certificates.ts";

/** A request to the proxy. */
export interface SeenTunnel {
  /** `host:port`, or the absolute URL of a plain request. */
  readonly target: string;
  /** `user:password`, or undefined. */
  readonly credentials: string | undefined;
}

/** A proxy on 127.0.0.1. */
export class TestProxy implements Disposable {
  readonly seen: SeenTunnel[] = [];
  #listener: Deno.Listener;
  #open = new Set<Deno.Conn>();

  private constructor(readonly scheme: "http" | "https" | "socks5", pair?: Pair, readonly leadsTo?: number) {
    const address = { hostname: "127.0.0.1", port: 0 };
    this.#listener = pair ? Deno.listenTls({ ...address, ...pair }) : Deno.listen(address);
    this.#accept();
  }

  /** @param leadsTo a local port that replaces every requested destination */
  static start(scheme: "http" | "socks5", leadsTo?: number): TestProxy {
    return new TestProxy(scheme, undefined, leadsTo);
  }

  static startTls(pair: Pair): TestProxy {
    return new TestProxy("https", pair);
  }

  /** Its URL. */
  url(credentials = ""): string {
    const { port } = this.#listener.addr as Deno.NetAddr;
    return `${this.scheme}://${credentials === "" ? "" : `${credentials}@`}127.0.0.1:${port}`;
  }

  [Symbol.dispose](): void {
    this.#listener.close();
    for (const connection of this.#open) close(connection);
  }

  async #accept(): Promise<void> {
    try {
      for await (const connection of this.#listener) {
        this.#open.add(connection);
        this.#serve(connection).catch(() => close(connection)).finally(() => this.#open.delete(connection));
      }
    } catch { /* it is closed */ }
  }

  async #serve(client: Deno.Conn): Promise<void> {
    const read = async () => {
      const buffer = new Uint8Array(65536);
      return buffer.subarray(0, await client.read(buffer) ?? 0);
    };
    const first = await read();
    const [target, rest] = first[0] === 5
      ? [await this.#socks(client, first, read), undefined]
      : this.#http(first);
    const [, host = "", port = ""] = /^(.*):(\d+)$/.exec(target)!;
    const server = await Deno.connect(
      this.leadsTo === undefined
        ? { hostname: host.replace(/^\[|\]$/g, ""), port: Number(port) }
        : { hostname: "127.0.0.1", port: this.leadsTo },
    );
    this.#open.add(server);
    if (first[0] === 5) await client.write(Uint8Array.of(5, 0, 0, 1, 0, 0, 0, 0, 0, 0));
    else if (rest === undefined) await client.write(new TextEncoder().encode("HTTP/1.1 200 OK\r\n\r\n"));
    else await server.write(rest);
    try {
      await Promise.all([client.readable.pipeTo(server.writable), server.readable.pipeTo(client.writable)]);
    } catch { /* one of them has gone */ }
    close(server);
    this.#open.delete(server);
  }

  #http(first: Uint8Array): [target: string, rest: Uint8Array<ArrayBuffer> | undefined] {
    const head = new TextDecoder("latin1").decode(first);
    const [, method, target = ""] = /^(\S+) (\S+) /.exec(head)!;
    const basic = /^proxy-authorization: basic (\S+)/im.exec(head)?.[1];
    this.seen.push({ target, credentials: basic && atob(basic) });
    if (method === "CONNECT") return [target, undefined];
    const url = new URL(target);
    const forwarded = head.replace(target, `${url.pathname}${url.search}`);
    return [
      `${url.hostname}:${url.port || 80}`,
      Uint8Array.from(forwarded, (character) => character.charCodeAt(0)),
    ];
  }

  /** RFC 1928, RFC 1929 */
  async #socks(client: Deno.Conn, hello: Uint8Array, read: () => Promise<Uint8Array>): Promise<string> {
    const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
    const asks = hello.subarray(2).includes(2);
    await client.write(Uint8Array.of(5, asks ? 2 : 0));
    let credentials: string | undefined;
    if (asks) {
      const login = await read();
      const end = 2 + login[1]!;
      credentials = `${text(login.subarray(2, end))}:${text(login.subarray(end + 1))}`;
      await client.write(Uint8Array.of(1, 0));
    }
    const wish = await read();
    const port = (wish.at(-2)! << 8) + wish.at(-1)!;
    const host = wish[3] === 3
      ? text(wish.subarray(5, -2))
      : wish[3] === 1
      ? wish.subarray(4, -2).join(".")
      : "[::1]";
    this.seen.push({ target: `${host}:${port}`, credentials });
    return `${host}:${port}`;
  }
}

function close(connection: Deno.Conn): void {
  try {
    connection.close();
  } catch { /* it is closed */ }
}
