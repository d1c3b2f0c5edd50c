/** Asks a proxy for a tunnel: CONNECT (RFC 9110 9.3.6) and SOCKS5 (RFC 1928, 1929). */

import { encodeBase64 } from "../../base/bytes.ts";
import type { Duplex } from "../../wasi/streams/connection_streams.ts";
import type { Place } from "../config/places.ts";
import { readHead } from "../http/http_head.ts";
import { Input } from "../http/http_input.ts";
import { writeAll } from "../http/http_body.ts";
import { userinfoOfProxy } from "../http/cluster_proxy.ts";
import { ProxyError } from "../http/proxy_error.ts";

/**
 * Asks the proxy at the other end for a tunnel to a place. Afterwards the connection is the tunnel.
 *
 * @throws ProxyError; HttpError; the error of the operating system or TLS
 */
export async function askProxy(way: Duplex, proxy: URL, place: Place): Promise<Duplex> {
  const { username, password } = userinfoOfProxy(proxy);
  if (/^socks5h?:$/.test(proxy.protocol)) {
    await askSocks(way, place, username, password);
    return way;
  }
  const host = place.hostname.includes(":") ? `[${place.hostname}]` : place.hostname;
  const lines = [
    `CONNECT ${host}:${place.port} HTTP/1.1`,
    `host: ${host}:${place.port}`,
    ...(username === "" && password === ""
      ? []
      : [`proxy-authorization: Basic ${encodeBase64(`${username}:${password}`)}`]),
  ];
  await writeAll(way, new TextEncoder().encode(`${lines.join("\r\n")}\r\n\r\n`));
  const input = new Input(way);
  const { status } = await readHead(input);
  if (status < 200 || status > 299) throw new ProxyError(`it answered ${status}`);
  const rest = input.take(Infinity);
  return rest.length === 0 ? way : withRest(way, rest);
}

async function askSocks(
  way: Duplex,
  { hostname, port }: Place,
  username: string,
  password: string,
): Promise<void> {
  const named = username !== "" || password !== "";
  await writeAll(way, new Uint8Array(named ? [5, 2, 0, 2] : [5, 1, 0]));
  const [version, method] = await readExactly(way, 2);
  if (version !== 5) throw new ProxyError("it does not speak SOCKS5");
  if (method === 2 && named) {
    if (username === "") throw new ProxyError("it wants a user name, and proxy-url has a password only");
    const [name, word] = [username, password].map((text) => new TextEncoder().encode(text));
    if (name!.length > 255 || word!.length > 255) {
      throw new ProxyError("SOCKS5 takes user names and passwords of up to 255 bytes");
    }
    await writeAll(way, new Uint8Array([1, name!.length, ...name!, word!.length, ...word!]));
    const [, answer] = await readExactly(way, 2);
    if (answer !== 0) throw new ProxyError("it refused the user name and password");
  } else if (method !== 0) throw new ProxyError("it asks for another kind of authentication");
  // As net/http: the proxy resolves names.
  const name = new TextEncoder().encode(hostname);
  const v4 = /^\d+(\.\d+){3}$/.test(hostname) ? hostname.split(".").map(Number) : undefined;
  const address = v4
    ? [1, ...v4]
    : hostname.includes(":")
    ? [4, ...v6Bytes(hostname)]
    : [3, name.length, ...name];
  await writeAll(way, new Uint8Array([5, 1, 0, ...address, port >> 8, port & 255]));
  const [, answer, , kind] = await readExactly(way, 4);
  if (answer !== 0) throw new ProxyError(`it answered ${answer} (RFC 1928)`);
  const length = kind === 1 ? 4 : kind === 4 ? 16 : (await readExactly(way, 1))[0]!;
  await readExactly(way, length + 2);
}

function v6Bytes(hostname: string): number[] {
  const [head = "", tail] = hostname.split("::");
  const groups = (part: string) => part === "" ? [] : part.split(":").map((group) => parseInt(group, 16));
  const [front, back] = [groups(head), groups(tail ?? "")];
  const all = [...front, ...new Array<number>(8 - front.length - back.length).fill(0), ...back];
  return all.flatMap((group) => [group >> 8, group & 255]);
}

async function readExactly(way: Duplex, length: number): Promise<Uint8Array> {
  const bytes = new Uint8Array(length);
  for (let at = 0; at < length;) {
    const count = await way.read(bytes.subarray(at));
    if (count === null) throw new ProxyError("it closed the connection");
    at += count;
  }
  return bytes;
}

function withRest(way: Duplex, rest: Uint8Array): Duplex {
  return {
    read(into) {
      if (rest.length === 0) return way.read(into);
      const count = Math.min(into.length, rest.length);
      into.set(rest.subarray(0, count));
      rest = rest.subarray(count);
      return Promise.resolve(count);
    },
    write: (bytes) => way.write(bytes),
    closeWrite: () => way.closeWrite(),
    close: () => way.close(),
  };
}
