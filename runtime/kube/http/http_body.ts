/** HTTP/1.1 message bodies: finds the end of a response's body (RFC 9112 6), and sends a request's body. */

import { concatBytes, fromLatin1, latin1 } from "../../base/bytes.ts";
import type { Duplex } from "../../wasi/streams/connection_streams.ts";
import { type Head, HttpError } from "./http_head.ts";
import type { Input } from "./http_input.ts";

/** How a body ends: it is empty, has a length, is chunked, or ends with the connection. */
export type Framing = "none" | number | "chunked" | "connection";

/** The largest piece that is passed on, in bytes. */
const PIECE = 65536;
/** The longest chunk-size line, and the most trailers, in bytes. */
const LONGEST_LINE = 4096;
const LARGEST_TRAILERS = 65536;

/** How a response's body ends. @throws HttpError */
export function framingOf(method: string, { status, headers }: Head): Framing {
  if (method === "HEAD" || status < 200 || status === 204 || status === 304) return "none";
  const values = (wanted: string) =>
    headers.filter(([name]) => name === wanted).flatMap(([, value]) => value.split(",")).map((part) =>
      part.trim()
    );
  const codings = values("transfer-encoding");
  if (codings.length > 0) {
    if (codings.length === 1 && codings[0]!.toLowerCase() === "chunked") return "chunked";
    throw new HttpError("the server sent an unsupported transfer encoding");
  }
  const lengths = new Set(values("content-length"));
  if (lengths.size === 0) return "connection";
  const [length = ""] = lengths;
  if (lengths.size > 1 || !/^\d{1,15}$/.test(length)) {
    throw new HttpError("the server sent an invalid content-length");
  }
  return length === "0" ? "none" : Number(length);
}

/** Whether the connection can serve another request after this response. */
export function keepsAlive({ minor, headers }: Head): boolean {
  const tokens = headers.filter(([name]) => name === "connection")
    .flatMap(([, value]) => value.toLowerCase().split(",")).map((part) => part.trim());
  return !tokens.includes("close") && (minor === 1 || tokens.includes("keep-alive"));
}

/**
 * Returns a function that reads the next piece of a body; undefined at its end.
 *
 * @throws HttpError, and the error of the operating system or TLS if the body breaks off
 */
export function bodyReader(
  input: Input,
  framing: Framing,
): () => Promise<Uint8Array<ArrayBuffer> | undefined> {
  /** Bytes left of the body, or of the current chunk. */
  let left = typeof framing === "number" ? framing : 0;
  let first = true;
  const some = async (): Promise<Uint8Array<ArrayBuffer>> => {
    if (input.bytes.length === 0 && !await input.more()) throw new HttpError(BROKEN_OFF);
    const piece = input.take(Math.min(left, PIECE));
    left -= piece.length;
    return piece;
  };
  if (framing === "none") return () => Promise.resolve(undefined);
  if (framing === "connection") {
    return async () => input.bytes.length > 0 || await input.more() ? input.take(PIECE) : undefined;
  }
  if (typeof framing === "number") return async () => left === 0 ? undefined : await some();
  return async () => {
    if (left === 0) {
      if (!first && (await readLine(input)) !== "") throw new HttpError("the server sent a broken chunk");
      first = false;
      left = await readChunkSize(input);
      if (left === 0) {
        await readTrailers(input);
        return undefined;
      }
    }
    return await some();
  };
}

const BROKEN_OFF = "the server closed the connection in the middle of it";

async function readChunkSize(input: Input): Promise<number> {
  const line = await readLine(input);
  // Some servers pad the size with zeros. No body needs more than twelve digits.
  const [, hex] = /^(?=[0-9a-f]{1,16}[ \t]*(?:;|$))0*([0-9a-f]{1,12})[ \t]*(?:;|$)/i.exec(line) ?? [];
  if (hex === undefined) throw new HttpError("the server sent a broken chunk");
  return parseInt(hex, 16);
}

async function readTrailers(input: Input): Promise<void> {
  for (let size = 0; size < LARGEST_TRAILERS;) {
    const line = await readLine(input);
    if (line === "") return;
    size += line.length;
  }
  throw new HttpError("the server sent trailers without end");
}

async function readLine(input: Input): Promise<string> {
  for (let searched = 0;;) {
    const end = input.bytes.indexOf(10, searched);
    if (end >= 0) return latin1(input.take(end + 1)).replace(/\r?\n$/, "");
    searched = input.bytes.length;
    if (searched > LONGEST_LINE) throw new HttpError("the server sent a line without end");
    if (!await input.more()) throw new HttpError(BROKEN_OFF);
  }
}

/** Writes all bytes. @throws the error of the operating system or TLS */
export async function writeAll(connection: Duplex, bytes: Uint8Array): Promise<void> {
  while (bytes.length > 0) bytes = bytes.subarray(await connection.write(bytes));
}

/** Sends a stream as chunks while it arrives. @throws the error of the stream or the connection */
export async function sendChunks(
  connection: Duplex,
  reader: Pick<ReadableStreamDefaultReader<Uint8Array<ArrayBuffer>>, "read">,
): Promise<void> {
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    if (value.length === 0) continue;
    const size = fromLatin1(`${value.length.toString(16)}\r\n`);
    await writeAll(connection, concatBytes([size, value, fromLatin1("\r\n")]));
  }
  await writeAll(connection, fromLatin1("0\r\n\r\n"));
}
