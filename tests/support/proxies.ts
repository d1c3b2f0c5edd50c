/** Proxies for tests: CONNECT over HTTP, and SOCKS5, with user name and password. */

/** A proxy on loopback. */
export interface TestProxy extends AsyncDisposable {
  readonly url: string;
  /** `host:port` of each request. */
  readonly asked: string[];
}

/** Starts a proxy that accepts `jane` with the password `s3cret`. */
export function startProxy(kind: "http" | "socks5"): TestProxy {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const asked: string[] = [];
  const open = new Set<Deno.TcpConn>();
  (async () => {
    for await (const connection of listener) {
      open.add(connection);
      (kind === "http" ? serveConnect : serveSocks)(connection, asked, open).catch(() => {});
    }
  })();
  return {
    url: `${kind}://jane:s3cret@127.0.0.1:${listener.addr.port}`,
    asked,
    [Symbol.asyncDispose]() {
      listener.close();
      for (const connection of open) close(connection);
      return Promise.resolve();
    },
  };
}

function close(connection: Deno.TcpConn): void {
  try {
    connection.close();
  } catch { /* it is closed */ }
}

async function lead(connection: Deno.TcpConn, place: string, open: Set<Deno.TcpConn>): Promise<void> {
  const [, hostname = "", port = ""] = /^\[?(.*?)\]?:(\d+)$/.exec(place) ?? [];
  const server = await Deno.connect({ hostname, port: Number(port) });
  open.add(server);
  await Promise.all([
    connection.readable.pipeTo(server.writable),
    server.readable.pipeTo(connection.writable),
  ]);
}

async function serveConnect(
  connection: Deno.TcpConn,
  asked: string[],
  open: Set<Deno.TcpConn>,
): Promise<void> {
  const buffer = new Uint8Array(4096);
  const head = new TextDecoder().decode(buffer.subarray(0, await connection.read(buffer) ?? 0));
  const [, place = ""] = /^CONNECT (\S+) HTTP\/1\.1\r\n/.exec(head) ?? [];
  const [, credentials] = /^proxy-authorization: basic (\S+)\r$/im.exec(head) ?? [];
  const allowed = credentials === btoa("jane:s3cret");
  await connection.write(
    new TextEncoder().encode(
      allowed
        ? "HTTP/1.1 200 Connection established\r\n\r\n"
        : "HTTP/1.1 407 Proxy Authentication Required\r\n\r\n",
    ),
  );
  if (!allowed) return close(connection);
  asked.push(place);
  await lead(connection, place, open);
}

async function serveSocks(connection: Deno.TcpConn, asked: string[], open: Set<Deno.TcpConn>): Promise<void> {
  const read = async () => {
    const buffer = new Uint8Array(600);
    return buffer.subarray(0, await connection.read(buffer) ?? 0);
  };
  await read();
  await connection.write(new Uint8Array([5, 2]));
  const login = await read();
  const allowed = new TextDecoder().decode(login.subarray(2)) === "jane\u0006s3cret";
  await connection.write(new Uint8Array([1, allowed ? 0 : 1]));
  if (!allowed) return close(connection);
  const request = await read();
  const port = request.at(-2)! * 256 + request.at(-1)!;
  const host = request[3] === 1
    ? request.subarray(4, 8).join(".")
    : new TextDecoder().decode(request.subarray(5, -2));
  await connection.write(new Uint8Array([5, 0, 0, 1, 0, 0, 0, 0, 0, 0]));
  asked.push(`${host}:${port}`);
  await lead(connection, `${host}:${port}`, open);
}
