/** Decides which headers of requests and responses pass: the plugin's, the host's, the connection's. Pure. */

import { isToken } from "../../base/http_token.ts";
import { AppError } from "../../base/errors.ts";
import { printable } from "../../base/text.ts";
import { USER_AGENT } from "../../base/version.ts";
import type { Connection } from "../config/connection.ts";

const VALUE = /^[\t\x20-\x7e\x80-\xff]*$/;

/** Headers of one connection (RFC 9110 7.6.1), and headers that the client sets itself. */
export const HOP_BY_HOP: ReadonlySet<string> = new Set([
  "connection",
  "keep-alive",
  "proxy-connection",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
]);
/**
 * Headers that a plugin may send: those of Kubernetes clients (kubectl, client-go and its discovery cache,
 * kubernetes-client/javascript, kube-rs, the Python client), and HTTP's own for ranges, caches and traces. Any other
 * header could mean something to a proxy or an authenticator in front of the API server.
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

/** An upper-case method. Proxies would act on CONNECT and TRACE themselves. @throws AppError REQUEST_INVALID */
export function methodOf(text: string): string {
  const method = text.toUpperCase();
  if (!isToken(method) || ["CONNECT", "TRACE", "TRACK"].includes(method)) {
    throw new AppError("REQUEST_INVALID", `"${printable(text, 50)}" is not a method that a plugin may use`);
  }
  return method;
}

/**
 * The plugin's allowed headers and the host's own. In values each character is one byte.
 *
 * @param agent the host's User-Agent (user_agent.ts)
 * @throws AppError REQUEST_INVALID
 */
export function requestHeaders(
  method: string,
  guest: readonly (readonly [name: string, value: string])[],
  connection: Pick<Connection, "disableCompression" | "impersonate">,
  authorization: string | undefined,
  agent: string = USER_AGENT,
): [name: string, value: string][] {
  const headers: [string, string][] = [];
  const has = (wanted: string) => headers.some(([name]) => name === wanted);
  for (const [name, value] of guest) {
    if (!isToken(name)) {
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
    // Servers disagree on which of two counts.
    if (lower === "content-type" && has(lower)) {
      throw new AppError("REQUEST_INVALID", "The header content-type is there twice");
    }
    headers.push([lower, value]);
  }
  // The host's part comes first, so that audit logs tell plugins apart, whatever a plugin calls itself.
  const own = headers.find(([name]) => name === "user-agent");
  if (own) own[1] = own[1] === "" ? agent : `${agent} ${own[1]}`;
  else headers.push(["user-agent", agent]);
  // net/http asks for gzip and decompresses it, but not for HEAD or a range.
  const packed = !connection.disableCompression && method !== "HEAD" && !has("range");
  headers.push(["accept-encoding", packed ? "gzip" : "identity"]);
  if (authorization !== undefined) headers.push(["authorization", authorization]);
  for (const [name, value] of connection.impersonate) headers.push([name, value]);
  return headers;
}

/**
 * Whether a request is a watch. kube-apiserver 1.37 compresses a watch's initial list as its own gzip member, and
 * fetch takes the member's end for the response's end. So watches ask for no compression.
 */
export function isWatch({ pathname, searchParams }: URL): boolean {
  return ["1", "true", "t", "T", "TRUE", "True", ""].includes(searchParams.get("watch") ?? "0") ||
    /\/watch\//.test(pathname);
}

/** Whether a response is compressed because the host asked for it. The host then decompresses it, by net/http's rule. */
export function isPacked(headers: readonly (readonly [name: string, value: string])[]): boolean {
  return headers.find(([name]) => name === "content-encoding")?.[1].toLowerCase() === "gzip";
}

/**
 * A response's headers for the plugin, without the connection's own. If the host decompressed the body, the headers
 * about compression go, too.
 *
 * @param unpacked whether the host decompressed the body
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
