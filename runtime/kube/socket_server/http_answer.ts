/** Answers as they are written to a plugin's socket (RFC 9112). */

import { fromLatin1 } from "../../base/bytes.ts";
import type { Duplex } from "../../wasi/streams/connection_streams.ts";
import type { ClusterResponse } from "../cluster.ts";
import { sendChunks, writeAll } from "../http/http_body.ts";

/** What of a request decides how its answer is framed. */
export interface Asked {
  readonly method: string;
  readonly minor: number;
}

/**
 * Writes an answer.
 *
 * @param keepsAlive whether another request may follow
 * @returns whether one can
 * @throws what the body fails with, and what the connection fails with: the client can't tell where the answer ends
 */
export async function writeAnswer(
  connection: Duplex,
  asked: Asked,
  answer: ClusterResponse,
  keepsAlive: boolean,
): Promise<boolean> {
  const { status, body } = answer;
  const bodiless = asked.method === "HEAD" || status === 204 || status === 304;
  const length = lengthOf(answer.headers);
  const headers = answer.headers.filter(([name]) => !FRAMING.has(name));
  let again = keepsAlive;
  if (bodiless) {
    if (length !== undefined && status !== 204) headers.push(["content-length", String(length)]);
  } else if (body === null) headers.push(["content-length", "0"]);
  else if (length !== undefined) headers.push(["content-length", String(length)]);
  else if (asked.minor === 1) headers.push(["transfer-encoding", "chunked"]);
  else again = false; // it ends with the connection
  if (!again) headers.push(["connection", "close"]);
  try {
    await writeAll(connection, headOf(status, headers));
    if (body === null || bodiless) {
      await body?.cancel();
      return again;
    }
    await writeBody(connection, body, length, asked.minor === 1);
    return again;
  } catch (error) {
    if (body && !body.locked) await body.cancel(error).catch(() => {});
    throw error;
  }
}

async function writeBody(
  connection: Duplex,
  body: ReadableStream<Uint8Array<ArrayBuffer>>,
  length: number | undefined,
  chunked: boolean,
): Promise<void> {
  const reader = body.getReader();
  try {
    if (length === undefined && chunked) return await sendChunks(connection, reader);
    let left = length ?? Infinity;
    for (let next = await reader.read(); !next.done; next = await reader.read()) {
      // A server that says one length and sends another has no say in where its answer ends.
      if (next.value.length > left) throw new Error("the answer is longer than its content-length");
      left -= next.value.length;
      await writeAll(connection, next.value);
    }
    if (length !== undefined && left > 0) throw new Error("the answer is shorter than its content-length");
  } catch (error) {
    await reader.cancel(error).catch(() => {});
    throw error;
  }
}

const FRAMING: ReadonlySet<string> = new Set(["connection", "content-length", "transfer-encoding"]);

/** What the headers say of the length, once and well. */
function lengthOf(headers: ClusterResponse["headers"]): number | undefined {
  const lengths = headers.filter(([name]) => name === "content-length");
  const [length] = lengths;
  return lengths.length === 1 && /^\d{1,15}$/.test(length![1]) ? Number(length![1]) : undefined;
}

/** A head as it is sent. @param headers in values each character is a byte */
export function headOf(
  status: number,
  headers: readonly (readonly [name: string, value: string])[],
): Uint8Array<ArrayBuffer> {
  const lines = headers.map(([name, value]) => `${name}: ${value}\r\n`);
  return fromLatin1(`HTTP/1.1 ${status} ${REASONS[status] ?? ""}\r\n${lines.join("")}\r\n`);
}

/** RFC 9110 15, as far as API servers and proxies before them send it. */
const REASONS: Readonly<Record<number, string>> = {
  100: "Continue",
  101: "Switching Protocols",
  200: "OK",
  201: "Created",
  202: "Accepted",
  204: "No Content",
  206: "Partial Content",
  301: "Moved Permanently",
  302: "Found",
  304: "Not Modified",
  307: "Temporary Redirect",
  308: "Permanent Redirect",
  400: "Bad Request",
  401: "Unauthorized",
  403: "Forbidden",
  404: "Not Found",
  405: "Method Not Allowed",
  406: "Not Acceptable",
  409: "Conflict",
  410: "Gone",
  412: "Precondition Failed",
  413: "Request Entity Too Large",
  415: "Unsupported Media Type",
  417: "Expectation Failed",
  421: "Misdirected Request",
  422: "Unprocessable Entity",
  426: "Upgrade Required",
  429: "Too Many Requests",
  431: "Request Header Fields Too Large",
  500: "Internal Server Error",
  501: "Not Implemented",
  502: "Bad Gateway",
  503: "Service Unavailable",
  504: "Gateway Timeout",
  505: "HTTP Version Not Supported",
};
