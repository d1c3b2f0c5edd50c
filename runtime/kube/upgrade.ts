/** The upgrade of a request to a WebSocket (RFC 6455 4): its head, and the answer of a server that will not. */

import { printable } from "../text.ts";
import type { Duplex } from "../wasi/connection_streams.ts";
import type { ClusterResponse } from "./cluster.ts";
import { UpgradedConnection } from "./upgraded.ts";
import { acceptOf, type Close, WebSocketConnection } from "./websocket.ts";

/** The most that the head of an answer may hold, in bytes. */
const LARGEST_HEAD = 65536;
/** The most of a refusal's body that is read, in bytes: a Status. */
const LARGEST_REFUSAL = 1 << 20;

/** A server that does not speak HTTP as it should. */
class HandshakeError extends Error {}

/** The head of an answer. */
export interface Head {
  readonly status: number;
  readonly headers: [name: string, value: string][];
  /** What was read behind it. */
  readonly rest: Uint8Array;
}

/** What an upgrade sends. */
export interface UpgradeHead {
  readonly url: URL;
  /** All but what belongs to the upgrade. */
  readonly headers: Headers;
  readonly protocols: readonly string[];
}

/**
 * Asks for the upgrade on a connection that was opened for it.
 *
 * @param closed called with how the upgraded connection ended
 * @returns the upgraded connection, or the answer of a server that refused
 * @throws HandshakeError; what the operating system or TLS has against it
 */
export async function upgrade(
  connection: Duplex,
  { url, headers, protocols }: UpgradeHead,
  closed: (end: Close, connection: UpgradedConnection) => void,
): Promise<UpgradedConnection | ClusterResponse> {
  const key = crypto.getRandomValues(new Uint8Array(16)).toBase64();
  const lines = [
    `GET ${url.pathname}${url.search} HTTP/1.1`,
    `host: ${url.host}`,
    "connection: Upgrade",
    "upgrade: websocket",
    "sec-websocket-version: 13",
    `sec-websocket-key: ${key}`,
    ...(protocols.length === 0 ? [] : [`sec-websocket-protocol: ${protocols.join(", ")}`]),
    ...[...headers].map(([name, value]) => `${name}: ${value}`),
  ];
  await writeAll(connection, latin1(`${lines.join("\r\n")}\r\n\r\n`));
  let head = await readHead(connection, new Uint8Array());
  // Informational answers come before the answer; 101 is one of its own kind.
  for (let count = 0; head.status >= 100 && head.status < 200 && head.status !== 101; count++) {
    if (count === 8) throw new HandshakeError("the server sent informational answers without end");
    head = await readHead(connection, head.rest);
  }
  const shown = head.headers.filter(([name]) => !CONNECTION_HEADERS.has(name));
  if (head.status !== 101) {
    const body = await readRefusal(connection, head);
    connection.close();
    return {
      status: head.status,
      headers: shown,
      body: body.length === 0 ? null : new Response(body).body,
    };
  }
  const value = (name: string) =>
    head.headers.filter(([one]) => one === name).map(([, value]) => value).join(", ");
  if (
    value("upgrade").toLowerCase() !== "websocket" || value("sec-websocket-accept") !== await acceptOf(key)
  ) {
    throw new HandshakeError("the server's upgrade is not to a WebSocket");
  }
  if (value("sec-websocket-extensions") !== "") {
    throw new HandshakeError("the server chose an extension that was not offered");
  }
  const protocol = value("sec-websocket-protocol");
  if (protocol !== "" && !protocols.includes(protocol)) {
    throw new HandshakeError(
      `the server chose the protocol "${printable(protocol, 100)}", which was not offered`,
    );
  }
  return new UpgradedConnection(new WebSocketConnection(connection, head.rest), protocol, shown, closed);
}

const CONNECTION_HEADERS = new Set([
  "connection",
  "content-length",
  "keep-alive",
  "sec-websocket-accept",
  "transfer-encoding",
  "upgrade",
]);

function latin1(text: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(text, (character) => character.charCodeAt(0));
}

async function writeAll(connection: Duplex, bytes: Uint8Array): Promise<void> {
  while (bytes.length > 0) bytes = bytes.subarray(await connection.write(bytes));
}

/** Reads the head of an answer, up to an empty line; `read` was read before. @throws HandshakeError */
export async function readHead(connection: Duplex, read: Uint8Array): Promise<Head> {
  const buffer = new Uint8Array(LARGEST_HEAD);
  buffer.set(read);
  let length = read.length;
  for (let from = 0;;) {
    for (let at = from; at + 3 < length; at++) {
      if (buffer[at] === 13 && buffer[at + 1] === 10 && buffer[at + 2] === 13 && buffer[at + 3] === 10) {
        return { ...parseHead(buffer.subarray(0, at)), rest: buffer.slice(at + 4, length) };
      }
    }
    from = Math.max(0, length - 3);
    if (length === LARGEST_HEAD) throw new HandshakeError("the server sent headers without end");
    const count = await connection.read(buffer.subarray(length));
    if (count === null) throw new HandshakeError("the server closed the connection");
    length += count;
  }
}

/** @throws HandshakeError */
export function parseHead(bytes: Uint8Array): Omit<Head, "rest"> {
  let text = "";
  for (const byte of bytes) text += String.fromCharCode(byte);
  const [first = "", ...lines] = text.split("\r\n");
  const [, status] = /^HTTP\/1\.[01] (\d{3})(?: |$)/.exec(first) ?? [];
  if (status === undefined) {
    throw new HandshakeError(`the server does not speak HTTP: "${printable(first, 80)}"`);
  }
  const headers = lines.map((line): [string, string] => {
    const colon = line.indexOf(":");
    const name = line.slice(0, Math.max(colon, 0));
    // By hand: an expression for the blanks around a value takes the square of their number.
    let [from, to] = [colon + 1, line.length];
    while (from < to && isBlank(line, from)) from++;
    while (to > from && isBlank(line, to - 1)) to--;
    const value = line.slice(from, to);
    if (!TOKEN.test(name) || /[\0\r\n]/.test(value)) {
      throw new HandshakeError(`the server sent a header that is none: "${printable(line, 80)}"`);
    }
    return [name.toLowerCase(), value];
  });
  return { status: Number(status), headers };
}

/** RFC 9110 5.6.2 */
const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;

/** RFC 9110 5.6.3: a space or a tab. */
function isBlank(text: string, at: number): boolean {
  return text[at] === " " || text[at] === "\t";
}

/** The body of an answer that is no upgrade, at most 1 MiB of it. @throws HandshakeError */
async function readRefusal(
  connection: Duplex,
  { headers, rest, status }: Head,
): Promise<Uint8Array<ArrayBuffer>> {
  if (status === 204 || status === 304) return new Uint8Array();
  const chunked = headers.some(([name, value]) => name === "transfer-encoding" && /\bchunked$/i.test(value));
  const given = headers.find(([name]) => name === "content-length")?.[1];
  const length = !chunked && given !== undefined && /^\d{1,15}$/.test(given) ? Number(given) : Infinity;
  const buffer = new Uint8Array(LARGEST_REFUSAL);
  buffer.set(rest.subarray(0, buffer.length));
  let size = rest.length;
  const wanted = Math.min(length, buffer.length);
  while (size < wanted && !(chunked && /(^|\r\n)0+(;[^\r\n]*)?\r\n\r\n$/.test(tail(buffer, size)))) {
    const count = await connection.read(buffer.subarray(size)).catch(() => null);
    if (count === null) break;
    size += count;
  }
  const body = buffer.slice(0, Math.min(size, wanted));
  return chunked ? unchunk(body) : body;
}

function tail(bytes: Uint8Array, end: number): string {
  return String.fromCharCode(...bytes.subarray(Math.max(0, end - 64), end));
}

/** Takes chunks together (RFC 9112 7.1); what is broken or cut ends it. */
export function unchunk(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  const out = new Uint8Array(bytes.length);
  let size = 0;
  for (let at = 0; at < bytes.length;) {
    const end = bytes.indexOf(10, at);
    if (end < 0) break;
    const line = String.fromCharCode(...bytes.subarray(at, Math.min(end, at + 32)));
    const [, hex] = /^([0-9a-f]{1,8})\s*(;|\r|$)/i.exec(line) ?? [];
    const length = parseInt(hex ?? "0", 16);
    if (length === 0) break;
    const chunk = bytes.subarray(end + 1, end + 1 + length);
    out.set(chunk, size);
    size += chunk.length;
    at = end + 1 + length + 2;
  }
  return out.slice(0, size);
}
