/**
 * Serves exec over SPDY in front of the tests' API server: it answers the upgrade and passes the rest to the kubelet of
 * tests/support/kubelet.ts.
 */

import type { TestApiServer } from "../../scripts/servers/api_server.ts";
import { type RawExchange, RawServer } from "./raw_server.ts";

/** A server under the API server's authority. */
export interface SpdyFront extends Disposable {
  readonly url: string;
  /** The heads of the requests. */
  readonly heads: readonly string[];
}

/** Starts it. @param kubelet its port */
export async function startSpdyFront(api: TestApiServer, kubelet: number): Promise<SpdyFront> {
  const heads: string[] = [];
  const pair = await api.authority.issue({ commonName: "kube-apiserver", hosts: ["127.0.0.1"] });
  const server = RawServer.start(async (exchange) => {
    heads.push(exchange.head);
    if (!/^authorization: bearer secret-token/im.test(exchange.head)) {
      await exchange.send("HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n");
    } else if (/^upgrade: spdy\/3\.1/im.test(exchange.head)) await tunnel(exchange, kubelet);
    else await exchange.send("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n");
  }, pair);
  return { url: `https://127.0.0.1:${server.port}`, heads, [Symbol.dispose]: () => server[Symbol.dispose]() };
}

async function tunnel(exchange: RawExchange, port: number): Promise<void> {
  using connection = await Deno.connect({ hostname: "127.0.0.1", port });
  await exchange.send(
    "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\n" +
      "X-Stream-Protocol-Version: v4.channel.k8s.io\r\n\r\n",
  );
  const writer = connection.writable.getWriter();
  const back = (async () => {
    for await (const bytes of connection.readable) await exchange.send(bytes);
  })().catch(() => {}); // the client has gone
  for (let bytes = await exchange.read(); bytes !== null; bytes = await exchange.read()) {
    await writer.write(bytes as Uint8Array<ArrayBuffer>);
  }
  await writer.close();
  await back;
  exchange.reset();
}
