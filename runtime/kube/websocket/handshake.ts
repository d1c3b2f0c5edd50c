/** Upgrades a request to a WebSocket (RFC 6455 4): sends the head, and reads a refusal. */

import { fromLatin1 } from "../../base/bytes.ts";
import { printable } from "../../base/text.ts";
import type { Duplex } from "../../wasi/streams/connection_streams.ts";
import type { ClusterResponse } from "../cluster.ts";
import { bodyReader, framingOf, writeAll } from "../http/http_body.ts";
import { type Head, HttpError, readHead } from "../http/http_head.ts";
import { Input } from "../http/http_input.ts";
import { UpgradedConnection } from "./channels.ts";
import { acceptOf, type Close, WebSocketConnection } from "./frames.ts";

/** The largest body of a refusal to read, in bytes: a Status. */
const LARGEST_REFUSAL = 1 << 20;

/** The head of an upgrade request. */
export interface UpgradeHead {
  readonly url: URL;
  /** All headers except those of the upgrade itself. */
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly protocols: readonly string[];
}

/**
 * Asks for the upgrade on a connection that was opened for it.
 *
 * @param closed gets how the upgraded connection ended
 * @returns the upgraded connection, or the server's refusal
 * @throws HttpError; the error of the operating system or TLS
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
    ...headers.map(([name, value]) => `${name}: ${value}`),
  ];
  const answer = await askToUpgrade(
    connection,
    lines,
    (headers) => headers.filter(([name]) => !CONNECTION_HEADERS.has(name)),
  );
  if ("refused" in answer) return answer.refused;
  const { value } = answer;
  if (
    value("upgrade").toLowerCase() !== "websocket" || value("sec-websocket-accept") !== await acceptOf(key)
  ) {
    throw new HttpError("the server's upgrade is not to a WebSocket");
  }
  refuseExtensions(answer);
  const protocol = value("sec-websocket-protocol");
  if (protocol !== "" && !protocols.includes(protocol)) {
    throw new HttpError(
      `the server chose the protocol "${printable(protocol, 100)}", which was not offered`,
    );
  }
  return new UpgradedConnection(
    new WebSocketConnection(connection, answer.input.take(Infinity)),
    protocol,
    answer.shown,
    closed,
  );
}

const CONNECTION_HEADERS = new Set([
  "connection",
  "content-length",
  "keep-alive",
  "sec-websocket-accept",
  "transfer-encoding",
  "upgrade",
]);

/** The server's 101. */
export interface Agreed {
  /** The headers for the plugin. */
  readonly shown: Head["headers"];
  /** What follows the head. */
  readonly input: Input;
  /** A header's value, by its name in lower case; empty if it is missing. */
  value(name: string): string;
}

/**
 * Sends the head of an upgrade and reads the answer's head. After a refusal the connection is closed.
 *
 * @param lines of the head
 * @param shownOf which of the answer's headers the plugin sees
 * @throws HttpError; the error of the operating system or TLS
 */
export async function askToUpgrade(
  connection: Duplex,
  lines: readonly string[],
  shownOf: (headers: Head["headers"]) => Head["headers"],
): Promise<Agreed | { readonly refused: ClusterResponse }> {
  await writeAll(connection, fromLatin1(`${lines.join("\r\n")}\r\n\r\n`));
  const input = new Input(connection);
  const head = await readHead(input);
  const shown = shownOf(head.headers);
  if (head.status !== 101) {
    const body = await readRefusal(input, head);
    connection.close();
    return {
      refused: {
        status: head.status,
        headers: shown,
        body: body.length === 0 ? null : new Response(body).body,
      },
    };
  }
  const value = (name: string) =>
    head.headers.filter(([one]) => one === name).map(([, value]) => value).join(", ");
  return { shown, input, value };
}

/** No extension was offered. @throws HttpError if the server chose one */
export function refuseExtensions({ value }: Agreed): void {
  if (value("sec-websocket-extensions") !== "") {
    throw new HttpError("the server chose an extension that was not offered");
  }
}

/** Reads the body of a refusal, at most 1 MiB. An error ends the body. @throws HttpError */
async function readRefusal(input: Input, head: Head): Promise<Uint8Array<ArrayBuffer>> {
  const read = bodyReader(input, framingOf("GET", head));
  const pieces: Uint8Array<ArrayBuffer>[] = [];
  try {
    for (let size = 0; size < LARGEST_REFUSAL;) {
      const piece = await read();
      if (!piece) break;
      pieces.push(piece);
      size += piece.length;
    }
  } catch { /* what has come is shown */ }
  return new Uint8Array(await new Blob(pieces).slice(0, LARGEST_REFUSAL).arrayBuffer());
}
