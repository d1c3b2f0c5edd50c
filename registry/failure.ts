/** What went wrong with a registry, in words for the user; what the registry itself says is made safe to print. */

import { AppError, messageOf } from "../runtime/errors.ts";
import { printable } from "../runtime/text.ts";
import { Broken, MALFORMED, retryAfter, RetryLater } from "./retry.ts";
import type { Answer } from "./transport.ts";

/** What is being done, for errors: `Cannot pull "ghcr.io/acme/foo:v1"`. */
export interface Task {
  readonly failed: string;
  /** The registry that is asked. */
  readonly registry: string;
}

const MAX_ERROR = 64 << 10;

/** Of whom an answer is. */
export interface Answerer {
  /** The registry itself, its token server, or a host that it redirects to; the registry without it. */
  readonly kind?: "registry" | "token server" | "storage";
  /** Whether it was given the user's credentials. */
  readonly had?: boolean;
}

/** The error for an answer that is not what was hoped for; its body is read or let go. */
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
  const host = printable(answer.host, 200);
  const who = {
    registry: "the registry",
    "token server": `the token server ${host}`,
    storage: `${host}, where the registry redirects to,`,
  }[kind];
  const at = `${task.failed}: ${who}`;
  const why = said === "" ? "" : `: ${said}`;
  switch (status) {
    case 401: {
      const does = had ? "does not accept your credentials" : "wants credentials";
      return new AppError("REGISTRY_UNAUTHORIZED", `${at} ${does} for it (401)`, {
        hint: `krew-wasm login ${printable(task.registry, 200)}, or check that the repository exists`,
      });
    }
    case 403:
      return new AppError("REGISTRY_FORBIDDEN", `${at} forbids it (403)${why}`, {
        hint: `log in with an account that may: krew-wasm login ${printable(task.registry, 200)}`,
      });
    case 404:
      // A token server's is not of the name or the tag.
      return kind === "token server"
        ? new AppError("REGISTRY_FAILED", `${at} answered 404${why}`)
        : new AppError("REGISTRY_NOT_FOUND", `${at} has no such thing (404)${why}`, {
          hint: "check the name and the tag",
        });
    case 405:
    case 501:
      return new AppError("REGISTRY_UNSUPPORTED", `${at} does not offer this (${status})${why}`);
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

/** The error for a connection that could not be made, or broke. */
export function connectionFailure(task: Task, error: unknown): AppError {
  const at = `${task.failed}: `;
  if (error instanceof Broken) {
    return new AppError(
      error.of === "content" ? "DIGEST_MISMATCH" : "REGISTRY_UNREACHABLE",
      `${at}${error.message}`,
    );
  }
  const texts: string[] = [];
  for (let cause: unknown = error; cause instanceof Error && texts.length < 6; cause = cause.cause) {
    texts.push(cause.message);
  }
  const text = texts.join(": ");
  // It may be of another host than the registry: its storage, or its token endpoint.
  const { host } = error as { host?: unknown };
  const registry = printable(typeof host === "string" ? host : task.registry, 200);
  // fetch's own preface names addresses and the whole URL.
  const last = (texts.at(-1) ?? messageOf(error)).replace(
    /^error sending request .*?: client error \(\w+\): /,
    "",
  );
  const plain = /InvalidContentType|corrupt message/i.test(text);
  const untrusted = /UnknownIssuer|certificate/i.test(text);
  const why = untrusted
    ? /required|CertificateRequired/i.test(text)
      ? `${registry} wants a client certificate`
      : `the certificate of ${registry} is not trusted`
    : /refused/i.test(text)
    ? `${registry} refused the connection`
    : /dns|lookup|resolve/i.test(text)
    ? `the name ${registry} can't be resolved`
    : plain
    ? `${registry} does not speak HTTPS`
    : MALFORMED.test(text)
    ? `${registry} does not answer as HTTP has it: ${printable(last, 200)}`
    : /closed before|reading a body|reset|broken pipe|end of file|unexpected eof/i.test(text)
    ? `the connection to ${registry} broke: ${printable(last, 200)}`
    : /network is unreachable|no route to host/i.test(text)
    ? `${registry} can't be reached from this network`
    : `${registry} can't be reached: ${printable(last, 200)}`;
  const hint = plain
    ? { hint: "--plain-http speaks HTTP" }
    : untrusted
    ? { hint: "a private authority is named in registries.yaml: registries.HOST.ca" }
    : /can't be (?:resolved|reached from this network)$/.test(why)
    ? {
      hint: task.failed.startsWith("Cannot pull")
        ? "check the name and the network; without one, krew-wasm bundle load FILE installs"
        : "check the name and the network",
    }
    : {};
  return new AppError("REGISTRY_UNREACHABLE", `${at}${why}`, { ...hint, cause: error });
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
