/**
 * An upgrade with the plugin's own WebSocket or SPDY client. The host writes the head; after the 101 it passes bytes
 * on without reading them.
 */

import { AppError } from "../../base/errors.ts";
import { printable } from "../../base/text.ts";
import type { Duplex } from "../../wasi/streams/connection_streams.ts";
import type { ClusterResponse, TunnelAnswer, Tunnelled, TunnelRequest } from "../cluster.ts";
import { responseHeaders } from "../http/headers.ts";
import { HttpError } from "../http/http_head.ts";
import type { Input } from "../http/http_input.ts";
import { askToUpgrade, refuseExtensions } from "../websocket/handshake.ts";
import { askForUpgrade, protocolsOf, type UpgradeContext } from "../websocket/open_websocket.ts";
import { acceptOf } from "../websocket/frames.ts";

/** A connection after its 101. */
class Tunnel implements Tunnelled {
  /** How many bytes came and went. */
  readonly traffic = { received: 0, sent: 0 };
  #connection: Duplex;
  #input: Input;
  #closed: (tunnel: Tunnel) => void;
  #dropped = false;

  /**
   * @param protocol as the server named it
   * @param headers of the 101, without those of the connection
   * @param closed called once, at its end
   */
  constructor(
    connection: Duplex,
    input: Input,
    readonly protocol: string,
    readonly headers: readonly (readonly [name: string, value: string])[],
    closed: (tunnel: Tunnel) => void,
  ) {
    this.#connection = connection;
    this.#input = input;
    this.#closed = closed;
  }

  async read(into: Uint8Array): Promise<number | null> {
    // What came together with the head is first.
    const early = this.#input.take(into.length);
    if (early.length > 0) into.set(early);
    const count = early.length > 0 ? early.length : await this.#connection.read(into);
    this.traffic.received += count ?? 0;
    return count;
  }

  async write(bytes: Uint8Array): Promise<number> {
    const count = await this.#connection.write(bytes);
    this.traffic.sent += count;
    return count;
  }

  async closeWrite(): Promise<void> {
    await this.#connection.closeWrite();
  }

  close(): void {
    this.drop();
  }

  /** Closes it. Idempotent. */
  drop(): void {
    if (this.#dropped) return;
    this.#dropped = true;
    try {
      this.#connection.close();
    } catch { /* it is closed */ }
    this.#closed(this);
  }
}

/** As {@linkcode import("../cluster.ts").Cluster.tunnel}. */
export async function openTunnel(context: UpgradeContext, request: TunnelRequest): Promise<TunnelAnswer> {
  const handshake = headersOf(request);
  const guest = request.headers.filter(([name]) => !/^sec-websocket-/i.test(name));
  const answer = await askForUpgrade<Tunnel>(context, { ...request, headers: guest }, {
    ask: (connection, url, headers, closed) =>
      shakeHands(connection, request, url, [...handshake, ...headers], (tunnel) => closed(tunnel, "closed")),
  });
  return "refused" in answer ? answer : { tunnelled: answer.upgraded };
}

/** The headers of the upgrade, each checked: no others reach the server. @throws AppError REQUEST_INVALID */
function headersOf({ method, protocol, headers }: TunnelRequest): [name: string, value: string][] {
  const values = (wanted: string) => headers.filter(([name]) => name === wanted).map(([, value]) => value);
  if (protocol === "spdy/3.1") return [["connection", "Upgrade"], ["upgrade", "SPDY/3.1"]];
  const [key = "", ...otherKeys] = values("sec-websocket-key");
  const [version, ...otherVersions] = values("sec-websocket-version");
  if (
    method !== "GET" || otherKeys.length > 0 || otherVersions.length > 0 || version !== "13" ||
    !/^[A-Za-z0-9+/]{22}==$/.test(key)
  ) {
    throw new AppError(
      "REQUEST_INVALID",
      "The request is not the opening handshake of a WebSocket (RFC 6455 4.1)",
    );
  }
  const protocols = protocolsOf(
    values("sec-websocket-protocol").flatMap((value) => value.split(",")).map((each) => each.trim())
      .filter((each) => each !== ""),
  );
  return [
    ["connection", "Upgrade"],
    ["upgrade", "websocket"],
    ["sec-websocket-version", "13"],
    ["sec-websocket-key", key],
    ...(protocols.length === 0
      ? []
      : [["sec-websocket-protocol", protocols.join(", ")] satisfies [string, string]]),
  ];
}

/** @throws HttpError; what the operating system or TLS has against it */
async function shakeHands(
  connection: Duplex,
  { method, protocol }: TunnelRequest,
  url: URL,
  headers: readonly (readonly [name: string, value: string])[],
  closed: (tunnel: Tunnel) => void,
): Promise<Tunnel | ClusterResponse> {
  const lines = [
    `${method} ${url.pathname}${url.search} HTTP/1.1`,
    `host: ${url.host}`,
    ...headers.map(([name, value]) => `${name}: ${value}`),
    ...(method === "GET" ? [] : ["content-length: 0"]),
  ];
  const answer = await askToUpgrade(
    connection,
    lines,
    (headers) => responseHeaders(headers, false).filter(([name]) => name !== "content-length"),
  );
  if ("refused" in answer) return answer.refused;
  const { value } = answer;
  const chosen = value("upgrade");
  const [, key = ""] = headers.find(([name]) => name === "sec-websocket-key") ?? [];
  const accepted = protocol === "spdy/3.1" || value("sec-websocket-accept") === await acceptOf(key);
  if (chosen.toLowerCase() !== protocol || !accepted) {
    throw new HttpError(`the server's upgrade is not to ${protocol}: "${printable(chosen, 80)}"`);
  }
  refuseExtensions(answer);
  return new Tunnel(connection, answer.input, chosen, answer.shown, closed);
}
