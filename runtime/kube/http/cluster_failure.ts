/** Turns connection errors into messages without secrets. Pure. */

import { type CertificateFault, certificateFaultOf } from "../../base/certificate_fault.ts";
import { AppError } from "../../base/errors.ts";
import { printable } from "../../base/text.ts";
import { isTimeout } from "./abort.ts";
import type { Connection } from "../config/connection.ts";
import { NoAnswer } from "./http_head.ts";
import { ProxyError } from "./proxy_error.ts";

// Of node:tls.
const UNKNOWN_ISSUER = /unable to (?:get|verify)|self.signed|UNABLE_TO_|SELF_SIGNED|DEPTH_ZERO/i;
// Deno 2.6 reports "write UNKNOWN" for every failed handshake of node:tls.
const TLS = /certificate|tls|handshake|InvalidContentType|corrupt message|write UNKNOWN|\balert\b/i;

/** Turns an error of a request to the server into one that people and plugins may read. */
export function failureOf(error: unknown, connection: Connection): AppError {
  if (error instanceof AppError) return error;
  const proxy = error instanceof ProxyError;
  const text = textsOf(error).join(": ");
  const at = `Cannot reach the API server ${connection.server}${proxy ? " through its proxy" : ""}`;
  if (isTimeout(error)) {
    return new AppError("CLUSTER_UNREACHABLE", `${at}: no answer within --request-timeout`, { cause: error });
  }
  const tls = (why: string, hint?: string) =>
    new AppError("CLUSTER_TLS", `${at}: ${why}`, { cause: error, hint });
  const fault = UNKNOWN_ISSUER.test(text) ? UNTRUSTED : certificateFaultOf(text);
  if (fault && proxy) return tls(`the proxy's certificate ${fault.why}`, PROXY_HINTS[fault.kind]);
  if (fault) {
    const { why, hint } = certificateWords(fault, connection);
    return tls(`its certificate ${why}`, hint);
  }
  const last = lastOf(error, connection);
  const unreachable = (why: string) =>
    new AppError("CLUSTER_UNREACHABLE", `${at}: ${proxy ? why.replace("the server", "the proxy") : why}`, {
      cause: error,
    });
  if (proxy && error.cause === undefined) return unreachable(last);
  if (isHangUp(error)) return unreachable(hangUpOf(error) ?? last);
  if (TLS.test(text)) return tls(`the TLS handshake failed: ${last}`);
  if (/refused/i.test(text)) return unreachable("connection refused");
  if (/dns|lookup|resolve|ENOTFOUND|EAI_/i.test(text)) {
    return unreachable(`${proxy ? "the proxy's" : "its"} name can't be resolved`);
  }
  if (/network is unreachable|no route to host/i.test(text)) {
    return unreachable("no way leads there from this network");
  }
  return unreachable(last);
}

/** kubectl, too, checks an https proxy against the cluster's authority. */
const PROXY_HINTS: Readonly<Partial<Record<CertificateFault["kind"], string>>> = {
  issuer: "add the proxy's authority to certificate-authority-data of the cluster in your kubeconfig",
  names: "name the proxy in proxy-url as its certificate does",
  dates: "check this machine's clock, or have the certificate renewed",
};

const UNTRUSTED: CertificateFault = { kind: "issuer", why: "is not trusted" };

/** Explains the problem with the server's certificate, and how to correct the kubeconfig. */
function certificateWords(
  { kind, why }: CertificateFault,
  { server, tlsServerName }: Connection,
): { why: string; hint?: string } {
  switch (kind) {
    // net/http accepts it if it is the kubeconfig's own authority; rustls refuses it (RFC 5280 4.2.1.9).
    case "authority":
      return { why, hint: "give the server a certificate of its own, signed by that authority" };
    case "issuer":
      return {
        why: "is signed by an authority that the kubeconfig does not name",
        hint:
          "check certificate-authority-data of the cluster in your kubeconfig: it holds the authority, not the server's certificate",
      };
    case "signature":
      return {
        why,
        hint:
          "certificate-authority-data in your kubeconfig has another key, or an RSA key has fewer than 2048 bits",
      };
    case "names":
      return {
        why: `${why}, not for ${printable(tlsServerName ?? hostnameOf(server), 200)}`,
        hint: tlsServerName === undefined
          ? "set tls-server-name of the cluster in your kubeconfig to a name that the certificate has"
          : "check tls-server-name of the cluster in your kubeconfig",
      };
    case "dates":
      return { why, hint: "check this machine's clock, or have the certificate renewed" };
    default:
      return { why };
  }
}

function hostnameOf(server: string): string {
  return URL.parse(server)?.hostname ?? server;
}

/**
 * Whether the server hung up before it answered. A server that closed an idle connection may not have seen the
 * request.
 */
export function isHangUp(error: unknown): boolean {
  const { ConnectionReset, ConnectionAborted, BrokenPipe, UnexpectedEof } = Deno.errors;
  const own = error instanceof ProxyError ? error.cause : error;
  return [NoAnswer, ConnectionReset, ConnectionAborted, BrokenPipe, UnexpectedEof]
    .some((kind) => own instanceof kind) || HANG_UP.test(textsOf(error).join());
}

// node:tls and rustls have no error class for these.
const HANG_UP = /\b(?:ECONNRESET|ECONNABORTED|EPIPE)\b|close_notify/;

/** A message for a connection that ended; undefined if the error's own message says it. */
function hangUpOf(error: unknown): string | undefined {
  const text = textsOf(error).join();
  if (/reset|ECONNABORTED|connection abort/i.test(text)) return "the server reset the connection";
  if (/EPIPE|broken pipe/i.test(text)) {
    return "the server closed the connection before it had the whole request";
  }
  return error instanceof NoAnswer ? undefined : "the server closed the connection without an answer";
}

/** The error for a response body that broke off. */
export function bodyFailureOf(error: unknown, connection: Connection): AppError {
  if (error instanceof AppError) return error;
  const at = `The answer of the API server ${connection.server} broke off`;
  if (isTimeout(error)) {
    return new AppError("CLUSTER_UNREACHABLE", `${at}: --request-timeout is over`, { cause: error });
  }
  // Without close_notify the body may be incomplete (RFC 8446 6.1).
  const text = textsOf(error).join();
  const why = error instanceof Deno.errors.UnexpectedEof || /close_notify/.test(text)
    ? "the server closed the connection in the middle of it"
    : isHangUp(error)
    ? hangUpOf(error)
    : lastOf(error, connection);
  return new AppError("CLUSTER_UNREACHABLE", `${at}: ${why}`, { cause: error });
}

/** The innermost message, without Deno's prefixes. */
function lastOf(error: unknown, connection: Connection): string {
  const last = textsOf(error).at(-1) ?? "unknown";
  return printable(
    withoutSecrets(last.replace(/^.*\b(?:client error|error reading) \(\w+\): /, ""), connection),
    200,
  );
}

/** The messages and codes of an error and its causes. */
function textsOf(error: unknown): string[] {
  const texts: string[] = [];
  for (
    let cause: unknown = error, depth = 0;
    cause instanceof Error && depth < 6;
    cause = cause.cause, depth++
  ) {
    const code = (cause as { code?: unknown }).code;
    texts.push(
      typeof code === "string" && !cause.message.includes(code)
        ? `${cause.message} (${code})`
        : cause.message,
    );
  }
  return texts;
}

/** Removes secrets: a library's message may quote its input. */
function withoutSecrets(text: string, connection: Connection): string {
  let shown = text.replace(/(\b[a-z][a-z0-9+.-]*:\/\/)[^/\s]*@/gi, "$1…@");
  for (const secret of secretsOf(connection)) {
    if (secret.length > 3) shown = shown.replaceAll(secret, "…");
  }
  return shown;
}

function secretsOf({ token, basic, proxyUrl, certificate }: Connection): string[] {
  const proxy = proxyUrl === undefined ? undefined : URL.parse(proxyUrl);
  const secrets = [token, basic?.password, certificate?.key, proxy?.password];
  if (proxy?.password) secrets.push(decodeSafely(proxy.password));
  return secrets.filter((secret): secret is string => secret !== undefined && secret !== "");
}

function decodeSafely(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
