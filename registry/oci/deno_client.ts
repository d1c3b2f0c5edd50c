/** What Deno's HTTP client needs: proxies in its form, the usual root certificates, a pair that it can read. */

import { AppError } from "../../runtime/base/errors.ts";
import { printable } from "../../runtime/base/text.ts";
import { userinfoOfProxy } from "../../runtime/kube/http/cluster_proxy.ts";
import { PROXY_VARIABLES } from "./proxies.ts";

/** A proxy in Deno's form. Deno cannot read a URL with a user but no password. */
export function proxyOption(url: URL): { url: string; basicAuth?: { username: string; password: string } } {
  const basicAuth = userinfoOfProxy(url);
  const bare = new URL(url);
  bare.username = bare.password = "";
  const named = basicAuth.username !== "" || basicAuth.password !== "";
  return { url: bare.href.replace(/\/$/, ""), ...(named ? { basicAuth } : {}) };
}

/**
 * Trusts the system's root certificates, as docker does, plus Deno's own, since a minimal system has none. Deno reads
 * the choice from the environment when it makes its first client. A value that the user set is kept.
 */
export function withUsualRoots<T>(make: () => T): T {
  if (Deno.env.get("DENO_TLS_CA_STORE") !== undefined) return make();
  Deno.env.set("DENO_TLS_CA_STORE", "mozilla,system");
  try {
    return make();
  } finally {
    Deno.env.delete("DENO_TLS_CA_STORE");
  }
}

/**
 * Hides the environment's proxies while Deno makes a client: proxies.ts has chosen the proxy, and Deno's rules differ.
 */
export function withoutProxies<T>(make: () => T): T {
  const kept = PROXY_VARIABLES.map((name) => [name, Deno.env.get(name)] as const);
  for (const name of PROXY_VARIABLES) Deno.env.delete(name);
  try {
    return make();
  } finally {
    for (const [name, value] of kept) if (value !== undefined) Deno.env.set(name, value);
  }
}

/** Checks a certificate and key. Deno 2.6 ends the process for an invalid pair. @throws AppError REGISTRIES_INVALID */
export async function checkPair(host: string, pair: { cert: string; key: string }): Promise<void> {
  const { pairProblem } = await import("../../runtime/kube/auth/certificate_pair.ts");
  const problem = await pairProblem(pair);
  if (problem === undefined) return;
  throw new AppError(
    "REGISTRIES_INVALID",
    `The client certificate for ${printable(host, 200)} can't be used: ${problem}`,
  );
}
