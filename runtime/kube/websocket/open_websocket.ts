/** Opens WebSockets: to the checked destination, with the user's credentials, each on its own connection. */

import { AppError } from "../../base/errors.ts";
import { printable } from "../../base/text.ts";
import { untilAborted } from "../http/abort.ts";
import { checkCertificate } from "../http/certificates.ts";
import type { Duplex } from "../../wasi/streams/connection_streams.ts";
import type { ClusterResponse, UpgradeAnswer, UpgradeRequest } from "../cluster.ts";
import type { Connection } from "../config/connection.ts";
import { sendRenewing } from "../auth/send_renewing.ts";
import type { Credentials, CredentialSource } from "../auth/user_credentials.ts";
import { destinationOf } from "../allow/destination.ts";
import { dialWithin } from "../sockets/dial.ts";
import { failureOf } from "../http/cluster_failure.ts";
import { methodOf, requestHeaders } from "../http/headers.ts";
import { proxyFor } from "../http/cluster_proxy.ts";
import { checkHeadSize } from "../allow/request_size.ts";
import { upgrade } from "./handshake.ts";
import type { UpgradedConnection } from "./channels.ts";

/** What an upgrade needs from its transport. */
export interface UpgradeContext {
  readonly connection: Connection;
  readonly source: CredentialSource;
  /** The user's environment, for proxies. */
  readonly env: Readonly<Record<string, string>>;
  readonly trace: (line: string) => void;
  /** The time limit for connecting, in milliseconds. */
  readonly connectPatience: number;
  /** The host's User-Agent. */
  readonly agent?: string | undefined;
  /** The open connections, and a token for each pending one. */
  readonly open: Set<{ drop(): void }>;
}

/** How many upgraded connections a plugin may have at once. */
const MAX_UPGRADED = 256;

/** As {@linkcode import("../cluster.ts").Cluster.upgrade}. */
export async function openUpgrade(context: UpgradeContext, request: UpgradeRequest): Promise<UpgradeAnswer> {
  const protocols = protocolsOf(request.protocols);
  const headers = request.headers.filter(([name]) => !/^sec-websocket-/i.test(name));
  return await askForUpgrade<UpgradedConnection>(context, { ...request, method: "GET", headers }, {
    ask: (opened, url, headers, closed) =>
      upgrade(
        opened,
        { url, headers, protocols },
        ({ code }, connection) => closed(connection, `closed with code ${code}`),
      ),
  });
}

/** A connection that a server has upgraded. */
interface Upgraded {
  /** Empty for none. */
  readonly protocol: string;
  /** How many bytes came and went. */
  readonly traffic: { readonly received: number; readonly sent: number };
  drop(): void;
}

/** How an upgrade is asked for on a connection that was opened for it. */
interface Handshake<T extends Upgraded> {
  /**
   * @param headers all but what belongs to the upgrade
   * @param closed called with how the upgraded connection ended
   * @returns the upgraded connection, or the answer of a server that refused
   */
  ask(
    opened: Duplex,
    url: URL,
    headers: [name: string, value: string][],
    closed: (connection: T, how: string) => void,
  ): Promise<T | ClusterResponse>;
}

/**
 * Asks the server for an upgrade, with the user's credentials.
 *
 * @throws AppError as {@linkcode import("../cluster.ts").Cluster.send}
 */
export async function askForUpgrade<T extends Upgraded>(
  { connection, source, env, trace, connectPatience, agent, open }: UpgradeContext,
  request: Omit<UpgradeRequest, "protocols"> & { readonly method: string },
  handshake: Handshake<T>,
): Promise<{ readonly upgraded: T } | { readonly refused: ClusterResponse }> {
  checkHeadSize(request.url, request.headers);
  const url = destinationOf(connection.server, request.url);
  const method = methodOf(request.method);
  requestHeaders(method, request.headers, connection, undefined);
  if (open.size >= MAX_UPGRADED) {
    throw new AppError(
      "REQUEST_INVALID",
      `${open.size} upgraded connections are open, more than a plugin may have`,
    );
  }
  // Count it now: many may be pending before one of them opens.
  const pending = { drop() {} };
  open.add(pending);
  const started = performance.now();
  const elapsed = () => `${Math.round(performance.now() - started)} ms`;
  const shown = `${method} ${printable(`${url.pathname}${url.search}`, 500)}`;
  const signal = limited(request.signal, connection.requestTimeout);

  const attempt = async (credentials: Credentials) => {
    if (credentials.certificate) await checkCertificate(credentials.certificate, connection);
    const headers = requestHeaders(method, request.headers, connection, credentials.authorization, agent)
      .filter(([name]) => name !== "accept-encoding");
    const proxy = proxyFor(new URL(connection.server), connection.proxyUrl, env);
    const opened = await dialWithin(connectPatience, connection, credentials.certificate, proxy, signal);
    const answering = handshake.ask(opened, url, headers, closed);
    try {
      return await untilAborted(answering, signal);
    } catch (error) {
      opened.close();
      // The connection may already be open.
      answering.then((late) => "drop" in late && late.drop(), () => {});
      throw error;
    }
  };
  const closed = (connection: T, how: string) => {
    open.delete(connection);
    const { received, sent } = connection.traffic;
    trace(`${shown} ${how} after ${elapsed()}, ${received} bytes received, ${sent} sent`);
  };

  try {
    const answer = await sendRenewing(
      source,
      signal,
      attempt,
      (answer) => !("drop" in answer) && answer.status === 401 ? answer : undefined,
    );
    if ("drop" in answer) {
      open.add(answer);
      trace(`${shown} 101 in ${elapsed()}, ${printable(answer.protocol, 100) || "no protocol"}`);
      return { upgraded: answer };
    }
    trace(`${shown} ${answer.status} in ${elapsed()}`);
    return { refused: answer };
  } catch (error) {
    if (request.signal?.aborted) throw error;
    const failure = failureOf(error, connection);
    trace(`${shown} failed in ${elapsed()}: ${failure.message}`);
    throw failure;
  } finally {
    open.delete(pending);
  }
}

/** `--request-timeout` limits the time to the answer, not the connection. */
function limited(signal: AbortSignal | undefined, timeout: number | undefined): AbortSignal | undefined {
  if (timeout === undefined) return signal;
  const limit = AbortSignal.timeout(Math.min(timeout, 0x7fffffff));
  return signal ? AbortSignal.any([signal, limit]) : limit;
}

/**
 * Subprotocols of Kubernetes' streams and KubeVirt's consoles. Others may mean something to the API server or to a
 * proxy before it: `base64url.bearer.authorization.k8s.io.` followed by a token authenticates the request.
 */
const PROTOCOL =
  /^(?:(?:v[1-5]\.)?(?:base64\.)?channel\.k8s\.io|(?:base64\.)?binary\.k8s\.io|SPDY\/3\.1\+portforward\.k8s\.io|plain\.kubevirt\.io)$/;

/** Subprotocols without duplicates (RFC 6455 4.1). @throws AppError REQUEST_INVALID */
export function protocolsOf(protocols: readonly string[]): readonly string[] {
  for (const protocol of protocols) {
    if (PROTOCOL.test(protocol)) continue;
    // The name may contain a token.
    const shown = printable(protocol.replace(/(bearer\.authorization\.k8s\.io\.).*/s, "$1…"), 80);
    throw new AppError("REQUEST_INVALID", `"${shown}" is not a subprotocol that a plugin may ask for`);
  }
  return [...new Set(protocols)];
}
