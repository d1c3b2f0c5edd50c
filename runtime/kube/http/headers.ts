/** The headers of requests and responses: what is the plugin's, what is the host's, what belongs to the connection. Pure. */

import { AppError } from "../../base/errors.ts";
import { printable } from "../../base/text.ts";
import { USER_AGENT } from "../../base/version.ts";
import type { Connection } from "../config/connection.ts";

/** RFC 9110 5.6.2 */
const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
const VALUE = /^[\t\x20-\x7e\x80-\xff]*$/;

// RFC 9110 7.6.1, and what the client itself decides.
const HOP_BY_HOP: ReadonlySet<string> = new Set([
  "connection",
  "keep-alive",
  "proxy-connection",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
]);
/**
 * What a plugin's request may say: what the clients of Kubernetes send (kubectl, client-go and its discovery cache,
 * kubernetes-client/javascript, kube-rs, the Python client) and what HTTP has for a part of a body, a cache and a trace.
 * Whatever else there is may mean something to a proxy or an authentication in front of the API server, in any spelling.
 */
const OF_THE_PLUGIN: ReadonlySet<string> = new Set([
  "accept",
  "content-type",
  "if-match",
  "if-modified-since",
  "if-none-match",
  "if-range",
  "if-unmodified-since",
  "kubectl-command",
  "kubectl-session",
  "range",
  "traceparent",
  "tracestate",
  "user-agent",
  "x-stream-protocol-version",
]);

/** An upper-case method. CONNECT and TRACE would ask proxies for what is not this server's. @throws AppError REQUEST_INVALID */
export function methodOf(text: string): string {
  const method = text.toUpperCase();
  if (!TOKEN.test(method) || ["CONNECT", "TRACE", "TRACK"].includes(method)) {
    throw new AppError("REQUEST_INVALID", `"${printable(text, 50)}" is not a method that a plugin may use`);
  }
  return method;
}

/**
 * The headers of the plugin that may leave, and the host's. Others are left out. In values each character is a byte.
 *
 * @throws AppError REQUEST_INVALID
 */
export function requestHeaders(
  method: string,
  guest: readonly (readonly [name: string, value: string])[],
  connection: Pick<Connection, "disableCompression" | "impersonate">,
  authorization: string | undefined,
): [name: string, value: string][] {
  const headers: [string, string][] = [];
  const has = (wanted: string) => headers.some(([name]) => name === wanted);
  for (const [name, value] of guest) {
    if (!TOKEN.test(name)) {
      throw new AppError("REQUEST_INVALID", `"${printable(name, 80)}" is not the name of a header`);
    }
    if (!VALUE.test(value)) {
      throw new AppError(
        "REQUEST_INVALID",
        `The header ${printable(name, 80)} holds a character that no header has`,
      );
    }
    const lower = name.toLowerCase();
    if (!OF_THE_PLUGIN.has(lower)) continue;
    // Which of them counts is not the same everywhere.
    if (lower === "content-type" && has(lower)) {
      throw new AppError("REQUEST_INVALID", "The header content-type is there twice");
    }
    headers.push([lower, value]);
  }
  if (!has("user-agent")) headers.push(["user-agent", USER_AGENT]);
  // As net/http asks for it, and unpacks it on the way: not for what has no body, nor for a part of one.
  const packed = !connection.disableCompression && method !== "HEAD" && !has("range");
  headers.push(["accept-encoding", packed ? "gzip" : "identity"]);
  if (authorization !== undefined) headers.push(["authorization", authorization]);
  for (const [name, value] of connection.impersonate) headers.push([name, value]);
  return headers;
}

/**
 * Whether a request watches. kube-apiserver 1.37 packs the list that a watch may begin with as a gzip member of its own, at
 * whose end fetch takes the response for over: a watch is asked for as it is.
 */
export function isWatch({ pathname, searchParams }: URL): boolean {
  return ["1", "true", "t", "T", "TRUE", "True", ""].includes(searchParams.get("watch") ?? "0") ||
    /\/watch\//.test(pathname);
}

/** Whether an answer is packed as it was asked for, so that it is unpacked on the way: as net/http tells it. */
export function isPacked(headers: readonly (readonly [name: string, value: string])[]): boolean {
  return headers.find(([name]) => name === "content-encoding")?.[1].toLowerCase() === "gzip";
}

/**
 * A response's headers for the plugin: what belongs to the connection left out, and what was true of a packed body.
 *
 * @param unpacked whether the body is not what was sent
 */
export function responseHeaders(
  headers: readonly (readonly [name: string, value: string])[],
  unpacked: boolean,
): [name: string, value: string][] {
  const connection = new Set(
    headers.filter(([name]) => name === "connection")
      .flatMap(([, value]) => value.toLowerCase().split(",")).map((part) => part.trim()),
  );
  return headers.filter(([name]) =>
    !HOP_BY_HOP.has(name) && !connection.has(name) &&
    !(unpacked && (name === "content-encoding" || name === "content-length"))
  ).map(([name, value]) => [name, value]);
}
