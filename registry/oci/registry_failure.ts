/** Describes failures of registries to the user. Text from a registry is made safe to print. */

import { AppError, messageOf } from "../../runtime/base/errors.ts";
import { printable } from "../../runtime/base/text.ts";
import { placeOf, textOf } from "./connection_error.ts";
import type { EnvironmentProxy } from "./proxies.ts";
import { Broken, MALFORMED, retryAfter, RetryLater } from "./retry.ts";
import { tlsFailure } from "./tls_failure.ts";
import type { Answer } from "./answer.ts";

/** The task that failed, for errors: `Cannot pull "ghcr.io/acme/foo:v1"`. */
export interface Task {
  readonly failed: string;
  /** The registry that was asked. */
  readonly registry: string;
  /** The repository with its registry, for hints. */
  readonly repository?: string;
  /** Name of the server, if it is not the reference's registry, such as a mirror. */
  readonly who?: string;
}

/** The server's name in messages. */
export function whoOf({ who = "the registry" }: Task): string {
  return who;
}

const MAX_ERROR = 64 << 10;

/** The server that answered. */
export interface Answerer {
  /** The registry, its token server, or a host that it redirects to. Default: the registry. */
  readonly kind?: "registry" | "token server" | "storage";
  /** Whether the request had the user's credentials. */
  readonly had?: boolean;
}

/** The error for an unexpected answer. Reads or discards the answer's body. */
export async function answerFailure(
  task: Task,
  answer: Answer,
  { kind = "registry", had = false }: Answerer = {},
): Promise<AppError> {
  const { status } = answer;
  const text = await answer.bytes(MAX_ERROR, () => new Broken("too long")).then(
    (bytes) => new TextDecoder().decode(bytes),
    () => "",
  );
  const said = registryErrors(text);
  const { host: name, proxy, forwards = false } = answer.place;
  const host = printable(name, 200);
  const registry = printable(task.registry, 200);
  const who = {
    registry: whoOf(task),
    "token server": `the token server ${host}`,
    storage: `${host}, where ${whoOf(task)} redirects to,`,
  }[kind];
  // A forwarding proxy may have answered itself.
  const between = forwards && proxy ? `, or the proxy ${printable(proxy.url.host, 200)} before it,` : "";
  const at = `${task.failed}: ${who.replace(/,$/, "")}${between || (who.endsWith(",") ? "," : "")}`;
  const why = said === "" ? "" : `: ${said}`;
  // A link to storage carries its own authorization: a login does not change it.
  const link = kind === "storage"
    ? "the link to it may have run out: check this machine's clock, and try again"
    : "";
  // Some registries answer this for a missing repository, too.
  const orCheck = task.failed.startsWith("Cannot log in") ? "" : ", or check that the repository exists";
  switch (status) {
    case 400:
      // The wording of Go's servers and nginx.
      if (!/HTTP request.*to an? HTTPS (server|port)|HTTP request was sent to HTTPS port/i.test(text)) break;
      return new AppError("REGISTRY_PROTOCOL", `${at} speaks HTTPS, and was asked by plain HTTP`, {
        hint: "leave out --plain-http",
      });
    case 401: {
      const does = had ? "does not accept your credentials" : "wants credentials";
      return new AppError("REGISTRY_UNAUTHORIZED", `${at} ${does} for it (401)`, {
        hint: link ||
          (had
            ? `krew-wasm login ${registry} with others, or krew-wasm logout ${registry} to go without`
            : `krew-wasm login ${registry}${orCheck}`),
      });
    }
    case 403:
      return new AppError("REGISTRY_FORBIDDEN", `${at} forbids it (403)${why}`, {
        hint: link ||
          `log in with an account that may: krew-wasm login ${registry}${orCheck}`,
      });
    case 404:
      // A token server's 404 is not about the repository or the tag.
      return kind === "token server"
        ? new AppError("REGISTRY_FAILED", `${at} answered 404${why}`)
        : notFound(task, at, text, why);
    case 405:
    case 501:
      return new AppError("REGISTRY_UNSUPPORTED", `${at} does not offer this (${status})${why}`);
    case 407:
      if (proxy === undefined) break;
      return new AppError("REGISTRY_UNREACHABLE", `${task.failed}: ${shownProxy(proxy)} ${WANTS_LOGIN}`, {
        hint: proxyHint(proxy, host),
      });
    case 429:
      return new RetryLater(
        "REGISTRY_RATE_LIMITED",
        `${at} wants fewer requests (429)${why}`,
        retryAfter(answer.header("retry-after")),
      );
  }
  return status >= 500 || status === 408
    ? new RetryLater(
      "REGISTRY_FAILED",
      `${at} failed (${status})${why}`,
      retryAfter(answer.header("retry-after")),
    )
    : new AppError("REGISTRY_FAILED", `${at} answered ${status}${why}`);
}

/** The error for a 404. Registries name the missing thing by a code (OCI distribution specification, error codes). */
function notFound(task: Task, at: string, text: string, why: string): AppError {
  const { failed, repository } = task;
  const [what, hint] = /"NAME_UNKNOWN"/.test(text)
    ? ["has no such repository", undefined]
    : /"MANIFEST_UNKNOWN"/.test(text) && !failed.startsWith("Cannot push")
    ? [
      "has no such tag or digest",
      repository && `krew-wasm tags ${printable(repository, 300)} lists the repository's tags`,
    ]
    : ["has no such thing", undefined];
  return new AppError("REGISTRY_NOT_FOUND", `${at} ${what} (404)${why}`, { hint: hint ?? lacks(task) });
}

/** The hint for something missing. */
function lacks({ failed }: Task): string {
  if (failed.startsWith("Cannot push")) {
    return "check the name; some registries want the repository to be created first";
  }
  return /^Cannot (list|log in)/.test(failed) ? "check the repository's name" : "check the name and the tag";
}

/** The error for a connection that failed or broke. */
export function connectionFailure(task: Task, error: unknown): AppError {
  const at = `${task.failed}: `;
  if (error instanceof Broken) {
    return new AppError(
      error.of === "content" ? "DIGEST_MISMATCH" : "REGISTRY_UNREACHABLE",
      `${at}${error.message}`,
    );
  }
  const { why, hint } = whyOf(task, error);
  return new AppError("REGISTRY_UNREACHABLE", `${at}${why}`, {
    hint,
    cause: error,
  });
}

function whyOf(task: Task, error: unknown): { readonly why: string; readonly hint?: string } {
  const text = textOf(error);
  // It may be the connection to the storage or the token server.
  const place = placeOf(error);
  const host = printable(place?.host ?? task.registry, 200);
  const tls = tlsFailure(text, host);
  if (tls) return tls;
  const { proxy, forwards = false } = place ?? {};
  const proxied = proxy && proxyFailure(text, host, proxy);
  if (proxied) return proxied;
  // With a forwarding proxy, the failed connection is the one to the proxy.
  const peer = proxy && forwards ? shownProxy(proxy) : host;
  // fetch's own prefix names addresses and the whole URL.
  const last = printable(
    lastOf(error).replace(/^error sending request .*?: client error \(\w+\): /, ""),
    200,
  );
  if (/refused/i.test(text)) return { why: `${host} refused the connection` };
  if (/dns|lookup|resolve/i.test(text)) {
    return { why: `the name ${host} can't be resolved`, hint: offline(task) };
  }
  if (/InvalidContentType|corrupt message/i.test(text)) {
    return { why: `${host} does not speak HTTPS`, hint: "--plain-http speaks HTTP" };
  }
  if (MALFORMED.test(text)) return { why: `${peer} does not answer as HTTP has it: ${last}` };
  if (/closed before|reading a body|reset|broken pipe|end of file|unexpected eof/i.test(text)) {
    return { why: `the connection to ${peer} broke: ${last}` };
  }
  if (/network is unreachable|no route to host/i.test(text)) {
    return { why: `${host} can't be reached from this network`, hint: offline(task) };
  }
  return { why: `${peer} can't be reached: ${last}` };
}

function lastOf(error: unknown): string {
  let last = messageOf(error);
  for (let cause: unknown = error; cause instanceof Error; cause = cause.cause) last = cause.message;
  return last;
}

function offline({ failed }: Task): string {
  return failed.startsWith("Cannot pull")
    ? "check the name and the network; without one, krew-wasm bundle load FILE installs"
    : "check the name and the network";
}

/** Failures of the proxy: every failure before the connection to the registry exists. */
function proxyFailure(
  text: string,
  host: string,
  environment: EnvironmentProxy,
): { readonly why: string; readonly hint: string } | undefined {
  if (!/client error \(Connect\)|proxy|socks|tunnel/i.test(text)) return undefined;
  const { url } = environment;
  const proxy = shownProxy(environment);
  // A SOCKS reply (RFC 1928, 6) has no error number of the operating system.
  const [, reply] = url.protocol.startsWith("socks") && !/os error/.test(text)
    ? /: ((?:connection refused|(?:network|host) unreachable|connection not allowed|TTL)[^:]*)$/i.exec(
      text,
    ) ?? []
    : [];
  const why = reply !== undefined
    ? `${proxy} says of ${host}: ${reply.toLowerCase()}`
    : /refused|unreachable$/i.test(text)
    ? `${proxy} refused the connection`
    : /dns|lookup|resolve/i.test(text)
    ? `the name of ${proxy} can't be resolved`
    : /Invalid auth values/.test(text)
    ? `${proxy} can't be given its user name and password: SOCKS takes 1 to 255 bytes of each`
    : /authentication required/i.test(text)
    ? `${proxy} ${WANTS_LOGIN}`
    : /InvalidContentType|corrupt message/i.test(text) && url.protocol !== "https:"
    ? `${host}, behind ${proxy}, does not speak HTTPS`
    : `${proxy} opens no way to ${host}`;
  return { why, hint: proxyHint(environment, host) };
}

const WANTS_LOGIN = "wants a user name and a password that it knows (407)";

function shownProxy({ url }: EnvironmentProxy): string {
  return `the proxy ${printable(url.host, 200)}`;
}

function proxyHint({ variable }: EnvironmentProxy, host: string): string {
  return `${variable} names the proxy; NO_PROXY=${host} goes without it`;
}

/** The messages of an error body (distribution-spec, "Error Codes"), safe to print. */
function registryErrors(text: string): string {
  try {
    const { errors } = JSON.parse(text) as { errors?: { code?: unknown; message?: unknown }[] };
    return (errors ?? []).slice(0, 3).map(({ code, message }) =>
      printable([code, message].filter((part) => typeof part === "string" && part !== "").join(" "), 200)
    ).join("; ");
  } catch {
    return "";
  }
}
