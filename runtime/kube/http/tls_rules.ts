/** Whose certificates count, and whose rules for proxies: kubectl's, not Deno's. */

const ROOTS = ["DENO_TLS_CA_STORE", "DENO_CERT", "NODE_EXTRA_CA_CERTS"];

/**
 * Runs `make` with the roots that kubectl would trust: the cluster's CA alone, or the system's where it has none. Deno takes them
 * from the environment when the process first needs TLS.
 */
export function withOwnRules<T>(ca: string | undefined, make: () => T): T {
  const saved = ROOTS.map((name) => [name, Deno.env.get(name)] as const);
  for (const [name, value] of saved) if (value !== undefined) Deno.env.delete(name);
  Deno.env.set("DENO_TLS_CA_STORE", ca === undefined ? "system" : "");
  try {
    return make();
  } finally {
    for (const [name, value] of saved) {
      if (value !== undefined) Deno.env.set(name, value);
      else if (name === "DENO_TLS_CA_STORE") Deno.env.delete(name);
    }
  }
}

/**
 * Settles for all of the process which roots count, for TLS that does not ask for them at once: node:tls. Deno takes them from the
 * environment once.
 */
export function settleRoots(ca: string | undefined): void {
  withOwnRules(ca, () => Deno.createHttpClient({})).close();
}
