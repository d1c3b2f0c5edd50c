/** The two HTTP clients of the transport: one for `fetch`, and undici for what fetch lacks. */

import { AppError, messageOf } from "../errors.ts";
import { printable } from "../text.ts";
import type { ClientCertificate, Connection } from "./connection.ts";
import { MAX_REQUESTS } from "./pool.ts";
import { proxyFor } from "./proxy.ts";

/** How requests are sent. Redirects are handed back; 1xx answers are passed over. */
export interface HttpClient {
  /** What `fetch` is told beside the request. */
  readonly options?: { readonly client: Deno.HttpClient };
  /** In the place of `fetch`. */
  readonly send?: (url: string, init: RequestInit) => Promise<Response>;
  /** For the proxy, where it is told in the request's own head. */
  readonly proxyAuthorization?: string;
  /** No new requests soon after; what is under way goes on. More than once is fine. */
  close(): void;
}

/**
 * What closes a client once: in a moment, as a request that was just given it has not been sent yet.
 */
export function closingOnce(close: () => void): () => void {
  let closed = false;
  return () => {
    if (closed) return;
    closed = true;
    setTimeout(close, 0);
  };
}

/**
 * Opens a client for a connection's server. Nothing is sent yet.
 *
 * @param env the user's environment, for proxies
 * @param withFetch false for what fetch refuses
 * @throws AppError KUBECONFIG_INVALID, CLUSTER_UNSUPPORTED
 */
export async function openClient(
  connection: Connection,
  certificate: ClientCertificate | undefined,
  env: Readonly<Record<string, string>>,
  withFetch = true,
): Promise<HttpClient> {
  const server = new URL(connection.server);
  const proxy = proxyFor(server, connection.proxyUrl, env);
  const secure = server.protocol === "https:";
  if (certificate) await checkPair(certificate, connection);
  const special = secure && (connection.insecureSkipTlsVerify || connection.tlsServerName !== undefined);
  if (special || !withFetch) {
    const { openUndici } = await import("./undici.ts");
    return await openUndici(connection, certificate, proxy);
  }
  const create = (pair: ClientCertificate | undefined) =>
    withOwnRules(connection.ca, () =>
      Deno.createHttpClient({
        // A second stream of a connection waited 40 ms now and then with HTTP/2.
        http2: false,
        poolMaxIdlePerHost: MAX_REQUESTS,
        ...(connection.ca === undefined ? {} : { caCerts: [connection.ca] }),
        ...(pair ?? {}),
        ...(proxy === undefined ? {} : { proxy: { url: withoutSlash(proxy) } }),
      }));
  let client: Deno.HttpClient;
  try {
    client = create(certificate);
  } catch (error) {
    throw certificatesUnusable(error, connection, certificate, create);
  }
  // Deno tells a proxy of https its password in a tunnel's head only.
  const proxyAuthorization = !secure && proxy?.protocol === "https:" && proxy.username !== ""
    ? `Basic ${btoa(`${decodeURIComponent(proxy.username)}:${decodeURIComponent(proxy.password)}`)}`
    : undefined;
  return {
    options: { client },
    ...(proxyAuthorization === undefined ? {} : { proxyAuthorization }),
    close: closingOnce(() => client.close()),
  };
}

/** Whose fault it is: the authority's where it fails without the user's certificate, too. */
function certificatesUnusable(
  error: unknown,
  connection: Connection,
  certificate: ClientCertificate | undefined,
  create: (pair: undefined) => Deno.HttpClient,
): AppError {
  const why = printable(messageOf(error), 300);
  try {
    create(undefined).close();
  } catch {
    const field = `${connection.where?.cluster ?? ""}certificate-authority`;
    return new AppError("KUBECONFIG_INVALID", `${field} can't be used: ${why}`);
  }
  return certificateUnusable(
    connection,
    certificate !== undefined && /mismatch|consistent/i.test(why) ? "its client-key is another's" : why,
  );
}

/** A client certificate, the kubeconfig's or a credential plugin's, that TLS does not take. */
function certificateUnusable({ exec, where }: Connection, why: string): AppError {
  if (exec === undefined) {
    return new AppError("KUBECONFIG_INVALID", `${where?.user ?? ""}client-certificate can't be used: ${why}`);
  }
  const command = printable(exec.entry.command, 200);
  return new AppError(
    "CREDENTIALS_FAILED",
    `The credential plugin "${command}" printed a certificate that can't be used: ${why}`,
  );
}

function withoutSlash(proxy: URL): string {
  return proxy.href.replace(/\/$/, "");
}

const ROOTS = ["DENO_TLS_CA_STORE", "DENO_CERT", "NODE_EXTRA_CA_CERTS"];
const PROXIES = ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"].flatMap((
  name,
) => [name, name.toLowerCase()]);

/**
 * Runs `make` with the roots that kubectl would trust: the cluster's CA alone, or the system's where it has none. Deno
 * takes them from the environment when the process first needs TLS. Its rules for proxies are not Go's: it is told which
 * to use and finds none in the environment.
 */
export function withOwnRules<T>(ca: string | undefined, make: () => T): T {
  const saved = [...ROOTS, ...PROXIES].map((name) => [name, Deno.env.get(name)] as const);
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
 * A certificate whose key is another's, or a key that is none, ends the process on Deno 2.6 instead of failing; found
 * here first. @throws AppError KUBECONFIG_INVALID
 */
export async function checkPair(certificate: ClientCertificate, connection: Connection): Promise<void> {
  if (!Deno.version.deno.startsWith("2.6.")) return;
  const { pairProblem } = await import("./pair.ts");
  const problem = await pairProblem(certificate);
  if (problem !== undefined) throw certificateUnusable(connection, problem);
}
