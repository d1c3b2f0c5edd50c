/** Connections below HTTP: the only place that opens one. Callers have checked where it goes. */

/** Connects to a literal address. */
export async function dialAddress(hostname: string, port: number): Promise<Deno.TcpConn> {
  return await Deno.connect({ hostname, port });
}
