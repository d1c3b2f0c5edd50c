/** Finds a local port without a listener. */

/** Finds a port. The system does not assign it again at once. */
export function freePort(hostname = "127.0.0.1"): number {
  using listener = Deno.listen({ hostname, port: 0 });
  return listener.addr.port;
}
