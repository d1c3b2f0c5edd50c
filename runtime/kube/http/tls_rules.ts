/** Makes Deno trust the roots and use the proxies that kubectl would. */

const ROOTS = ["DENO_TLS_CA_STORE", "DENO_CERT", "NODE_EXTRA_CA_CERTS"];

/**
 * Runs `make` with the roots that kubectl would trust: only the cluster's CA, or the system's roots without one. Deno
 * reads the choice from the environment when the process first uses TLS.
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

/** Settles the roots for the whole process, for node:tls, which needs them later. Deno reads the environment once. */
export function settleRoots(ca: string | undefined): void {
  withOwnRules(ca, () => Deno.createHttpClient({})).close();
}
