/**
 * Parses the head of a request on a plugin's socket (RFC 9112). It refuses a head that two parsers could read
 * differently. Pure.
 */

import { isToken } from "../../base/http_token.ts";
import { printable } from "../../base/text.ts";
import { HOP_BY_HOP } from "../http/headers.ts";
import { toText } from "../http/header_text.ts";
import type { Framing } from "../http/http_body.ts";

/** A request that is answered with an error and nothing else. The connection ends with it. */
export class BadRequest extends Error {
  constructor(readonly status: 400 | 405 | 413 | 417 | 431 | 501 | 503 | 505, message: string) {
    super(message);
  }
}

/** A request's head. */
export interface RequestHead {
  readonly method: string;
  /** As it was sent: a path with its query, or a URL. */
  readonly target: string;
  /** Of HTTP/1: 0 or 1. */
  readonly minor: number;
  /** Without the connection's own headers. Names in lower case; in values each character is one byte. */
  readonly headers: readonly (readonly [name: string, value: string])[];
  /** Undefined for HTTP/1.0 without one. */
  readonly host: string | undefined;
  /** Where the body ends. */
  readonly framing: Exclude<Framing, "connection">;
  /** Whether the client wants another request on the same connection. */
  readonly keepsAlive: boolean;
  /** The client waits for 100 (Continue) before it sends the body. */
  readonly expectsContinue: boolean;
  /** The protocol the connection is to become, in lower case. */
  readonly upgrade: "websocket" | "spdy/3.1" | undefined;
}

/** RFC 9110 5.5, without blanks at either end. */
const VALUE = /^[\t\x20-\x7e\x80-\xff]*$/;
/** RFC 3986 without a fragment: nothing that needs an escape. */
const TARGET = /^[!-"$-~]+$/;

/**
 * Parses a head.
 *
 * @param text a character for each byte, without the empty line that ends it
 * @throws BadRequest
 */
export function parseRequestHead(text: string): RequestHead {
  const [first = "", ...lines] = text.split("\r\n");
  if (/[\r\n\0]/.test(text.replaceAll("\r\n", ""))) bad("a line that does not end in CR LF, or a NUL");
  const { method, target, minor } = parseFirstLine(first);
  const headers = lines.map(parseLine);
  const values = (name: string) => headers.filter(([each]) => each === name).map(([, value]) => value);
  const tokens = (name: string) =>
    values(name).flatMap((value) => value.toLowerCase().split(",")).map(trimmed).filter((each) =>
      each !== ""
    );
  const hosts = values("host");
  if (hosts.length > 1 || minor === 1 && hosts.length === 0) bad("not exactly one Host header");
  const connection = tokens("connection");
  const framing = framingOf(minor, values("transfer-encoding"), values("content-length"));
  const expected = tokens("expect");
  if (minor === 1 && expected.some((each) => each !== "100-continue")) {
    throw new BadRequest(417, "The request expects something else than 100-continue");
  }
  const upgrade = minor === 1 && connection.includes("upgrade") ? upgradeOf(tokens("upgrade")) : undefined;
  if (upgrade !== undefined && framing !== "none") bad("an upgrade with a body");
  return {
    method,
    target,
    minor,
    headers: headers.filter(([name]) => !OF_THE_CONNECTION.has(name) && !connection.includes(name)),
    host: hosts[0],
    framing,
    keepsAlive: minor === 1 && !connection.includes("close"),
    expectsContinue: minor === 1 && expected.length > 0 && framing !== "none",
    upgrade,
  };
}

const OF_THE_CONNECTION: ReadonlySet<string> = new Set([...HOP_BY_HOP, "content-length", "expect", "host"]);

function bad(what: string): never {
  throw new BadRequest(400, `The request has ${what}`);
}

function parseFirstLine(line: string): { method: string; target: string; minor: number } {
  const [, method = "", target = "", major, minor] = /^([^ ]+) ([^ ]+) HTTP\/(\d)\.(\d)$/.exec(line) ?? [];
  if (major === undefined || !isToken(method) || !TARGET.test(target)) {
    bad(`a first line that is none of HTTP/1.1: "${printable(toText(line), 80)}"`);
  }
  if (major !== "1") throw new BadRequest(505, "The API server's socket speaks HTTP/1.1 alone");
  if (method.toUpperCase() === "CONNECT") {
    throw new BadRequest(
      405,
      "A plugin's socket leads to the API server, and not through it: CONNECT is not served",
    );
  }
  return { method, target, minor: Math.min(Number(minor), 1) };
}

function parseLine(line: string): [name: string, value: string] {
  const colon = line.indexOf(":");
  const name = line.slice(0, Math.max(colon, 0));
  const value = trimmed(line.slice(colon + 1));
  if (/^[ \t]/.test(line)) bad("a header that goes on in the next line");
  if (!isToken(name) || !VALUE.test(value)) bad(`a malformed header: "${printable(toText(line), 80)}"`);
  return [name.toLowerCase(), value];
}

/** RFC 9110 5.6.3: removes spaces and tabs. A loop, because a regular expression would take quadratic time. */
function trimmed(text: string): string {
  let [from, to] = [0, text.length];
  const isBlank = (at: number) => text[at] === " " || text[at] === "\t";
  while (from < to && isBlank(from)) from++;
  while (to > from && isBlank(to - 1)) to--;
  return text.slice(from, to);
}

/** RFC 9112 6.3, where it is strict. */
function framingOf(
  minor: number,
  codings: readonly string[],
  lengths: readonly string[],
): Exclude<Framing, "connection"> {
  if (codings.length > 0) {
    if (lengths.length > 0) bad("both Transfer-Encoding and Content-Length");
    if (minor === 0) bad("a Transfer-Encoding in HTTP/1.0");
    if (codings.length > 1) bad("Transfer-Encoding twice");
    if (codings[0]!.toLowerCase() !== "chunked") {
      throw new BadRequest(501, "The request has a Transfer-Encoding other than chunked");
    }
    return "chunked";
  }
  if (lengths.length > 1) bad("Content-Length twice");
  const [length] = lengths;
  if (length === undefined) return "none";
  if (!/^\d{1,15}$/.test(length)) bad(`an invalid Content-Length: "${printable(toText(length), 40)}"`);
  return Number(length) === 0 ? "none" : Number(length);
}

/** Others, h2c among them, are not answered: the request is served as it is (RFC 9110 7.8). */
function upgradeOf(protocols: readonly string[]): RequestHead["upgrade"] {
  const [protocol] = protocols;
  if (protocols.length !== 1) return undefined;
  return protocol === "websocket" || protocol === "spdy/3.1" ? protocol : undefined;
}

/**
 * The URL a request asks for, in the server's own scheme. Another host's is returned as it is, for the rule on
 * destinations to refuse.
 *
 * @param server the cluster's URL
 * @param addresses of the server, as the plugin's sockets know them
 * @throws BadRequest
 */
export function urlOf(
  { method, target, host }: Pick<RequestHead, "method" | "target" | "host">,
  server: string,
  addresses: readonly string[],
): string {
  const { protocol, host: own, hostname, port } = new URL(server);
  const absolute = /^https?:\/\/([^/?]*)(.*)$/i.exec(target);
  if (!absolute && !target.startsWith("/")) {
    bad(`a target that is neither a path nor a URL: "${printable(`${method} ${toText(target)}`, 80)}"`);
  }
  // A URL's own host counts, and the header is not looked at (RFC 9112 3.2.2).
  const asked = absolute ? absolute[1]! : host ?? own;
  if (/[/?#\\\s]/.test(asked)) bad(`an invalid Host: "${printable(toText(asked), 80)}"`);
  const rest = absolute ? absolute[2]! : target;
  const path = rest.startsWith("/") ? rest : `/${rest}`;
  const [, name = "", number] = /^(\[[^\]]*\]|[^:]*)(?::(\d*))?$/.exec(asked) ?? [];
  const bare = name.replace(/^\[(.*)\]$/, "$1").toLowerCase();
  const same = name.toLowerCase() === hostname || addresses.includes(bare);
  // Without a port a client means that of its own scheme, which is not the server's where TLS is the host's.
  const samePort = !number || Number(number) === Number(port || (protocol === "https:" ? "443" : "80"));
  return `${protocol}//${same && samePort ? own : asked}${path}`;
}
