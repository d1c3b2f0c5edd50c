/** The cluster as a plugin's doors see it: the one way from any of them to the network. */

import type { Sockets } from "./sockets/raw_sockets.ts";
import type { UpgradedConnection } from "./websocket/channels.ts";

/** A request of a plugin. Nothing in it is trusted. */
export interface ClusterRequest {
  /** An HTTP method, any case. */
  readonly method: string;
  /**
   * Absolute URL, or a path with optional query (`/api/v1/pods?watch=1`), which is taken below the server's
   * own path prefix.
   */
  readonly url: string;
  /** In values each character is a byte (header_text.ts). */
  readonly headers: readonly (readonly [name: string, value: string])[];
  /** A stream is sent as it comes. */
  readonly body?: Uint8Array<ArrayBuffer> | ReadableStream<Uint8Array<ArrayBuffer>>;
  /** Ends the request, and the response's body with it. */
  readonly signal?: AbortSignal;
}

/** A request for a WebSocket. Nothing in it is trusted. */
export interface UpgradeRequest {
  /** As of {@linkcode ClusterRequest}. */
  readonly url: string;
  readonly headers: readonly (readonly [name: string, value: string])[];
  /** Subprotocols, the most wanted first; the server chooses one. */
  readonly protocols: readonly string[];
  /** Ends the request; not the connection once it is there. */
  readonly signal?: AbortSignal;
}

/** What the API server answered to that. */
export type UpgradeAnswer = { readonly upgraded: UpgradedConnection } | { readonly refused: ClusterResponse };

/** What the API server answered. */
export interface ClusterResponse {
  readonly status: number;
  /** In the server's order, names in lower case, hop-by-hop headers left out. In values each character is a byte. */
  readonly headers: readonly (readonly [name: string, value: string])[];
  /** As it comes; null where there is none. Cancelling it closes the connection. */
  readonly body: ReadableStream<Uint8Array<ArrayBuffer>> | null;
}

/** The API server of the chosen context, with the user's credentials, which never show. */
export interface Cluster {
  /** Name of the kubeconfig context. */
  readonly context: string;
  /** The server's URL, path prefix included, without a trailing slash. */
  readonly server: string;
  /** The namespace to use when the plugin's user names none. */
  readonly namespace: string;
  /**
   * Sends a request to this cluster, and to nothing else. Redirects are handed back, not followed.
   * @throws AppError DESTINATION_REFUSED, REQUEST_INVALID, CLUSTER_UNREACHABLE, CLUSTER_TLS, CREDENTIALS_FAILED
   */
  send(request: ClusterRequest): Promise<ClusterResponse>;
  /**
   * Asks this server, and no other, to make a WebSocket of a connection: exec, attach, port-forward, proxies.
   * @throws AppError as send
   */
  upgrade(request: UpgradeRequest): Promise<UpgradeAnswer>;
  /**
   * Raw sockets to this server, and to nothing else; they carry no credentials.
   * @throws AppError CLUSTER_UNSUPPORTED, CLUSTER_UNREACHABLE
   */
  sockets(): Promise<Sockets>;
}
