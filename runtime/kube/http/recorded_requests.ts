/** A cluster that records refusals and, if asked to, requests. */

import { AppError } from "../../base/errors.ts";
import type { RunRecord } from "../../sandbox/run_record.ts";
import type { Cluster } from "../cluster.ts";

/** The target of a refused request in words, never the whole URL, which may contain a password or a token. Pure. */
export function addressOf(url: string): string {
  if (url.startsWith("/") && !url.startsWith("//")) return "a path that is none";
  const parsed = URL.parse(url);
  return parsed === null ? "an address that is none" : `${parsed.protocol}//${parsed.host}`;
}

/** A request's path for the record, without the query and without a proxied service's own path. Pure. */
export function recordedPath(url: string): string {
  const path = (URL.parse(url, "https://api") ?? { pathname: "" }).pathname;
  return path.replace(/(\/proxy)\/.+/, "$1/…");
}

/** Wraps the cluster so that every refusal is recorded. */
export function recordCluster(cluster: Cluster, record: RunRecord): Cluster {
  const refused = (error: unknown, what: string): never => {
    if (error instanceof AppError && error.code === "DESTINATION_REFUSED") record.denied(what);
    throw error;
  };
  const timed = async <T>(
    method: string,
    url: string,
    status: (answer: T) => number,
    send: () => Promise<T>,
  ) => {
    const ended = record.sending(method, recordedPath(url));
    try {
      const answer = await send();
      ended({ status: status(answer) });
      return answer;
    } catch (error) {
      const code = error instanceof AppError ? error.code : "INTERNAL";
      ended(code === "DESTINATION_REFUSED" ? undefined : { error: code });
      return refused(error, `send a request to ${addressOf(url)}`);
    }
  };
  const { context, server, namespace } = cluster;
  return {
    context,
    server,
    namespace,
    send: (request) =>
      record.requests
        ? timed(
          request.method.toUpperCase(),
          request.url,
          ({ status }) => status,
          () => cluster.send(request),
        )
        : cluster.send(request).catch((error) =>
          refused(error, `send a request to ${addressOf(request.url)}`)
        ),
    upgrade: (request) =>
      timed(
        "GET",
        request.url,
        (answer) => "refused" in answer ? answer.refused.status : 101,
        () => cluster.upgrade(request),
      ),
    tunnel: (request) =>
      timed(
        request.method.toUpperCase(),
        request.url,
        (answer) => "refused" in answer ? answer.refused.status : 101,
        () => cluster.tunnel(request),
      ),
    async sockets() {
      const sockets = await cluster.sockets();
      return {
        addresses: sockets.addresses,
        resolve(name) {
          try {
            return sockets.resolve(name);
          } catch (error) {
            return refused(error, `look up the name ${name}`);
          }
        },
        check(address, port) {
          try {
            sockets.check(address, port);
          } catch (error) {
            refused(
              error,
              `open a connection to ${address.includes(":") ? `[${address}]` : address}:${port}`,
            );
          }
        },
        // The permission request has recorded a refusal (permission_requests.ts).
        connect: (address, port) => sockets.connect(address, port),
      };
    },
  };
}
