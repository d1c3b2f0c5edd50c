/** The cluster as the plugin's interfaces see it. All of them reach the network through this interface. */

import type { Sockets } from "./sockets/raw_sockets.ts";
import type { Duplex } from "../wasi/streams/connection_streams.ts";
import type { UpgradedConnection } from "./websocket/channels.ts";

/** A plugin's request. Nothing in it is trusted. */
export interface ClusterRequest {
  /** An HTTP method, any case. */
  readonly method: string;
  /**
   * Absolute URL, or a path with optional query (`/api/v1/pods?watch=1`), which is taken below the server's
   * own path prefix.
   */
  readonly url: string;
  /** In values each character is one byte (header_text.ts). */
  readonly headers: readonly (readonly [name: string, value: string])[];
  /** A stream is sent as it arrives. */
  readonly body?: Uint8Array<ArrayBuffer> | ReadableStream<Uint8Array<ArrayBuffer>>;
  /** Aborts the request and the response's body. */
  readonly signal?: AbortSignal;
}

/** A plugin's request for a WebSocket. Nothing in it is trusted. */
export interface UpgradeRequest {
  /** As of {@linkcode ClusterRequest}. */
  readonly url: string;
  readonly headers: readonly (readonly [name: string, value: string])[];
  /** Subprotocols in order of preference; the server chooses one. */
  readonly protocols: readonly string[];
  /** Aborts the request, but not an open connection. */
  readonly signal?: AbortSignal;
}

/** The API server's answer to an upgrade request. */
export type UpgradeAnswer = { readonly upgraded: UpgradedConnection } | { readonly refused: ClusterResponse };

/** A plugin's request to upgrade a connection for a client of its own. The host trusts none of it. */
export interface TunnelRequest {
  readonly method: string;
  /** As of {@linkcode ClusterRequest}. */
  readonly url: string;
  /** With the client's side of a WebSocket's handshake. Names in lower case. */
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly protocol: "websocket" | "spdy/3.1";
  /** Ends the request; not the connection once it is there. */
  readonly signal?: AbortSignal;
}

/** A connection after its 101. Closing it is closing it at the server. */
export interface Tunnelled extends Duplex {
  /** As the server named it. */
  readonly protocol: string;
  /** Of the 101, without those of the connection. */
  readonly headers: readonly (readonly [name: string, value: string])[];
}

/** What the API server answered to that. */
export type TunnelAnswer = { readonly tunnelled: Tunnelled } | { readonly refused: ClusterResponse };

/** The API server's response. */
export interface ClusterResponse {
  readonly status: number;
  /** In the server's order, names in lower case, without hop-by-hop headers. In values each character is one byte. */
  readonly headers: readonly (readonly [name: string, value: string])[];
  /** Arrives as it is read; null without a body. Cancelling it closes the connection. */
  readonly body: ReadableStream<Uint8Array<ArrayBuffer>> | null;
}

/** The API server of the chosen context. The host adds the user's credentials and never shows them. */
export interface Cluster {
  /** Name of the kubeconfig context. */
  readonly context: string;
  /** The server's URL, path prefix included, without a trailing slash. */
  readonly server: string;
  /** The namespace if the plugin's user names none. */
  readonly namespace: string;
  /**
   * Sends a request to this cluster only. Redirects are returned, not followed.
   * @throws AppError DESTINATION_REFUSED, REQUEST_INVALID, CLUSTER_UNREACHABLE, CLUSTER_TLS, CREDENTIALS_FAILED
   */
  send(request: ClusterRequest): Promise<ClusterResponse>;
  /**
   * Opens a WebSocket to this server only: exec, attach, port-forward, proxies.
   * @throws AppError as send
   */
  upgrade(request: UpgradeRequest): Promise<UpgradeAnswer>;
  /**
   * Asks this server only to upgrade the request's connection. The host does not read the bytes that follow.
   * @throws AppError as send
   */
  tunnel(request: TunnelRequest): Promise<TunnelAnswer>;
  /**
   * Sockets to this server only.
   * @throws AppError CLUSTER_UNREACHABLE
   */
  sockets(): Promise<Sockets>;
}
