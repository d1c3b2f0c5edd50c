/** A port of this machine where nobody listens. */

/** Finds one: the system does not give it out again at once. */
export function freePort(hostname = "127.0.0.1"): number {
  using listener = Deno.listen({ hostname, port: 0 });
  return listener.addr.port;
}
