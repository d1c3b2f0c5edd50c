/** Reads a plugin's request as the API server will read it. Pure. */

import { AppError } from "../../base/errors.ts";
import { printable } from "../../base/text.ts";
import type { ClusterRequest } from "../cluster.ts";
import { destinationOf } from "./destination.ts";
import { MeaninglessRequest, parseQuery, parseRequest, type RequestInfo } from "./request_info.ts";

/** A request and its meaning. */
export interface ReadRequest {
  /** In upper case. */
  readonly method: string;
  /** Below the server's own path, percent-encoded as it was given. */
  readonly path: string;
  readonly info: RequestInfo;
  readonly query: ReturnType<typeof parseQuery>;
}

/**
 * A function that reads requests to a server.
 *
 * It throws AppError DESTINATION_REFUSED for another destination, REQUEST_INVALID for what the server would not understand
 */
export function requestReader(
  server: string,
): (request: Pick<ClusterRequest, "method" | "url">) => ReadRequest {
  const prefixLength = new URL(server).pathname.replace(/\/+$/, "").length;
  return (request) => {
    const url = destinationOf(server, request.url);
    const method = request.method.toUpperCase();
    const path = url.pathname.slice(prefixLength) || "/";
    const query = url.search.slice(1);
    try {
      const info = parseRequest(method, path, query);
      // The server ignores the method of these paths and takes the verb from the path. It serves only GET there.
      if ((info.verb === "watch" || info.verb === "proxy") && method !== "GET" && method !== "HEAD") {
        throw new MeaninglessRequest(`${method} ${info.path}`);
      }
      return { method, path, info, query: parseQuery(query) };
    } catch (error) {
      if (!(error instanceof MeaninglessRequest)) throw error;
      throw new AppError(
        "REQUEST_INVALID",
        printable(`The API server would not understand the request: ${error.message}`, 400),
      );
    }
  };
}
